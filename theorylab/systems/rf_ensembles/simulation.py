"""Actual ensembles of random-feature ridge regressors: one run, all ridges from one eigendecomposition a member."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from theorylab.core import Size, require
from theorylab.networks.eigen import eigh
from theorylab.systems.rf_ensembles import setting

if TYPE_CHECKING:
    from theorylab.systems.rf_ensembles import RFEnsembles

LARGEST_DIMENSION = 20_000
"""Dimension beyond which a run is refused: the theory takes multiplicities, a simulation needs every mode."""

TRAINING_SETS = 4
"""Training sets of a run over ridges, all with the same members' features."""

Curves = dict[str, Float[Array, "..."]]


class Features(NamedTuple):
    """Features on the training set, and on the population (weighted so that a sum of squares is its mean); of unit
    variance each, so that a member of N features divides them by sqrt(N)."""

    train: Float[Array, "samples features"]
    population: Float[Array, "population features"]


class Task(NamedTuple):
    """One drawn training set: labels, the target on the population (weighted alike), and how to draw features."""

    labels: Float[Array, "samples"]
    target: Float[Array, "population"]
    features: Callable[[Key[Array, ""], int], Features]


class Sums(NamedTuple):
    """What a sum over members leaves: mean error, mean residual, their mean squares, mean trace of the smoother."""

    error: Float[Array, "ridges population"]
    residual: Float[Array, "ridges samples"]
    square: Float[Array, "ridges"]
    train_square: Float[Array, "ridges"]
    trace: Float[Array, "ridges"]


def gaussian_task(system: RFEnsembles, key: Key[Array, ""]) -> Task:
    """Gaussian inputs in the eigenbasis, linear random features; docs/rf_ensembles.md section 1."""
    require(
        system.dimension <= LARGEST_DIMENSION,
        f"a simulation takes a dimension of at most {LARGEST_DIMENSION}, got {system.dimension}; the theory takes more",
    )
    dtype = system.dtype
    data, noise = jax.random.split(key)
    found = setting.spectrum(system)
    counts = np.round(setting.counts(system)).astype(int)
    values, power = (
        jnp.repeat(jnp.asarray(x, dtype), counts, total_repeat_length=system.dimension)
        for x in (found.values, found.power)
    )
    scale, target = jnp.sqrt(values), jnp.sqrt(power)
    if math.isinf(system.samples):
        # the population itself: one weighted row a mode
        inputs, labels = None, target
    else:
        shape = (int(system.samples), system.dimension)
        normal = jax.random.normal(data, shape, dtype)
        inputs = normal * scale
        labels = normal @ target + system.noise * jax.random.normal(noise, shape[:1], dtype)

    def features(key: Key[Array, ""], count: int) -> Features:
        drawn = jax.random.normal(key, (system.dimension, count), dtype)
        weighted = scale[:, None] * drawn
        return Features(weighted if inputs is None else inputs @ drawn, weighted)

    def every_input(key: Key[Array, ""], count: int) -> Features:
        del key, count
        weighted = jnp.diag(scale)
        return Features(weighted if inputs is None else inputs, weighted)

    return Task(labels, target, every_input if math.isinf(system.width) else features)


def digits_task(system: RFEnsembles, key: Key[Array, ""]) -> Task:
    """ReLU features of the digits' images; training points drawn with replacement, the whole set the population."""
    from theorylab.data import digits

    require(not math.isinf(system.width), "a simulation of ReLU features needs a finite width; the theory takes inf")
    dtype = system.dtype
    data, noise = jax.random.split(key)
    pixels, parity = digits.images()
    images = jnp.asarray(pixels, dtype)
    every = jnp.sqrt(system.signal) * jnp.asarray(parity, dtype)
    weight = 1 / math.sqrt(digits.COUNT)
    if math.isinf(system.samples):
        chosen, labels = None, every * weight
    else:
        chosen = jax.random.randint(data, (int(system.samples),), 0, digits.COUNT)
        labels = every[chosen] + system.noise * jax.random.normal(noise, chosen.shape, dtype)

    def features(key: Key[Array, ""], count: int) -> Features:
        directions = jax.random.normal(key, (images.shape[1], count), dtype)
        drawn = math.sqrt(2) * jax.nn.relu(images @ directions)
        weighted = drawn * weight
        return Features(weighted if chosen is None else drawn[chosen], weighted)

    return Task(labels, every * weight, features)


def ridge_weights(
    rows: Float[Array, "samples weights"],
    labels: Float[Array, "samples"],
    count: float,
    ridges: Float[Array, "ridges"],
) -> tuple[Float[Array, "ridges weights"], Float[Array, "ridges"]]:
    """Minimisers of |y - Z v|^2 / count + ridge |v|^2 for all ridges, and the traces of their smoothers.

    One eigendecomposition of the smaller Gram matrix. Directions that rounding leaves without an eigenvalue take
    no part at ridge 0.
    """
    samples, width = rows.shape
    primal = width <= samples
    gram = (rows.T @ rows if primal else rows @ rows.T) / count
    values, vectors = eigh(gram)
    values = jnp.maximum(values, 0.0)
    kept = values + ridges[:, None]
    smallest = jnp.finfo(values.dtype).eps * values[-1]
    inverse = jnp.where(kept > smallest, 1 / jnp.maximum(kept, smallest), 0.0)
    if primal:
        weights = (inverse * (vectors.T @ (labels @ rows))) @ vectors.T / count
    else:
        weights = ((inverse * (vectors.T @ labels)) @ vectors.T) @ rows / count
    return weights, jnp.sum(values * inverse, -1)


def ensemble(
    task: Task, features: Features, width: Size, members: int, count: float, ridges: Float[Array, "ridges"]
) -> tuple[Sums, Float[Array, "members ridges population"]]:
    """Train the members one after another; what their averages need, and every member's errors.

    Arguments:
      features: width x members of them, each member's side by side; at infinite width the inputs, for all members.
      count: samples that the loss is normalised by.
    """

    def stacked(x: Float[Array, "rows features"]) -> Float[Array, "members rows width"]:
        if math.isinf(width):
            return jnp.broadcast_to(x, (members, *x.shape))
        return jnp.moveaxis(x.reshape(x.shape[0], members, -1), 1, 0) / math.sqrt(width)

    def member(total: Sums, own: tuple[Array, Array]) -> tuple[Sums, Array]:
        train, population = own
        weights, trace = ridge_weights(train, task.labels, count, ridges)
        error = task.target - weights @ population.T
        residual = task.labels - weights @ train.T
        one = Sums(error, residual, jnp.sum(error**2, -1), jnp.mean(residual**2, -1), trace)
        return jax.tree.map(lambda a, b: a + b / members, total, one), error

    shape = (ridges.shape[0],)
    shapes = ((*shape, task.target.shape[0]), (*shape, task.labels.shape[0]), shape, shape, shape)
    zero = Sums(*(jnp.zeros(s, ridges.dtype) for s in shapes))
    return jax.lax.scan(member, zero, (stacked(features.train), stacked(features.population)))


def simulate(system: RFEnsembles, key: Key[Array, ""]) -> Curves:
    """One run.

    Over ridges: several training sets, the members' features the same on all. Products of errors of different members
    on different sets have the squared bias as their mean, and what of the features' noise is common to the sets drops
    out of the variance over data. Over members: one training set and one set of features, split in every way.

    Raises: `Refused` for sizes that only the theory takes.
    """
    require(not math.isinf(system.members), "a simulation needs a finite number of members; the theory takes inf")
    draw = digits_task if system.spectrum == "digits" else gaussian_task
    ridges = jnp.asarray(setting.ridge_grid(system), system.dtype)
    count = 1.0 if math.isinf(system.samples) else float(system.samples)
    data, draws = jax.random.split(key)
    if system.axis == "members":
        task = draw(system, data)
        features = task.features(draws, int(system.width * system.members))
        splits = zip(system.widths(), system.splits(), strict=True)
        found = [ensemble(task, features, width, members, count, ridges)[0] for width, members in splits]
        return {"risk": jnp.stack([jnp.sum(one.error**2, -1) for one in found])}

    # the variance over features needs a second member
    trained = max(int(system.members), 2)
    total = 0 if math.isinf(system.width) else int(system.width) * trained

    def replica(own: Key[Array, ""]) -> tuple[Curves, Float[Array, "members ridges population"]]:
        task = draw(system, own)
        sums, errors = ensemble(task, task.features(draws, total), system.width, trained, count, ridges)
        return _curves(system, sums, trained), errors

    curves, errors = jax.lax.map(replica, jax.random.split(data, TRAINING_SETS))
    mean = {name: jnp.mean(curve, 0) for name, curve in curves.items()}
    mean["bias"] = independent_products(errors)
    mean["data_variance"] = mean.pop("across") - mean["bias"]
    return {observable.name: mean[observable.name] for observable in system.observables}


def independent_products(
    errors: Float[Array, "sets members ridges population"],
) -> Float[Array, "ridges"]:
    """Mean of e_rm . e_sn over pairs of different training sets r, s and different members m, n: the squared bias."""

    def square(x: Float[Array, "... ridges population"]) -> Float[Array, "ridges"]:
        return jnp.sum(x**2, (*range(x.ndim - 2), -1))

    sets, members = errors.shape[:2]
    pairs = square(errors.sum((0, 1))) - square(errors.sum(1)) - square(errors.sum(0)) + square(errors)
    return pairs / (sets * (sets - 1) * members * (members - 1))


def _curves(system: RFEnsembles, sums: Sums, trained: int) -> Curves:
    together = jnp.sum(sums.error**2, -1)
    across = (trained * together - sums.square) / (trained - 1)
    single = system.members == 1
    train = sums.train_square if single else jnp.mean(sums.residual**2, -1)
    return {
        "risk": sums.square if single else together,
        "member_risk": sums.square,
        "across": across,
        "feature_variance": sums.square - across,
        "train_error": train,
        "gcv": train / (1 - sums.trace / float(system.samples)) ** 2,
    }
