"""rnn_integrator: what the engine asks of it, and what bad input gets."""

from __future__ import annotations

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rnn_helpers import predicted, simulated

from theorylab.core import Refused
from theorylab.systems.rnn_integrator import (
    RNNIntegrator,
    RNNNumerics,
)
from theorylab.systems.rnn_integrator import theory_reduced as reduced
from theorylab.systems.rnn_integrator.theory_reduced import Reduced, Task

# -- the interface ------------------------------------------------------------------------------------------


def test_every_case_builds_and_both_sides_give_its_observables():
    for preset in RNNIntegrator.presets.values():
        for case in preset.cases:
            system = RNNIntegrator.from_case(case)
            instance = system.draw(jax.random.key(0))
            axes = {name: len(values) for name, values in system.coordinates().items()}
            shapes = {o.name: tuple(axes[d] for d in o.dims) for o in system.observables}
            chosen = system.numerics(instance)
            theory = jax.eval_shape(lambda s, i: s.predict(i, chosen), system, instance).curves  # noqa: B023
            runs = jax.eval_shape(system.simulate, instance, jax.random.key(0))
            assert {k: v.shape for k, v in theory.items()} == shapes
            assert {k: v.shape for k, v in runs.items()} == shapes
            assert not [w for w in system.warnings(instance) if "stable" in w]


def test_prediction_is_traced_once_across_couplings_and_differentiates():
    system = RNNIntegrator(dynamics="flow", steps=300, records=3, horizon=12)
    traces = []

    def final(tau):
        traces.append(1)
        return dataclasses.replace(system, timescale=tau).predict(None, RNNNumerics()).curves["loss"][-1]

    jitted = jax.jit(jax.jacfwd(final))
    slope = [float(jitted(tau)) for tau in (8.0, 10.0, 12.0)]
    assert len(traces) == 1
    plain = jax.jit(final)
    numeric = (float(plain(10.0 + 1e-4)) - float(plain(10.0 - 1e-4))) / 2e-4
    assert slope[1] == pytest.approx(numeric, rel=1e-5)  # solver tolerance 1e-9 over a difference of 2e-4


def test_cost_and_numerics_grow_with_what_is_asked():
    short, long = RNNIntegrator(dynamics="flow", timescale=5.0), RNNIntegrator(dynamics="flow", timescale=30.0)
    assert short.cost() < long.cost() < RNNIntegrator(dynamics="flow", timescale=30.0, bulk=0.3).cost()
    assert RNNIntegrator(horizon=math.inf, timescale=100.0).numerics(None).lags >= 1833
    depths = [RNNIntegrator(bulk=g).numerics(None).depth for g in (0.0, 0.1, 0.3, 0.5, 0.9)]
    assert depths == sorted(depths)
    assert depths[0] == 0
    assert RNNIntegrator().deterministic
    assert not RNNIntegrator(bulk=0.1).deterministic
    assert not RNNIntegrator(dynamics="sgd").deterministic


# -- bad input ----------------------------------------------------------------------------------------------

INF, NAN = math.inf, math.nan


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"width": 0}, "width must be an integer of at least 1"),
        ({"width": 1, "start": "random"}, "width of at least 2"),
        ({"horizon": 1}, "horizon must be an integer of at least 2"),
        ({"timescale": 0.0}, "timescale must be positive"),
        ({"timescale": -1.0}, "timescale must be positive"),
        ({"timescale": NAN}, "timescale must be positive"),
        ({"timescale": INF, "horizon": INF}, "perfect integrator"),
        ({"bulk": 1.0, "horizon": INF}, "spectral radius below 1"),
        ({"bulk": -0.1}, "bulk must not be negative"),
        ({"frequency": NAN}, "frequency must be finite"),
        ({"phase": INF}, "phase must be finite"),
        ({"scale": 0.0}, "nothing is learned"),
        ({"scale": 0.0, "start": "given", "train": "recurrent"}, "read-in is zero and not trained"),
        ({"start": "given", "along": 0.0, "across": 0.0, "train": "readin"}, "read-out is zero and not trained"),
        ({"rate": 0.0}, "rate must be positive"),
        ({"rate": -1.0}, "rate must be positive"),
        ({"rate": 0.1, "strict": True}, "the solution is not stable at rate 0.1"),
        ({"batch": 0}, "batch must be an integer of at least 1"),
        ({"discount": 0.0}, r"discount must be in \(0, 1\]"),
        ({"discount": 1.1}, r"discount must be in \(0, 1\]"),
        ({"weights": "average", "horizon": INF}, "finite horizon"),
        ({"timing": "continuous", "horizon": INF}, "finite horizon"),
        ({"dynamics": "sgd", "horizon": INF}, "finite horizon"),
        ({"dynamics": "sgd", "timing": "continuous"}, "discrete time"),
        ({"dynamics": "newton"}, "dynamics must be one of flow, descent, sgd"),
        ({"train": "everything"}, "train must be one of"),
        ({"steps": 0}, "steps must be an integer of at least 1"),
    ],
)
def test_bad_input_is_refused_with_a_sentence(fields, sentence):
    with pytest.raises(Refused, match=sentence):
        RNNIntegrator(**fields)


def test_what_cannot_be_computed_is_refused():
    with pytest.raises(Refused, match="width as an integer"):
        jax.eval_shape(RNNIntegrator(width=INF).simulate, None, jax.random.key(0))
    with pytest.raises(Refused, match="above 2048"):
        predicted(RNNIntegrator(bulk=0.3), depth=11)
    with pytest.raises(Refused, match="must have the target's length"):
        reduced.gradient(Reduced(jnp.eye(2), jnp.ones(2), jnp.ones(2)), Task(jnp.ones(5), jnp.ones(4)))


def test_what_is_allowed_but_doubtful_is_warned_of():
    assert RNNIntegrator().warnings(None) == ()
    (said,) = RNNIntegrator(rate=0.1).warnings(None)
    assert "rate x curvature" in said
    (said,) = RNNIntegrator(frequency=0.5).warnings(None)
    assert "trapped" in said
    (said,) = RNNIntegrator(bulk=0.9).warnings(None)
    assert "not accurate above 0.8" in said


def test_a_diverging_run_is_not_finite_and_so_is_its_prediction():
    system = RNNIntegrator(rate=1.0, steps=50, records=10)
    assert not np.isfinite(np.asarray(simulated(system, 1)["loss"])).all()
    chosen = system.numerics(None)
    assert "lower the learning rate" in jax.jit(lambda s: s.predict(None, chosen))(system).failure()
