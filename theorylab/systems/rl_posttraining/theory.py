"""The predictions: which theory answers for which setting.

Equation numbers are those of docs/rl_posttraining.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from theorylab.core import Prediction
from theorylab.systems.rl_posttraining import theory_flow as flow
from theorylab.systems.rl_posttraining import theory_maps as maps
from theorylab.systems.rl_posttraining import theory_noise as noise
from theorylab.systems.rl_posttraining import theory_success as success
from theorylab.systems.rl_posttraining.setting import question_weights
from theorylab.systems.rl_posttraining.theory_groups import Factor, factor_of

if TYPE_CHECKING:
    from theorylab.systems.rl_posttraining import RLNumerics, RLPosttraining


def predict(system: RLPosttraining, numerics: RLNumerics) -> Prediction:
    """Curves of one setting."""
    if system.study == "winner":
        return _winner(system, numerics)
    if system.study == "noise":
        return _noise(system)
    return _shares(system, numerics)


def factor(system: RLPosttraining) -> Factor:
    """c(r) of the system's advantage."""
    return factor_of(
        system.advantage, system.group, system.batch, sample_std=system.sample_std, offset=system.offset
    )  # fmt: skip


def _shares(system: RLPosttraining, numerics: RLNumerics) -> Prediction:
    p, a = jnp.asarray(system.shares), jnp.asarray(system.accuracy)
    w, recorded = question_weights(system.weights, a), system.recorded()
    how = {"kl": system.kl, "geometry": system.geometry}
    tolerance = {"rtol": numerics.rtol, "atol": numerics.atol, "max_steps": numerics.max_steps}
    status, skills = jnp.int32(0), None
    if system.algorithm == "expert":
        samples = int(system.group)
        logits = maps.expert(
            recorded, p, a, w, restart=system.restart, refit=system.refit, samples=samples, keep=system.keep
        )
    elif system.algorithm == "ppo":
        logits = maps.ppo(
            recorded, system.rate, p, a, w, inner=system.inner, clip=system.clip, factor=factor(system), **how
        )
    elif system.skills == "learned" and system.dynamics == "flow":
        times = system.rate * jnp.asarray(recorded)
        found = flow.coupled(times, p, a, w, ratio=system.skill_rate, factor=factor(system), **how, **tolerance)
        logits, skills, status = found.logits, found.skills, found.status
    elif system.skills == "learned":
        logits, skills = flow.coupled_steps(
            recorded, system.rate, p, a, w, ratio=system.skill_rate, factor=factor(system), **how
        )
    elif system.dynamics == "flow":
        times = system.rate * jnp.asarray(recorded)
        path = flow.frozen(times, p, a, w, factor=factor(system), **how, **tolerance)
        logits, status = path.logits, path.status
    else:
        logits = flow.steps(recorded, system.rate, p, a, w, factor=factor(system), **how)
    curves = _curves(system, logits, skills, w)
    kept = {observable.name for observable in system.observables}
    facts = {
        "winner": jnp.argmax(logits[-1]) + 1,
        "most_accurate": jnp.argmax(w @ a) + 1,
        "share_of_winner": jnp.max(curves["share"][-1]),
    }
    return Prediction({name: curve for name, curve in curves.items() if name in kept}, status, facts=facts)


def _curves(system: RLPosttraining, logits: Array, skills: Array | None, w: Array) -> dict[str, Array]:
    """Everything that is read off the policy; `skills` are logits, (record, question, format)."""
    log_shares = jax.nn.log_softmax(logits, axis=-1)
    p = jnp.exp(log_shares)
    reference = jnp.log(jnp.asarray(system.shares))
    frozen = jnp.asarray(system.accuracy)
    a = jnp.broadcast_to(frozen, (p.shape[0], *frozen.shape)) if skills is None else jax.nn.sigmoid(skills)
    right = jnp.einsum("tqk,tk->tq", a, p)
    # a format whose logit is -inf has share 0 and adds nothing
    divergence = jnp.sum(jnp.where(p > 0, p * (log_shares - reference), 0.0), axis=-1)
    if skills is not None:
        divergence = divergence + jnp.einsum("tk,tqk,q->t", p, flow.bernoulli_kl(skills, skills[0]), w)
    curves = {"share": p, "success": right @ w, "divergence": divergence}
    curves["skill"] = curves["measured"] = jnp.einsum("tqk,q->tk", a, w)
    if len(system.held_out):
        curves["held_out"] = jnp.mean(p @ jnp.asarray(system.held_out).T, axis=-1)
    if system.attempts:
        curves["passes"] = success.pass_at(right, w, np.array(system.attempts))
    if system.votes:
        curves["majority"] = success.majority_at(right, w, system.votes, system.wrong)
    return curves


def _sampling(system: RLPosttraining) -> noise.Sampling:
    return noise.Sampling(
        advantage=system.advantage,
        group=int(system.group),
        batch=system.batch,
        rate=system.rate,
        kl=system.kl,
        geometry=system.geometry,
        sample_std=system.sample_std,
        offset=system.offset,
    )


def _noise(system: RLPosttraining) -> Prediction:
    a = jnp.asarray(system.accuracy)
    mean, spread = noise.linear_noise(
        system.recorded(), jnp.asarray(system.shares), a, question_weights(system.weights, a), _sampling(system)
    )
    contrast = jnp.zeros(mean.shape[1]).at[0].set(1.0).at[1].set(-1.0)
    return Prediction({"logit": mean @ contrast, "variance": jnp.einsum("k,tkl,l->t", contrast, spread, contrast)})


def _winner(system: RLPosttraining, numerics: RLNumerics) -> Prediction:
    a = jnp.asarray(system.accuracy)
    w = question_weights(system.weights, a)
    wins = noise.winning_probability(
        system.barrier, jnp.asarray(system.shares), a, w, _sampling(system), numerics.points
    )
    kappa = noise.control_number(w @ a, system.batch * system.answers, system.rate)
    return Prediction({"wins": wins}, facts={"control_number": kappa})
