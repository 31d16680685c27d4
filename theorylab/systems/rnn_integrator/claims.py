"""The paper's claims, each checked by a number in seconds. Larger settings are in the presets."""

from __future__ import annotations

import dataclasses
import math

import jax
import numpy as np

from theorylab.core import Finding
from theorylab.systems.rnn_integrator.presets import BULK, OUTLIER, PAIR, READOUT


def outlier() -> Finding:
    """The outlier eigenvalue of the trained network is the target's pole, and the prediction follows it there."""
    import theorylab as tl
    from theorylab.systems.rnn_integrator import RNNIntegrator

    system = RNNIntegrator(**{**OUTLIER, "steps": 4000})
    pole = math.exp(-1 / float(system.timescale))
    learned = float(tl.simulate(system, runs=1).mean["overlap"][-1])
    predicted = float(np.asarray(tl.predict(system).curves["overlap"])[-1])
    # the simulation is in single precision
    return Finding(
        learned, abs(learned - predicted), f"the pole {pole:.5f} within 0.1 %", abs(learned / pole - 1) < 1e-3
    )


def pair() -> Finding:
    """The discriminant of the trained eigenvalues changes sign once: two real ones meet and leave as a pair."""
    import theorylab as tl
    from theorylab.systems.rnn_integrator import RNNIntegrator

    system = RNNIntegrator(**PAIR)
    ensemble = tl.simulate(system, runs=1)
    curve = ensemble.mean["discriminant"]
    crossed = np.flatnonzero((curve[:-1] > 0) & (curve[1:] <= 0))
    met = tl.predict(system).raise_if_failed().facts["coalescence_time"]
    time = ensemble.coordinates["time"]
    step = float(time[1] - time[0])
    if len(crossed) != 1:
        return Finding(float(len(crossed)), 0.0, "one crossing of zero", False)
    i = int(crossed[0])
    found = float(time[i] + step * curve[i] / (curve[i] - curve[i + 1]))
    within = abs(found - float(met)) < step
    return Finding(found, step, f"they meet once, at the predicted time {float(met):.4f}", within)


def bulk() -> Finding:
    """Networks with a random bulk follow the deterministic curve of infinite width."""
    import theorylab as tl
    from theorylab.systems.rnn_integrator import RNNIntegrator

    system = RNNIntegrator(**{**BULK, "bulk": 0.2, "width": 100})
    found = tl.compare.run(system, runs=64, key=jax.random.key(0)).rungs[-1].agreements["loss"]
    return Finding.judged(found, "the loss at width 100 from the infinite-width limit")


def lazy() -> Finding:
    """Lags that the read-out alone has half learned grow with the logarithm of time, one lag per factor g^-2."""
    import theorylab as tl
    from theorylab.systems.rnn_integrator import RNNIntegrator

    learned = []
    for steps in (100, 400, 1600):
        system = RNNIntegrator(**{**READOUT, "width": 400, "steps": steps, "records": 1})
        seen = tl.simulate(dataclasses.replace(system, rate=0.02), runs=16, tile=16).curves["filter"][:, :20]
        share = seen / math.exp(-1 / float(system.timescale)) ** np.arange(20)
        # the number of half-learned lags, as the sum of shares, which is smooth
        learned.append(np.clip(share, 0, 1).sum(1))
    slopes = (learned[2] - learned[0]) / math.log(16)
    mean, error = float(slopes.mean()), float(slopes.std(ddof=1) / 4)
    expected = 1 / (-2 * math.log(float(READOUT["bulk"])))
    return Finding(
        mean,
        error,
        f"{expected:.3f} lags a factor e of time, 1/(2 ln 1/g), within 10 %",
        abs(mean / expected - 1) < 0.1,
    )


def trap() -> Finding:
    """Nearly parallel vectors stay real for longer the smaller their angle: time grows with its logarithm."""
    import theorylab as tl
    from theorylab.systems.rnn_integrator import RNNIntegrator

    base = {**PAIR, "scale": 1.0, "along": 1.0, "steps": 6000, "records": 300}
    times = []
    for across in (1e-2, 1e-4):
        system = RNNIntegrator(**{**base, "across": across})
        simulated = tl.simulate(system, runs=1)
        below = simulated.mean["discriminant"] < 0
        times.append(float(simulated.coordinates["time"][np.argmax(below)]) if below.any() else math.inf)
    step = base["rate"] * base["steps"] / base["records"]
    ratio = times[1] - times[0]
    holds = bool(ratio > 4 * step) if math.isfinite(times[0]) else False
    return Finding(
        ratio, step, "the pair forms later when the angle is a hundredth, by more than 4 recorded steps", holds
    )
