"""Cosine between the two halves of every neuron's weights: one cloud when lazy, +1 and -1 when rich."""

import jax
import jax.numpy as jnp
import numpy as np
from common import COLOURS, panels, save, size

from theorylab.core.casting import in_precision
from theorylab.data import symbols as data
from theorylab.systems.equality_reasoning import theory_particles as particles

DIMENSION, COUNT = 64, 4
figure, (axis,) = panels(1, 5)
with in_precision("float64"):
    z = data.draw(jax.random.key(0), COUNT, DIMENSION, jnp.float64)
    initial = particles.start(COUNT, DIMENSION, size(2048, 8192), 0)
    settings = ((10.0, 0.1 / 80, 1500), (1.0, 0.1, 600), (0.01, 0.1, 600))
    for colour, (richness, rate, steps) in zip(COLOURS, settings, strict=False):
        states, _ = particles.train(z, richness * DIMENSION**0.5, rate, np.array([steps]), initial)
        state = jax.tree.map(lambda x: x[0], states)
        one, both, two = np.asarray(particles.weight_gram(state, initial, particles.span_of(z)))
        axis.hist(
            both / np.sqrt(one * two),
            np.linspace(-1, 1, 61).tolist(),
            density=True,
            histtype="step",
            color=colour,
            label=f"{richness:g}",
        )
axis.set(xlabel="cosine of the two halves", ylabel="density of neurons")
axis.legend(title="richness")
save(figure, __file__)
