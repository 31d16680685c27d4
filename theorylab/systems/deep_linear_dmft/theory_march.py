"""Exact causal marching of the two-time equations: no iteration, one row of every matrix a step (docs section 4)."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from theorylab.systems.deep_linear_dmft import theory_data, theory_layers, theory_residual
from theorylab.systems.deep_linear_dmft.theory_setting import Setting


class Solution(eqx.Module):
    """What the marching leaves behind.

    Arguments:
      error: C_v(t, s); the diagonal is the test loss of one network.
      sample_error: diagonal of C_D, the training loss of one network, label noise included.
      shared, shared_sample: C_v and the diagonal of C_D between two networks trained on the same data; zero where
        no ensemble is asked for.
      mean: sum over s of H_k(t, s), per mode: the fraction of the target not yet learned.
      force: C_u(t, t).
      feature_kernel, gradient_kernel: C_h^l(t, t) and C_g^l(t, t), l = 1..L.
    """

    error: Float[Array, "time time"]
    sample_error: Float[Array, "time"]
    shared: Float[Array, "time time"]
    shared_sample: Float[Array, "time"]
    mean: Float[Array, "modes time"]
    force: Float[Array, "time"]
    feature_kernel: Float[Array, "layer time"]
    gradient_kernel: Float[Array, "layer time"]


def march(setting: Setting) -> Solution:
    """Solve the equations of docs/deep_linear_dmft.md, section 3, for steps 0..T-1.

    Costs O((L + K) T^3) operations and O((L + K) T^2) memory for L plain layers and K groups of modes; a residual
    network O(L^2 T^3) and O(L^2 T^2).
    """
    layers: Any = theory_residual if setting.residual and setting.depth > 1 else theory_layers

    def step(carry, t):
        hidden, data = carry
        hidden, response, gradient = layers.march_back(hidden, setting, t)
        data, force, pull = theory_data.march(data, setting, t, response, gradient)
        hidden = layers.march_forth(hidden, setting, t, force, pull)
        return (hidden, data), force[t]

    start = (layers.start(setting), theory_data.start(setting))
    (hidden, data), force = lax.scan(step, start, jnp.arange(setting.steps))
    zero = jnp.zeros_like(force)
    test = jnp.diagonal(data.error)

    def diagonal(samples: Array | None, error: Array) -> Array:
        if samples is None:
            return error + setting.noise_variance
        return samples if samples.ndim == 1 else jnp.diagonal(samples)

    shared = data.shared
    return Solution(
        error=data.error,
        sample_error=diagonal(data.sample_error, test),
        shared=jnp.zeros_like(data.error) if shared is None else shared,
        shared_sample=zero if shared is None else diagonal(data.shared_sample, jnp.diagonal(shared)),
        mean=data.mean,
        force=force,
        feature_kernel=hidden.feature_kernel,
        gradient_kernel=hidden.gradient_kernel,
    )


def tangent_kernel(solution: Solution, branch: Float[Array, ""] | float = 1.0) -> Float[Array, "time"]:
    """Trace of the neural tangent kernel seen by the force, docs eq. (21): L + 1 at infinite width in the lazy limit.

    Arguments:
      branch: scale b of residual branches; 1 for a plain network.
    """
    features, gradients = solution.feature_kernel, solution.gradient_kernel
    if features.shape[0] == 0:
        return jnp.ones_like(solution.force)
    hidden = (gradients[1:] * features[:-1]).sum(0) * branch**2 + features[-1]
    return gradients[0] + hidden / solution.force
