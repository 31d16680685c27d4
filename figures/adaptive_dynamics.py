"""Functions and kernels of two tanh layers in training: one causal pass (lines), networks (points), and the same theory
without its response terms (dashed)."""

import numpy as np
from adaptive_common import COLOURS, panels, points, predict, save, simulate
from jax import jit

from theorylab.core.casting import cast, in_precision
from theorylab.systems.adaptive_kernels import AdaptiveKernels, setting, theory, theory_dynamics
from theorylab.systems.adaptive_kernels.presets import DYNAMICS

system = AdaptiveKernels(**DYNAMICS, width=500)
time = np.asarray(system.coordinates()["time"])
right, runs = predict(system).curves, simulate(system, 32)
with in_precision("float64"):

    def without(s):
        data = setting.data_of(s)
        kernel = theory.input_kernel(data)
        return theory_dynamics.predict(s, data, kernel, system.numerics(None), responses=False).curves

    wrong = {name: np.asarray(curve) for name, curve in jit(without)(cast(system, "float64")).items()}
figure, axes = panels(3)
names = ("train_function", "feature_kernel", "gradient_kernel")
for axis, name in zip(axes, names, strict=True):
    for i in range(3 if name == "train_function" else 2):

        def pick(curves, i=i, name=name):
            return curves[name][i] if name == "train_function" else curves[name][i, 0, 0]

        label = f"point {i}" if name == "train_function" else f"layer {i + 1}"
        axis.plot(time, pick(right), color=COLOURS[i], label=label)
        axis.plot(time, pick(wrong), "--", lw=0.9, color=COLOURS[i])
        points(axis, time, runs, pick, COLOURS[i])
    axis.set(xlabel="time (rate x steps)", title=name.replace("_", " "))
    axis.legend(fontsize=8)
axes[0].plot([], [], "--", lw=0.9, color="0.4", label="without responses")
axes[0].legend(fontsize=8, title="points: networks, N = 500", title_fontsize=8)
save(figure, __file__)
