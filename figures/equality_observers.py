"""Noise in training and test: with more symbols rich networks leave the observer who memorises for the other."""

import jax
import jax.numpy as jnp
import numpy as np
from equality_common import COLOURS, EqualityReasoning, bars, in_precision, plt, save, simulated

from theorylab.systems.equality_reasoning import theory_cone as cone

COUNTS, DIMENSION = (4, 16, 64), 32
evidence = jax.jit(cone.memorizing_evidence)


def memorizing(count: int, noise: float) -> float:
    """Accuracy on novel symbols of the observer who knows the training symbols only."""
    system = EqualityReasoning(dimension=DIMENSION, symbols=count, tests=1000, noisy="always", noise=noise)
    drawn = system.draw(jax.random.key(0))
    assert drawn is not None
    same, different = (evidence(x, drawn.symbols, jnp.float32(noise)) for x in drawn.novel.inputs(noise))
    return 0.5 * float(np.mean(np.asarray(same) > 0) + np.mean(np.asarray(different) < 0))


figure, axis = plt.subplots(figsize=(5, 3.6), layout="constrained")
for colour, variance in zip(COLOURS, (0.5, 2.0), strict=False):
    noise = variance**0.5
    runs = [
        simulated(
            EqualityReasoning(
                dimension=DIMENSION, symbols=n, noisy="always", noise=noise, steps=1500, records=1, tests=512
            ),
            2,
        )["accuracy"]
        for n in COUNTS
    ]
    bars(axis, COUNTS, runs, color=colour, label=f"N = 512, noise variance {variance:g}")
    with in_precision("float64"):
        axis.axhline(float(cone.bayes_generalizing(noise, DIMENSION)), color=colour, linestyle="--", linewidth=1)
    axis.plot(COUNTS, [memorizing(n, noise) for n in COUNTS], ":", color=colour)
axis.set(xlabel="training symbols", ylabel="accuracy on novel symbols", xscale="log")
axis.minorticks_off()
axis.set_xticks(COUNTS, [str(n) for n in COUNTS])
axis.set_ylim(0.55, 1.2)
axis.legend(title="dashed: generalising Bayes observer\ndotted: memorising one")
save(figure, __file__)
