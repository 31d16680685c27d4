"""How many models should share a budget of features? Predicted risk against K, from data or a spectrum."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from theorylab.core import NumericalFailure, require
from theorylab.core.casting import in_precision
from theorylab.solvers.resolvent import Modes
from theorylab.systems.rf_ensembles import setting, theory
from theorylab.systems.rf_ensembles.theory_tuned import tuned

if TYPE_CHECKING:
    from theorylab.systems.rf_ensembles import RFEnsembles

SMALLEST = 1e-12
"""Eigenvalues below this share of the largest are round-off: their modes are taken for none."""
TIE = 0.01
"""Relative differences of risk below which a choice is called a tie."""


@dataclass(frozen=True)
class Plan:
    """Predicted risk of every even split of a budget of features.

    Arguments:
      members, widths: K, and features N of one member (M / K, rounded down).
      tuned_risk, tuned_ridge: risk at each K's best ridge, and that ridge.
      given_risk: risk at the given ridge; None where none was given.
      choice: K with the smallest tuned risk.
      given_choice: K with the smallest risk at the given ridge; None without one.
      parameters, samples, noise, ridge: what was asked; ridge None where none was given.
      notes: what to know of the answer.
    """

    members: tuple[int, ...]
    widths: tuple[int, ...]
    tuned_risk: Float[np.ndarray, "splits"]
    tuned_ridge: Float[np.ndarray, "splits"]
    given_risk: Float[np.ndarray, "splits"] | None
    choice: int
    given_choice: int | None
    parameters: int
    samples: float
    noise: float
    ridge: float | None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, for JSON; infinite samples are None."""
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        for name in ("tuned_risk", "tuned_ridge", "given_risk"):
            plain[name] = None if plain[name] is None else [float(x) for x in plain[name]]
        samples = None if math.isinf(self.samples) else int(self.samples)
        return plain | {
            "members": list(self.members),
            "widths": list(self.widths),
            "samples": samples,
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        given = self.given_risk
        head = f"{'K':>6} {'N':>8} {'best risk':>12} {'at ridge':>12}"
        lines = [head + ("" if given is None else f" {f'at {self.ridge:.3g}':>12}")]
        for i, (k, n) in enumerate(zip(self.members, self.widths, strict=True)):
            row = f"{k:>6} {n:>8} {self.tuned_risk[i]:>12.5g} {self.tuned_ridge[i]:>12.3g}"
            lines.append(row + ("" if given is None else f" {given[i]:>12.5g}"))
        lines.append(f"with the ridge tuned for each K: K = {self.choice}")
        if self.given_choice is not None:
            lines.append(f"at the given ridge {self.ridge:.3g}: K = {self.given_choice}")
        return "\n".join((*lines, *(f"note: {note}" for note in self.notes)))


def plan(
    system: RFEnsembles,
    features: str = "",
    kernel: str = "",
    targets: str = "",
    parameters: int = 0,
    ridge: float = -1.0,
) -> Plan:
    """Risk against the number of members at a fixed budget, at each one's best ridge and at a given one.

    Excess risk, in units of the targets squared, label noise not included. The members counted are 1, 2, 4, ... up to
    the budget; where they do not divide it, N is rounded down.

    Arguments:
      system: samples P and noise sigma; its spectrum too, unless files are named. Its ridges are not read.
      features: .npy file of real numbers, shape (n, d): n points of the population in the feature space whose
        linear kernel the random features sample.
      kernel: .npy file, shape (n, n), in place of features: the kernel that the random features converge to.
      targets: .npy file, shape (n,) or (n, outputs), noiseless targets at these points; needed with either file.
      parameters: features M in all; by default the system's width x members.
      ridge: a ridge that is used whatever K; below 0: none is.

    Raises: `Refused` for files that cannot be read, of the wrong shape or type, and for a bad budget;
      `NumericalFailure` where a prediction is not finite.
    """
    require(not (features and kernel), "give features or a kernel, not both")
    total = _budget(system, parameters)
    notes, unseen = [], 0.0
    if features or kernel:
        require(bool(targets), "--targets FILE.npy is needed with --features or --kernel")
        modes, unseen = measured_modes(features=features, kernel=kernel, targets=targets)
        share = unseen / (unseen + float(modes.signal()))
        if share > 1e-9:
            notes.append(f"{share:.1%} of the targets' power lies outside the features' span: no model can learn it")
    else:
        require(not targets, "--targets needs --features FILE.npy or --kernel FILE.npy beside it")
        modes = Modes(*(np.asarray(x, float) for x in setting.spectrum(system)))  # pyright: ignore[reportArgumentType]
    members = [1 << i for i in range(total.bit_length())]
    widths = [total // k for k in members]
    given = None if ridge < 0 else float(ridge)
    if given == 0:
        require(
            all(n != system.samples or n >= float(modes.count()) for n in widths),
            f"without a ridge the risk is infinite where a member has as many features as there are samples, "
            f"{system.samples}; raise ridge",
        )
    with in_precision("float64"):
        inputs = [jnp.asarray(x, float) for x in (widths, members)]
        modes = jax.tree.map(jnp.asarray, modes)
        # what no model can learn is noise to all, and remains
        noise = math.sqrt(float(system.noise) ** 2 + unseen)
        best, fixed = _risks(modes, float(system.samples), *inputs, noise, given or 0.0)
        risk, ridges, at_given = (np.asarray(x) for x in (best.risk + unseen, best.ridge, fixed + unseen))
    if not np.all(np.isfinite(risk)) or (given is not None and not np.all(np.isfinite(at_given))):
        raise NumericalFailure("a predicted risk is not finite; raise ridge, or check the spectrum and its targets")
    choice = int(np.argmin(risk))
    close = [k for i, k in enumerate(members) if k > members[choice] and risk[i] <= (1 + TIE) * risk[choice]]
    if close:
        notes.append(f"up to K = {max(close)} costs at most {TIE:.0%} of the risk, if small models suit you")
    given_choice = None
    if given is not None:
        given_choice = members[int(np.argmin(at_given))]
        if given_choice != members[choice]:
            loss = at_given.min() / risk[choice] - 1
            notes.append(
                f"K = {given_choice} wins at ridge {given:.3g} because that ridge is wrong for K = {members[choice]}: "
                f"tuning it would lower the risk by {loss / (1 + loss):.1%}"
            )
    if any(total % k for k in members):
        notes.append("where K does not divide the budget, N is rounded down")
    return Plan(
        members=tuple(members),
        widths=tuple(widths),
        tuned_risk=risk,
        tuned_ridge=ridges,
        given_risk=None if given is None else at_given,
        choice=members[choice],
        given_choice=given_choice,
        parameters=total,
        samples=float(system.samples),
        noise=float(system.noise),
        ridge=given,
        notes=tuple(notes),
    )


@jax.jit
def _risks(modes: Any, samples: Any, widths: Any, members: Any, noise: Any, ridge: Any) -> Any:
    best = jax.vmap(tuned, (None, None, 0, 0, None))(modes, samples, widths, members, noise)
    over = jax.vmap(theory.ensemble_risk, (None, None, None, 0, 0, None))
    return best, over(modes, ridge, samples, widths, members, noise).risk


def _budget(system: RFEnsembles, parameters: int) -> int:
    if parameters == 0:
        total = system.width * system.members
        require(not math.isinf(total), "an infinite budget has nothing to split; give parameters")
        return int(total)
    require(parameters >= 1, f"parameters must be at least 1, got {parameters}")
    return parameters


def measured_modes(features: str = "", kernel: str = "", targets: str = "") -> tuple[Modes, float]:
    """Spectrum of features or of a kernel over n points, and the targets' power on it; docs/rf_ensembles.md eq. (17).

    Returns: modes (numpy), and the targets' power outside their span.

    Raises: `Refused` for files that cannot be read, of the wrong shape or type, or with values that are not finite.
    """
    name = "features" if features else "kernel"
    given = _load(name, features or kernel, "(n, d)" if features else "(n, n)")
    found = f"found shape {given.shape}, dtype {given.dtype}"
    require(given.ndim == 2 and given.size > 0, f"{name} must be a matrix of shape (points, ...): {found}")
    count = given.shape[0]
    if kernel:
        require(given.shape[1] == count, f"the kernel must be square, (n, n): {found}")
        scale = float(np.abs(given).max())
        require(np.abs(given - given.T).max() <= 1e-6 * scale, f"the kernel must be symmetric: {found}")
    wanted = _load("targets", targets, f"({count},) or ({count}, outputs)")
    found = f"found shape {wanted.shape}, dtype {wanted.dtype}"
    require(
        wanted.ndim in (1, 2) and wanted.shape[0] == count and wanted.size > 0,
        f"targets must have shape ({count},) or ({count}, outputs), a row for each row of the {name}: {found}",
    )
    labels = wanted.reshape(count, -1).astype(float)
    if kernel:
        values, vectors = np.linalg.eigh(given.astype(float) / count)
    else:
        vectors, singular, _ = np.linalg.svd(given.astype(float) / math.sqrt(count), full_matrices=False)
        values = singular**2
    largest = float(values.max())
    require(largest > 0, f"the {name} have no positive eigenvalue: they are all zero")
    power = ((vectors.T @ labels) ** 2).sum(1) / count
    total = float((labels**2).sum() / count)
    require(total > 0, "the targets are all zero")
    kept = values > SMALLEST * largest
    values, power = values[kept], power[kept]
    modes = Modes(values, power, np.ones_like(values))  # pyright: ignore[reportArgumentType]
    return modes, max(total - float(power.sum()), 0.0)


def _load(name: str, path: str, expected: str) -> np.ndarray:
    """A real, finite array from a .npy file. Raises: `Refused`."""
    wanted = f"expected an array of real numbers of shape {expected} in a .npy file"
    try:
        array = np.load(Path(path), allow_pickle=False)
    except OSError as problem:
        require(False, f"--{name} {path} cannot be read ({type(problem).__name__}: {problem}); {wanted}")
        raise AssertionError from problem
    except (ValueError, EOFError) as problem:
        # numpy's own sentence advises to unpickle, which this never does
        require(False, f"--{name} {path} cannot be read: it is no .npy file, or not of numbers; {wanted}")
        raise AssertionError from problem
    require(isinstance(array, np.ndarray), f"--{name} {path} holds several arrays; {wanted}")
    numeric = array.dtype.kind in "iufb"
    require(numeric, f"--{name} {path}: found shape {array.shape}, dtype {array.dtype}; {wanted}")
    require(np.isfinite(array), f"--{name} {path}: some values are not finite; {wanted}")
    return array
