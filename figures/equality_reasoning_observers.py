"""Noise in training and test: with more symbols rich networks leave the observer who memorises for the other."""

import jax
import jax.numpy as jnp
import numpy as np
from common import COLOURS, panels, save, size, ticks
from equality_reasoning_common import EqualityReasoning, last_bars, simulated

from theorylab.core.casting import in_precision
from theorylab.systems.equality_reasoning import theory_cone as cone

COUNTS, DIMENSION, WIDTH = (4, 16, 64), 32, size(256, 512)
evidence = jax.jit(cone.memorizing_evidence)


def memorizing(count: int, noise: float) -> float:
    """Accuracy on novel symbols of the observer who knows the training symbols only."""
    system = EqualityReasoning(dimension=DIMENSION, symbols=count, tests=1000, noisy="always", noise=noise)
    drawn = system.draw(jax.random.key(0))
    assert drawn is not None
    same, different = (evidence(x, drawn.symbols, jnp.float32(noise)) for x in drawn.novel.inputs(noise))
    return 0.5 * float(np.mean(np.asarray(same) > 0) + np.mean(np.asarray(different) < 0))


figure, (axis,) = panels(1, 5.2)
for colour, variance in zip(COLOURS, (0.5, 2.0), strict=False):
    noise, steps = variance**0.5, size(1000, 3000)
    fields = {"dimension": DIMENSION, "noisy": "always", "noise": noise, "steps": steps, "records": 1, "width": WIDTH}
    systems = [EqualityReasoning(symbols=n, tests=512, **fields) for n in COUNTS]
    runs = [simulated(one, size(2, 16))["accuracy"] for one in systems]
    last_bars(axis, COUNTS, runs, colour, label=f"N = {WIDTH}, noise variance {variance:g}")
    with in_precision("float64"):
        axis.axhline(float(cone.bayes_generalizing(noise, DIMENSION)), color=colour, linestyle="--", linewidth=1)
    axis.plot(COUNTS, [memorizing(n, noise) for n in COUNTS], ":", color=colour)
    print(
        f"variance {variance:g}:", ", ".join(f"{n} symbols {run[0]:.3f}" for n, run in zip(COUNTS, runs, strict=True))
    )
axis.set(xlabel="training symbols", ylabel="accuracy on novel symbols", xscale="log")
ticks(axis, COUNTS)
axis.set(ylim=(0.55, 1.2), yticks=np.arange(0.6, 1.01, 0.1))
axis.legend(title="dashed: generalising Bayes observer\ndotted: memorising one")
save(figure, __file__)
