"""The systems whose theory solves differential equations: our solve and the NumPy peer of the same equations."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import odes_peers as peers
from odes_peers import Peer

from theorylab.core import AbstractSystem
from theorylab.core.casting import cast, in_precision
from theorylab.engine import instances
from theorylab.systems.adaptive_kernels import AdaptiveKernels
from theorylab.systems.equality_reasoning import EqualityReasoning
from theorylab.systems.error_broadcast import ErrorBroadcast
from theorylab.systems.error_broadcast.presets import BOTTLENECK, FLOW
from theorylab.systems.flow_autoencoder import FlowAutoencoder
from theorylab.systems.flow_autoencoder.presets import SEPARATE
from theorylab.systems.rl_posttraining import RLPosttraining
from theorylab.systems.rl_posttraining.presets import GRPO, LEARNED
from theorylab.systems.rnn_integrator import RNNIntegrator
from theorylab.systems.rnn_integrator.presets import timescale

SETTINGS = 256


@dataclass(frozen=True)
class Problem:
    """One system's differential equations, made concrete.

    Arguments:
      equations: number of coupled equations.
      over: the coupling that a sweep changes; `values` are its settings, the middle one is solved singly.
      ours: (value, relative tolerance) -> what is judged, traceable; the absolute tolerance is a hundredth of it.
      peer: the same in NumPy, for scipy.
      error: what two solves are compared at: largest difference over largest value.
      methods: scipy's methods worth timing.
      tolerances: relative tolerances that all are tried at, falling.
      reference: the peer's solution that errors are measured from.
      cost: what sorts a sweep into batches of like cost.
      remarks: what a reader should know.
    """

    about: str
    equations: int
    over: str
    values: np.ndarray
    ours: Callable[[Any, Any], jax.Array]
    peer: Callable[[float], Peer]
    error: float = 1e-7
    methods: tuple[str, ...] = ("DOP853", "Radau", "LSODA")
    tolerances: tuple[float, ...] = tuple(10.0 ** -np.arange(4.0, 11.5, 0.5))
    reference: Callable[[Peer], np.ndarray] = lambda peer: peer.solve("DOP853", 1e-12)
    cost: Callable[[float], float] = float
    remarks: tuple[str, ...] = ()

    @property
    def middle(self) -> float:
        return float(np.sort(self.values)[len(self.values) // 2])

    @property
    def order(self) -> np.ndarray:
        """The swept settings' numbers, sorted by predicted cost as the engine sorts them."""
        return np.argsort([self.cost(float(value)) for value in self.values], kind="stable")


def _tolerances(system: AbstractSystem, instance: Any, rtol: Any) -> Any:
    return system.numerics(instance).replace(rtol=rtol, atol=1e-2 * rtol)


def _predicted(system: AbstractSystem, over: str, curve: str, instance: Any = None) -> Callable[[Any, Any], jax.Array]:
    """A curve of the system's own prediction."""

    def ours(value: Any, rtol: Any) -> jax.Array:
        changed = dataclasses.replace(cast(system, "float64"), **{over: value})
        return changed.predict(instance, _tolerances(system, instance, rtol)).curves[curve]

    return ours


def rnn_integrator() -> Problem:
    system = RNNIntegrator(
        dynamics="flow", start="given", timescale=timescale(0.9), scale=0.1, along=0.02, across=0.08, rate=1e-3,
        steps=5000,
    )  # fmt: skip
    return Problem(
        "reduced gradient flow of a linear network that learns to integrate, 40 lags",
        equations=8,
        over="timescale",
        values=np.linspace(timescale(0.8), timescale(0.93), SETTINGS),
        ours=_predicted(system, "timescale", "loss"),
        peer=lambda tau: peers.rnn_integrator(tau, system),
        cost=lambda tau: dataclasses.replace(system, timescale=tau).cost(),
    )


def deep_linear_rank_one() -> Problem:
    from theorylab.data import gaussian
    from theorylab.systems.deep_linear_dmft import theory_rank_one

    index, count = gaussian.log_groups(int(theory_rank_one.MODES), theory_rank_one.GROUPS)
    times, exponent, depth = np.geomspace(1, 1e4, 31), 1.5, 1

    def ours(task_exponent: Any, rtol: Any) -> jax.Array:
        spectrum = theory_rank_one.power_law(exponent, task_exponent)
        return theory_rank_one.curve(times, depth, spectrum, rtol=rtol, atol=1e-2 * rtol).curves["loss"]

    return Problem(
        "power-law task learned richly from small weights, one hidden layer, to time 1e4; stiff",
        equations=len(index) + 1,
        over="task_exponent",
        values=np.linspace(0.4, 0.9, SETTINGS),
        ours=ours,
        peer=lambda b: peers.rank_one(b, index, count, exponent, depth, times),
        methods=("Radau", "BDF", "LSODA"),
        reference=lambda peer: peer.solve("LSODA", 1e-12),
        error=1e-5,
    )


def error_broadcast() -> Problem:
    system = ErrorBroadcast(**{**FLOW, **BOTTLENECK})
    with in_precision("float64"):
        drawn = cast(instances.draw_one(system, jax.random.key(0)), "float64")
    return Problem(
        "flow of a linear network of two hidden units under error broadcast",
        equations=int(sum(np.size(x) for x in jax.tree.leaves(drawn)[1:])),
        over="memory",
        values=np.geomspace(1.0, 50.0, SETTINGS),
        ours=_predicted(system, "memory", "mean_square", drawn),
        peer=lambda memory: peers.error_broadcast(memory, system, drawn),
    )


def rl_formats() -> Problem:
    system = RLPosttraining(**GRPO)
    return Problem(
        "three formats compete under GRPO, two classes of questions",
        equations=3,
        over="kl",
        values=np.linspace(0.0, 0.1, SETTINGS),
        ours=_predicted(system, "kl", "share"),
        peer=lambda kl: peers.formats(kl, system),
    )


def rl_skills() -> Problem:
    system = RLPosttraining(**LEARNED)
    return Problem(
        "two formats whose skills are learned too",
        equations=4,
        over="kl",
        values=np.linspace(0.0, 0.1, SETTINGS),
        ours=_predicted(system, "kl", "share"),
        peer=lambda kl: peers.formats_with_skills(kl, system),
    )


def flow_autoencoder() -> Problem:
    from theorylab.systems.flow_autoencoder import setting, theory_training
    from theorylab.systems.flow_autoencoder.theory_drift import Order

    system = FlowAutoencoder(hidden_bias=True, dimension=400, records=5)
    numerics = system.numerics(None)

    def ours(share: Any, rtol: Any) -> jax.Array:
        changed = dataclasses.replace(cast(system, "float64"), share=share)
        at, begin = setting.schedule(changed), setting.start(changed, None)
        path, _, _ = theory_training.train(
            theory_training.target_groups(changed, numerics),
            at,
            theory_training.rates_of(changed),
            Order(begin.overlap, begin.norm, jnp.zeros(1)),
            setting.skip_start(changed, at),
            jnp.asarray(theory_training.taus(changed)),
            numerics.replace(rtol=rtol, atol=1e-2 * rtol),
            changed.activation,
        )
        return jnp.stack([path.overlap[:, 0, 0], path.norm[:, 0, 0], path.bias[:, 0]], axis=1)

    return Problem(
        "overlaps of a denoising auto-encoder, ten times, 101 nodes for each of two modes",
        equations=3,
        over="share",
        values=np.linspace(0.5, 0.9, SETTINGS),
        ours=ours,
        peer=lambda share: peers.autoencoder(share, system, numerics.nodes, numerics.radius),
    )


def flow_autoencoders() -> Problem:
    from theorylab.systems.flow_autoencoder import setting, theory_separate, theory_training

    system = FlowAutoencoder(**{**SEPARATE, "sharing": "nothing"})
    numerics = system.numerics(None)

    def ours(share: Any, rtol: Any) -> jax.Array:
        changed = dataclasses.replace(cast(system, "float64"), share=share)
        taus = jnp.asarray(theory_training.taus(changed))
        state, _, _ = theory_separate.train(
            changed, setting.start(changed, None), taus, numerics.replace(rtol=rtol, atol=1e-2 * rtol)
        )
        return jnp.concatenate([state.overlap.ravel(), state.cross.ravel()])

    return Problem(
        "a network for each of ten times: their overlaps with the target and with one another",
        equations=110,
        over="share",
        values=np.linspace(0.5, 0.9, SETTINGS),
        ours=ours,
        peer=lambda share: peers.autoencoders(share, system, numerics.nodes, numerics.radius),
        methods=("DOP853", "LSODA"),
        remarks=("flow_autoencoder, a network a time: Radau is left out, which needs 110 evaluations for a Jacobian.",),
    )


def equality_reasoning() -> Problem:
    from theorylab.data.symbols import all_pairs
    from theorylab.systems.equality_reasoning import theory_particles as particles

    system = EqualityReasoning(dimension=64, symbols=4, steps=100, records=5)
    with in_precision("float64"):
        symbols = jnp.asarray(instances.draw_one(system, jax.random.key(0)).symbols, float)
    start, rate = particles.start(4, 64, 64, 0), float(system.rate)
    recorded = system.recorded()

    def ours(richness: Any, rtol: Any) -> jax.Array:
        gamma, pairs = richness * 8.0, all_pairs(4)
        states, _ = particles.train(
            symbols, gamma, rate, recorded, start, flow=True, rtol=rtol, atol=1e-2 * rtol, max_steps=200_000
        )
        span = particles.span_of(symbols)
        return jax.vmap(lambda state: particles.force(state, start, span, gamma, pairs)[1])(states)

    return Problem(
        "gradient flow of 64 particles, four symbols",
        equations=64 * 9,
        over="richness",
        values=np.linspace(0.5, 1.5, SETTINGS),
        ours=ours,
        peer=lambda richness: peers.equality(richness, np.asarray(symbols), start, rate * recorded),
        error=5e-3,
        methods=("RK23", "RK45"),
        tolerances=(3e-2, 1e-2, 3e-3, 1e-3, 3e-4),
        reference=lambda peer: peer.by_euler(2e-3),
        remarks=(
            "equality_reasoning: the right-hand side jumps at the ReLU's kinks, and some particles stay on one, where "
            "the solution chatters: every method's steps shrink with the tolerance. DOP853 and LSODA are left out "
            "(with RK45 they spent 100,000 evaluations before time 1 of 10 at tolerance 1e-6), and so is Radau, which "
            "was not tried; the reference is Euler's method with 5,000 and 10,000 steps, extrapolated; the error "
            "compared at is 5e-3.",
        ),
    )


def adaptive_kernels() -> Problem:
    from theorylab.systems.adaptive_kernels import theory_particles as particles
    from theorylab.systems.adaptive_kernels.presets import TOY
    from theorylab.systems.adaptive_kernels.setting import recorded_steps

    system = AdaptiveKernels(problem="training", activation="tanh", dynamics="flow", ridge=0.1, records=10, **TOY)
    with in_precision("float64"):
        data = jax.tree.map(np.asarray, system.the_data())
        points = np.asarray(data.points)
    start = particles.sobol_particles(points.shape[1], 0, 8)
    times = np.asarray(recorded_steps(system.steps, system.records)) * float(system.rate)

    def ours(richness: Any, rtol: Any) -> jax.Array:
        found, _ = particles.flow(
            jnp.asarray(points), jnp.asarray(data.targets), "tanh", richness, float(system.ridge), jnp.asarray(times),
            jnp.asarray(start[0]), jnp.asarray(start[1]), rtol=rtol, atol=1e-2 * rtol, max_steps=200_000,
        )  # fmt: skip
        return found["function"]

    return Problem(
        "gradient flow of 512 particles of a tanh network, three training points",
        equations=512 * (points.shape[1] + 1),
        over="richness",
        values=np.linspace(0.5, 2.0, SETTINGS),
        ours=ours,
        peer=lambda richness: peers.adaptive(richness, system, points, np.asarray(data.targets), start, times),
        methods=("DOP853", "RK45", "LSODA"),
        remarks=("adaptive_kernels: Radau is left out, its Jacobian has 3,072^2 entries.",),
    )


PROBLEMS: dict[str, Callable[[], Problem]] = {
    "rnn_integrator": rnn_integrator,
    "deep_linear_dmft, rank one": deep_linear_rank_one,
    "error_broadcast": error_broadcast,
    "rl_posttraining, formats": rl_formats,
    "rl_posttraining, skills": rl_skills,
    "flow_autoencoder, one network": flow_autoencoder,
    "flow_autoencoder, a network a time": flow_autoencoders,
    "equality_reasoning": equality_reasoning,
    "adaptive_kernels": adaptive_kernels,
}
