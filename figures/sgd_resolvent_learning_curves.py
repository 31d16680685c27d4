"""Gradient flow overfits: with label noise the test loss turns up while the training loss of P < D samples vanishes."""

from common import COLOURS, logarithmic, panels, save, size
from sgd_resolvent_common import overlay

from theorylab.systems.sgd_resolvent import SGDResolvent

CLAIM = "sgd_resolvent/learning-curves"
figure, axes = panels(2, 4.6)
for colour, samples in zip(COLOURS, (75, 150, 300), strict=False):
    system = SGDResolvent(samples=samples, dynamics="flow", horizon=3000.0)
    overlay({"loss": axes[0], "train_loss": axes[1]}, system, colour, f"P = {samples}", size(32, 256))
logarithmic(axes[0], "time (rate x steps)", "test loss", "linear regression, D = 200")
logarithmic(axes[1], "time (rate x steps)", "training loss", "line: theory, points: runs")
save(figure, __file__)
