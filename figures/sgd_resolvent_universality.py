"""Kernel regression on the digits set: learning curves predicted from the kernel's measured spectrum."""

from common import COLOURS, logarithmic, panels, save, size
from sgd_resolvent_common import overlay

from theorylab.systems.sgd_resolvent import SGDResolvent

CLAIM = "sgd_resolvent/universality"
figure, axes = panels(2, 4.6)
for colour, samples in zip(COLOURS, size((100, 300), (100, 300, 900)), strict=False):
    system = SGDResolvent(spectrum="digits", dimension=1797, samples=samples, noise=0.0, rate=2.0, steps=1000)
    overlay({"loss": axes[0], "train_loss": axes[1]}, system, colour, f"P = {samples}", size(8, 32))
logarithmic(axes[0], "step", "test loss", "even against odd digits, arc-cosine kernel")
logarithmic(axes[1], "step", "training loss", "line: theory, points: runs")
save(figure, __file__)
