"""Comparisons and verdicts made by hand, as fixtures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from made_by_hand import COORDINATES, PAPER, THEORY, Toy, agreement

from theorylab.compare.result import ComparisonData, Convergence, Rung, Seconds
from theorylab.core import Observable


@pytest.fixture(scope="session")
def comparison() -> Callable[..., ComparisonData]:
    """Makes a comparison of the named observables."""

    def make(
        *judged: Observable,
        runs: int = 8,
        sizes: tuple[int | None, ...] = (None,),
        word: str = "agrees",
        failure: str = "",
        change: Callable[[np.ndarray], np.ndarray] = lambda curve: curve,
        **said: Any,
    ) -> ComparisonData:
        random = np.random.default_rng(0)
        rungs = []
        for size in sizes:
            predicted = {one.name: THEORY[one.name] for one in judged}
            bias = 0.01 if size is None else 2.0 / size
            curves = {
                name: curve * (1 + bias + 0.03 * random.normal(size=(runs, *curve.shape)))
                for name, curve in predicted.items()
            }
            mean = {name: change(curve.mean(axis=0)) for name, curve in curves.items()}
            spread = {name: curve.std(axis=0) / np.sqrt(runs) for name, curve in curves.items()}
            agreements = {
                one.name: agreement(
                    one, (mean[one.name] - predicted[one.name]) / predicted[one.name],
                    np.full(predicted[one.name].shape, 0.02), word, runs, **said,
                )
                for one in judged
            }  # fmt: skip
            rungs.append(Rung(size, predicted, mean, spread, curves, COORDINATES, agreements))
        ladder = {}
        if len(sizes) > 1:
            for one in judged:
                last = rungs[-1].agreements[one.name]
                ladder[one.name] = Convergence(
                    one, "converges", 0.004, 0.001, 0.009, 0.003, sizes,
                    tuple(rung.agreements[one.name].deviation for rung in rungs), 1.02, 0.93, 1.1,
                    last.residual - 2.0 / sizes[-1], last.band,
                )  # fmt: skip
        return ComparisonData(
            Toy(judged=tuple(judged)), "toy", "flow", "what it shows", tuple(rungs), ladder, {}, (),
            Seconds(0.012, 1.0, 3.4, 2.0, 40.0), {}, failure,
        )  # fmt: skip

    return make


@pytest.fixture(scope="session")
def verdict() -> Callable[..., dict[str, Any]]:
    """Makes a loaded `verdict.json` of one case; keywords replace its entries, those of `one` its observable's."""

    def make(one: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
        observable = {
            "name": "loss", "label": r"$\mathcal{L}$", "word": "agrees", "deviation": 0.0123, "low": 0.009,
            "high": 0.016, "margin": 0.05, "noise": 0.002, "largest_z": 2.3, "units": 32, "unit": "run", "runs": 32,
            "needed": None, "reason": "", "scale": "linear", "ladder": None, **(one or {}),
        }  # fmt: skip
        paper = {
            "title": PAPER.title, "authors": list(PAPER.authors), "year": PAPER.year, "arxiv": PAPER.arxiv,
            "url": PAPER.url, "short": PAPER.short, "bibtex": PAPER.bibtex(),
        }  # fmt: skip
        return {
            "schema": 1, "system": "toy", "case": "flow", "preset": "quick", "about": "what it shows",
            "title": "A toy.", "paper": paper, "command": "python -m theorylab.compare toy --width 200",
            "parameters": {"width": {"value": 200, "doc": "network width N; `inf` for the limit"}},
            "warnings": ["close to the edge"], "facts": {"critical_rate": 0.07386, "roots": [0.5, -1.0]},
            "failure": "", "observables": [observable],
            "seconds": {
                "theory": 0.012, "theory_compile": 1.0, "simulation": 3.4, "simulation_compile": 2.0,
                "ratio_at_equal_error": 40.0,
            },
            "versions": {"theorylab": "0.1.0", "jax": "0.10.1"}, "device": "1 x cpu", "platform": "cpu", "seed": 0,
            "runs": 32, "tile": 32, "cached": False, "figure": None, **changes,
        }  # fmt: skip

    return make
