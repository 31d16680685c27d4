"""What is predicted, by which solver: the dispatch of docs/adaptive_kernels.md section 8."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from theorylab.core import Prediction, Refused, require
from theorylab.systems.adaptive_kernels import theory_deep_linear as deep_linear
from theorylab.systems.adaptive_kernels import theory_lazy as lazy
from theorylab.systems.adaptive_kernels import theory_two_layer as two_layer
from theorylab.systems.adaptive_kernels.numerics import KernelNumerics
from theorylab.systems.adaptive_kernels.setting import Data, data_of

if TYPE_CHECKING:
    from theorylab.systems.adaptive_kernels import AdaptiveKernels


def input_kernel(data: Data) -> Array:
    """K = X X^T / D of training points, then test points."""
    points = data.points
    return points @ points.T / points.shape[1]


def predict(system: AdaptiveKernels, numerics: KernelNumerics) -> Prediction:
    """Curves and facts of the setting."""
    data = data_of(system)
    kernel = input_kernel(data)
    if system.problem == "posterior":
        return _posterior(system, data, kernel, numerics)
    if numerics.backend == "flow":
        from theorylab.systems.adaptive_kernels import theory_particles

        return theory_particles.training(system, data, numerics)
    if system.problem == "training":
        from theorylab.systems.adaptive_kernels import theory_dynamics

        return theory_dynamics.predict(system, data, kernel, numerics)
    return _converged(system, data, kernel, numerics)


def choose(system: AdaptiveKernels) -> KernelNumerics:
    """The solver for concrete couplings and data. Raises: `Refused` where there is none."""
    if system.dynamics == "flow":
        return KernelNumerics(backend="flow", max_steps=20_000)
    if system.problem == "training":
        if system.activation == "linear":
            points = system.samples + system.tests
            return KernelNumerics(backend="exact-pass", capacity=12 * max(points, 4), seeds=1, tolerance=1e-8)
        return KernelNumerics(backend="pass")
    if system.activation == "linear":
        return KernelNumerics(backend="scalar")
    if system.problem == "converged":
        return KernelNumerics(backend="variation")
    data = system.the_data()
    inputs = np.asarray(data.inputs)
    rank = two_layer.rank_of(inputs @ inputs.T)
    if system.depth == 1:
        everywhere = np.asarray(data.points)
        if system.activation == "relu":
            return KernelNumerics(
                backend="radial" if two_layer.rank_of(everywhere @ everywhere.T) == 2 else "particles", seeds=4
            )
        if rank <= 3:
            return KernelNumerics(backend="quadrature", rank=rank, radial=90 if rank < 3 else 61)
        return KernelNumerics(backend="particles", seeds=4)
    require(
        system.depth == 2 and system.samples <= 4,
        f"the posterior of {system.depth} nonlinear hidden layers with {system.samples} training points has no solver "
        "here; it needs depth 2 and at most 4 training points (or a linear activation)",
    )
    require(
        rank == system.samples,
        f"the two-layer Newton solver whitens the input kernel, which is singular: rank {rank} for {system.samples} "
        "training points; give inputs of higher dimension",
    )
    return KernelNumerics(backend="newton", hermite=28 if system.samples < 4 else 20)


def _posterior(system: AdaptiveKernels, data: Data, kernel: Array, numerics: KernelNumerics) -> Prediction:
    samples = data.targets.shape[0]
    facts: dict[str, Array] = lazy_facts(system, data, kernel)
    error: dict[str, Array] = {}
    if numerics.backend == "scalar":
        modes = deep_linear.modes(kernel[:samples, :samples], data.targets)
        found = deep_linear.posterior(modes, system.depth, system.richness, system.beta)
        function, kernels = deep_linear.posterior_kernels(kernel, data.targets, found.spike, system.depth, system.beta)
        kernels = kernels[:, :samples, :samples]
        density = two_layer.gaussian_density(kernels[0, 0, 0])
        status = found.status
        facts |= {"spike": found.spike, "action": found.action, "roots": found.roots, "actions": found.actions}
    elif numerics.backend == "newton":
        from theorylab.systems.adaptive_kernels import theory_two_hidden

        return theory_two_hidden.predict(system, data, kernel, numerics, facts)
    elif numerics.backend == "particles":
        from theorylab.systems.adaptive_kernels import theory_particles

        many = theory_particles.posterior(system, data, numerics)
        each = jax.vmap(lambda f, k, d: posterior_curves(system, data, f, k[None], d))(*many)
        curves = jax.tree.map(lambda x: jnp.mean(x, 0), each)
        error = jax.tree.map(lambda x: jnp.std(x, 0, ddof=1) / numerics.seeds**0.5, each)
        return Prediction(curves, 0, error, facts)
    else:
        if numerics.backend == "radial":
            answer = two_layer.relu_radial(kernel, data.targets, system.richness, system.beta)
        else:
            answer = two_layer.by_quadrature(
                kernel,
                data.targets,
                system.activation,
                system.richness,
                system.beta,
                numerics.rank,
                radial=numerics.radial,
                angular=numerics.angular,
                cut=float(numerics.cut),
            )
        function, kernels, density, status = answer.function, answer.kernel[None], answer.density, answer.status
        facts |= {"action": answer.maximum, "steps": answer.steps, "residual": answer.residual}
    return Prediction(posterior_curves(system, data, function, kernels, density), status, error, facts)


def posterior_curves(
    system: AdaptiveKernels, data: Data, function: Array, kernels: Array, density: Array | None
) -> dict[str, Array]:
    """Observables from the predictor at all points and the kernels at training points."""
    samples = data.targets.shape[0]
    curves = {
        "train_function": function[:samples],
        "feature_kernel": kernels,
        "alignment": alignment(kernels, data.targets),
    }
    if system.tests:
        curves["test_function"] = function[samples:]
    if density is not None and system.has_density:
        curves["density"] = density
    if system.test_targets_known:
        curves["loss"] = jnp.mean((function[samples:] - data.test_targets) ** 2)
    return curves


def alignment(kernels: Array, targets: Array) -> Array:
    """y . Phi y / (|Phi|_F |y|^2) of every layer, docs/adaptive_kernels.md eq. (36); 0 for a kernel that is zero."""
    along = jnp.einsum("i,lij,j->l", targets, kernels, targets)
    square = jnp.sum(kernels**2, axis=(1, 2))
    size = jnp.sqrt(jnp.where(square > 0, square, 1.0)) * jnp.sum(targets**2)
    return along / size


def lazy_facts(system: AdaptiveKernels, data: Data, kernel: Array) -> dict[str, Array]:
    """Predictions (and test loss) of the lazy kernel machine with the same ridge."""
    if system.problem == "posterior":
        lazy_kernel, ridge = lazy.nngp(system.activation, kernel, system.depth)[-1], 1 / system.beta
    else:
        homogeneous = system.activation in ("linear", "relu") or system.depth == 1
        kappa = lazy.homogeneity(system.activation, system.depth) if homogeneous else 1
        lazy_kernel, ridge = lazy.ntk(system.activation, kernel, system.depth), kappa * system.ridge
    function = lazy.ridge_predictor(lazy_kernel, data.targets, ridge)
    samples = data.targets.shape[0]
    facts = {"lazy_train_function": function[:samples]}
    if system.tests:
        facts["lazy_test_function"] = function[samples:]
    if system.test_targets_known:
        facts["lazy_loss"] = jnp.mean((function[samples:] - data.test_targets) ** 2)
    return facts


def _converged(system: AdaptiveKernels, data: Data, kernel: Array, numerics: KernelNumerics) -> Prediction:
    samples = data.targets.shape[0]
    facts = lazy_facts(system, data, kernel)
    if numerics.backend == "variation":
        from theorylab.systems.adaptive_kernels import theory_variation

        return theory_variation.predict(system, data, facts)
    modes = deep_linear.modes(kernel[:samples, :samples], data.targets)
    end = deep_linear.converged(modes, system.depth, system.richness, system.ridge)
    function, kernels = deep_linear.converged_kernels(kernel, data.targets, end, system.depth, system.richness)
    facts |= {
        "rho": end.ridge,
        "norm": end.norm,
        "objective": end.objective,
        "roots": end.roots,
        "objectives": end.objectives,
        "objective_at_zero": end.at_zero,
        "collapse_ridge": deep_linear.collapse_ridge(modes, system.depth, system.richness),
    }
    curves = posterior_curves(system, data, function, kernels[:, :samples, :samples], None)
    return Prediction(curves, end.status, facts=facts)


def fastest_rate(system: AdaptiveKernels) -> float:
    """ridge + the largest eigenvalue of the initial tangent kernel; host only."""
    with jax.enable_x64(True):
        data = data_of(system)
        inputs = np.asarray(data.inputs, float)
        kernel = jnp.asarray(inputs @ inputs.T / inputs.shape[1])
        tangent = np.asarray(lazy.ntk(system.activation, kernel, system.depth))
    return float(system.ridge) + float(np.linalg.eigvalsh(tangent)[-1])


def warnings(system: AdaptiveKernels) -> tuple[str, ...]:
    """What a user should know of these couplings."""
    said: list[str] = []
    if system.problem == "posterior" and system.activation == "linear":
        with jax.enable_x64(True):
            data = data_of(system)
            kernel = input_kernel(data)[: system.samples, : system.samples]
            modes = deep_linear.modes(kernel, data.targets)
            found = _posterior_of(modes, system.depth, float(system.richness), float(system.beta))
        count = int(np.sum(np.isfinite(np.asarray(found.roots))))
        if count > 1:
            listed = ", ".join(f"{a:.4g}" for a in np.asarray(found.roots)[:count])
            said.append(
                f"{count} solutions coexist (a = {listed}); the one of least action, a = {float(found.spike):.4g}, is "
                "reported, and chains may stay in another for long"
            )
    if system.problem == "converged" and system.activation == "linear" and system.depth > 1:
        said.append("zero weights are locally stable too: small initial weights may collapse onto them")
    return tuple(said)


_posterior_of: Any = jax.jit(deep_linear.posterior, static_argnums=1)

__all__ = ["Refused", "choose", "predict"]
