"""The paper's claims, each checked by a number in seconds. Larger settings are in the presets."""

from __future__ import annotations

import jax
import numpy as np

from theorylab.core import Finding

SMALL = {"grid": 10, "dimension": 200, "duration": 6.0, "records": 3, "samples": 500}
"""Six samples a dimension in 200 dimensions."""


def few_overlaps() -> Finding:
    """The overlaps of a trained network are those that differential equations predict."""
    import theorylab as tl
    from theorylab.systems.flow_autoencoder import FlowAutoencoder

    result = tl.compare.run(FlowAutoencoder(**{**SMALL, "samples": 10}), runs=32)
    words = [result.words[name] for name in ("overlap", "norm")]
    found = result.rungs[-1].agreements["overlap"]
    holds = False if "differs" in words else True if words == ["agrees"] * 2 else None
    return Finding(
        found.deviation, found.noise, "deviation of M(tau) from its equation within the margin 5 %, Q's too", holds
    )


def generated_density() -> Finding:
    """Generated points, projected on the target's direction, have the predicted density."""
    import theorylab as tl
    from theorylab.systems.flow_autoencoder import FlowAutoencoder

    system = FlowAutoencoder(**SMALL, hidden_bias=True)
    result = tl.compare.run(system, runs=16)
    return Finding.judged(result.rungs[-1].agreements["density"], "the cumulative distribution of v.X")


def mode_collapse() -> Finding:
    """One hidden unit generates less than half of the minor pair of four modes, and more samples lower it further."""
    import theorylab as tl
    from theorylab.systems.flow_autoencoder import FlowAutoencoder
    from theorylab.systems.flow_autoencoder.presets import CROSS

    pairs = []
    for tau in (10.0, 40.0):
        fields = {**CROSS, "grid": 10, "dimension": 200, "duration": tau, "records": 1, "samples": 1000}
        runs = tl.simulate(FlowAutoencoder(**fields), runs=8, key=jax.random.key(0))
        shares = np.asarray(runs.curves["occupancy"])[:, 2:].sum(axis=1)
        pairs.append((float(shares.mean()), float(shares.std(ddof=1) / len(shares) ** 0.5)))
    (early, before), (late, error) = pairs
    target = 1 - CROSS["share"]
    lost = late + 2 * error < target / 2 and late + 2 * error < early - 2 * before
    kept = late - 2 * error > target / 2
    expected = f"generated share of the minor pair below half of the target's {target:.2f}, and falling with samples"
    return Finding(late, error, expected, True if lost else False if kept else None)


def model_collapse() -> Finding:
    """Trained on generated data, generation after generation, networks lose the separation of the modes."""
    import theorylab as tl
    from theorylab.systems.flow_autoencoder import FlowAutoencoder
    from theorylab.systems.flow_autoencoder.presets import COLLAPSE

    fields = {**COLLAPSE, "grid": 10, "dimension": 200, "duration": 8.0, "generations": 2, "samples": 500}
    runs = tl.simulate(FlowAutoencoder(**fields), runs=8, key=jax.random.key(0))
    separation = np.asarray(runs.curves["separation"])[:, 0]
    drops = separation[:, :-1] - separation[:, 1:]
    errors = drops.std(axis=0, ddof=1) / len(drops) ** 0.5
    smallest = drops.mean(axis=0)
    at = int(np.argmin(smallest / errors))
    low, high = smallest - 2 * errors, smallest + 2 * errors
    holds = True if low.min() > 0 else False if high.min() < 0 else None
    return Finding(
        float(smallest[at]), float(errors[at]), "E|v.X| falls from each generation to the next: drop above 0", holds
    )
