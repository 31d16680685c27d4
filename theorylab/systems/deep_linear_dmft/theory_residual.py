"""Hidden layers of a residual network: every field expanded on all sources (docs eqs. (16)-(20))."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from theorylab.solvers import two_time
from theorylab.solvers.two_time import Matrix, Row, Step
from theorylab.systems.deep_linear_dmft.theory_setting import Setting

LayerMatrix = Float[Array, "layer time time"]
SourceRow = Float[Array, "source time"]


class Layers(NamedTuple):
    """Two-time functions of the residual stream, stacked over layers 1..L so that deep networks compile quickly.

    The 2L sources are ordered s_h1..s_hL, s_g1..s_gL; they carry the branch scale b in themselves.

    Arguments:
      forward, backward: G, how h^l and g^l at step t answer to each source at each step, (L, T, 2L, T).
      covariance: of each source, (2L, T, T): C_u, b^2 C_h^1, ..., b^2 C_h^{L-1}; b^2 C_g^2, ..., b^2 C_g^L, ones.
      first: C_g^1.
      feature_kernel, gradient_kernel: diagonals of C_h^l and C_g^l.
    """

    forward: Float[Array, "layer time source time"]
    backward: Float[Array, "layer time source time"]
    covariance: Float[Array, "source time time"]
    first: Matrix
    feature_kernel: Float[Array, "layer time"]
    gradient_kernel: Float[Array, "layer time"]


def start(setting: Setting) -> Layers:
    """No row reached; the readout's source is all ones from the start."""
    steps, depth, dtype = setting.steps, setting.depth, setting.rates.dtype
    field = jnp.zeros((depth, steps, 2 * depth, steps), dtype)
    covariance = jnp.zeros((2 * depth, steps, steps), dtype).at[-1].set(1)
    kernel = jnp.zeros((depth, steps), dtype)
    return Layers(field, field, covariance, two_time.empty(steps, dtype), kernel, kernel)


def march_back(layers: Layers, setting: Setting, t: Step) -> tuple[Layers, Row, Matrix]:
    """Rows t of g^L, ..., g^1; row t of R_g^1, and C_g^1."""
    depth, b = setting.depth, setting.branch
    learn, unit = _rows(setting, t)

    def layer(carry, index):
        backward, covariance, above, response = carry
        # response: b R_g^{l+1} (zero above the last layer); the source's covariance holds b^2 C_g^{l+1}.
        coupling = setting.reaction * response + learn * covariance[depth + index, t]
        row = above + _drive(layers.forward, index, coupling)
        row = row.at[depth + index].add(unit)
        backward = lax.dynamic_update_slice(backward, row[None, None], (index, t, 0, 0))
        correlation = _correlate(backward, index, row, covariance)
        covariance = _write_source(covariance, depth + index - 1, b**2 * correlation, t, index > 0)
        response = jnp.where(index > 0, b * b, 1) * row[index]
        return (backward, covariance, row, response), (correlation, correlation[t])

    zero = jnp.zeros((2 * depth, setting.steps), learn.dtype)
    (backward, covariance, _, response), (correlations, kernel) = lax.scan(
        layer, (layers.backward, layers.covariance, zero, zero[0]), jnp.arange(depth), reverse=True
    )
    layers = layers._replace(
        backward=backward,
        covariance=covariance,
        first=two_time.write_symmetric(layers.first, correlations[0], t),
        gradient_kernel=layers.gradient_kernel.at[:, t].set(kernel),
    )
    return layers, response, layers.first


def march_forth(layers: Layers, setting: Setting, t: Step, force: Row, pull: Row) -> Layers:
    """Rows t of h^1, ..., h^L, from rows t of C_u and Gamma_u."""
    depth, b = setting.depth, setting.branch
    learn, unit = _rows(setting, t)
    covariance = _write_source(layers.covariance, 0, force, t, True)

    def layer(carry, index):
        forward, covariance, below, response = carry
        coupling = setting.reaction * response + learn * covariance[index, t]
        row = below + _drive(layers.backward, index, coupling)
        row = row.at[index].add(unit)
        forward = lax.dynamic_update_slice(forward, row[None, None], (index, t, 0, 0))
        correlation = _correlate(forward, index, row, covariance)
        last = index == depth - 1
        covariance = _write_source(covariance, index + 1, b**2 * correlation, t, ~last)
        return (forward, covariance, row, b * b * row[depth + index]), correlation[t]

    zero = jnp.zeros((2 * depth, setting.steps), learn.dtype)
    (forward, covariance, _, _), kernel = lax.scan(layer, (layers.forward, covariance, zero, pull), jnp.arange(depth))
    return layers._replace(
        forward=forward, covariance=covariance, feature_kernel=layers.feature_kernel.at[:, t].set(kernel)
    )


def _rows(setting: Setting, t: Step) -> tuple[Row, Row]:
    past = two_time.before(setting.steps, t)
    learn = jnp.where(past, setting.rates * setting.richness, 0)
    return learn, two_time.unit_row(setting.steps, t, learn.dtype)


def _drive(fields: Float[Array, "layer time source time"], index: Array, coupling: Row) -> SourceRow:
    """Sum over s of coupling(s) G(s): what one field's history does to another."""
    return jnp.einsum("s,sjr->jr", coupling, lax.dynamic_index_in_dim(fields, index, keepdims=False))


def _correlate(
    fields: Float[Array, "layer time source time"], index: Array, row: SourceRow, covariance: LayerMatrix
) -> Row:
    """Row t of G Sigma G^T for one field."""
    weighted = jnp.einsum("js,jsr->jr", row, covariance)
    return jnp.einsum("sjr,jr->s", lax.dynamic_index_in_dim(fields, index, keepdims=False), weighted)


def _write_source(covariance: LayerMatrix, source: Array | int, row: Row, t: Step, wanted: Array | bool) -> LayerMatrix:
    """Row and column t of one source's covariance; unchanged where not `wanted`."""
    source = jnp.clip(source, 0, covariance.shape[0] - 1)
    seen = jnp.where(two_time.until(row.shape[0], t), row, 0)
    seen = jnp.where(wanted, seen, covariance[source, t])
    covariance = lax.dynamic_update_slice(covariance, seen[None, None, :], (source, t, 0))
    return lax.dynamic_update_slice(covariance, seen[None, :, None], (source, 0, t))
