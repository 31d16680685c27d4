"""The simulations: networks trained by the public rules of `theorylab.networks.broadcast` on fresh examples."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Key

from theorylab.networks import broadcast
from theorylab.networks.broadcast_models import MLP
from theorylab.systems.error_broadcast.setting import Drawn, memory_share, recorded_steps, variances

if TYPE_CHECKING:
    from theorylab.systems.error_broadcast import ErrorBroadcast

GRID = 2001
"""Points of the grid on which the channel's error is integrated, over 9 standard deviations of the noise."""


def simulate(system: ErrorBroadcast, instance: Drawn | None, key: Key[Array, ""]) -> dict[str, Array]:
    """One run."""
    if system.model == "channel":
        return _channel(system, key)
    return _floor(system, key) if instance is None else _linear(system, instance, key)


def rule_of(system: ErrorBroadcast) -> broadcast.AbstractRule:
    """The rule a setting asks for."""
    if system.rule == "bp":
        return broadcast.Backprop()
    if system.rule == "dfa":
        return broadcast.DFA(feedback=system.feedback, scale=system.hidden_rate)
    return broadcast.EBD(renewal=memory_share(system), feedback=system.feedback, scale=system.hidden_rate)


def _normal(key: Key[Array, ""], rows: int, columns: int, dtype: Any) -> Array:
    # the same numbers as drawn in rows, in a program that XLA compiles in half the time and runs a fifth quicker
    return jax.random.normal(key, (rows * columns,), dtype).reshape(rows, columns)


def stretches(recorded: np.ndarray, step: Callable[[Any, Any], Any], carry: Any, record: Callable[[Any], Any]) -> Any:
    """Records at `recorded` steps, the first of which is 0, of carry <- step(carry, index)."""

    def stretch(carry: Any, ends: Any) -> tuple[Any, Any]:
        carry = lax.fori_loop(ends[0], ends[1], lambda i, c: step(c, i), carry)
        return carry, record(carry)

    _, later = lax.scan(stretch, carry, (jnp.asarray(recorded[:-1]), jnp.asarray(recorded[1:])))
    return jax.tree.map(lambda first, rest: jnp.concatenate([first[None], rest]), record(carry), later)


def _linear(system: ErrorBroadcast, instance: Drawn, key: Key[Array, ""]) -> dict[str, Array]:
    target, dtype = instance.target, system.dtype
    spread = variances(system.dimension, system.capacity).astype(dtype)
    network = MLP((system.width,), system.outputs, broadcast.identity, use_bias=False, dtype=dtype)
    rule = rule_of(system)
    params = {"layer_0": {"kernel": instance.first.T}, "readout": {"kernel": instance.second.T}}
    feedback = {} if system.rule == "bp" else {"hidden_0": instance.feedback}
    state = broadcast.State(feedback, {} if system.rule == "bp" else {"hidden_0": ()})
    # the rules' `scale` is backpropagation's too: its hidden rate is applied below
    hidden = system.hidden_rate if system.rule == "bp" else 1.0
    rates = {"layer_0": system.rate * hidden, "readout": system.rate * system.readout_rate}

    def step(carry: Any, i: Any) -> Any:
        params, state = carry
        drawn = _normal(jax.random.fold_in(key, i), system.batch, system.dimension + system.outputs, dtype)
        x = drawn[:, : system.dimension] * jnp.sqrt(spread)
        y = x @ target.T + system.noise * drawn[:, system.dimension :]
        found = rule.step(network, params, state, x, y)
        params = {
            name: {"kernel": layer["kernel"] - rates[name] * found.gradient[name]["kernel"]}
            for name, layer in params.items()
        }
        return params, found.state

    def record(carry: Any) -> dict[str, Array]:
        params, state = carry
        first, second = params["layer_0"]["kernel"].T, params["readout"]["kernel"].T
        off = second @ first - target
        curves = {
            "mean_square": jnp.sum(off**2 * spread) + system.noise**2 * system.outputs,
            "correlation": jnp.linalg.norm(first @ (off * spread).T),
        }
        return curves | {"feedback": jnp.linalg.norm(state.feedback["hidden_0"])} if system.rule == "ebd" else curves

    return stretches(recorded_steps(system.steps, system.records), step, (params, state), record)


class Probe(nn.Module):
    """A linear readout of features that are the inputs."""

    outputs: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Outputs of a batch of rows."""
        x = broadcast.units(self, "features", x)
        return nn.Dense(self.outputs, use_bias=False, name="readout", param_dtype=self.dtype)(x)


def _floor(system: ErrorBroadcast, key: Key[Array, ""]) -> dict[str, Array]:
    """The readout begins at the optimum, which is taken for the origin."""
    dtype, shape = system.dtype, (system.width, system.outputs)
    kappa = variances(system.width, system.capacity).astype(dtype)
    network, rule = Probe(system.outputs, dtype), rule_of(system)
    start_key, key = jax.random.split(key)
    feedback = system.feedback * jax.random.normal(start_key, shape, dtype)
    params = {"readout": {"kernel": jnp.zeros(shape, dtype)}}
    state = broadcast.State({"features": feedback}, {"features": ()})

    def step(i: Any, carry: Any) -> Any:
        params, state, total = carry
        drawn = _normal(jax.random.fold_in(key, i), system.batch, system.width + system.outputs, dtype)
        x = drawn[:, : system.width] * jnp.sqrt(kappa)
        found = rule.step(network, params, state, x, system.noise * drawn[:, system.width :])
        old, slope = params["readout"]["kernel"], found.gradient["readout"]["kernel"]
        kernel = old - system.rate * system.readout_rate * slope
        now = jnp.stack([jnp.sum(found.state.feedback["features"] ** 2), jnp.sum(kappa[:, None] * kernel**2)])
        return {"readout": {"kernel": kernel}}, found.state, total + now

    def window(carry: Any, ends: Any) -> tuple[Any, Array]:
        params, state, total = lax.fori_loop(ends[0], ends[1], step, (*carry, jnp.zeros(2, dtype)))
        return (params, state), total / (ends[1] - ends[0])

    recorded = recorded_steps(system.steps, system.records)
    _, means = lax.scan(window, (params, state), (jnp.asarray(recorded[:-1]), jnp.asarray(recorded[1:])))
    return {"feedback_power": means[:, 0], "excess": means[:, 1]}


def _channel(system: ErrorBroadcast, key: Key[Array, ""]) -> dict[str, Array]:
    """The error is integrated over the channel itself, both signs and a grid of the noise: nothing is sampled."""
    dtype, amplitude = system.dtype, jnp.sqrt(system.snr)
    # entries of variance 1 / fan-in: twice that puts the readout's first steps at the edge of stability
    lecun = nn.initializers.lecun_normal()
    network = MLP((system.width, system.width // 2), 1, kernel_init=lecun, dtype=dtype)
    rule = rule_of(system)
    init_key, rule_key, key = jax.random.split(key, 3)
    params = network.init(init_key, jnp.zeros((1, 1), dtype))["params"]
    state = rule.init(network, params, jnp.zeros((1, 1), dtype), jnp.zeros((1, 1), dtype), rule_key)

    def step(i: Any, carry: Any) -> Any:
        params, state = carry
        sign_key, noise_key = jax.random.split(jax.random.fold_in(key, i))
        sign = jax.random.rademacher(sign_key, (system.batch, 1), dtype)
        x = amplitude * sign + jax.random.normal(noise_key, sign.shape, dtype)
        found = rule.step(network, params, state, x, sign)
        rate = system.rate / (1 + 4 * jnp.asarray(i, dtype) / system.steps)
        return jax.tree.map(lambda w, g: w - rate * g, params, found.gradient), found.state

    params, _ = lax.fori_loop(0, system.steps, step, (params, state))
    noise = jnp.linspace(-9.0, 9.0, GRID, dtype=dtype)
    weight = jnp.exp(-(noise**2) / 2)
    weight = weight / jnp.sum(weight)
    errors = [network.apply({"params": params}, (amplitude * s + noise)[:, None])[:, 0] - s for s in (1.0, -1.0)]  # pyright: ignore
    return {"mean_square": sum(jnp.sum(weight * e**2) for e in errors) / 2}  # pyright: ignore[reportReturnType]
