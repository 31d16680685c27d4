"""A real network for each time of the grid, and sampling through all of them; docs section 6."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from theorylab.networks.autoencoder import TiedAutoencoder, parameters
from theorylab.systems.flow_autoencoder import setting, simulation
from theorylab.systems.flow_autoencoder.setting import Schedule, Start
from theorylab.systems.flow_autoencoder.simulation import Network, Seen

if TYPE_CHECKING:
    from theorylab.systems.flow_autoencoder import FlowAutoencoder


def simulate_separate(system: FlowAutoencoder, instance: Start | None, key: Key[Array, ""]) -> dict[str, Array]:
    """Profiles over the grid at the end of training, and what the networks generate together."""
    train_key, fresh_key = jax.random.split(key)
    dimension, rows = int(system.dimension), len(system.grid_times) * system.units
    directions, *fresh = simulation.apart(*simulation.numbers(system, fresh_key, system.samples + rows), rows)
    networks, seen = train(system, initial_networks(system, instance, directions), train_key)
    last: Seen = jax.tree.map(lambda leaf: leaf[-1], seen)
    net, at = TiedAutoencoder(system.units, 1, system.activation), setting.schedule(system)

    def denoiser(m: Array, here: Schedule, x: Array) -> Array:
        own = jax.tree.map(lambda leaf: leaf[m], networks)
        return simulation.denoised(net, own, 0, here, x)

    gain = simulation.gain_over_skip(system, networks, *fresh)
    generated = simulation.euler(system, denoiser, at, fresh[1][1], fresh_key)
    weight = networks["params"]["weight"]
    return {
        "overlap": last.overlap.T,
        "norm": last.norm.T,
        "bias": last.bias.T,
        "cross": jnp.einsum("tid,uid->tu", weight, weight) / (dimension * system.units),
        "skip": networks["params"]["skip"][:, 0],
        "gain": gain,
        "density": simulation.histograms(system, generated),
        **simulation.measured(system, weight.reshape(-1, dimension), generated),
    }


def initial_networks(
    system: FlowAutoencoder, instance: Start | None, normal: Float[Array, "rows dimension"]
) -> Network:
    """A stack of networks of the same overlaps: the same weights, or weights orthogonal outside the target."""
    times, dimension, directions = len(system.grid_times), int(system.dimension), system.directions
    if system.common_start:
        one = simulation.initial_network(system, instance, normal[: system.units])["params"]["weight"]
        weight = jnp.broadcast_to(one, (times, *one.shape))
    else:
        begin = setting.start(system, instance)
        frame = simulation.random_frame(normal, directions)
        outside = math.sqrt(dimension) * jnp.sqrt(jnp.asarray(system.spread, system.dtype))
        weight = outside * frame.reshape(times, system.units, dimension)
        weight = weight.at[:, :, :directions].add(math.sqrt(dimension) * begin.overlap)
    skip = setting.skip_start(system, setting.schedule(system))
    return parameters(weight, jnp.zeros((times, system.units), system.dtype), skip[:, None])


def train(system: FlowAutoencoder, networks: Network, key: Key[Array, ""]) -> tuple[Network, Seen]:
    """All networks trained, each on its own samples or all on the same."""
    at, batch, dimension, times = setting.schedule(system), system.batch, int(system.dimension), len(system.grid_times)
    draw, own = simulation.target(system), 1 if system.sharing == "data" else times
    each = jax.vmap(
        simulation.sgd_step(system, 1), in_axes=(0, 0 if own > 1 else None, 0 if own > 1 else None, None, 0)
    )
    here = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf[:, None], (times, batch)), at)

    def step(stack: Network, x1: Array, x0: Array) -> Network:
        return each(stack, x1, x0, jnp.zeros(batch, int), here)

    def samples(key: Key[Array, ""], chunk: int) -> tuple[Any, ...]:
        shape = (chunk, own, batch, dimension) if own > 1 else (chunk, batch, dimension)
        chance, normal = simulation.numbers(system, key, chunk * own * batch)
        return draw(chance[0], normal[0]).reshape(shape), normal[1].reshape(shape)

    def look(stack: Network) -> Seen:
        return jax.vmap(lambda network: simulation.watch(system, network))(stack)

    return simulation.descend(system, networks, step, samples, look, key)
