"""Training in time: functions and kernels of an infinitely wide network of any depth, by the causal pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from theorylab.core import Prediction, Status, status_where, worst
from theorylab.solvers.single_site import Layout, Pass, causal_pass
from theorylab.systems.adaptive_kernels import theory_activation as activation_
from theorylab.systems.adaptive_kernels import theory_lazy as lazy
from theorylab.systems.adaptive_kernels.setting import Data, recorded_steps

if TYPE_CHECKING:
    from theorylab.systems.adaptive_kernels import AdaptiveKernels
    from theorylab.systems.adaptive_kernels.numerics import KernelNumerics


def predict(
    system: AdaptiveKernels, data: Data, kernel: Float[Array, "n n"], numerics: KernelNumerics, responses: bool = True
) -> Prediction:
    """Curves at the recorded steps; their standard error from independent seeds where the pass is sampled.

    Arguments:
      responses: False leaves the response terms of eq. (23) out, which is wrong.
    """
    exact = numerics.backend == "exact-pass"
    sites = 2 * numerics.capacity if exact else numerics.sites
    layout = Layout(sites, numerics.capacity, exact)
    at = jnp.asarray(recorded_steps(system.steps, system.records))
    first = jax.random.key(numerics.seed)

    def one(seed: Array) -> tuple[dict[str, Array], Array, Array, Array]:
        found = causal_pass(
            kernel,
            data.targets,
            lambda h: activation_.value(system.activation, h),
            lambda h: activation_.slope(system.activation, h),
            depth=system.depth,
            richness=system.richness,
            ridge=system.ridge,
            rate=system.rate,
            steps=system.steps,
            key=jax.random.fold_in(first, seed),
            layout=layout,
            tolerance=numerics.tolerance,
            responses=responses,
        )
        return _curves(system, data, found, at), found.status, found.ranks, _fastest(system, kernel, found)

    if exact:
        curves, status, ranks, fastest = one(jnp.asarray(0))
        error: dict[str, Array] = {}
    else:
        # one seed after another: a loop of one program whose Gram-Schmidt decisions stay branches
        many, statuses, ranks, rates = lax.map(one, jnp.arange(numerics.seeds))
        curves = jax.tree.map(lambda x: jnp.mean(x, 0), many)
        error = jax.tree.map(lambda x: jnp.std(x, 0, ddof=1) / numerics.seeds**0.5, many)
        status, fastest = jnp.max(statuses), jnp.max(rates)
    unstable = status_where(system.rate * (system.ridge + fastest) >= 2, Status.NOT_FINITE)
    facts = {"columns": jnp.max(ranks, initial=0), "fastest_rate": system.ridge + fastest}
    facts |= {"lazy_" + name: curve for name, curve in lazy_dynamics(system, data, kernel).items()}
    return Prediction(curves, worst(status, unstable), error, facts)


def _curves(system: AdaptiveKernels, data: Data, found: Pass, at: Array) -> dict[str, Array]:
    samples = data.targets.shape[0]
    f = found.function[at]
    curves = {
        "feature_kernel": found.features[at],
        "gradient_kernel": found.gradients[at],
        "feature_overlap": found.feature_overlap[at],
        "gradient_overlap": found.gradient_overlap[at],
        "train_loss": jnp.mean((f[:, :samples] - data.targets) ** 2, axis=1),
        **_functions(system, data, f),
    }
    return {name: jnp.moveaxis(curve, 0, -1) for name, curve in curves.items()}


def _functions(system: AdaptiveKernels, data: Data, f: Array) -> dict[str, Array]:
    """Outputs and test loss, time the first axis."""
    samples = data.targets.shape[0]
    curves = {"train_function": f[:, :samples]}
    if system.tests:
        curves["test_function"] = f[:, samples:]
    if system.test_targets_known:
        curves["loss"] = jnp.mean((f[:, samples:] - data.test_targets) ** 2, axis=1)
    return curves


def tangent_kernel(
    kernel: Float[Array, "n n"], features: Float[Array, "time layer n n"], gradients: Float[Array, "time layer n n"]
) -> Float[Array, "time n n"]:
    """The adapted tangent kernel, sum over l of G^{l+1} Phi^l, docs/adaptive_kernels.md eq. (4)."""
    below = jnp.concatenate([jnp.broadcast_to(kernel, features[:, :1].shape), features[:, :-1]], axis=1)
    return jnp.sum(gradients * below, axis=1) + features[:, -1]


def _fastest(system: AdaptiveKernels, kernel: Array, found: Pass) -> Array:
    """Largest eigenvalue of the tangent kernel at training points along the run."""
    tangent = tangent_kernel(kernel, found.features, found.gradients)[:, : system.samples, : system.samples]
    finite = jnp.where(jnp.isfinite(tangent), tangent, 0.0)
    return jnp.max(jnp.linalg.eigvalsh(finite))


def lazy_dynamics(system: AdaptiveKernels, data: Data, kernel: Float[Array, "n n"]) -> dict[str, Array]:
    """Predictions in time with the initial tangent kernel held, f(k + 1) = (1 - kappa lambda dt) f(k) + dt NTK (y - f).

    Its end is the lazy kernel machine with ridge kappa lambda; a reference, not the limit of small richness.
    """
    samples = data.targets.shape[0]
    tangent = lazy.ntk(system.activation, kernel, system.depth)
    kappa = lazy.homogeneity(system.activation, system.depth) if system.depth == 1 else system.depth + 1

    def step(f: Array, _: None) -> tuple[Array, Array]:
        force = data.targets - f[:samples]
        return (1 - kappa * system.ridge * system.rate) * f + system.rate * tangent[:, :samples] @ force, f

    _, f = lax.scan(step, jnp.zeros(kernel.shape[0]), None, length=system.steps + 1)
    f = f[jnp.asarray(recorded_steps(system.steps, system.records))]
    return {name: jnp.moveaxis(curve, 0, -1) for name, curve in _functions(system, data, f).items()}
