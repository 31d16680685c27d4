"""The paper's claims, each checked by a number in seconds. Trained networks are in the presets `tiny` and `grid`."""

from __future__ import annotations

import math

import jax
import numpy as np

from theorylab.core import Finding

MODEL = {"bits": (4.0, 5.0, 6.0), "records": 3, "steps": 50_000}
RUNS = 2048


def _noise() -> np.ndarray:
    """Simulated power of the rounding noise, (runs, bits, times)."""
    import theorylab as tl
    from theorylab.systems.precision_scaling import PrecisionScaling

    return np.asarray(tl.simulate(PrecisionScaling(**MODEL), runs=RUNS, key=jax.random.key(0)).curves["noise"])


def _ratio(above: np.ndarray, below: np.ndarray) -> tuple[float, float]:
    """Ratio of two means over runs, and its standard error."""
    first, second = above.mean(), below.mean()
    spread = np.std(above / first - below / second, ddof=1) / math.sqrt(len(above))
    return float(first / second), float(first / second * spread)


def _within(value: float, error: float, low: float, high: float) -> bool | None:
    """Whether value +- 2 errors lies in the interval (True), outside it (False), or across an end (None)."""
    if low <= value - 2 * error and value + 2 * error <= high:
        return True
    return False if value + 2 * error < low or value - 2 * error > high else None


def bits() -> Finding:
    """Rounding to one bit fewer multiplies the loss that is added by four, once the grid is fine."""
    noise = _noise()[..., -1]
    value, error = _ratio(noise[:, 1], noise[:, 2])
    expected = (2**5 - 1) ** 2 / (2**4 - 1) ** 2
    sentence = f"degradation at 5 over 6 bits within 5 % of (31/15)^2 = {expected:.3f}, 4 in the limit"
    return Finding(value, error, sentence, _within(value, error, 0.95 * expected, 1.05 * expected))


def growth() -> Finding:
    """A hundred times the training multiplies the loss added by rounding as the weights' growing length says."""
    import theorylab as tl
    from theorylab.systems.precision_scaling import PrecisionScaling

    noise = _noise()[:, 1]
    value, error = _ratio(noise[:, -1], noise[:, 0])
    curve = np.asarray(tl.predict(PrecisionScaling(**MODEL)).curves["noise"])[1]
    expected = float(curve[-1] / curve[0])
    sentence = f"degradation at t = 10,000 over t = 100 above 1, and within 5 % of the predicted {expected:.3f}"
    return Finding(value, error, sentence, _within(value, error, max(1.0, 0.95 * expected), 1.05 * expected))


def turning() -> Finding:
    """Past the predicted critical time the simulated loss after rounding to 4 bits rises."""
    import theorylab as tl
    from theorylab.systems.precision_scaling import PrecisionScaling

    system = PrecisionScaling(**{**MODEL, "bits": (4.0,)})
    critical = float(np.asarray(tl.predict(system).facts["critical_time"])[0])
    steps = round(critical / float(system.rate))
    at, later = (PrecisionScaling(bits=(4.0,), records=2, steps=times * steps) for times in (1, 4))
    losses = []
    for one in (at, later):
        found = tl.simulate(one, runs=RUNS, key=jax.random.key(1)).curves
        losses.append(np.asarray(found["loss"])[:, -1] + np.asarray(found["degradation"])[:, 0, -1])
    value = float(losses[1].mean() - losses[0].mean())
    error = float(np.sqrt(sum(np.var(x, ddof=1) / len(x) for x in losses)))
    holds = True if value > 2 * error else False if value < -2 * error else None
    return Finding(value, error, f"loss at 4 times the critical time {critical:.0f}, less that at it, above 0", holds)


def compute() -> Finding:
    """The precision that minimises the loss over size, data and bits together is the same for all budgets."""
    from scipy.optimize import minimize_scalar

    from theorylab.core.casting import in_precision
    from theorylab.systems.precision_scaling import theory_laws, theory_optima

    with in_precision("float64"):
        laws = theory_laws.published(offsets=True)
        root = float(theory_optima.joint_precision(laws))

        def at_budget(compute: float) -> float:
            """Bits with the least loss when N and D are the best for them."""

            def loss(bits: float) -> float:
                return float(theory_optima.allocation(compute, bits, laws).loss)

            return float(minimize_scalar(loss, bounds=(4.0, 14.0), method="bounded", options={"xatol": 1e-4}).x)  # pyright: ignore

        found = [at_budget(budget) for budget in (1e18, 1e22)]
    apart = max(abs(x - root) for x in found)
    sentence = f"best bits at budgets 1e18 and 1e22 by brute force, from the root {root:.3f}: below 0.01 apart"
    # the flat minimum is found to the square root of rounding
    return Finding(apart, 1e-3, sentence, apart < 0.01 and 5 < root < 9)


def fixed_size() -> Finding:
    """At a fixed size the best precision rises with the logarithm of compute."""
    from theorylab.core.casting import in_precision
    from theorylab.systems.precision_scaling import theory_laws, theory_optima

    with in_precision("float64"):
        laws = theory_laws.published()
        budgets = (1e20, 1e24, 1e28)
        best = [float(theory_optima.precision_at_size(1e8, budget, laws)) for budget in budgets]
        limit = float(laws.beta) * float(np.max(laws.gamma))
    slopes = np.diff(best) / np.diff(np.log(budgets))
    sentence = f"bits a factor e of compute at 1e24 to 1e28 within 10 % of the limit beta x largest gamma = {limit:.3f}"
    return Finding(float(slopes[-1]), 0.0, sentence, bool(abs(slopes[-1] / limit - 1) < 0.1 and np.all(slopes > 0)))


def effective() -> Finding:
    """Features that fail independently leave the loss of N u features, up to 1 / N."""
    from theorylab.core.casting import in_precision
    from theorylab.systems.precision_scaling import theory_features

    with in_precision("float64"):
        share = float(theory_features.surviving_share(np.array([4.0, 4.0, 4.0]), np.array([2.0, 2.0, 2.0])))
    value = theory_features.expected_loss_ratio(1000, share, 0.5)
    expected = theory_features.corrected_ratio(1000, share, 0.5)
    sentence = f"mean loss of 1,000 features over that of N u = {1000 * share:.0f}: 1 + O(1/N) = {expected:.5f}"
    return Finding(value, 0.0, sentence, abs(value - expected) < 1e-5)
