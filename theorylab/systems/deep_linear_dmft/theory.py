"""Prediction: the two-time equations at the system's couplings (docs/deep_linear_dmft.md, section 3)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import jax.numpy as jnp
from jaxtyping import Array, Float

from theorylab.core import Prediction, Status, status_where
from theorylab.systems.deep_linear_dmft import spectrum as data
from theorylab.systems.deep_linear_dmft.theory_march import Solution, march, tangent_kernel
from theorylab.systems.deep_linear_dmft.theory_setting import Setting

if TYPE_CHECKING:
    from theorylab.systems.deep_linear_dmft import DeepLinearDMFT, MarchNumerics

DIVERGED = 1e6
"""Test loss beyond which a trajectory is called divergent and not reported."""


def setting(system: DeepLinearDMFT, groups: int = 0) -> Setting:
    """The couplings of the two-time equations. The isotropic case is one mode of unit eigenvalue, with N/D and P/D
    in the place of N and P."""
    unit = float(system.dimension) if system.spectrum == "isotropic" else 1.0
    if system.spectrum == "isotropic":
        one = jnp.ones(1)
        values, powers, counts = one, one, one
    else:
        values, power, counts = data.spectrum(system, groups)
        powers = power / values
    samples = data.batches(system) / unit
    return Setting(
        eigenvalues=jnp.asarray(values),
        powers=jnp.asarray(powers),
        multiplicities=jnp.asarray(counts),
        rates=data.rates(system),
        richness=jnp.asarray(system.scaled_richness),
        noise_variance=jnp.square(jnp.asarray(system.noise)),
        inverse_width=jnp.asarray(unit / system.width),
        inverse_samples=jnp.asarray(1 / samples),
        branch=jnp.asarray(system.branch_scale),
        reaction=jnp.ones(()),
        steps=system.steps,
        depth=system.depth,
        data="population" if math.isinf(samples[0]) else system.data,
        residual=system.residual != "none",
        centered=system.centered,
        ensemble=system.members > 1,
        infinite=math.isinf(system.width) and math.isinf(samples[0]),
    )


def predict(system: DeepLinearDMFT, numerics: MarchNumerics) -> Prediction:
    """Curves of every observable of the system. Past a divergence curves are NaN, `facts["diverged_at"]` is the step
    (-1 where there is none) and the status is NOT_FINITE."""
    equations = setting(system, numerics.groups)
    return observe(system, equations, march(equations))


def observe(system: DeepLinearDMFT, equations: Setting, solution: Solution) -> Prediction:
    """The system's observables and facts from the equations' solution."""
    kernel = tangent_kernel(solution, equations.branch if equations.residual else 1.0)
    error, sample_error = solution.error, solution.sample_error
    if system.members > 1:
        error = solution.shared + (error - solution.shared) / system.members
        sample_error = solution.shared_sample + (sample_error - solution.shared_sample) / system.members
    loss = jnp.diagonal(error)
    curves = {"loss": loss, "error_correlation": error[data.anchors(system.steps)]}
    if system.data != "population":
        curves["train_loss"] = sample_error
    if system.depth > 0:
        curves |= {
            "feature_kernel": solution.feature_kernel,
            "gradient_kernel": solution.gradient_kernel,
            "ntk": kernel,
        }
    bad = ~(jnp.abs(loss) <= DIVERGED)
    diverged = bad.any()
    first = jnp.where(diverged, jnp.argmax(bad), -1)
    late = jnp.where(diverged, jnp.arange(system.steps) >= first, False)
    curves = {name: jnp.where(late, jnp.nan, curve) for name, curve in curves.items()}
    facts = {"diverged_at": first, **edge(system, equations, kernel), **parts(system, equations, solution)}
    return Prediction(curves, status=status_where(diverged, Status.NOT_FINITE), facts=facts)


def edge(system: DeepLinearDMFT, equations: Setting, kernel: Float[Array, "time"]) -> dict[str, Array]:
    """How close the run comes to the stability edge: largest rate * kernel * (sharpness per kernel) / 2 over time.
    Above 1 steps overshoot, and runs of finite size scatter however right the mean is (docs section 5)."""
    sharpness = system.sharpness()
    return {"stability": jnp.max(equations.rates * jnp.nan_to_num(kernel, nan=jnp.inf)) * sharpness / 2}


def parts(system: DeepLinearDMFT, equations: Setting, solution: Solution) -> dict[str, Array]:
    """Bias and variances of an ensemble's members, docs eqs. (23)-(25): by the target not yet learned, by the data,
    by the initial weights."""
    if system.members == 1:
        return {}
    weight = equations.multiplicities * equations.eigenvalues * equations.powers
    bias = weight @ solution.mean**2
    shared = jnp.diagonal(solution.shared)
    return {
        "bias": bias,
        "variance_of_data": shared - bias,
        "variance_of_initialization": jnp.diagonal(solution.error) - shared,
    }
