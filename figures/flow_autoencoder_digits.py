"""Threes and eights: predicted and trained densities of their scores, and digits that a trained network generates.

The densities are of runs on the digits' scores with isotropic noise outside them, as in the theory; the images are of a
network trained on the images themselves.
"""

import jax
import jax.numpy as jnp
import numpy as np
from common import COLOURS, plt, predict, save, simulate, size

from theorylab.core.casting import cast, in_precision
from theorylab.systems.flow_autoencoder import FlowAutoencoder, digits, simulation

FIELDS = {"target": "digits", "rate": 0.1, "overlap": 1.0, "records": 1, "duration": 40.0, "samples": 1000, "bins": 40}
system = FlowAutoencoder(**FIELDS, dimension=size(200, 800))
known = digits.target(system.classes, system.components, system.scale)
theory, at = predict(system).curves["density"], system.coordinates()
runs = simulate(system, size(8, 24), tile=8)["density"].mean(0)

figure = plt.figure(figsize=(7.6, 3.0), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=(1.6, 1.0))
for i, axis in enumerate(left.subplots(1, 2)):
    scores = np.histogram(known.images[:, i], bins=at["position"][::2], density=True)
    axis.stairs(*scores, color="0.7", label="digits")
    axis.plot(at["position"], theory[i], color=COLOURS[0], label="theory")
    axis.plot(at["position"], runs[i], "o", color=COLOURS[1], markersize=3, label=f"d = {system.dimension}")
    axis.set(xlabel=f"component {i + 1}", ylabel="density" if i == 0 else None, title="residual σ = 1")
    axis.set_ylim(0, 1.35 * max(theory[i].max(), scores[0].max()))
    axis.legend(fontsize=7, loc="upper right", handlelength=1.2)

real = FlowAutoencoder(
    **{**FIELDS, "units": 2, "tilt": 0.5, "rate": 0.05, "skip_rate": 2.0, "duration": 100.0}, pixels=True, dimension=64
)
with in_precision("float32"):
    real = cast(real, "float32")
    keys = jax.random.split(jax.random.key(1), 4)

    @jax.jit
    def generated() -> jax.Array:
        """Points that one network generates after training on images."""
        network = simulation.initial_network(real, None, jax.random.normal(keys[0], (2, 64), jnp.float32))
        network, _ = simulation.train(real, network, simulation.target(real), keys[1])
        return simulation.generate(real, network, jax.random.normal(keys[2], (20, 64), jnp.float32), keys[3])

    images = known.pixels(np.asarray(generated(), float))
for axis, image in zip(right.subplots(4, 5).flat, images, strict=True):
    axis.imshow(image, cmap="gray_r", vmin=0, vmax=16)
    axis.set_axis_off()
right.suptitle("generated, trained on images", fontsize=8)
save(figure, __file__)
