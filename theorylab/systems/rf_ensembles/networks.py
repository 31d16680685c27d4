"""The deep counterpart, measured and not predicted: one network against the average of K smaller ones on the digits.

    python -m theorylab.systems.rf_ensembles.networks --out results/rf_networks

At a fixed total number of parameters; weight decay and richness are tuned for each K on validation data. Every
(regime, K, richness, decay) is a file of its own, so an interrupted experiment resumes; docs/rf_ensembles.md section 8.
"""

from __future__ import annotations

import argparse
import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from theorylab.core import require

CLASSES = 10
VALIDATION = 500
"""Images on which weight decay and richness are chosen; what is left of 1797 is tested on."""
FLIPPED = 0.1
"""Share of the training labels that is replaced by a random class."""
RATE = 0.05
MOMENTUM = 0.9
Parameters = tuple[Float[Array, "hidden pixels"], Float[Array, "hidden hidden"], Float[Array, "classes hidden"]]


@dataclass(frozen=True)
class Regime:
    """Training images, and hidden units of the single network."""

    name: str
    samples: int
    width: int


REGIMES = (Regime("parameter-limited", 900, 32), Regime("data-limited", 300, 128))


def member_width(width: int, members: int, inputs: int = 64) -> int:
    """Hidden units n of each of `members` networks with, together, the parameters of one of `width` units.

    n^2 + (inputs + classes) n is the count. Raises: `Refused` where not one unit is left.
    """
    require(members >= 1, f"members must be at least 1, got {members}")
    other = inputs + CLASSES
    count = (width**2 + other * width) / members
    found = round((-other + math.sqrt(other**2 + 4 * count)) / 2)
    require(found >= 1, f"{members} members of one network of width {width} have no unit left; lower members")
    return found


def check(richness: Sequence[float], decay: Sequence[float]) -> None:
    """Raises: `Refused` for richness that is not positive, or decay that turns weights over in one step."""
    for gamma in richness:
        require(gamma > 0 and math.isfinite(gamma), f"richness must be positive, got {gamma}")
    for wd in decay:
        require(wd >= 0 and RATE * wd < 1, f"rate x decay must be in [0, 1), got {RATE} x {wd}")


def output(
    parameters: Parameters, images: Float[Array, "images pixels"], richness: float
) -> Float[Array, "images out"]:
    """A two-hidden-layer ReLU network in mean-field scaling."""
    first, second, last = parameters
    width = first.shape[0]
    hidden = math.sqrt(2) * jax.nn.relu(images @ first.T / math.sqrt(first.shape[1]))
    hidden = math.sqrt(2) * jax.nn.relu(hidden @ second.T / math.sqrt(width))
    return hidden @ last.T / (richness * width)


def train(
    key: Key[Array, ""],
    images: Float[Array, "train pixels"],
    labels: Float[Array, "train out"],
    every: Float[Array, "images pixels"],
    width: int,
    richness: float,
    decay: Float[Array, ""],
    steps: int,
) -> Float[Array, "images out"]:
    """Centred predictions on `every` image after full-batch gradient descent with momentum and decoupled decay."""
    shapes = ((width, images.shape[1]), (width, width), (CLASSES, width))
    start = tuple(jax.random.normal(k, s, images.dtype) for k, s in zip(jax.random.split(key, 3), shapes, strict=True))
    initial = output(start, images, richness)  # pyright: ignore[reportArgumentType]

    def loss(parameters: Parameters) -> Float[Array, ""]:
        return 0.5 * jnp.mean(jnp.sum((output(parameters, images, richness) - initial - labels) ** 2, -1))

    def step(state: Any, _: None) -> tuple[Any, None]:
        parameters, velocity = state
        velocity = jax.tree.map(lambda v, g: MOMENTUM * v + g, velocity, jax.grad(loss)(parameters))
        rate = RATE * width * richness**2
        parameters = jax.tree.map(lambda p, v: (1 - RATE * decay) * p - rate * v, parameters, velocity)
        return (parameters, velocity), None

    zero = jax.tree.map(jnp.zeros_like, start)
    (end, _), _ = jax.lax.scan(step, (start, zero), None, steps)
    return output(end, every, richness) - output(start, every, richness)  # pyright: ignore[reportArgumentType]


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Images, less their mean and of unit root mean square over all pixels, and classes."""
    from sklearn.datasets import load_digits

    pixels, classes = (np.asarray(x) for x in load_digits(return_X_y=True))
    rows = (pixels - pixels.mean(0)) / 16
    return (rows / np.sqrt(np.mean(rows**2))).astype(np.float32), classes


def losses(
    regime: Regime, members: int, richness: float, decay: Sequence[float], runs: int, steps: int
) -> dict[str, np.ndarray]:
    """Squared error on clean validation and test labels and share of wrong classes, each of shape (runs, decay).

    Run i has one split and one set of flipped labels, whatever the number of members.
    """
    rows, classes = digits()
    width = member_width(regime.width, members)

    @jax.jit
    def run(key: Key[Array, ""], decay: Float[Array, ""]) -> Float[Array, "3"]:
        split, flips, wrong, start = jax.random.split(key, 4)
        order = jax.random.permutation(split, len(rows))
        images, truth = jnp.asarray(rows)[order], jnp.asarray(classes)[order]
        flipped = jax.random.uniform(flips, truth.shape) < FLIPPED
        given = jnp.where(flipped, jax.random.randint(wrong, truth.shape, 0, CLASSES), truth)
        labels = jax.nn.one_hot(given, CLASSES) - 1 / CLASSES
        samples = regime.samples

        def one(k: Key[Array, ""]) -> Float[Array, "images out"]:
            return train(k, images[:samples], labels[:samples], images[samples:], width, richness, decay, steps)

        found = jnp.mean(jax.lax.map(one, jax.random.split(start, members)), 0)
        error = jnp.sum((found - (jax.nn.one_hot(truth[samples:], CLASSES) - 1 / CLASSES)) ** 2, -1)
        missed = jnp.argmax(found, -1) != truth[samples:]
        return jnp.stack([error[:VALIDATION].mean(), error[VALIDATION:].mean(), missed[VALIDATION:].mean()])

    keys = jax.random.split(jax.random.key(0), runs)
    table = np.array([[run(key, jnp.float32(wd)) for wd in decay] for key in keys], float)
    return {"validation": table[..., 0], "test": table[..., 1], "wrong": table[..., 2]}


def stored(folder: Path, asked: dict[str, Any]) -> dict[str, np.ndarray] | None:
    """The losses saved for exactly this question; None where there are none."""
    path = folder / _file(asked)
    if not path.exists():
        return None
    said = json.loads(path.read_text())
    return {k: np.asarray(v) for k, v in said["losses"].items()} if said["asked"] == asked else None


def keep(folder: Path, asked: dict[str, Any], found: dict[str, np.ndarray]) -> None:
    """Write one file, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _file(asked)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps({"asked": asked, "losses": {k: v.tolist() for k, v in found.items()}}))
    os.replace(partial, path)


def _file(asked: dict[str, Any]) -> str:
    return f"{asked['regime']['name']}-{asked['members']}-{asked['richness']:g}-{asked['decay']:g}.json"


def _row(
    folder: Path, regime: Regime, members: int, richness: float, decays: Sequence[float], runs: int, steps: int
) -> dict[str, np.ndarray]:
    """Losses at one richness for every decay, of shape (runs, decay); what is stored is not computed again."""

    def asked(wd: float) -> dict[str, Any]:
        question = {"regime": asdict(regime), "members": members, "richness": richness, "decay": wd}
        return question | {"runs": runs, "steps": steps}

    missing = [wd for wd in decays if stored(folder, asked(wd)) is None]
    if missing:
        found = losses(regime, members, richness, missing, runs, steps)
        for i, wd in enumerate(missing):
            keep(folder, asked(wd), {name: table[:, i] for name, table in found.items()})
    columns = [stored(folder, asked(wd)) or {} for wd in decays]
    return {name: np.stack([one[name] for one in columns], -1) for name in ("validation", "test", "wrong")}


def chosen(grid: dict[float, dict[str, np.ndarray]], decay: Sequence[float]) -> dict[str, Any]:
    """The richness and decay with the smallest mean validation loss, the test losses there, and whether at an edge."""
    gammas = sorted(grid)
    means = np.array([grid[g]["validation"].mean(0) for g in gammas])
    means = np.where(np.isfinite(means), means, np.inf)
    i, j = (int(x) for x in np.unravel_index(np.argmin(means), means.shape))
    edge = [
        *(["richness"] if i in (0, len(gammas) - 1) else []),
        # no decay at all is no edge that could be widened
        *(["decay"] if j == len(decay) - 1 else []),
    ]
    test = grid[gammas[i]]["test"][:, j]
    return {
        "richness": gammas[i],
        "decay": decay[j],
        "edge": edge,
        "test": test,
        "wrong": grid[gammas[i]]["wrong"][:, j],
    }


def experiment(
    folder: Path,
    members: Sequence[int] = (1, 4, 16),
    richness: Sequence[float] = (0.3, 1.0, 3.0, 8.0),
    decay: Sequence[float] = (0.0, 0.01, 0.03, 0.1, 0.2, 0.4),
    runs: int = 8,
    steps: int = 300,
    widen: int = 2,
) -> list[dict[str, Any]]:
    """Every regime and K, tuned; paired differences of the test loss to K = 1 with standard errors.

    Arguments:
      widen: how often an optimum at the grid's edge widens it, by a factor of 2.

    Raises: `Refused` for values out of range.
    """
    check(richness, decay)
    require(runs >= 2, f"runs must be at least 2 for a standard error, got {runs}")
    report = []
    for regime in REGIMES:
        single = None
        for k in members:
            gammas, decays = sorted(richness), sorted(decay)
            best, grid = {}, {}
            for widened in range(widen + 1):
                grid = {g: _row(folder, regime, k, g, decays, runs, steps) for g in gammas}
                best = chosen(grid, decays)
                if not best["edge"] or widened == widen:
                    break
                if "richness" in best["edge"]:
                    gammas = [gammas[0] / 2, *gammas] if best["richness"] == gammas[0] else [*gammas, 2 * gammas[-1]]
                if "decay" in best["edge"] and RATE * 2 * decays[-1] < 1:
                    decays = [*decays, 2 * decays[-1]]
            test = best.pop("test")
            wrong = best.pop("wrong")
            single = test if single is None else single
            difference = test - single
            report.append(
                {"regime": regime.name, "members": k, "width": member_width(regime.width, k)}
                | best
                | {"test": float(test.mean()), "stderr": float(test.std(ddof=1) / math.sqrt(runs))}
                | {"wrong": float(wrong.mean()), "difference": float(difference.mean())}
                | {"difference_stderr": float(difference.std(ddof=1) / math.sqrt(runs))}
            )
            print(json.dumps(report[-1]), flush=True)
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the results; what is there is not repeated")
    parser.add_argument("--members", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--richness", type=float, nargs="+", default=[0.3, 1.0, 3.0, 8.0])
    parser.add_argument("--decay", type=float, nargs="+", default=[0.0, 0.01, 0.03, 0.1, 0.2, 0.4])
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--widen", type=int, default=2)
    asked = vars(parser.parse_args())
    folder = asked.pop("out")
    report = experiment(folder, **asked)
    (folder / "report.json").write_text(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
