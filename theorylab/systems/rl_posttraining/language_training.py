"""Training of the language models: pretraining from scratch, reinforcement from there, and what is measured of both.

All returned arrays are raw counts, (seed, record, kind, ...), from which `language_measures` reads shares, accuracies
and pass@k. Equation numbers are those of docs/rl_posttraining_language.md.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, Key

from theorylab.data.arithmetic import AbstractTask
from theorylab.networks.policy_gradient import imitation_loss, train
from theorylab.networks.sampling import Policy, chosen_places, decoder_policy, logprobs_of, sample
from theorylab.networks.transformer import Decoder
from theorylab.systems.rl_posttraining.language_setting import Measured, Model, Pipeline, Run

EXAM = 20_250_411
"""Seed of the prompts that every model is examined with."""


def decoder(model: Model, task: AbstractTask) -> Decoder:
    """The decoder of that size."""
    return Decoder(task.vocabulary, model.width, model.layers, model.heads, task.length)


def start(model: Model, task: AbstractTask, key: Key[Array, ""]) -> Any:
    """Parameters before pretraining."""
    return decoder(model, task).init(key, jnp.zeros((1, task.length), jnp.int32))


def pretrained(model: Model, task: AbstractTask, key: Key[Array, ""]) -> tuple[Any, Float[Array, "step"]]:
    """Parameters after pretraining from scratch on the task's mixture, eq. (1), and the loss of every step."""
    policy = decoder_policy(decoder(model, task))
    schedule = optax.warmup_cosine_decay_schedule(0.0, model.rate, max(model.steps // 20, 1), model.steps)
    optimiser = optax.adamw(schedule, weight_decay=model.decay)
    key_start, key_text = jax.random.split(key)
    parameters = start(model, task, key_start)

    def step(state: tuple[Any, Any], key: Array) -> tuple[tuple[Any, Any], Array]:
        parameters, momenta = state
        text = task.documents(key, model.batch)

        def loss(parameters: Any) -> Array:
            return imitation_loss(logprobs_of(policy, parameters, task, text), chosen_places(task, text))

        value, gradient = jax.value_and_grad(loss)(parameters)
        changes, momenta = optimiser.update(gradient, momenta, parameters)
        return (optax.apply_updates(parameters, changes), momenta), value

    state = (parameters, optimiser.init(parameters))
    (parameters, _), losses = jax.lax.scan(step, state, jax.random.split(key_text, model.steps))
    return parameters, losses


def exam(task: AbstractTask, measured: Measured) -> Int[Array, "answer slots"]:
    """The prompts that every model is examined with, all kinds, each as often as it is answered."""
    key = jax.random.key(EXAM)
    drawn = [task.prompts(jax.random.fold_in(key, i), measured.prompts, kind) for i, kind in enumerate(task.kinds)]
    return jnp.repeat(jnp.concatenate(drawn), measured.samples, 0)


def observer(
    policy: Policy, task: AbstractTask, measured: Measured, reference: Any
) -> Callable[[Any, Key[Array, ""]], dict[str, Array]]:
    """Measures a policy: parameters, key -> counts over answers to the exam's prompts, by kind.

    Returns of the function:
      answered, right: answers in each format, and those of reward above one half, (kind, prompt, format).
      reward: mean over answers, (kind, prompt).
      majority: whether the most frequent answer is right, ties shared, (kind, prompt).
      divergence: mean of log pi - log pi_ref over answers, (kind,).
    """
    shape = (len(task.kinds), measured.prompts, measured.samples)

    def observe(parameters: Any, key: Key[Array, ""]) -> dict[str, Array]:
        tokens, logprobs, _ = sample(policy, parameters, task, exam(task, measured), key)
        reward = task.reward(tokens).reshape(shape)
        right = reward > 0.5
        shown = jax.nn.one_hot(task.format_of(tokens).reshape(shape), len(task.tags), dtype=jnp.float32)
        answers = task.answer(tokens).reshape(shape)
        # votes are counted answer by answer, so that any token may be voted for; -1 is no vote
        votes = jnp.sum(answers[..., :, None] == answers[..., None, :], -1) * (answers >= 0)
        first = (votes == jnp.max(votes, -1, keepdims=True)) & (answers >= 0)
        weight = first / jnp.maximum(votes, 1).astype(jnp.float32)  # every answer in the lead weighs one in all
        away = jnp.sum(logprobs - logprobs_of(policy, reference, task, tokens), 1)
        return {
            "answered": jnp.sum(shown, 2),
            "right": jnp.sum(shown * right[..., None], 2),
            "reward": jnp.mean(reward, 2),
            "majority": jnp.sum(weight * right, 2) / jnp.maximum(jnp.sum(weight, 2), 1e-9),
            "divergence": jnp.mean(away.reshape(shape), (1, 2)),
        }

    return observe


def skills(
    policy: Policy, task: AbstractTask, measured: Measured, parameters: Any, key: Key[Array, ""]
) -> Float[Array, "format kind prompt"]:
    """How often each format is right at each of the exam's prompts when its tag is forced: a_qk of the theory."""
    tags = np.arange(task.vocabulary) == np.array(task.tags)[:, None]
    allowed = np.repeat(task.allowed()[None], len(task.tags), 0)
    allowed[:, 0] = tags

    def of(at: tuple[Array, Array]) -> Array:
        tokens = sample(policy, parameters, task, exam(task, measured), at[0], at[1]).tokens
        right = task.reward(tokens).reshape(len(task.kinds), measured.prompts, measured.samples) > 0.5
        return jnp.mean(right, 2, dtype=jnp.float32)

    return jax.lax.map(of, (jax.random.split(key, len(task.tags)), jnp.asarray(allowed)))


# -- what a cell measures --------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=8)
def _pretraining(model: Model, task: AbstractTask, measured: Measured) -> Callable[..., Any]:
    policy = decoder_policy(decoder(model, task))

    def one(key: Array) -> dict[str, Array]:
        key_text, key_observed, key_skills = jax.random.split(key, 3)
        parameters, losses = pretrained(model, task, key_text)
        found = observer(policy, task, measured, parameters)(parameters, key_observed)
        found["skills"] = skills(policy, task, measured, parameters, key_skills)
        return {**found, "losses": losses, "parameters": jax.flatten_util.ravel_pytree(parameters)[0]}

    return jax.jit(jax.vmap(one))


@functools.lru_cache(maxsize=16)
def _reinforcement(model: Model, task: AbstractTask, measured: Measured, run: Run) -> Callable[..., Any]:
    network = decoder(model, task)
    policy = decoder_policy(network)
    like = jax.eval_shape(lambda: start(model, task, jax.random.key(0)))
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), like)
    unravel = jax.flatten_util.ravel_pytree(zeros)[1]

    def one(flat: Array, key: Array) -> dict[str, Array]:
        parameters = unravel(flat)
        observe = observer(policy, task, measured, parameters)
        return train(run.algorithm, policy, task, run.kind, parameters, key, run.records, run.every, observe)[1]

    return jax.jit(jax.vmap(one))


def keys_of(pipeline: Pipeline, tile: int, purpose: int) -> Key[Array, "seed"]:
    """A key a seed of the tile; a seed's own do not depend on the tile."""
    seeds = jnp.arange(tile * pipeline.tile, (tile + 1) * pipeline.tile)
    return jax.vmap(lambda seed: jax.random.fold_in(jax.random.fold_in(jax.random.key(0), seed), purpose))(seeds)


def measure_pretraining(pipeline: Pipeline, tile: int) -> dict[str, Array]:
    """Pretrain a tile of seeds: `parameters` (seed, number), `losses`, `skills` and what `observer` counts."""
    program = _pretraining(pipeline.model, pipeline.task, pipeline.measured)
    return program(keys_of(pipeline, tile, 0))


def measure_reinforcement(
    pipeline: Pipeline, tile: int, run: Run, parameters: Float[np.ndarray, "seed number"]
) -> dict[str, Array]:
    """Reinforce a tile of pretrained models: what `observer` counts, (seed, record, kind, ...)."""
    program = _reinforcement(pipeline.model, pipeline.task, pipeline.measured, run)
    return program(jnp.asarray(parameters), keys_of(pipeline, tile, 1))
