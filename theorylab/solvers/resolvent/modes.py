"""A population spectrum with a target on it, and the sums over modes that every equivalent is made of."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Inexact


class Modes(eqx.Module):
    """Eigenvalues lambda_k > 0 of a population covariance, each standing for `multiplicity` equal modes.

    Its sums are written so that numpy arrays stay numpy arrays: what the host asks starts no compiler.

    Arguments:
      values: lambda_k, shape (modes,).
      power: lambda_k w_k^2, the target's variance in one mode of that eigenvalue, shape (modes,).
      multiplicity: number of modes m_k that share lambda_k (not necessarily whole), shape (modes,).
    """

    values: Float[Array, "modes"]
    power: Float[Array, "modes"]
    multiplicity: Float[Array, "modes"]

    def trace(self) -> Float[Array, ""]:
        """tr Sigma = sum m lambda."""
        return (self.multiplicity * self.values).sum()

    def signal(self) -> Float[Array, ""]:
        """Target variance sum m lambda w^2: the loss of the zero predictor."""
        return (self.multiplicity * self.power).sum()

    def count(self) -> Float[Array, ""]:
        """Dimension, sum m."""
        return self.multiplicity.sum()

    def freedom(self, kappa: Inexact[Array, "..."]) -> Inexact[Array, "..."]:
        """Effective degrees of freedom df1(kappa) = sum m lambda / (lambda + kappa), shape of `kappa`."""
        return (self.multiplicity * self.values / (self.values + kappa[..., None])).sum(-1)


def equal_modes(values: Float[Array, "modes"], power: Float[Array, "modes"] | None = None) -> Modes:
    """Modes of multiplicity one; without a target where `power` is None."""
    values = jnp.asarray(values)
    return Modes(values, jnp.zeros_like(values) if power is None else jnp.asarray(power), jnp.ones_like(values))


class PairSums(eqx.Module):
    """Sums over modes of g g' = 1 / ((lambda + kappa_j)(lambda + kappa'_k)) for all pairs of nodes, un-normalised.

    d2 = sum lambda^2 g g', s = sum lambda g g', t1 = sum lambda w^2 g g', t2 = sum lambda^2 w^2 g g'.
    """

    d2: Inexact[Array, "..."]
    s: Inexact[Array, "..."]
    t1: Inexact[Array, "..."]
    t2: Inexact[Array, "..."]


def resolvent_parts(
    values: Float[Array, "modes"], kappa: Complex[Array, "... nodes"]
) -> tuple[Float[Array, "... nodes modes"], Float[Array, "... nodes modes"]]:
    """Real and imaginary part of 1 / (lambda + kappa).

    Real arithmetic: a complex division costs several times as much here, and it is the inner loop.
    """
    real = values + kappa.real[..., None]
    imag = kappa.imag[..., None]
    inverse = 1.0 / (real * real + imag * imag)
    return real * inverse, -imag * inverse


def pair_sums(modes: Modes, kappa: Complex[Array, "... nodes"]) -> tuple[PairSums, PairSums]:
    """Pair sums over (kappa_j, kappa_k) and over (kappa_j, conj kappa_k).

    Three real matrix products give both, for all four weights at once.
    """
    real, imag = resolvent_parts(modes.values, kappa)
    m = modes.multiplicity
    weights = jnp.stack([m * modes.values**2, m * modes.values, m * modes.power, m * modes.values * modes.power])
    left_real = real[..., None, :, :] * weights[:, None, :]
    left_imag = imag[..., None, :, :] * weights[:, None, :]
    real_real = jnp.einsum("...wjm,...km->...wjk", left_real, real)
    imag_imag = jnp.einsum("...wjm,...km->...wjk", left_imag, imag)
    imag_real = jnp.einsum("...wjm,...km->...wjk", left_imag, real)
    real_imag = jnp.swapaxes(imag_real, -1, -2)
    same = (real_real - imag_imag) + 1j * (imag_real + real_imag)
    mixed = (real_real + imag_imag) + 1j * (imag_real - real_imag)

    def unstack(x: Complex[Array, "... 4 nodes nodes"]) -> PairSums:
        return PairSums(x[..., 0, :, :], x[..., 1, :, :], x[..., 2, :, :], x[..., 3, :, :])

    return unstack(same), unstack(mixed)


def diagonal_sums(modes: Modes, kappa: Complex[Array, "nodes"]) -> PairSums:
    """Pair sums over (kappa_j, conj kappa_j) only, shape (nodes,): real."""
    real, imag = resolvent_parts(modes.values, kappa)
    square = real * real + imag * imag
    m = modes.multiplicity
    return PairSums(
        square @ (m * modes.values**2),
        square @ (m * modes.values),
        square @ (m * modes.power),
        square @ (m * modes.values * modes.power),
    )
