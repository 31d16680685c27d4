"""Risk of an ensemble and its parts, from one renormalised ridge: docs/rf_ensembles.md section 2."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from theorylab.core import Prediction, Status, status_where
from theorylab.solvers.resolvent import Modes, renormalised_ridge, ridge_moments
from theorylab.systems.rf_ensembles import setting
from theorylab.systems.rf_ensembles.theory_tuned import tuned

if TYPE_CHECKING:
    from theorylab.systems.rf_ensembles import RFEnsembles

RESIDUAL = 1e-9
"""Largest residual of the renormalised ridge's equation that is accepted, relative to the ridge it renormalises."""


class Risk(NamedTuple):
    """Risk of an ensemble and of one member, without label noise, and what they are made of.

    Arguments:
      risk: of the average of K members, bias + data_variance + feature_variance / K.
      member_risk: of one member.
      bias: squared error of the predictor averaged over everything.
      data_variance: variance over samples and label noise, common to all members.
      feature_variance: one member's variance over its features.
      train_error: mean squared residual on the training set, label noise included.
      gcv: train_error / (1 - df1/P)^2, an estimate of risk + noise^2.
      kappa: renormalised ridge.
      freedom: df1(kappa).
    """

    risk: Float[Array, "..."]
    member_risk: Float[Array, "..."]
    bias: Float[Array, "..."]
    data_variance: Float[Array, "..."]
    feature_variance: Float[Array, "..."]
    train_error: Float[Array, "..."]
    gcv: Float[Array, "..."]
    kappa: Float[Array, "..."]
    freedom: Float[Array, "..."]


def risk_at_kappa(
    modes: Modes, kappa: ArrayLike, samples: ArrayLike, width: ArrayLike, members: ArrayLike, noise: ArrayLike
) -> Risk:
    """Risk where the renormalised ridge is known: explicit; docs/rf_ensembles.md eqs. (4)-(7).

    Arguments:
      samples, width, members: P, N, K; `inf` allowed.
      noise: label-noise standard deviation.
    """
    variance = jnp.asarray(noise) ** 2
    found = ridge_moments(modes, kappa, samples, width, variance)
    features = found.same - found.across
    total = found.across + features / members
    left = 1 - found.freedom / jnp.asarray(samples, float)
    return Risk(
        risk=total - variance,
        member_risk=found.same - variance,
        bias=found.bias,
        data_variance=found.across - variance - found.bias,
        feature_variance=features,
        train_error=left**2 * total,
        gcv=total,
        kappa=jnp.asarray(kappa),
        freedom=found.freedom,
    )


def ensemble_risk(
    modes: Modes, ridge: ArrayLike, samples: ArrayLike, width: ArrayLike, members: ArrayLike, noise: ArrayLike
) -> Risk:
    """Risk at a ridge >= 0 (0: its limit from above); sizes may be traced, `inf` allowed; eqs. (1)-(7)."""
    kappa = renormalised_ridge(modes, ridge, samples, width)
    return risk_at_kappa(modes, kappa, samples, width, members, noise)


def modes_of(system: RFEnsembles) -> Modes:
    """Spectrum and target of a system."""
    return Modes(*(jnp.asarray(x, float) for x in setting.spectrum(system)))


def predict(system: RFEnsembles) -> Prediction:
    """Curves over the ridge, or risk over splits of a budget and ridges.

    Facts: `tuned_risk` and `tuned_ridge`, at the best ridge, for each split of the budget; on the axis "ridge" also
    `single_tuned_risk`, one model of members x width features.
    """
    modes, ridges = modes_of(system), jnp.asarray(setting.ridge_grid(system))
    samples, noise = system.samples, system.noise
    if system.axis == "members":
        members, widths = (jnp.asarray(x, float) for x in (system.splits(), system.widths()))
        over_ridges = jax.vmap(ensemble_risk, (None, 0, None, None, None, None))
        found = jax.vmap(over_ridges, (None, None, None, 0, 0, None))(modes, ridges, samples, widths, members, noise)
        best = jax.vmap(tuned, (None, None, 0, 0, None))(modes, samples, widths, members, noise)
        curves = {"risk": found.risk}
        facts: dict[str, Array] = {"tuned_risk": best.risk, "tuned_ridge": best.ridge}
        sizes: tuple[Any, Any] = (samples, widths[:, None])
    else:
        arguments = (samples, system.width, system.members, noise)
        found = jax.vmap(ensemble_risk, (None, 0, None, None, None, None))(modes, ridges, *arguments)
        curves = {observable.name: getattr(found, observable.name) for observable in system.observables}
        # the ensemble, and one model of all its features
        widths = jnp.asarray([system.width, system.width * system.members], float)
        best = jax.vmap(tuned, (None, None, 0, 0, None))(
            modes, samples, widths, jnp.asarray([system.members, 1.0]), noise
        )
        facts = {"tuned_risk": best.risk[0], "tuned_ridge": best.ridge[0]}
        if not math.isinf(system.width * system.members):
            facts["single_tuned_risk"] = best.risk[1]
        sizes = (samples, system.width)
    balance = found.kappa * (1 - found.freedom / sizes[0]) * (1 - found.freedom / sizes[1])
    wrong = jnp.any(jnp.abs(balance - ridges) > RESIDUAL * (ridges + found.kappa))
    return Prediction(curves, status_where(wrong, Status.NO_ROOT), {}, facts)
