"""F7: the steady alignment cos = M / sqrt(Q) falls with the learning rate, for plain gains to nothing."""

import matplotlib.pyplot as plt
import numpy as np
from flow_autoencoder_common import COLOURS, predict, save, simulate

from theorylab.systems.flow_autoencoder import FlowAutoencoder

BASE = {"share": 0.5, "skip": "optimal", "overlap": 1.0, "duration": 60.0, "records": 1, "samples": 10}
figure, axis = plt.subplots(figsize=(4.6, 3.3), layout="constrained")


def alignment(curves: dict, last: int = -1) -> np.ndarray:
    """M / sqrt(Q) at the end."""
    return curves["overlap"][..., 0, last] / np.sqrt(curves["norm"][..., 0, last])


rates, few = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0), (0.5, 2.0)
for colour, gains in zip(COLOURS, ("precond", "plain"), strict=False):
    theory = [float(alignment(predict(FlowAutoencoder(**BASE, gains=gains, rate=eta)).curves)) for eta in rates]
    print(gains, dict(zip(rates, np.round(theory, 3), strict=True)))
    axis.plot(rates, theory, color=colour, label=gains)
    runs = [alignment(simulate(FlowAutoencoder(**BASE, gains=gains, rate=eta, dimension=300), 6)) for eta in few]
    axis.errorbar(few, [r.mean() for r in runs], [r.std(ddof=1) / 6**0.5 for r in runs], fmt="o", color=colour)
axis.set(xlabel="learning rate η", ylabel="alignment $M/\\sqrt{Q}$ at τ = 60", ylim=(-0.05, 1))
axis.legend(title="line: theory, points: d = 300")
save(figure, __file__)
