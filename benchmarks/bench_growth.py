"""Cost against size.

Warm seconds of one prediction in float64 at growing sizes, everything else as in the named case of the quick preset,
and the exponent fitted to them (slope of log time in log size, by least squares); beside it the exponent between the
two largest sizes, where what does not grow weighs least. Small sizes: the whole table takes seconds, and exponents
still rise where a constant cost is being left behind.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from common import Setting, best, compiled, exponent, in_precision, note, prediction, quick, rounds


@dataclass(frozen=True)
class Growth:
    """What grows, its sizes, and the setting at one of them."""

    what: str
    sizes: tuple[int, ...]
    at: Callable[[int], Setting]


def numerics(setting: Setting, **changes: Any) -> Setting:
    return dataclasses.replace(setting, numerics=setting.numerics.replace(**changes))


GROWTH = {
    "adaptive_kernels": Growth(
        "training points P, two linear layers",
        (50, 100, 200, 400),
        lambda n: quick("adaptive_kernels", 1, samples=n, dimension=n + 20),
    ),
    "deep_linear_dmft": Growth("steps T of the marching", (64, 128, 256), lambda n: quick("deep_linear_dmft", steps=n)),
    "equality_reasoning": Growth(
        "particles", (512, 1024, 2048), lambda n: numerics(quick("equality_reasoning", steps=30), particles=n)
    ),
    "error_broadcast": Growth("input dimension n", (64, 256, 1024), lambda n: quick("error_broadcast", dimension=n)),
    "flow_autoencoder": Growth("times of the interpolant", (8, 16, 32), lambda n: quick("flow_autoencoder", grid=n)),
    "precision_scaling": Growth("modes", (1000, 4000, 16000), lambda n: quick("precision_scaling", modes=n)),
    "rf_ensembles": Growth("modes D", (250, 1000, 4000), lambda n: quick("rf_ensembles", dimension=n)),
    "rnn_integrator": Growth("lags", (20, 40, 80, 160), lambda n: quick("rnn_integrator", horizon=n)),
    "sgd_resolvent": Growth("modes D", (250, 500, 1000, 2000), lambda n: quick("sgd_resolvent", dimension=n)),
}


@pytest.mark.parametrize("name", GROWTH)
def bench_growth(benchmark: Any, name: str) -> None:
    growth = GROWTH[name]
    seconds, peaks = [], []
    for size in growth.sizes:
        setting = growth.at(size)
        with in_precision("float64"):
            function, arguments = prediction(setting)
            one = compiled(function, *arguments)
            largest = size == growth.sizes[-1]
            warm = rounds(benchmark, one, *arguments, seconds=0.5) if largest else best(one, *arguments)
        seconds.append(warm)
        peaks.append(one.peak)
    note(
        benchmark,
        "growth",
        {
            "system": name,
            "what grows": growth.what,
            "sizes": ", ".join(map(str, growth.sizes)),
            "smallest, ms": 1e3 * seconds[0],
            "largest, ms": 1e3 * seconds[-1],
            "exponent": exponent(growth.sizes, seconds),
            "of the last two": exponent(growth.sizes[-2:], seconds[-2:]),
            "exponent of peak memory": exponent(growth.sizes, peaks),
        },
        plot={
            "title": f"{name}: exponent {exponent(growth.sizes, seconds):.2f}",
            "x": growth.what,
            "y": "milliseconds",
            "curves": {"one prediction": [list(growth.sizes), [1e3 * one for one in seconds]]},
        },
        peaks=peaks,
    )


@pytest.mark.parametrize("name", ["rl_posttraining"])
def bench_small(name: str) -> None:
    pytest.skip(f"{name}: formats and questions are few, no size of the theory grows")
