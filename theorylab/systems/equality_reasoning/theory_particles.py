"""The infinitely wide network for given symbols: antithetic particles in the symbols' span.

Equation numbers are those of docs/equality_reasoning.md.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.special import erf
from jaxtyping import Array, ArrayLike, Float, Int

from theorylab.core import require
from theorylab.data.symbols import Pairs, all_pairs
from theorylab.solvers import ode, quadrature
from theorylab.systems.equality_reasoning.setting import geometry

CLIP = 1e-9
"""Eigenvalues of the symbols' Gram matrix below this are no directions of their span."""


class Start(NamedTuple):
    """Initial law of the neurons, sampled.

    Arguments:
      readout: a(0).
      span: whitened projections E^s of the two weight vectors on the symbols' span.
      rest: |w^1|^2, w^1 . w^2, |w^2|^2 of what is orthogonal to the span.
    """

    readout: Float[np.ndarray, "particle"]
    span: Float[np.ndarray, "slot=2 symbol particle"]
    rest: Float[np.ndarray, "entry=3 particle"]


class Particles(NamedTuple):
    """What moves: readouts, and the coefficients C^s of the two weight vectors in the symbols, eq. (6)."""

    readout: Float[Array, "particle"]
    weights: Float[Array, "slot=2 symbol particle"]


class Span(NamedTuple):
    """The symbols' span.

    Arguments:
      gram: G = Z Z^T.
      root: G^(1/2).
      inverse_root: G^(-1/2), zero on directions outside the span.
    """

    gram: Float[Array, "symbol symbol"]
    root: Float[Array, "symbol symbol"]
    inverse_root: Float[Array, "symbol symbol"]


def span_of(symbols: Float[Array, "symbol dimension"]) -> Span:
    """Gram matrix of the symbols and its roots."""
    gram = symbols @ symbols.T
    values, vectors = jnp.linalg.eigh(gram)
    kept = values > CLIP
    size = jnp.sqrt(jnp.where(kept, values, 1.0))
    root = (vectors * jnp.where(kept, size, 0.0)) @ vectors.T
    return Span(gram, root, (vectors * jnp.where(kept, 1 / size, 0.0)) @ vectors.T)


def start(symbols: int, dimension: int, particles: int, seed: int) -> Start:
    """Antithetic particles (a, w) and (-a, w) from one joint Sobol set: the output starts at zero exactly.

    Raises: `Refused` unless `particles` is a power of two of at least 2.
    """
    log2 = (particles // 2).bit_length() - 1
    require(
        particles >= 2 and particles == 2 << log2,
        "particles come in antithetic pairs from a Sobol set: their number must be a power of two of at least 2, "
        f"got {particles}",
    )
    readout, first, second, rest = quadrature.sobol_uniform([1, symbols, symbols, 3], log2, seed)
    span = np.stack([quadrature.normal(first).T, quadrature.normal(second).T])
    gram = wishart(rest, max(dimension - symbols, 0))
    half = quadrature.normal(readout[:, 0])
    return Start(np.concatenate([half, -half]), np.tile(span, 2), np.tile(gram, 2))


def wishart(uniform: Float[np.ndarray, "count 3"], degrees: int) -> Float[np.ndarray, "entry=3 count"]:
    """Gram entries of two standard normal vectors in `degrees` dimensions, from uniform numbers (Bartlett)."""
    from scipy.stats import chi2

    if degrees == 0:
        return np.zeros((3, len(uniform)))
    first = np.sqrt(chi2.ppf(uniform[:, 0], degrees))
    across = quadrature.normal(uniform[:, 1])
    rest = chi2.ppf(uniform[:, 2], degrees - 1) if degrees > 1 else np.zeros(len(uniform))
    return np.stack([first**2, first * across, across**2 + rest])


def force(
    state: Particles, initial: Start, span: Span, gamma: ArrayLike, pairs: Pairs
) -> tuple[Particles, Float[Array, "pairs"]]:
    """Time derivative of the particles under the balanced population loss, eq. (7), and the training outputs."""
    count = span.gram.shape[0]
    preactivation = projections(state, initial, span)
    u = preactivation[0][:, None] + preactivation[1][None]
    phi = jax.nn.relu(u)
    output = jnp.einsum("jkp,p->jk", phi, state.readout) / (gamma * state.readout.shape[0])
    labels = pairs.labels.reshape(count, count)
    push = pairs.shares.reshape(count, count) * labels * jax.nn.sigmoid(-labels * output)
    active = jnp.where(u > 0, push[:, :, None], 0.0)
    readout = jnp.asarray(gamma * jnp.einsum("jk,jkp->p", push, phi))
    weights = jnp.asarray(gamma * state.readout * jnp.stack([active.sum(1), active.sum(0)]))
    return Particles(readout, weights), output.ravel()


def projections(state: Particles, initial: Start, span: Span) -> Float[Array, "slot=2 symbol particle"]:
    """U^s = w^s . z_k of every particle and symbol, eq. (6)."""
    moved = jnp.einsum("kj,sjp->skp", span.gram, state.weights)
    return jnp.einsum("kj,sjp->skp", span.root, initial.span) + moved


def train(
    symbols: Float[Array, "symbol dimension"],
    gamma: ArrayLike,
    rate: ArrayLike,
    recorded: Int[np.ndarray, "record"],
    initial: Start,
    *,
    flow: bool = False,
    rtol: ArrayLike = 1e-4,
    atol: ArrayLike = 1e-6,
    max_steps: int = 20_000,
) -> tuple[Particles, Int[Array, ""]]:
    """The particles after the recorded numbers of gradient-descent steps (or at those times of gradient flow, whose
    right-hand side jumps at the kinks of the ReLU), record the leading axis; and a status."""
    pairs, span = all_pairs(symbols.shape[0]), span_of(symbols)
    begin = Particles(jnp.asarray(initial.readout), jnp.zeros(initial.span.shape))

    if flow:
        times = jnp.concatenate([jnp.zeros(1), jnp.asarray(recorded) * rate])
        solved = ode.solve(
            lambda t, y, _: force(y, initial, span, gamma, pairs)[0],
            begin,
            times,
            rtol=rtol,
            atol=atol,
            max_steps=max_steps,
        )
        return jax.tree.map(lambda x: x[1:], solved.values), solved.status

    def step(_: Any, state: Particles) -> Particles:
        return jax.tree.map(lambda x, dx: x + rate * dx, state, force(state, initial, span, gamma, pairs)[0])

    def stretch(state: Particles, steps: Int[Array, ""]) -> tuple[Particles, Particles]:
        state = lax.fori_loop(0, steps, step, state)
        return state, state

    _, states = lax.scan(stretch, begin, jnp.diff(jnp.asarray(recorded), prepend=0))
    return states, jnp.int32(0)


def outputs(
    state: Particles,
    initial: Start,
    symbols: Float[Array, "symbol dimension"],
    slots: Float[Array, "slot=2 pairs dimension"],
    gamma: ArrayLike,
) -> Float[Array, "pairs"]:
    """The network's output at novel inputs: the weights' unknown part is Gaussian, independent of training, eq. (8)."""
    span = span_of(symbols)
    seen = slots @ symbols.T
    whitened = seen @ span.inverse_root
    unseen = jnp.sum(slots**2, axis=(0, 2)) - jnp.sum(whitened**2, axis=(0, 2))
    spread = jnp.sqrt(jnp.maximum(unseen, 1e-24))
    mean = jnp.einsum("snk,skp->np", whitened, jnp.asarray(initial.span))
    mean = mean + jnp.einsum("snk,skp->np", seen, state.weights)
    x = mean / spread[:, None]
    expected = jnp.exp(-0.5 * x**2) / (2 * jnp.pi) ** 0.5 + 0.5 * x * (1 + erf(x / 2**0.5))
    return spread * (expected @ state.readout) / (gamma * state.readout.shape[0])


def weight_gram(state: Particles, initial: Start, span: Span) -> Float[Array, "entry=3 particle"]:
    """|w^1|^2, w^1 . w^2, |w^2|^2 of every particle, eq. (9)."""
    inside = jnp.einsum("kj,sjp->skp", span.root @ span.inverse_root, initial.span)
    at_start = jnp.einsum("kj,sjp->skp", span.root, initial.span)
    moved = jnp.einsum("kj,sjp->skp", span.gram, state.weights)

    def entry(s: int, t: int) -> Array:
        c = state.weights
        fixed = jnp.sum(inside[s] * inside[t], axis=0)
        cross = jnp.sum(c[s] * at_start[t] + c[t] * at_start[s], axis=0)
        return fixed + cross + jnp.sum(c[s] * moved[t], axis=0)

    return jnp.stack([entry(0, 0), entry(0, 1), entry(1, 1)]) + initial.rest


def shape(state: Particles, initial: Start, symbols: Float[Array, "symbol dimension"]) -> dict[str, Array]:
    """Balance, cone ratio and mean cosines of the particles, eq. (5)."""
    return geometry(state.readout, weight_gram(state, initial, span_of(symbols)))
