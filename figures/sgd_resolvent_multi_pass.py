"""Multi-pass SGD lies between one-pass SGD (early) and gradient descent (full batch), with a variance of its own."""

import math

from common import COLOURS, logarithmic, panels, predict, save, size
from sgd_resolvent_common import overlay

from theorylab.systems.sgd_resolvent import SGDResolvent

CLAIM = "sgd_resolvent/multi-pass"
figure, axes = panels(2, 4.6)
for colour, batch in zip(COLOURS, (2, 8, 150), strict=False):
    system = SGDResolvent(dynamics="multi", batch=batch, rate=0.2, steps=1000)
    overlay({"loss": axes[0], "train_loss": axes[1]}, system, colour, f"B = {batch}", size(32, 256))
online = SGDResolvent(dynamics="online", samples=math.inf, batch=2, rate=0.2, steps=1000)
axes[0].plot(online.coordinates()["step"], predict(online).curves["loss"], "k--", lw=1, label="one pass, B = 2")
logarithmic(axes[0], "step", "test loss", "P = 150, D = 200")
logarithmic(axes[1], "step", "training loss", "line: theory, points: runs")
save(figure, __file__)
