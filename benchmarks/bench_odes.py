"""Systems whose theory solves differential equations, against scipy.

Ours is the theory's own solve (diffrax's Tsit5, or Kvaerno5 where it asks for an implicit method), compiled; the peer
is `scipy.integrate.solve_ivp` with the same equations in plain NumPy, written apart from the package
(`benchmarks/odes_peers.py`), in the same process. Every method is run at falling tolerances, and errors are measured
from the peer's own solution at a far smaller one: largest difference over largest value. Compared are the quickest
solves whose error is at most the one in the table.

The sweep: 256 settings, by `vmap` in batches of 32 of like cost as the engine makes them, and by the compiled single
solve one after the other; against a loop over scipy's quickest method. scipy is timed on 16 of the settings, spread
evenly, and its time scaled to 256; both must reach the error on all of those. Where all 256 would take longer than a
few seconds, 32 of them (4 of scipy's) stand for the rest. The ratio is that of the quicker of ours. Beside it stand
scipy's evaluations of the right-hand side in one solve, and the microseconds of NumPy in each: where the arrays are
large these are arithmetic, which a sweep has to do as well; where they are small they are Python's overhead.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from common import Point, best, compiled, in_precision, note, points_json, quickest, rounds, target, work
from odes import PROBLEMS, SETTINGS, Problem

from theorylab.engine.predictions import BATCH

PEER_SETTINGS = 16
SPEEDUP = 20.0
LONG = 3.0
"""Seconds: a sweep expected to take longer is measured on one batch."""


def distance(found: Any, reference: np.ndarray) -> float:
    """Largest difference over largest value; infinite where a solve failed."""
    found = np.asarray(found)
    if found.shape != reference.shape or not np.isfinite(found).all():
        return np.inf
    return float(np.abs(found - reference).max() / np.abs(reference).max())


@pytest.mark.parametrize("name", PROBLEMS)
def bench_ode(benchmark: Any, name: str) -> None:
    with in_precision("float64"):
        problem = PROBLEMS[name]()
        middle = jnp.float64(problem.middle)
        one = compiled(problem.ours, middle, jnp.float64(1e-7))
        points = _diagram(problem, lambda rtol: one(middle, jnp.float64(rtol)))
        chosen = {way: quickest(found, problem.error) for way, found in points.items()}
        mine = chosen.pop("theorylab")
        assert mine, f"{name}: ours did not reach {problem.error:g}: {points['theorylab']}"
        way, theirs = min(((way, point) for way, point in chosen.items() if point), key=lambda found: found[1].seconds)
        method = way.removeprefix("scipy ")
        part = mine.seconds * SETTINGS > LONG
        rounds(benchmark, one, middle, jnp.float64(mine.tolerance))
        ours, loop = _sweep(problem, one, method, mine.tolerance, theirs.tolerance, part)
    quicker = min(ours["vmap"], ours["one by one"])
    ratio = loop["seconds"] / quicker
    remarks = [f"{name}: {problem.about}; swept over {problem.over}.", *problem.remarks]
    if part:
        remarks.append(f"{name}: {BATCH} of the {SETTINGS} settings were timed, and scaled.")
    if ratio < SPEEDUP:
        needed = 1e6 * loop["seconds"] / SPEEDUP / SETTINGS
        remarks.append(
            f"{name}: missed. {SPEEDUP:g} times scipy's loop is {needed / 1e3:.2f} ms a setting, or "
            f"{needed / loop['evaluations']:.2f} µs for each of the {loop['evaluations']:.0f} evaluations that scipy "
            f"makes in {loop['each'] * 1e6:.0f} µs of NumPy; ours takes {1e3 * quicker / SETTINGS:.2f} ms."
        )
    note(
        benchmark,
        "odes",
        {
            "system": name,
            "equations": problem.equations,
            "error": f"{problem.error:.0e}",
            "compile, s": one.seconds,
            "one solve, ms": 1e3 * mine.seconds,
            "scipy, ms": 1e3 * theirs.seconds,
            "by": method,
            "ratio": theirs.seconds / mine.seconds,
            "256 by vmap, s": ours["vmap"],
            "one by one, s": ours["one by one"],
            "scipy's loop, s": loop["seconds"],
            "sweep ratio": ratio,
            "evaluations": round(loop["evaluations"]),
            "NumPy, µs each": 1e6 * loop["each"],
        },
        plot={
            "title": name,
            "x": "milliseconds a solve",
            "y": "error",
            "curves": {w: [[1e3 * p.seconds for p in found], [p.error for p in found]] for w, found in points.items()},
        },
        targets=[target(f"sweep of 256 settings against scipy's loop: {name}", ratio, at_least=SPEEDUP)],
        remarks=remarks,
        points={w: points_json(found) for w, found in points.items()},
        sweep={"ours": ours, "scipy": loop},
    )


def _diagram(problem: Problem, ours: Callable[[float], Any]) -> dict[str, list[Point]]:
    """Work and precision of every way to solve the middle setting."""
    peer = problem.peer(problem.middle)
    reference = problem.reference(peer)
    assert np.isfinite(reference).all(), "no reference"

    def tried(solve: Callable[[float], Any]) -> list[Point]:
        return work(
            solve, lambda found: distance(found, reference), problem.tolerances, patience=0.5,
            enough=0.1 * problem.error,
        )  # fmt: skip

    theirs = {f"scipy {m}": tried(lambda rtol, m=m: peer.solve(m, rtol)) for m in problem.methods}
    return {"theorylab": tried(ours), **theirs}


def _sweep(
    problem: Problem, one: Callable[..., Any], method: str, ours_rtol: float, theirs_rtol: float, part: bool
) -> tuple[dict[str, float], dict[str, float]]:
    """All settings, each way at the first tolerance that reaches the error everywhere: seconds, tolerance, error.

    Arguments:
      one: our compiled single solve.
      part: one batch of the settings stands for all.

    Returns: ours, with the seconds of compiling; scipy's loop, with its evaluations a solve and the seconds of each.
    """
    order = problem.order[:: SETTINGS // BATCH] if part else problem.order
    stride = len(order) // (4 if part else PEER_SETTINGS)
    peers = [problem.peer(float(problem.values[i])) for i in order[::stride]]
    exact = [problem.reference(peer) for peer in peers]
    batches = [jnp.asarray(problem.values[bucket]) for bucket in np.split(order, len(order) // BATCH)]
    singles = [jnp.float64(problem.values[i]) for i in order]
    many = compiled(jax.vmap(problem.ours, (0, None)), batches[0], jnp.float64(1e-7))

    def by_vmap(rtol: float) -> np.ndarray:
        return np.concatenate([np.asarray(many(batch, jnp.float64(rtol))) for batch in batches])

    def one_by_one(rtol: float) -> np.ndarray:
        return np.stack([np.asarray(one(value, jnp.float64(rtol))) for value in singles])

    def reached(solve: Callable[[float], Any], rtol: float) -> dict[str, float]:
        found = {}
        for tried in rtol * 10.0 ** -np.arange(0.0, 4.0, 0.25):
            begin = time.perf_counter()
            answers = solve(tried)
            found = {"rtol": float(tried), "seconds": time.perf_counter() - begin}
            found["error"] = max(distance(a, b) for a, b in zip(answers, exact, strict=True))
            if found["error"] <= problem.error:
                break
        return found

    def seconds(solve: Callable[[float], Any], rtol: float, once: float) -> float:
        taken = once if once > LONG else best(solve, rtol, repeats=3)
        return taken * SETTINGS / len(order)

    loop = reached(lambda rtol: [peer.solve(method, rtol) for peer in peers], theirs_rtol)
    loop["evaluations"] = sum(peer.counted(method, loop["rtol"])[1] for peer in peers) / len(peers)
    loop["each"] = best(peers[0].rhs, peers[0].times[0], peers[0].start, repeats=100)
    loop["seconds"] *= SETTINGS / len(peers)
    ours = reached(lambda rtol: by_vmap(rtol)[::stride], ours_rtol)
    ours["vmap"] = seconds(by_vmap, ours["rtol"], ours.pop("seconds"))
    ours["one by one"] = seconds(one_by_one, ours["rtol"], 0.0)
    return ours | {"compile": many.seconds}, loop
