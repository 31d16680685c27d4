"""Multi-pass SGD lies between one-pass SGD (early) and gradient descent (full batch), with a variance of its own."""

import math

from sgd_resolvent_common import COLOURS, finish, overlay, panels, save, theory_of

from theorylab.systems.sgd_resolvent import SGDResolvent

figure, axes = panels(2)
for colour, batch in zip(COLOURS, (2, 8, 150), strict=False):
    system = SGDResolvent(dynamics="multi", batch=batch, rate=0.2, steps=1000)
    for panel, name in zip(axes[0], ("loss", "train_loss"), strict=True):
        overlay(panel, system, name, colour, f"B = {batch}", 40)
online = SGDResolvent(dynamics="online", samples=math.inf, batch=2, rate=0.2, steps=1000)
axes[0, 0].plot(online.coordinates()["step"], theory_of(online)["loss"], "k--", lw=1, label="one pass, B = 2")
finish(axes[0, 0], "step", "test loss", "P = 150, D = 200")
finish(axes[0, 1], "step", "training loss")
save(figure, "multi_pass")
