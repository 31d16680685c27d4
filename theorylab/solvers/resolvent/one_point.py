"""Equivalents for general free multiplicative noise, through its S-transform, on real ridges.

S = Sigma^{1/2} W Sigma^{1/2} with W free of Sigma and (1/D) tr W = 1. Then
ridge (S + ridge)^{-1} is equivalent to kappa (Sigma + kappa)^{-1} with kappa = ridge S_W(df1(kappa) / D),
docs/sgd_resolvent.md eq. (2), and products of two resolvents follow eqs. (4), (5).
Dense matrices: for checking and for small problems.
"""

from __future__ import annotations

import abc
import functools
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

CONFLUENT = 1e-5
"""Relative distance of two ridges below which the divided difference gives way to its derivative."""


class AbstractSTransform(eqx.Module):
    """S-transform of free noise W as a function of the degrees of freedom df = df1 / D in [0, 1]."""

    @abc.abstractmethod
    def inverse(self, df: Float[Array, ""]) -> Float[Array, ""]:
        """1 / S(df); not positive where df is beyond what W's rank allows."""


class Wishart(AbstractSTransform):
    """White Wishart noise of `ratio` c = D / P: S = 1 / (1 - c df)."""

    ratio: float

    def inverse(self, df: Float[Array, ""]) -> Float[Array, ""]:
        return 1 - self.ratio * df


class Projector(AbstractSTransform):
    """Rescaled projector on a random subspace of `fraction` q of the dimensions: S = q (1 - df) / (q - df)."""

    fraction: float

    def inverse(self, df: Float[Array, ""]) -> Float[Array, ""]:
        return (self.fraction - df) / (self.fraction * (1 - df))


class FreeProduct(AbstractSTransform):
    """Product of free noises: S-transforms multiply."""

    factors: tuple[AbstractSTransform, ...]

    def inverse(self, df: Float[Array, ""]) -> Float[Array, ""]:
        each = [factor.inverse(df) for factor in self.factors]
        positive = functools.reduce(jnp.logical_and, [x > 0 for x in each])
        return jnp.where(positive, math.prod(each), functools.reduce(jnp.minimum, each))


def _freedom(values: Float[Array, "dim"], kappa: Float[Array, ""]) -> Float[Array, ""]:
    return jnp.mean(values / (values + kappa))


def kappa_of_ridge(
    noise: AbstractSTransform, values: Float[ArrayLike, "dim"], ridge: Float[ArrayLike, ""]
) -> Float[Array, ""]:
    """kappa with kappa / S(df(kappa)) = ridge > 0, on the branch where the left side is positive.

    Bisection in log kappa (the left side grows there), then Newton steps; first derivatives are exact.

    Arguments:
      values: eigenvalues of Sigma, shape (dim,).
    """
    values, ridge = jnp.asarray(values, float), jnp.asarray(ridge, float)

    def balance(log_kappa: Array) -> Array:
        kappa = jnp.exp(log_kappa)
        return kappa * noise.inverse(_freedom(values, kappa))

    scale = jnp.log(jnp.maximum(ridge, jnp.max(values)))

    def halve(_: Array, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bracket
        middle = (low + high) / 2
        above = balance(middle) > ridge
        return jnp.where(above, low, middle), jnp.where(above, middle, high)

    low, high = jax.lax.fori_loop(0, 80, halve, jax.lax.stop_gradient((scale - 80.0, scale + 40.0)))
    root = (low + high) / 2
    for _ in range(3):
        root = jax.lax.stop_gradient(root)
        slope = jax.lax.stop_gradient(jax.grad(balance)(root))
        root = root - (balance(root) - ridge) / slope
    return jnp.exp(root)


def vertex(noise: AbstractSTransform, values: Float[ArrayLike, "dim"], ridges: tuple[float, float]) -> Float[Array, ""]:
    """Gamma, the weight of the connected part of a product of two resolvents; docs/sgd_resolvent.md eq. (5).

    White Wishart noise: c / (1 - d2 / P). The divided difference loses digits like 1e-16 over the relative
    distance of the ridges, so its derivative takes over below 1e-5.
    """
    values = jnp.asarray(values, float)
    first, second = (jnp.asarray(r, float) for r in ridges)

    def confluent(ridge: Array) -> Array:
        kappa = kappa_of_ridge(noise, values, ridge)
        df, df_slope = jax.value_and_grad(lambda k: _freedom(values, k))(kappa)
        inverse, inverse_slope = jax.value_and_grad(noise.inverse)(df)
        s, s_slope = 1 / inverse, -inverse_slope / inverse**2
        return s_slope / (s * (1 - ridge * s_slope * df_slope))

    def divided() -> Array:
        k1, k2 = kappa_of_ridge(noise, values, first), kappa_of_ridge(noise, values, second)
        s1, s2 = k1 / first, k2 / second
        return (s2 - s1) * (k2 - k1) / ((first - second) * s1 * s2 * (_freedom(values, k1) - _freedom(values, k2)))

    close = jnp.abs(first - second) < CONFLUENT * jnp.maximum(first, second)
    return jax.lax.cond(close, lambda: confluent((first + second) / 2), divided)


def resolvent_product(
    noise: AbstractSTransform,
    values: Float[ArrayLike, "dim"],
    middle: Float[ArrayLike, "dim dim"],
    ridges: tuple[float, float],
) -> Float[Array, "dim dim"]:
    """Equivalent of (S + ridge)^{-1} M (S + ridge')^{-1} in Sigma's eigenbasis; docs/sgd_resolvent.md eq. (4).

    Arguments:
      middle: M, deterministic, shape (dim, dim).
    """
    values, middle = jnp.asarray(values, float), jnp.asarray(middle, float)
    kappas = [kappa_of_ridge(noise, values, r) for r in ridges]
    g1, g2 = (1 / (values + k) for k in kappas)
    scale = kappas[0] * kappas[1] / (ridges[0] * ridges[1])
    connected = vertex(noise, values, ridges) * jnp.mean(values * g1 * jnp.diagonal(middle) * g2)
    return scale * (g1[:, None] * middle * g2 + connected * jnp.diag(g1 * values * g2))


def sample_noise(noise: AbstractSTransform, dimension: int, rng: np.random.Generator) -> Float[np.ndarray, "dim dim"]:
    """One random matrix W with this S-transform, shape (dimension, dimension); products left to right.

    Raises: TypeError for a noise that it cannot sample.
    """
    if isinstance(noise, Wishart):
        rows = round(dimension / noise.ratio)
        gaussian = rng.standard_normal((rows, dimension))
        return gaussian.T @ gaussian / rows
    if isinstance(noise, Projector):
        q, _ = np.linalg.qr(rng.standard_normal((dimension, round(noise.fraction * dimension))))
        return q @ q.T / noise.fraction
    raise TypeError(f"no sampler for {type(noise).__name__}")
