"""Accuracies of every rule on images: at the settings of docs/error_broadcast.md section 5, and tuned with equal
effort."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from theorylab.core import Cells, Outcome, Table
from theorylab.systems.error_broadcast import images, tuning
from theorylab.systems.error_broadcast.digits_figures import accuracy_figure, correlation_figure, entropy_figure
from theorylab.systems.error_broadcast.simulation_images import Kind, Setting, measured


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Arguments:
      name: of the data set.
      source: its images.
      epochs, batch: of every training.
      settings: settings tried for every rule, each with `tuning_seeds` seeds on the validation split.
      runs: runs at fixed and at chosen settings, judged on the test images.
      tile: runs in one program.
      networks: which networks are compared.
      widths: hidden widths of the fully connected one.
      entropy: also the entropy regularizer, which is slow.
    """

    name: str
    source: images.Source
    epochs: int = 15
    batch: int = 20
    settings: int = 16
    tuning_seeds: int = 4
    runs: int = 16
    tile: int = 64
    networks: tuple[str, ...] = ("mlp", "cnn", "lc")
    widths: tuple[int, ...] = (256, 128)
    entropy: bool = False


FIRST_TEST_SEED = 1000
"""Seeds of tuning and of judging differ."""

FIXED: tuple[tuple[str, str, Setting], ...] = (
    ("BP", "bp", {}),
    ("DFA", "dfa", {}),
    ("EBD", "ebd", {}),
    ("EBD, lambda = 0.999", "ebd", {"renewal": 1e-3}),
    ("EBD, lambda = 0.99", "ebd", {"renewal": 1e-2}),
    ("EBD, lambda = 0.999, R0 = 0", "ebd", {"renewal": 1e-3, "feedback": 0.0}),
    ("hidden layers frozen", "dfa", {"scale": 0.0}),
)
"""Name, rule and what differs from the defaults; no regularizer."""
ENTROPY_RATES = (1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)


def mean_error(values: Any) -> tuple[float, float]:
    """Mean over runs and its standard error."""
    values = np.asarray(values, float)
    return float(values.mean()), float(values.std(ddof=1) / len(values) ** 0.5)


def shown(values: Any) -> str:
    """Mean and standard error in words."""
    mean, error = mean_error(values)
    return f"{mean:.4f} +- {error:.4f}"


class Bench:
    """Trainings of a plan, each tile a cell."""

    def __init__(self, plan: Plan, cells: Cells):
        self.plan, self.cells = plan, cells
        self.splits = {"test": images.tested(plan.source), "validation": images.validated(plan.source)}

    def train(self, kind: Kind, settings: Sequence[Setting], seeds: Sequence[int], split: str) -> dict[str, np.ndarray]:
        """What `simulation_images.measured` returns, in tiles of whole settings."""
        plan, parts = self.plan, []
        size = max(1, plan.tile // len(seeds))
        for begin in range(0, len(settings), size):
            some, chosen = [dict(s) for s in settings[begin : begin + size]], list(seeds)
            groups = [chosen[i : i + plan.tile] for i in range(0, len(chosen), plan.tile)]
            tiles = []
            for group in groups:
                question = {
                    "data": plan.name,
                    "kind": kind._asdict(),
                    "settings": some,
                    "seeds": group,
                    "split": split,
                    "batch": plan.batch,
                    "epochs": plan.epochs,
                }
                data = self.splits[split]
                measure = partial(measured, kind, data, some, group, batch=plan.batch, epochs=plan.epochs)
                tiles.append(self.cells(question, measure))
            parts.append({name: np.concatenate([tile[name] for tile in tiles], axis=1) for name in tiles[0]})
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    @property
    def test_seeds(self) -> list[int]:
        return [FIRST_TEST_SEED + i for i in range(self.plan.runs)]

    def fixed(self) -> dict[str, dict[str, np.ndarray]]:
        """The rules at the default settings, on the test images; what is measured, by name."""
        found: dict[str, dict[str, np.ndarray]] = {}
        for rule in ("bp", "dfa", "ebd"):
            rows = [(name, changes) for name, of, changes in FIXED if of == rule]
            kind = Kind(rule, widths=self.plan.widths)
            result = self.train(kind, [changes for _, changes in rows], self.test_seeds, "test")
            found |= {name: {k: v[i] for k, v in result.items()} for i, (name, _) in enumerate(rows)}
            self.cells.say(f"{rule} at fixed settings: {shown(result['accuracy'][0, :, -1])}")
        return found

    def entropy(self) -> np.ndarray:
        """Accuracies with the entropy regularizer, all else at the defaults, by its rate; the first rate is 0."""
        kind = Kind("ebd", widths=self.plan.widths, extras=("entropy",))
        settings = [{"entropy": rate} for rate in (0.0, *ENTROPY_RATES)]
        return self.train(kind, settings, self.test_seeds, "test")["accuracy"][:, :, -1]

    def tuned(self, candidate: tuning.Candidate) -> dict[str, Any]:
        """The best setting on the validation images, and the accuracies it then has on the test images."""
        settings = tuning.settings(candidate, self.plan.settings)
        tried = self.train(candidate.kind, settings, range(self.plan.tuning_seeds), "validation")
        scores = tried["accuracy"][:, :, -1].mean(1)
        scores = np.where(np.isfinite(scores), scores, 0.0)
        best = int(np.argmax(scores))
        judged = self.train(candidate.kind, [settings[best]], self.test_seeds, "test")
        found = {"setting": settings[best], "validation": float(scores[best]), "runs": judged["accuracy"][0, :, -1]}
        self.cells.say(f"{candidate.kind.network} {candidate.name}: {shown(found['runs'])}")
        return found


def measure(plan: Plan, cells: Cells) -> Outcome:
    """All tables and figures of a plan."""
    bench = Bench(plan, cells)
    fixed = bench.fixed()
    entropy = bench.entropy() if plan.entropy else None
    tuned = {}
    for network in plan.networks:
        candidates = tuning.fully_connected(plan.widths) if network == "mlp" else tuning.local(network)
        tuned[network] = {
            one.name: bench.tuned(one) for one in candidates if plan.entropy or "entropy" not in one.kind.extras
        }
    tables, findings, numbers = [], [], {}
    last = {name: found["accuracy"][:, -1] for name, found in fixed.items()}
    frozen = last["hidden layers frozen"]
    rows = tuple((name, *mean_error(runs), len(runs)) for name, runs in last.items())
    columns = ("rule", "accuracy", "standard error", "runs")
    tables.append(Table(f"{plan.name}, {plan.epochs} epochs, fixed settings", columns, rows))
    findings.append(gap("fixed settings: EBD against DFA", last["EBD"], last["DFA"]))
    findings.append(gap("fixed settings: lambda 0.99 against frozen hidden layers", last["EBD, lambda = 0.99"], frozen))
    numbers["fixed"] = last
    if entropy is not None:
        rows = tuple(
            (f"{rate:g}", *mean_error(row), *mean_error(row - entropy[0]))
            for rate, row in zip((0.0, *ENTROPY_RATES), entropy, strict=True)
        )
        columns = ("rate", "accuracy", "standard error", "difference from rate 0", "its standard error")
        title = f"{plan.name}: entropy regularizer, all else at the fixed settings"
        tables.append(Table(title, columns, rows, "paired by seed"))
        findings.append(entropy_sentence(entropy))
        numbers["entropy"] = {"rates": (0.0, *ENTROPY_RATES), "runs": entropy}
    for network, found in tuned.items():
        tables.append(tuned_table(plan, network, found))
        findings += tuned_sentences(network, {name: one["runs"] for name, one in found.items()})
        numbers[network] = found
    curves = fixed["BP"]["correlation"].mean(0)
    findings.append(
        "correlation of layers with the error under BP, first to last epoch: "
        + "; ".join(f"layer {k + 1} {curves[0, k]:.3f} to {curves[-1, k]:.3f}" for k in range(curves.shape[1]))
    )
    short = fixed["EBD, lambda = 0.99"]
    ratio = (short["feedback"] / short["floor"])[:, -1].mean(0)
    findings.append(
        f"lambda = 0.99: |R|^2 at the end over its open-loop floor: {', '.join(f'{r:.2f}' for r in ratio)} by layer"
    )
    numbers["correlation"] = {name: found["correlation"].mean(0) for name, found in fixed.items()}
    numbers["feedback_over_floor"] = ratio
    samples = min(1347, len(bench.splits["test"].x))
    figures = {
        "accuracies": partial(accuracy_figure, tuned, last, plan.name),
        "correlations": partial(correlation_figure, fixed, samples),
    }
    if entropy is not None:
        figures["entropy"] = partial(entropy_figure, (0.0, *ENTROPY_RATES), entropy)
    return Outcome(tuple(tables), figures, tuple(findings), numbers)


def tuned_table(plan: Plan, network: str, found: Mapping[str, Any]) -> Table:
    """Every rule at the setting that was best on the validation split."""

    def words(setting: Setting) -> str:
        return ", ".join(f"{name} {value:.3g}" for name, value in setting.items())

    rows = tuple(
        (name, *mean_error(one["runs"]), float(np.min(one["runs"])), one["validation"], words(one["setting"]))
        for name, one in found.items()
    )
    columns = ("rule", "accuracy", "standard error", "worst run", "validation", "chosen setting")
    note = f"{plan.settings} settings tried for every rule, {plan.tuning_seeds} seeds each, on a validation split"
    return Table(f"{plan.name}, {network}: every rule tuned", columns, rows, note)


def tuned_sentences(network: str, runs: Mapping[str, Any]) -> list[str]:
    """Which gaps there are between tuned rules."""
    others = ("DFA", "BP", "hidden layers frozen")
    said = [gap(f"{network} tuned: EBD against {other}", runs["EBD"], runs[other]) for other in others]
    variants = [name for name in runs if name.startswith(("EBD,", "CorInfoMax"))]
    return said + [gap(f"{network} tuned: {name} against plain EBD", runs[name], runs["EBD"]) for name in variants]


def gap(what: str, left: Any, right: Any) -> str:
    """A difference of two means with its standard error, and whether it is one."""
    (a, da), (b, db) = mean_error(left), mean_error(right)
    error = (da**2 + db**2) ** 0.5
    word = "no gap" if abs(a - b) <= 2 * error else "higher" if a > b else "lower"
    return f"{what}: {a - b:+.4f} +- {error:.4f}, {word}"


def entropy_sentence(accuracy: Any) -> str:
    """The largest paired effect over all rates, judged at two standard errors times Bonferroni's allowance."""
    from scipy.stats import t

    runs = accuracy.shape[1]
    effects = [mean_error(row - accuracy[0]) for row in accuracy[1:]]
    cut = float(t.ppf(1 - 0.025 / len(effects), runs - 1))
    words = []
    for rate, (mean, error) in zip(ENTROPY_RATES, effects, strict=True):
        if abs(mean) > cut * error:
            words.append(f"{mean:+.4f} +- {error:.4f} at rate {rate:g}")
    found = "; ".join(words) if words else "no rate changes the accuracy significantly"
    return f"entropy regularizer at fixed settings ({runs} paired runs, {len(effects)} rates, 5 % over all): {found}"


def run_entropy(cells: Cells) -> Outcome:
    """The handwritten digits, a smaller fully connected network, with the entropy regularizer, which is slow."""
    smaller = {"widths": (128, 64), "settings": 8, "tuning_seeds": 2, "runs": 8, "tile": 16}
    return measure(Plan("digits", images.digits(), networks=("mlp",), entropy=True, **smaller), cells)


def run(cells: Cells) -> Outcome:
    """The handwritten digits."""
    return measure(Plan("digits", images.digits()), cells)


LARGE: dict[str, Any] = {
    "settings": 8,
    "tuning_seeds": 1,
    "runs": 8,
    "tile": 8,
    "epochs": 15,
    "widths": (512, 256),
}


def run_mnist(cells: Cells) -> Outcome:
    """MNIST from the user's folder. Raises: `Refused` where it is not there."""
    return measure(dataclasses.replace(Plan("mnist", images.mnist(cells.data)), **LARGE), cells)


def run_cifar10(cells: Cells) -> Outcome:
    """CIFAR-10 from the user's folder. Raises: `Refused` where it is not there."""
    return measure(dataclasses.replace(Plan("cifar10", images.cifar10(cells.data)), **LARGE), cells)
