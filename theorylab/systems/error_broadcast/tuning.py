"""Every rule's hyperparameters searched with equal effort: as many settings for each, on a validation split."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from theorylab.systems.error_broadcast.simulation_images import DEFAULTS, Kind

Setting = dict[str, float]


class Candidate(NamedTuple):
    """A rule in a comparison.

    Arguments:
      name: as the tables call it.
      kind: its program.
      ranges: hyperparameters that are searched, log-uniform between two ends.
      fixed: hyperparameters that differ from the defaults and are not searched.
    """

    name: str
    kind: Kind
    ranges: dict[str, tuple[float, float]]
    fixed: Mapping[str, float] = MappingProxyType({})


RATE = (0.01, 0.5)
SCALE = (0.3, 10.0)
RENEWAL = (1e-6, 1e-2)
SLOW_RATE = (0.001, 0.05)
EBD = {"rate": RATE, "scale": SCALE, "renewal": RENEWAL}
POWER = {"power": (1e-3, 0.1), "level": (0.03, 0.3)}
ENTROPY = {"entropy": (1e-5, 1e-2)}
MOMENTUM = {"momentum": 0.9}
FROZEN = {"scale": 0.0}


def fully_connected(widths: tuple[int, ...] = (256, 128)) -> tuple[Candidate, ...]:
    """Every rule on a fully connected network, with every regularizer."""

    def ebd(name: str, extras: tuple[str, ...], more: dict[str, tuple[float, float]], fixed: Setting) -> Candidate:
        return Candidate(name, Kind("ebd", widths=widths, extras=extras), EBD | more, fixed)

    slow = {"rate": SLOW_RATE}
    return (
        Candidate("BP", Kind("bp", widths=widths), {"rate": RATE}),
        Candidate("BP, momentum", Kind("bp", widths=widths, extras=("momentum",)), slow, MOMENTUM),
        Candidate("DFA", Kind("dfa", widths=widths), {"rate": RATE, "scale": SCALE}),
        Candidate("DFA, momentum", Kind("dfa", widths=widths, extras=("momentum",)), slow | {"scale": SCALE}, MOMENTUM),
        ebd("EBD", (), {}, {}),
        ebd("EBD, momentum", ("momentum",), slow, MOMENTUM),
        ebd("EBD, power", ("power",), POWER, {}),
        ebd("EBD, entropy", ("entropy",), ENTROPY, {}),
        ebd("EBD, power, entropy", ("power", "entropy"), POWER | ENTROPY, {}),
        ebd("EBD, weight decay", ("decay",), {"decay": (1e-6, 1e-2)}, {}),
        ebd("EBD, sparsity", ("sparsity",), {"sparsity": (1e-6, 1e-2)}, {}),
        Candidate("hidden layers frozen", Kind("dfa", widths=widths), {"rate": RATE}, FROZEN),
        Candidate(
            "CorInfoMax-EBD",
            Kind("corinfomax", widths=widths[1:]),
            {"rate": RATE, "hidden": (0.1, 10.0), "renewal": RENEWAL, "predict": (1e-5, 1e-2)},
        ),
    )


def local(network: str, features: tuple[int, ...] = (16, 32)) -> tuple[Candidate, ...]:
    """The rules on a convolutional ("cnn") or locally connected ("lc") network."""
    hidden = {"scale": (0.03, 10.0)}
    return (
        Candidate("BP", Kind("bp", network, features), {"rate": RATE}),
        Candidate("DFA", Kind("dfa", network, features), {"rate": RATE} | hidden),
        Candidate("EBD", Kind("ebd", network, features), EBD | hidden),
        Candidate("hidden layers frozen", Kind("dfa", network, features), {"rate": RATE}, FROZEN),
    )


def settings(candidate: Candidate, count: int) -> list[Setting]:
    """`count` settings: the candidate's defaults where they lie in its ranges, else their middle, and a Halton
    sequence (seed 0) in the logarithms."""
    from scipy.stats import qmc

    names = list(candidate.ranges)
    ends = np.log(np.array([candidate.ranges[name] for name in names]))
    points: Float[np.ndarray, "count names"] = qmc.Halton(len(names), rng=0).random(count - 1)
    rows = np.exp(ends[:, 0] + points * (ends[:, 1] - ends[:, 0]))
    first = {}
    for name, (low, high) in zip(names, ends, strict=True):
        inside = DEFAULTS[name] > 0 and low <= np.log(DEFAULTS[name]) <= high
        first[name] = DEFAULTS[name] if inside else float(np.exp((low + high) / 2))
    drawn = [dict(zip(names, (float(f"{value:.4g}") for value in row), strict=True)) for row in rows]
    return [{**candidate.fixed, **one} for one in [first, *drawn]]
