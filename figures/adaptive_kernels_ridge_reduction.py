"""Deep linear posteriors are ridge regression with the ridge divided by one scalar a: shrinkage of each mode, and a."""

import dataclasses

import numpy as np
from common import COLOURS, panels, points, predict, save, simulate, size

from theorylab.systems.adaptive_kernels import AdaptiveKernels
from theorylab.systems.adaptive_kernels.presets import WAVES

CLAIM = "adaptive_kernels/ridge-reduction"
FIELDS = {"activation": "linear", "beta": 5.0, "moves": size(200, 800), "width": size(96, 256)}
system = AdaptiveKernels(problem="posterior", **FIELDS, **WAVES)
data = system.the_data()
x, y = np.asarray(data.inputs, float), np.asarray(data.targets, float)
values, vectors = np.linalg.eigh(x @ x.T / x.shape[1])
along = vectors.T @ y
shown = np.abs(along) > 0.1 * np.abs(along).max()
trials = np.exp(np.linspace(-1.0, 4.0, 5001))


def kept(a: np.ndarray, value: np.ndarray) -> np.ndarray:
    """What a regression with ridge 1 / (a beta) keeps of a mode, (a, value)."""
    return a[:, None] * value / (a[:, None] * value + 1 / float(system.beta))


def nearest(outputs: np.ndarray) -> np.ndarray:
    """The a whose regression is nearest to each run's outputs."""
    seen = outputs @ vectors
    return np.array([trials[np.argmin(np.sum((kept(trials, values) * along - one) ** 2, 1))] for one in seen])


def root(one: AdaptiveKernels) -> float:
    """The least-action root of the scalar equation."""
    return float(predict(one).facts["spike"])


figure, (left, right) = panels(2, 4.5)
grid, few = np.geomspace(0.1, 4.0, size(12, 40)), size((0.5, 1.0, 2.0), (0.25, 0.5, 1.0, 2.0, 4.0))
right.semilogx(grid, [root(dataclasses.replace(system, richness=g)) for g in grid], color=COLOURS[0], label="root")
line = np.geomspace(values[shown].min() / 2, values.max() * 2, 100)
for colour, richness in zip(COLOURS, few, strict=False):
    one = dataclasses.replace(system, richness=richness)
    runs = simulate(one, size(8, 32), tile=8)["train_function"]
    curve = kept(np.array([root(one)]), line)[0]
    left.semilogx(line, curve, color=colour, label=rf"$\gamma_0$ = {richness:g}")
    points(left, values[shown], (runs @ vectors / along)[:, shown], colour)
    points(right, richness, nearest(runs), colour)
left.semilogx(line, kept(np.ones(1), line)[0], "k:", lw=1, label="lazy, a = 1")
left.set(xlabel="eigenvalue of the input kernel", ylabel="output / target along the eigenvector")
left.legend(title="line: theory, points: networks")
right.axhline(1, color="k", ls=":", lw=1, label="lazy")
right.set(xlabel=r"richness $\gamma_0$", ylabel="a", title="points: ridge nearest to the networks")
right.legend()
save(figure, __file__)
