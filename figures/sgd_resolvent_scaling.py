"""Power-law spectra: exponents in time, data, model size and compute; 10^12 modes, log-binned."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from common import COLOURS, logarithmic, panels, save, size

from theorylab.data import spectra
from theorylab.solvers.resolvent import Modes
from theorylab.systems.sgd_resolvent import theory, theory_limits

jax.config.update("jax_enable_x64", True)

ALPHA = 1.5
figure, axes = panels(4, 3.9)
sizes, times = np.geomspace(10, 1e4, 13), np.geomspace(1, 1e6, 25)
ridge_loss = jax.jit(theory_limits.ridge_loss)


@functools.partial(jax.jit, static_argnames="stages")
def flow(modes: Modes, width: jax.Array, times: jax.Array, stages: int) -> jax.Array:
    physics = theory.Setting(modes, jnp.zeros(()), math.inf, width, True)
    return theory.flow_curves(physics, times, stages).loss


def draw(panel, x, y, colour, label, exponent):
    slope = np.log(y[-1] / y[-3]) / np.log(x[-1] / x[-3])
    print(label, f"{slope:.4f}", -exponent)
    panel.plot(x, y, color=colour, label=f"{label}: slope {slope:.3f}, law {-exponent:.3f}")


for colour, beta in zip(COLOURS, (1.9, 3.2), strict=False):
    modes = Modes(*(jnp.asarray(x) for x in spectra.power_law(10**12, ALPHA, beta)))
    name = f"beta = {beta}"
    in_time = np.asarray(flow(modes, jnp.asarray(math.inf), jnp.asarray(times), 72))
    draw(axes[0], times, in_time, colour, name, theory_limits.time_exponent(ALPHA, beta))
    data = np.array([float(ridge_loss(modes, p, math.inf, 0.0)) for p in sizes])
    draw(axes[1], sizes, data, colour, name, theory_limits.data_exponent(ALPHA, beta))
    model = np.array([float(ridge_loss(modes, math.inf, n, 0.0)) for n in sizes])
    draw(axes[2], sizes, model, colour, name, theory_limits.model_exponent(ALPHA, beta))
    # the best split of compute C = N t: lower envelope over widths
    widths, compute = np.geomspace(5, 5e3, size(22, 64)), np.geomspace(1e2, 1e6, 13)
    table = [np.asarray(flow(modes, jnp.asarray(n), jnp.asarray(compute / n), 72)) for n in widths]
    draw(axes[3], compute, np.min(table, 0), colour, name, theory_limits.compute_exponent(ALPHA, beta))
for panel, label in zip(axes, ("time", "samples P", "width N", "compute N x time"), strict=True):
    logarithmic(panel, label, "test loss")
save(figure, __file__)
