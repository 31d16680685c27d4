"""The product of two resolvents of a random matrix, averaged, is the deterministic equivalent of eq. (4)."""

import jax
import numpy as np
from common import COLOURS, bars, panels, save, size

from theorylab.solvers import resolvent as rs

jax.config.update("jax_enable_x64", True)

DIMENSION, DRAWS = size(200, 400), size(16, 64)
values = np.arange(1, DIMENSION + 1) ** -0.7
rng = np.random.default_rng(0)
middle = rng.standard_normal((DIMENSION, DIMENSION)) / np.sqrt(DIMENSION)
middle = middle + middle.T + np.diag(np.linspace(1, 2, DIMENSION))
ridges = np.geomspace(0.01, 10, 13)
figure, (panel,) = panels(1, 5)
noises = {"Wishart, P = 0.67 D": rs.Wishart(1.5), "Wishart, P = 2 D": rs.Wishart(0.5), "projector": rs.Projector(0.5)}
for colour, (name, noise) in zip(COLOURS, noises.items(), strict=False):
    exact = np.array([np.trace(np.asarray(rs.resolvent_product(noise, values, middle, (0.05, r)))) for r in ridges])
    found = np.empty((DRAWS, len(ridges)))
    for i in range(DRAWS):
        matrix = np.sqrt(values)[:, None] * rs.sample_noise(noise, DIMENSION, rng) * np.sqrt(values)
        left = np.linalg.inv(matrix + 0.05 * np.eye(DIMENSION)) @ middle
        for j, ridge in enumerate(ridges):
            found[i, j] = np.trace(np.linalg.solve(matrix + ridge * np.eye(DIMENSION), left.T))
    ratio, error = found.mean(0) / exact - 1, found.std(0) / np.sqrt(DRAWS) / np.abs(exact)
    bars(panel, ridges, ratio, error, colour, fmt="o-", label=name)
panel.axhline(0, color="k", lw=0.8)
panel.set(xscale="log", xlabel="second ridge (first: 0.05)", ylabel="matrices / equivalent - 1")
panel.set_title(f"D = {DIMENSION}, {DRAWS} matrices")
panel.legend()
save(figure, __file__)
