"""Functions and kernels of two tanh layers in training: one causal pass (lines), networks (points), and the same theory
without its response terms (dashed)."""

import numpy as np
from common import COLOURS, panels, points, predict, save, simulate, size
from jax import jit

from theorylab.core.casting import cast, in_precision
from theorylab.systems.adaptive_kernels import AdaptiveKernels, setting, theory, theory_dynamics
from theorylab.systems.adaptive_kernels.presets import DYNAMICS

CLAIM = "adaptive_kernels/dynamics"
system = AdaptiveKernels(**DYNAMICS, width=size(300, 1000))
time = np.asarray(system.coordinates()["time"])
right, runs = predict(system).curves, simulate(system, size(16, 64), tile=4)
with in_precision("float64"):

    def without(s):
        data = setting.data_of(s)
        kernel = theory.input_kernel(data)
        return theory_dynamics.predict(s, data, kernel, system.numerics(None), responses=False).curves

    wrong = {name: np.asarray(curve) for name, curve in jit(without)(cast(system, "float64")).items()}
figure, axes = panels(3)
titles = {
    "train_function": "outputs at training points",
    "feature_kernel": "feature kernel of point 0",
    "gradient_kernel": "gradient kernel of point 0",
}
for axis, (name, title) in zip(axes, titles.items(), strict=True):
    for i in range(3 if name == "train_function" else 2):
        place = (i,) if name == "train_function" else (i, 0, 0)
        label = f"point {i}" if name == "train_function" else f"layer {i + 1}"
        axis.plot(time, right[name][place], color=COLOURS[i], label=label)
        axis.plot(time, wrong[name][place], "--", lw=0.9, color=COLOURS[i])
        points(axis, time, runs[name][:, *place], COLOURS[i])
    axis.set(xlabel="time (rate x steps)", title=title)
    axis.legend()
axes[0].plot([], [], "--", lw=0.9, color="0.4", label="without responses")
axes[0].legend(title=f"points: networks, N = {system.width}")
save(figure, __file__)
