"""Kernel regression on the digits set: learning curves predicted from the kernel's measured spectrum."""

from sgd_resolvent_common import COLOURS, finish, overlay, panels, save

from theorylab.systems.sgd_resolvent import SGDResolvent

figure, axes = panels(2)
for colour, samples in zip(COLOURS, (100, 300, 900), strict=False):
    system = SGDResolvent(spectrum="digits", dimension=1797, samples=samples, noise=0.0, rate=2.0, steps=1000)
    for panel, name in zip(axes[0], ("loss", "train_loss"), strict=True):
        overlay(panel, system, name, colour, f"P = {samples}", 8)
finish(axes[0, 0], "step", "test loss", "even against odd digits, arc-cosine kernel")
finish(axes[0, 1], "step", "training loss")
save(figure, "digits")
