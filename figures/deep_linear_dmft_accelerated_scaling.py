"""Feature learning accelerates hard power-law tasks: lazy slope -b, rich slope -2b/(1+b); finite width has plateaus."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from common import panels, save, shade, size, ticks
from deep_linear_dmft_common import STEP, dots, theory, training

from theorylab.core.casting import in_precision
from theorylab.systems.deep_linear_dmft import DeepLinearDMFT, theory_rank_one

CLAIM = "deep_linear_dmft/accelerated scaling"
TASK = 0.4
figure, axes = panels(3, 4.0)
LAW = {"spectrum": "power_law", "spectrum_exponent": 1.5, "depth": 1}
for i, (name, richness, rate) in enumerate((("lazy", 1e-3, 0.15), ("rich", 4.0, 0.06))):
    system = DeepLinearDMFT(
        **LAW, task_exponent=TASK, dimension=10**8, width=math.inf, samples=math.inf, data="population",
        normalized=False, richness=richness, rate=rate, steps=200,
    )  # fmt: skip
    loss, time = theory(system)["loss"], np.arange(200)
    slope = TASK if name == "lazy" else float(theory_rank_one.rich_slope(TASK))
    axes[0].loglog(time[1:], loss[1:], color=shade(i, 2), label=name)
    axes[0].loglog(time[20:], loss[100] * (time[20:] / 100) ** -slope, "--", color="grey", lw=0.8)
axes[0].set(xlabel=STEP, ylabel="test loss (target power 1)", title="infinite width and samples")
ticks(axes[0], (0.1, 0.2, 0.5, 1, 2), "y")
with in_precision("float64"):
    times = jnp.geomspace(1, 1e6, 61)
    for i, depth in enumerate((1, 2, 3)):
        spectrum = theory_rank_one.power_law(1.5, 0.5)
        curve = jax.jit(lambda t, d=depth, s=spectrum: theory_rank_one.curve(t, d, s, rtol=1e-6, atol=1e-9))(times)
        axes[1].loglog(times, curve.raise_if_failed().curves["loss"], color=shade(i, 3), label=f"$L={depth}$")
        slope = float(theory_rank_one.rich_slope(0.5, depth))
        axes[1].loglog(
            times[30:], curve.curves["loss"][45] * (times[30:] / times[45]) ** -slope, "--", color="grey", lw=0.8
        )
    axes[1].loglog(times, theory_rank_one.lazy_curve(times, 1, spectrum), "k:", label="lazy")
axes[1].set(xlabel=r"time (rate $\times$ steps $\times\,\gamma_0^{2L/(L+1)}$)", title="small initial weights")
for i, ratio in enumerate((0.5, 1, 4)):
    system = DeepLinearDMFT(
        **LAW, task_exponent=0.5, dimension=200, width=int(200 * ratio), samples=400, richness=0.5, rate=0.15, steps=120
    )
    axes[2].loglog(np.arange(1, 120), theory(system)["loss"][1:], color=shade(i, 3), label=f"$N={system.width}$")
    runs = training(system, runs=size(16, 64))["loss"]
    dots(axes[2], runs, shade(i, 3), every=10, first=1)
axes[2].set(xlabel=STEP, title="400 samples; points: networks")
for axis in axes:
    axis.legend()
axes[0].plot([], [], "--", color="grey", lw=0.8, label="power law predicted")
axes[0].legend()
save(figure, __file__)
