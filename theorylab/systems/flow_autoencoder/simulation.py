"""The simulation: online SGD of the real network in all its dimensions, then sampling from it.

Equation numbers are those of docs/flow_autoencoder.md. Gradients are those of the network's squared error by automatic
differentiation; nothing here knows an order parameter but to record it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from theorylab.core import require
from theorylab.data import mixtures
from theorylab.networks.autoencoder import TiedAutoencoder, parameters
from theorylab.systems.flow_autoencoder import setting
from theorylab.systems.flow_autoencoder.setting import Schedule, Start

if TYPE_CHECKING:
    from theorylab.systems.flow_autoencoder import FlowAutoencoder

CHUNK = 32
"""Steps whose samples are drawn together."""
SUBSTEPS = 16
"""Runge-Kutta steps of the continuous flow in one interval of the grid."""

Network = dict[str, Any]
"""Variables of a `TiedAutoencoder`; with a network a time, one stack of them."""
Draw = Callable[[Float[Array, "count"], Float[Array, "count dimension"]], Float[Array, "count dimension"]]
"""Makes training points of uniform and of standard normal numbers."""


def simulate(system: FlowAutoencoder, instance: Start | None, key: Key[Array, ""]) -> dict[str, Array]:
    """One run: weights of the given overlaps, `duration` x `dimension` steps of SGD, `samples` generated points.

    Raises: `Refused` for an infinite dimension.
    """
    require(math.isfinite(system.dimension), "an infinite dimension cannot be simulated; give it as an integer")
    if system.sharing != "weights":
        from theorylab.systems.flow_autoencoder.simulation_separate import simulate_separate

        curves = simulate_separate(system, instance, key)
    elif system.generations:
        from theorylab.systems.flow_autoencoder.simulation_generations import simulate_generations

        curves = simulate_generations(system, instance, key)
    else:
        curves = _one_generation(system, instance, key)
    return {observable.name: curves[observable.name] for observable in system.observables}


def _one_generation(system: FlowAutoencoder, instance: Start | None, key: Key[Array, ""]) -> dict[str, Array]:
    train_key, fresh_key, noise_key = jax.random.split(key, 3)
    directions, *fresh = apart(*numbers(system, fresh_key, system.samples + system.units), system.units)
    network, seen = train(system, initial_network(system, instance, directions), target(system), train_key)
    gain = gain_over_skip(system, network, *fresh)
    generated = generate(system, network, fresh[1][1], noise_key)
    return {
        "overlap": seen.overlap.T,
        "norm": seen.norm.T,
        "bias": seen.bias.T,
        "skip": network["params"]["skip"],
        "gain": gain,
        "density": histograms(system, generated),
        **measured(system, network["params"]["weight"], generated),
    }


def module(system: FlowAutoencoder) -> TiedAutoencoder:
    """The network."""
    return TiedAutoencoder(system.units, len(system.grid_times), system.activation)


def apart(
    chance: Float[Array, "2 all"], normal: Float[Array, "2 all dimension"], rows: int
) -> tuple[Float[Array, "rows dimension"], Float[Array, "2 count"], Float[Array, "2 count dimension"]]:
    """Random numbers for the initial weights, and those for `count` samples: drawn together, compiled once."""
    return normal[0, :rows], chance[:, rows:], normal[:, rows:]


def initial_network(
    system: FlowAutoencoder, instance: Start | None, normal: Float[Array, "units dimension"]
) -> Network:
    """Weights whose overlaps are exactly those of the start, eq. (6): a random frame outside the target's directions,
    mixed by a root of Q - M M^T."""
    begin = setting.start(system, instance)
    directions, dimension = system.directions, int(system.dimension)
    frame = random_frame(normal, directions)
    outside = begin.norm - begin.overlap @ begin.overlap.T
    root = triangular_root(outside)
    weight = math.sqrt(dimension) * (root @ frame).at[:, :directions].add(begin.overlap)
    at = setting.schedule(system)
    return parameters(weight, jnp.zeros(system.units, system.dtype), setting.skip_start(system, at))


def random_frame(normal: Float[Array, "count dimension"], directions: int) -> Float[Array, "count dimension"]:
    """Orthonormal vectors of random directions, orthogonal to the first `directions` axes, from normal numbers."""
    return orthonormal(normal.at[:, :directions].set(0.0))[0]


def orthonormal(rows: Float[Array, "count dimension"]) -> tuple[Float[Array, "count dimension"], Float[Array, ""]]:
    """An orthonormal basis of the rows' span, rows that depend on earlier ones zero, and its dimension.

    Gram-Schmidt, each row twice: LAPACK's factorizations, called from within, block one another where several devices
    share few processor cores.
    """

    def add(i: Array, basis: Array) -> Array:
        row = rows[i]
        scale = jnp.linalg.norm(row)
        for _ in range(2):
            row = row - (basis @ row) @ basis
        length = jnp.linalg.norm(row)
        kept = length > 1e-3 * scale
        return basis.at[i].set(jnp.where(kept, row / jnp.where(kept, length, 1.0), 0.0))

    basis = jax.lax.fori_loop(0, rows.shape[0], add, jnp.zeros_like(rows))
    return basis, jnp.sum(basis**2)


def triangular_root(matrix: Float[Array, "units units"]) -> Float[Array, "units units"]:
    """Lower triangular L with L L^T = `matrix`, for few units; a zero pivot gives a zero column."""
    units = matrix.shape[0]
    root = jnp.zeros_like(matrix)
    for j in range(units):
        left = matrix[:, j] - root @ root[j]
        pivot = jnp.sqrt(jnp.maximum(left[j], 0.0))
        column = jnp.where(pivot > 0, left / jnp.where(pivot > 0, pivot, 1.0), 0.0)
        root = root.at[:, j].set(jnp.where(jnp.arange(units) >= j, column, 0.0))
    return root


def target(system: FlowAutoencoder) -> Draw:
    """Draws from the target: a mixture, scores of digits with isotropic noise outside them, or images of digits."""
    if system.target == "digits":
        from theorylab.systems.flow_autoencoder import digits

        known = digits.target(system.classes, system.components, system.scale)
        images = jnp.asarray(known.images, system.dtype)
        count, shown = images.shape[0], system.components

        def draw(uniform: Array, normal: Array) -> Array:
            chosen = images[jnp.minimum((uniform * count).astype(int), count - 1)]
            return chosen if system.pixels else (known.noise * normal).at[:, :shown].set(chosen[:, :shown])

        return draw
    mixture = setting.mixture(system)
    return lambda uniform, normal: mixtures.place(mixture, uniform, normal)


class Seen(NamedTuple):
    """What is recorded of a network while it learns."""

    overlap: Float[Array, "record entry"]
    norm: Float[Array, "record pair"]
    bias: Float[Array, "record unit"]


def watch(system: FlowAutoencoder, network: Network) -> Seen:
    """Overlaps of the weights with the target's directions and with one another, eq. (7)."""
    weight, dimension = network["params"]["weight"], int(system.dimension)
    overlap = weight[:, : system.directions] / math.sqrt(dimension)
    norm = weight @ weight.T / dimension
    return Seen(overlap.reshape(-1), norm[setting.pairs(system.units)], network["params"]["bias"])


def sgd_step(system: FlowAutoencoder, times: int) -> Callable[..., Network]:
    """One step on samples (x_1, x_0) of leading length `batch`; eqs. (4), (5).

    Arguments:
      times: skip scalars of the network.

    Returns: (network, x_1, x_0, index of the skip (batch,), schedule at the samples' times (batch,)) -> network.
    """
    net, dimension = TiedAutoencoder(system.units, times, system.activation), int(system.dimension)
    skip_rate = system.skip_rate if system.skip == "learned" else 0.0
    bias_rate = system.bias_rate if system.hidden_bias else 0.0
    rates = parameters(system.rate, skip=skip_rate / dimension**2, bias=bias_rate / dimension)  # pyright: ignore[reportArgumentType]
    decay = parameters(1 - system.rate * system.ridge / dimension, skip=1.0, bias=1.0)  # pyright: ignore[reportArgumentType]

    def loss(network: Network, x1: Array, x0: Array, index: Array, here: Schedule) -> Float[Array, ""]:
        xt = here.alpha[:, None] * x0 + here.beta[:, None] * x1
        out: Any = net.apply(network, xt, index, here.gain, here.inner)
        return 0.5 * jnp.mean(jnp.sum((x1 - out) ** 2, axis=-1))

    def step(network: Network, x1: Array, x0: Array, index: Array, here: Schedule) -> Network:
        slope = jax.grad(loss)(network, x1, x0, index, here)
        return jax.tree.map(lambda w, keep, rate, g: keep * w - rate * g, network, decay, rates, slope)

    return step


def numbers(
    system: FlowAutoencoder, key: Key[Array, ""], count: int
) -> tuple[Float[Array, "2 count"], Float[Array, "2 count dimension"]]:
    """The random numbers behind `count` samples: uniform ones (data, time), normal ones (data, noise).

    All are made of one uniform array, in the way of `jax.random.normal`: a call of the generator takes longer to
    compile than all else in a step.
    """
    dtype = jnp.dtype(system.dtype)
    lowest = np.nextafter(np.asarray(-1, dtype), np.asarray(0, dtype))
    flat = jax.random.uniform(key, (2, count, int(system.dimension) + 1), dtype, lowest, 1.0)
    normal = jnp.asarray(math.sqrt(2.0), dtype) * jax.lax.erf_inv(flat[..., 1:])
    return 0.5 * (flat[..., 0] + 1), jnp.asarray(normal)


def train(system: FlowAutoencoder, network: Network, draw: Draw, key: Key[Array, ""]) -> tuple[Network, Seen]:
    """The trained network, and what was recorded, the start first."""
    at, batch, dimension, times = setting.schedule(system), system.batch, int(system.dimension), len(system.grid_times)
    step = sgd_step(system, times)

    def samples(key: Key[Array, ""], chunk: int) -> tuple[Any, ...]:
        shape = (chunk, batch)
        chance, normal = numbers(system, key, chunk * batch)
        x1 = draw(chance[0], normal[0]).reshape(*shape, dimension)
        index = jnp.minimum((chance[1] * times).astype(int), times - 1).reshape(shape)
        return x1, normal[1].reshape(*shape, dimension), index, jax.tree.map(lambda leaf: leaf[index], at)

    return descend(system, network, step, samples, lambda net: watch(system, net), key)


def descend(
    system: FlowAutoencoder,
    network: Network,
    step: Callable[..., Network],
    samples: Callable[[Key[Array, ""], int], tuple[Any, ...]],
    look: Callable[[Network], Any],
    key: Key[Array, ""],
) -> tuple[Network, Any]:
    """SGD over all stretches between recorded times, samples drawn a chunk of steps at a time."""
    steps = system.steps
    chunk = min(CHUNK, steps)
    chunks = -(-steps // chunk)

    def run_chunk(index: Int[Array, ""], carry: tuple[Network, Int[Array, ""]]) -> tuple[Network, Int[Array, ""]]:
        net, first = carry

        def one(net: Network, sample: tuple[Any, ...]) -> tuple[Network, None]:
            number, *rest = sample
            moved = step(net, *rest)
            # the last chunk of a stretch is longer than what is left of it
            going = index * chunk + number < steps
            return jax.tree.map(lambda new, old: jnp.where(going, new, old), moved, net), None

        drawn = samples(jax.random.fold_in(key, first + index), chunk)
        return jax.lax.scan(one, net, (jnp.arange(chunk), *drawn))[0], first

    def stretch(net: Network, first: Int[Array, ""]) -> tuple[Network, Any]:
        net, _ = jax.lax.fori_loop(0, chunks, run_chunk, (net, first))
        return net, look(net)

    last, seen = jax.lax.scan(stretch, network, chunks * jnp.arange(system.records))
    return last, jax.tree.map(lambda first, rest: jnp.concatenate([first[None], rest]), look(network), seen)


# -- sampling -------------------------------------------------------------------------------------------------


def generate(
    system: FlowAutoencoder, network: Network, x: Float[Array, "count dimension"], noise_key: Key[Array, ""]
) -> Float[Array, "count dimension"]:
    """Points that the network makes of standard normal ones, in all dimensions; eqs. (18), (20), (23)."""
    if system.sampler == "flow":
        return _flow(system, network, x)
    net, at = module(system), setting.schedule(system)
    return euler(system, lambda m, here, x: denoised(net, network, m, here, x), at, x, noise_key)


def denoised(net: TiedAutoencoder, network: Network, index: Any, here: Schedule, x: Array) -> Array:
    """The network's output on many points at one time."""
    many = (jnp.broadcast_to(value, x.shape[:1]) for value in (index, here.gain, here.inner))
    return net.apply(network, x, *many)  # pyright: ignore[reportReturnType]


def euler(
    system: FlowAutoencoder,
    denoiser: Callable[[Array, Schedule, Array], Array],
    at: Schedule,
    x: Float[Array, "count dimension"],
    noise_key: Key[Array, ""],
) -> Float[Array, "count dimension"]:
    """Euler or Euler-Maruyama steps along the denoiser's velocity, the last one without noise; eqs. (18), (20)."""
    lengths = jnp.asarray(system.steps_in_time, system.dtype)
    noise = system.diffusion if system.sampler == "sde" else 0.0
    last = len(system.grid_times) - 1

    def step(x: Array, now: tuple[Array, Array, Schedule]) -> tuple[Array, None]:
        m, length, here = now
        stirred = jnp.where(m < last, noise, 0.0)
        out = denoiser(m, here, x)
        score = (here.beta * out - x) / here.alpha**2
        moved = x + length * (here.push * out + here.pull * x + stirred * score)
        if system.sampler == "sde":
            kick = jax.random.normal(jax.random.fold_in(noise_key, m), x.shape, x.dtype)
            moved = moved + jnp.sqrt(2 * stirred * length) * kick
        return moved, None

    return jax.lax.scan(step, x, (jnp.arange(last + 1), lengths, at))[0]


def _flow(system: FlowAutoencoder, network: Network, x: Float[Array, "count dimension"]) -> Array:
    """The continuous flow by classical Runge-Kutta steps, which shorten towards time 1 as the velocity grows."""
    net, grid = module(system), setting.schedule(system)
    off = jnp.append(network["params"]["skip"] - setting.optimal_skip(grid, setting.noise(system)), 0.0)
    knots = jnp.append(grid.time, 1.0)

    def clean(x: Array, t: Array) -> Array:
        at = setting.schedule(system, t)
        skip = setting.optimal_skip(at, setting.noise(system)) + jnp.interp(t, knots, off)
        many = jnp.broadcast_to(at.gain, x.shape[:1]), jnp.broadcast_to(at.inner, x.shape[:1])
        branch: Any = net.apply(network, x, *many, method=net.branch)
        return skip * x + branch

    def velocity(x: Array, t: Array) -> Array:
        at = setting.schedule(system, t)
        return at.push * clean(x, t) + at.pull * x

    count = SUBSTEPS * len(system.grid_times)
    ends = 1 - np.geomspace(1.0, setting.STOP, count + 1)

    def step(x: Array, now: tuple[Array, Array]) -> tuple[Array, None]:
        t, h = now
        k1 = velocity(x, t)
        k2 = velocity(x + 0.5 * h * k1, t + 0.5 * h)
        k3 = velocity(x + 0.5 * h * k2, t + 0.5 * h)
        k4 = velocity(x + h * k3, t + h)
        return x + h * (k1 + 2 * k2 + 2 * k3 + k4) / 6, None

    steps = jnp.asarray(ends[:-1], x.dtype), jnp.asarray(np.diff(ends), x.dtype)
    x, _ = jax.lax.scan(step, x, steps)
    return clean(x, jnp.asarray(ends[-1], x.dtype))


# -- what is measured -----------------------------------------------------------------------------------------


def gain_over_skip(
    system: FlowAutoencoder,
    network: Network,
    chance: Float[Array, "2 count"],
    normal: Float[Array, "2 count dimension"],
) -> Float[Array, "times"]:
    """E|x_1 - f_t|^2 - E|x_1 - b_t x_t|^2 on fresh samples, the squares' difference taken term by term; eq. (17).

    The network is one for all times, or a stack of one a time.
    """
    net, at = module(system), setting.schedule(system)
    x1, x0 = target(system)(chance[0], normal[0]), normal[1]
    stacked = system.sharing != "weights"
    skips = network["params"]["skip"][:, 0] if stacked else network["params"]["skip"]

    def at_time(now: tuple[Array, Schedule, Any]) -> Array:
        skip, here, own = now
        params = own if stacked else network
        xt = here.alpha * x0 + here.beta * x1
        many = jnp.broadcast_to(here.gain, x1.shape[:1]), jnp.broadcast_to(here.inner, x1.shape[:1])
        branch: Any = net.apply(params, xt, *many, method=net.branch)
        return jnp.mean(jnp.sum(branch * (branch - 2 * (x1 - skip * xt)), axis=1))

    return jax.lax.map(at_time, (skips, at, network if stacked else skips))


def histograms(system: FlowAutoencoder, x: Float[Array, "count dimension"]) -> Float[Array, "directions bins"]:
    """Histograms of generated points along the target's directions, as densities."""
    edges = setting.edges(system)

    def along(values: Array) -> Array:
        below = jnp.searchsorted(jnp.sort(values), edges)
        return jnp.diff(below) / values.shape[0] / jnp.diff(edges)

    return jax.vmap(along)(x[:, : system.directions].T).astype(x.dtype)


def measured(
    system: FlowAutoencoder, weight: Float[Array, "rows dimension"], x: Float[Array, "count dimension"]
) -> dict[str, Array]:
    """Statistics of generated points; the bulk is what lies outside the span of the target's directions and weights."""
    s = system.directions
    along = x[:, :s]
    hidden = weight.at[:, :s].set(0.0)
    basis, used = orthonormal(hidden)
    rest = jnp.sum(x[:, s:] ** 2, axis=1) - jnp.sum((x @ basis.T) ** 2, axis=1)
    return {
        "occupancy": mixtures.nearest(along, setting.mixture(system).means),
        "spread": jnp.std(along, axis=0),
        "separation": jnp.mean(jnp.abs(along), axis=0),
        "bulk": jnp.mean(rest) / (x.shape[1] - s - used),
    }
