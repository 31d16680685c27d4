"""The paper's claims, each checked by a number in seconds. Larger settings are in the presets."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from theorylab.core import Finding
from theorylab.systems.rf_ensembles.presets import PRESETS


def _judged(case_name: str, observable: str, runs: int, what: str, **changes: Any) -> Finding:
    import jax

    import theorylab as tl
    from theorylab.systems.rf_ensembles import RFEnsembles

    case = PRESETS["quick"].case(case_name)
    found = tl.compare.run(RFEnsembles.from_case(case, **changes), runs=runs, key=jax.random.key(0))
    return Finding.judged(found.rungs[-1].agreements[observable], what)


def _tuned(samples: float, width: Any, members: Any, noise: float) -> np.ndarray:
    """Risks at the best ridge on a power law of 1000 modes; widths and members (settings,)."""
    import jax.numpy as jnp

    from theorylab.core.casting import in_precision
    from theorylab.data import spectra
    from theorylab.solvers.resolvent import Modes
    from theorylab.systems.rf_ensembles.theory_scaling import tuned_risks

    with in_precision("float64"):
        found = spectra.scaled(spectra.power_law(1000, 1.3, 2.04), 1.0)
        modes = Modes(*(jnp.asarray(x) for x in found))
        return np.asarray(tuned_risks(modes, samples, np.asarray(width, float), np.asarray(members, float), noise))


def risk() -> Finding:
    """Feature variance, the part that members average away, against simulated ensembles."""
    return _judged("few-features", "feature_variance", 64, "one member's variance over its features")


def no_free_lunch() -> Finding:
    """The smallest ratio of an ensemble's tuned risk to that of one model of all its features, over random settings."""
    random = np.random.default_rng(0)
    members = random.integers(2, 33, 40)
    widths = np.round(np.exp(random.uniform(0, 6, 40)))
    ratios = []
    for samples, noise in ((64, 0.3), (256, 0.0), (2000, 1.0)):
        both = _tuned(samples, [*widths, *(members * widths)], [*members, *np.ones(40)], noise)
        ratios.append(both[:40] / both[40:])
    least = float(np.min(ratios))
    # round-off of two tuned risks
    return Finding(least, 1e-10, "at least 1 in each of 120 settings", least >= 1 - 1e-10)


def over_parametrised() -> Finding:
    """How much of the excess over kernel regression 8 wide members add to that of one model of all their features: the
    excess falls like 1/(K N), whatever K, so that the share vanishes as members widen."""
    widths = np.array([400.0, 1600.0, 6400.0])
    kernel = _tuned(50, [math.inf], [1.0], 0.3)[0]
    one = _tuned(50, 8 * widths, np.ones(3), 0.3) - kernel
    eight = _tuned(50, widths, np.full(3, 8.0), 0.3) - kernel
    shares = eight / one - 1
    order = -float(np.polyfit(np.log(widths), np.log(shares), 1)[0])
    return Finding(order, 0.0, "the share falls like width^-1 (0.8 to 1.2)", 0.8 < order < 1.2)


def universality() -> Finding:
    """ReLU features on the digits, from nothing but the kernel's spectrum and the labels' power in it."""
    return _judged("digits", "risk", 16, "the risk of ReLU features on real digits from the measured spectrum")
