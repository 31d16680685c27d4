"""The paper's claims, each checked by a verdict in seconds. Larger settings are in the presets."""

from __future__ import annotations

from typing import Any

import jax

from theorylab.core import Finding
from theorylab.systems.sgd_resolvent.presets import PRESETS


def _judged(case_name: str, what: str, **changes: Any) -> Finding:
    import theorylab as tl
    from theorylab.systems.sgd_resolvent import SGDResolvent

    case = PRESETS["quick"].case(case_name)
    found = tl.compare.run(SGDResolvent.from_case(case, **changes), runs=case.runs, key=jax.random.key(0))
    return Finding.judged(found.rungs[-1].agreements["loss"], what)


def learning_curves() -> Finding:
    """Test loss of gradient descent on finitely many samples, step by step."""
    return _judged("gd", "gradient descent's test loss from the two-point equivalent")


def random_features() -> Finding:
    """Test loss of gradient descent on random features that are fewer than the data's dimensions."""
    return _judged("random-features", "test loss on 200 features from the equivalent")


def one_pass() -> Finding:
    """Test loss of one-pass SGD."""
    return _judged("online", "one-pass SGD's test loss from the Volterra equation")


def multi_pass() -> Finding:
    """Test loss of SGD that sees its samples again."""
    return _judged("multi", "multi-pass SGD's test loss from the two-kernel equation")


def universality() -> Finding:
    """Kernel gradient descent on the digits, from nothing but the kernel's spectrum and the labels' power in it."""
    return _judged("digits", "kernel regression's test loss on real digits from the measured spectrum")
