"""Two-point deterministic equivalents: averages of products of two resolvents.

`feature_transforms` gives, for linear random features, the two-frequency transforms of the training and test
errors and of the response to gradient noise; docs/sgd_resolvent.md eqs. (6)-(10).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
from jaxtyping import Array, ArrayLike, Complex, Float

from theorylab.solvers.resolvent.modes import Modes, PairSums, diagonal_sums, pair_sums


class Pair(NamedTuple):
    """A two-frequency transform on nodes of the upper half plane: at (z_j, z_k) and at (z_j, conj z_k)."""

    same: Complex[Array, "... nodes nodes"]
    mixed: Complex[Array, "... nodes nodes"]


class Transforms(eqx.Module):
    """Two-frequency transforms of a learning trajectory from zero initial weights.

    Arguments:
      train: of the mean squared residual on the training set, label noise included (times 1/P).
      test: of the population error without label noise.
      train_kernel, test_kernel: response of the two to unit gradient noise.
    """

    train: Pair
    test: Pair
    train_kernel: Pair
    test_kernel: Pair


def feature_transforms(
    modes: Modes,
    z: Complex[Array, "... nodes"],
    kappa: Complex[Array, "... nodes"],
    samples: ArrayLike,
    width: ArrayLike,
    noise_variance: ArrayLike,
    vertex: ArrayLike = 1.0,
    back_coupling: ArrayLike = 1.0,
) -> Transforms:
    """Transforms for linear random features of `width` N on `samples` P; `inf` gives linear regression, fresh data.

    The solved form, docs/sgd_resolvent.md eq. (9): no cancellation at large P or N.

    Arguments:
      z, kappa: nodes of the upper half plane and `renormalised_nodes` of them.
      vertex, back_coupling: multipliers, 1 in the theory, of the loop e/P that dresses every pair of
        resolvents and of the part of e that passes through the features; other values make wrong theories,
        on which a comparison can show that it would notice.
    """
    freedom = modes.freedom(kappa)
    sizes = (samples, width, noise_variance, vertex, back_coupling)

    def outer(x: Array) -> Array:
        return x[..., :, None] * x[..., None, :]

    def mixed_outer(x: Array) -> Array:
        return x[..., :, None] * x.conj()[..., None, :]

    same_sums, mixed_sums = pair_sums(modes, kappa)
    same = _combine(same_sums, outer, z, kappa, freedom, *sizes)
    mixed = _combine(mixed_sums, mixed_outer, z, kappa, freedom, *sizes)
    return Transforms(*(Pair(a, b) for a, b in zip(same, mixed, strict=True)))


def diagonal_kernels(
    modes: Modes, kappa: Complex[Array, "nodes"], samples: ArrayLike, width: ArrayLike
) -> tuple[Float[Array, "nodes"], Float[Array, "nodes"]]:
    """Train and test kernel at (z_j, conj z_j): real and positive; the summands of the kernels' masses."""
    sums = diagonal_sums(modes, kappa)
    freedom = modes.freedom(kappa)
    combined = _combine(sums, lambda x: (x * x.conj()).real, 1.0 + 0 * kappa, kappa, freedom, samples, width, 0.0)
    return combined[2], combined[3]


def _combine(
    sums: PairSums,
    outer: Callable[[Array], Array],
    z: Array,
    kappa: Array,
    freedom: Array,
    samples: ArrayLike,
    width: ArrayLike,
    noise_variance: ArrayLike,
    vertex: ArrayLike = 1.0,
    back_coupling: ArrayLike = 1.0,
) -> tuple[Any, Any, Any, Any]:
    """Train, test, train kernel and test kernel from pair sums; `outer(x)` is the product x x' over pairs."""
    inverse_samples, inverse_width = 1.0 / samples, 1.0 / width
    loop = inverse_width / (1 - sums.d2 * inverse_width)
    e = sums.d2 + back_coupling * outer(kappa) * sums.s**2 * loop
    x = vertex * e * inverse_samples
    data_data = outer(1 - freedom * inverse_samples)
    target = (sums.t1 + sums.s * sums.t2 * loop) / outer(1 - freedom * inverse_width)
    noise = noise_variance / outer(z)
    train = (data_data * noise + target) / (1 - x)
    test = (x * noise + target / data_data) / (1 - x)
    test_kernel = e / (1 - x)
    train_kernel = outer(freedom) * inverse_samples + data_data * test_kernel
    return train, test, train_kernel, test_kernel
