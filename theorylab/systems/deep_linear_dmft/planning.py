"""Learning rates from the theory: the best one, and the largest that does not diverge."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from theorylab.core import NumericalFailure, require
from theorylab.core.casting import cast, in_precision
from theorylab.systems.deep_linear_dmft import theory
from theorylab.systems.deep_linear_dmft.theory_march import march

if TYPE_CHECKING:
    from theorylab.systems.deep_linear_dmft import DeepLinearDMFT


@dataclass(frozen=True)
class Plan:
    """What the theory advises for one network, data and number of steps.

    Arguments:
      best_rate, best_loss: learning rate with the lowest test loss at the last step, and that loss.
      stable_rate: largest learning rate up to which the loss at the last step stays below the ceiling.
      lazy_bound: largest stable learning rate of the lazy network.
      steps: steps after which the loss is read.
      rates, losses: the scanned grid, and the test loss there (inf where it diverged).
      notes: what to know of the answer.
    """

    best_rate: float
    best_loss: float
    stable_rate: float
    lazy_bound: float
    steps: int
    rates: Float[np.ndarray, "rates"]
    losses: Float[np.ndarray, "rates"]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, for JSON; a loss that diverged is None."""
        losses = [float(x) if np.isfinite(x) else None for x in self.losses]
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return plain | {"rates": [float(x) for x in self.rates], "losses": losses, "notes": list(self.notes)}

    def __str__(self) -> str:
        lines = (
            f"best learning rate            {self.best_rate:.4g}   test loss {self.best_loss:.4g} after "
            f"{self.steps} steps",
            f"largest stable learning rate  {self.stable_rate:.4g}",
            f"lazy stability bound          {self.lazy_bound:.4g}",
        )
        return "\n".join((*lines, *(f"note: {note}" for note in self.notes)))


@partial(jax.jit, static_argnames="groups")
def _last_losses(system: DeepLinearDMFT, rates: Float[Array, "rates"], groups: int) -> Float[Array, "rates"]:
    equations = theory.setting(system, groups)
    shape = equations.rates / system.rate

    def last(rate: Array) -> Array:
        solution = march(dataclasses.replace(equations, rates=rate * shape))
        error = solution.error
        if system.members > 1:
            error = solution.shared + (error - solution.shared) / system.members
        loss = jnp.diagonal(error)
        # A loss that was beyond all bounds once is divergent, though rounding may bring it back.
        return jnp.where(jnp.all(jnp.abs(loss) <= theory.DIVERGED), loss[-1], jnp.inf)

    return jax.vmap(last)(rates)


def last_losses(system: DeepLinearDMFT, rates: Float[np.ndarray, "rates"]) -> Float[np.ndarray, "rates"]:
    """Predicted test loss at the last step for each learning rate, in one vmapped program; inf where it diverges."""
    with in_precision("float64"):
        groups = system.numerics(None).groups
        return np.asarray(_last_losses(cast(system, "float64"), jnp.asarray(rates), groups))


def plan(
    system: DeepLinearDMFT,
    low: float = 0.0,
    high: float = 0.0,
    points: int = 48,
    ceiling: float = 10.0,
) -> Plan:
    """Best and largest stable learning rate at the system's last step, each refined once on a finer grid.

    Arguments:
      system: the network and data; its own rate is not read.
      low, high: range of learning rates; by default 1/100 of the lazy stability bound up to three times it.
      points: learning rates in one scan.
      ceiling: a test loss at the last step from here on counts as unstable (a network that predicts zero has 1).

    Raises: `Refused` for an empty range or too few points; `NumericalFailure` where no rate is stable.
    """
    bound = float(2 / (jnp.asarray(system.lazy_kernel()) * system.sharpness()))
    low, high = low or bound / 100, high or 3 * bound
    require(0 < low < high, f"the range of learning rates must be positive and increasing, got {low} to {high}")
    require(points >= 8, f"points must be at least 8, got {points}")
    require(ceiling > 0, f"ceiling must be positive, got {ceiling}")
    rates = np.geomspace(low, high, points)
    losses = last_losses(system, rates)
    stable = _stable_count(losses, ceiling)
    if stable == 0:
        raise NumericalFailure(
            f"no learning rate from {low:.3g} to {high:.3g} ends below a test loss of {ceiling:g}; lower `low`, raise "
            "`ceiling`, or scale the branches with depth"
        )
    notes = []
    best = int(np.argmin(losses[:stable]))
    fine = np.geomspace(rates[max(best - 1, 0)], rates[min(best + 1, stable - 1)], points)
    fine_losses = last_losses(system, fine)
    finest = int(np.nanargmin(fine_losses))
    if best == 0:
        notes.append("the best rate lies at the lower end of the range")
    if stable == points:
        edge = rates[-1]
        notes.append("every rate of the range is stable: the largest stable one lies above it")
    else:
        between = np.geomspace(rates[stable - 1], rates[stable], points)
        edge = between[max(_stable_count(last_losses(system, between), ceiling) - 1, 0)]
    if fine[finest] > bound:
        notes.append("the best rate lies above the lazy stability bound: runs of finite size scatter there")
    return Plan(
        best_rate=float(fine[finest]),
        best_loss=float(fine_losses[finest]),
        stable_rate=float(edge),
        lazy_bound=bound,
        steps=system.steps - 1,
        rates=rates,
        losses=losses,
        notes=tuple(notes),
    )


def _stable_count(losses: Float[np.ndarray, "rates"], ceiling: float) -> int:
    """How many of the first rates are stable, up to the first that is not."""
    unstable = ~(losses < ceiling)
    return int(np.argmax(unstable)) if unstable.any() else len(losses)
