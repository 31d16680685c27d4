"""The steady alignment cos = M / sqrt(Q) falls with the learning rate, for plain gains to nothing."""

import numpy as np
from common import COLOURS, panels, points, predict, save, simulate, size

from theorylab.systems.flow_autoencoder import FlowAutoencoder

BASE = {"share": 0.5, "skip": "optimal", "overlap": 1.0, "duration": 60.0, "records": 1, "samples": 10}
dimension = size(200, 800)
figure, (axis,) = panels(1, 4.8)


def alignment(curves: dict, last: int = -1) -> np.ndarray:
    """M / sqrt(Q) at the end."""
    return curves["overlap"][..., 0, last] / np.sqrt(curves["norm"][..., 0, last])


rates, few = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0), size((0.5, 1.0), (0.5, 1.0, 2.0))
for colour, gains in zip(COLOURS, ("precond", "plain"), strict=False):
    theory = [float(alignment(predict(FlowAutoencoder(**BASE, gains=gains, rate=eta)).curves)) for eta in rates]
    print(gains, dict(zip(rates, np.round(theory, 3).tolist(), strict=True)))
    axis.plot(rates, theory, color=colour, label=f"{gains} gains")
    systems = [FlowAutoencoder(**BASE, gains=gains, rate=eta, dimension=dimension) for eta in few]
    points(axis, few, np.stack([alignment(simulate(one, size(6, 24), tile=6)) for one in systems], 1), colour)
axis.set(xlabel="learning rate η", ylabel="alignment $M/\\sqrt{Q}$ at τ = 60", ylim=(-0.05, 1))
axis.legend(title=f"line: theory, points: d = {dimension}")
save(figure, __file__)
