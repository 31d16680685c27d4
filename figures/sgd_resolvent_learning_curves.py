"""Gradient flow overfits: with label noise the test loss turns up while the training loss of P < D samples vanishes."""

from sgd_resolvent_common import COLOURS, finish, overlay, panels, save

from theorylab.systems.sgd_resolvent import SGDResolvent

figure, axes = panels(2)
for colour, samples in zip(COLOURS, (75, 150, 300), strict=False):
    system = SGDResolvent(samples=samples, dynamics="flow", horizon=3000.0)
    for panel, name in zip(axes[0], ("loss", "train_loss"), strict=True):
        overlay(panel, system, name, colour, f"P = {samples}", 40)
finish(axes[0, 0], "time (rate x steps)", "test loss", "linear regression, D = 200")
finish(axes[0, 1], "time (rate x steps)", "training loss")
save(figure, "learning_curves")
