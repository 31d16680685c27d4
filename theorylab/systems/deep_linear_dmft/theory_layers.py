"""Hidden layers of a plain network: one closed loop of forward and backward field a layer (docs eqs. (3)-(7))."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from theorylab.solvers import two_time
from theorylab.solvers.two_time import Loop, Matrix, Row, Step
from theorylab.systems.deep_linear_dmft.theory_setting import Setting


class Layers(NamedTuple):
    """Two-time functions of the hidden layers 1..L, as lists over layers (never one stacked array, which would be
    copied whole at each write).

    The last layer's backward source is the readout, whose correlation is all ones: its products are row sums, so
    that `top_gain` (row sums of its M') and `top_forth` (row sums of its A) replace whole matrices.

    Arguments:
      loops: A, B, M, M', M A, M' B of each layer (of the last one only B, M, M' B).
      features: C_h^0 = C_u, C_h^1, ..., C_h^{L-1}.
      gradients: C_g^1, ..., C_g^L.
      top_gain, top_forth: row sums of M'^L and A^L.
      feature_kernel, gradient_kernel: diagonals of C_h^l and C_g^l, l = 1..L.
    """

    loops: tuple[Loop, ...]
    features: tuple[Matrix, ...]
    gradients: tuple[Matrix, ...]
    top_gain: Row
    top_forth: Row
    feature_kernel: Float[Array, "layer time"]
    gradient_kernel: Float[Array, "layer time"]


def start(setting: Setting) -> Layers:
    """No row reached."""
    steps, dtype, depth = setting.steps, setting.rates.dtype, setting.depth
    kernel = jnp.zeros((depth, steps), dtype)
    row = jnp.zeros(steps, dtype)
    none = two_time.empty(0, dtype)
    top = Loop.start(steps, dtype)._replace(forth=none, gain_back=none, response=none)
    return Layers(
        loops=tuple(Loop.start(steps, dtype) for _ in range(depth - 1)) + (top,) * (depth > 0),
        features=tuple(two_time.empty(steps, dtype) for _ in range(depth)),
        gradients=tuple(two_time.empty(steps, dtype) for _ in range(depth)),
        top_gain=row,
        top_forth=row,
        feature_kernel=kernel,
        gradient_kernel=kernel,
    )


def march_back(layers: Layers, setting: Setting, t: Step) -> tuple[Layers, Row, Matrix | None]:
    """Rows t of the backward functions from the last layer to the first; row t of R_g^1, and C_g^1."""
    loops, gradients = list(layers.loops), list(layers.gradients)
    top_gain, kernel = layers.top_gain, layers.gradient_kernel
    learn = jnp.where(two_time.before(setting.steps, t), setting.rates * setting.richness, 0)
    response = jnp.zeros_like(learn)
    for index in reversed(range(setting.depth)):
        loop, below = loops[index], layers.features[index]
        top = index == setting.depth - 1
        row = learn if top else learn * gradients[index + 1][t] + setting.reaction * response
        loop = loop._replace(back=two_time.write_row(loop.back, row, t))
        if top:
            response = row @ loop.gain
            gain = 1 + response @ layers.top_forth
            top_gain = top_gain.at[t].set(gain)
            direct = gain * top_gain
        else:
            response, gain_row = two_time.loop_back_rows(loop, row, t)
            loop = loop._replace(gain_back=two_time.write_row(loop.gain_back, gain_row, t))
            direct = two_time.sandwich_row(gain_row, gradients[index + 1], loop.gain_back)
        loop = loop._replace(response_back=two_time.write_row(loop.response_back, response, t))
        row = direct + two_time.sandwich_row(response, below, loop.response_back)
        gradients[index] = two_time.write_symmetric(gradients[index], row, t)
        kernel = kernel.at[index, t].set(row[t])
        loops[index] = loop
    layers = layers._replace(loops=tuple(loops), gradients=tuple(gradients), top_gain=top_gain, gradient_kernel=kernel)
    return layers, response, gradients[0] if gradients else None


def march_forth(layers: Layers, setting: Setting, t: Step, force: Row, pull: Row) -> Layers:
    """Rows t of the forward functions from the first layer to the last.

    Arguments:
      force, pull: rows t of C_u and Gamma_u.
    """
    loops, features = list(layers.loops), list(layers.features)
    kernel, top_forth = layers.feature_kernel, layers.top_forth
    learn = jnp.where(two_time.before(setting.steps, t), setting.rates * setting.richness, 0)
    correlation, response = force, pull
    for index in range(setting.depth):
        top = index == setting.depth - 1
        features[index] = two_time.write_symmetric(features[index], correlation, t)
        row = setting.reaction * response + learn * correlation
        loop = loops[index]
        if not top:
            loop = loop._replace(forth=two_time.write_row(loop.forth, row, t))
        gain_row = two_time.loop_forth_row(loop, row, t)
        loop = loop._replace(gain=two_time.write_row(loop.gain, gain_row, t))
        if top:
            top_forth = top_forth.at[t].set(row.sum())
            value = (gain_row @ features[index]) @ gain_row + (gain_row @ top_forth) ** 2
        else:
            response = gain_row @ loop.forth
            loop = loop._replace(response=two_time.write_row(loop.response, response, t))
            correlation = two_time.sandwich_row(gain_row, features[index], loop.gain)
            correlation += two_time.sandwich_row(response, layers.gradients[index + 1], loop.response)
            value = correlation[t]
        kernel = kernel.at[index, t].set(value)
        loops[index] = loop
    return layers._replace(loops=tuple(loops), features=tuple(features), top_forth=top_forth, feature_kernel=kernel)
