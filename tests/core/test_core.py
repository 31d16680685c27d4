"""The interface: what it accepts, refuses, traces and differentiates."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toy import Toy

from theorylab.core import (
    AbstractSystem,
    Case,
    NumericalFailure,
    Numerics,
    Observable,
    Prediction,
    Preset,
    Refused,
    Status,
    coupling,
    registry,
    require,
    require_size,
    worst,
)
from theorylab.core.casting import cast
from theorylab.core.derivatives import explicit_jacobian
from theorylab.core.documentation import field_docs, summary


def test_four_values_of_a_coupling_are_traced_once():
    count = 0

    @jax.jit
    def rate(system):
        nonlocal count
        count += 1
        return system.rate

    for value in (0.1, 0.2, 0.3, 0.4):
        rate(Toy(rate=value))
    assert count == 1


def test_a_coupling_is_exact_and_a_system_is_hashable():
    assert Toy(rate=0.1).rate == 0.1
    assert hash(Toy(rate=0.1)) == hash(Toy(rate=0.1))
    assert Toy(rate=0.1) == Toy(rate=0.1)


def test_checks_are_silent_inside_vmap_and_loud_outside():
    rates = jax.vmap(lambda rate: dataclasses.replace(Toy(), rate=rate).rate)(jnp.array([-1.0, 1.0]))
    assert rates.shape == (2,)
    with pytest.raises(Refused, match="rate must be positive, got -1"):
        Toy(rate=-1)


@pytest.mark.parametrize("value", [0, 2.5, True, math.inf, math.nan, "3"])
def test_a_size_that_is_no_positive_integer_is_refused(value):
    with pytest.raises(Refused, match="width must be an integer of at least 1, got"):
        Toy(width=value)


def test_an_infinite_size_is_accepted_where_allowed():
    require_size("width", math.inf, infinite=True)
    with pytest.raises(Refused, match="or inf, got -inf"):
        require_size("width", -math.inf, infinite=True)


def test_a_field_with_a_reserved_name_is_refused_when_the_class_is_made():
    with pytest.raises(TypeError, match=r"\['runs'\] have names that the engine reserves"):

        class Bad(AbstractSystem):
            paper = Toy.paper
            presets: ClassVar = Toy.presets
            runs: int = eqx.field(static=True, default=3)


def test_a_system_without_paper_or_quick_preset_is_refused_when_the_class_is_made():
    with pytest.raises(TypeError, match="must define the class variable 'paper'"):

        class NoPaper(AbstractSystem):
            rate: float = coupling(1.0)

    with pytest.raises(TypeError, match="must have a 'quick' preset"):

        class NoQuick(AbstractSystem):
            paper = Toy.paper
            presets: ClassVar = {"paper": Preset((Case("a"),), 1)}


def test_casting_gives_each_side_its_precision():
    assert cast(Toy(), "float32").dtype == jnp.float32
    assert cast(Toy(), "float64").dtype == jnp.float64
    key = jax.random.key(0)
    assert cast(key, "float32") is key


def test_an_unknown_system_is_refused_with_the_nearest_names():
    with pytest.raises(Refused, match=r"no system is called 'rnn_integrater'; did you mean rnn_integrator"):
        registry.load("rnn_integrater")
    with pytest.raises(Refused, match="there are: .*sgd_resolvent"):
        registry.load("zzz")


def test_the_largest_numerics_of_a_sweep_serves_all():
    class Nodes(Numerics):
        nodes: int = eqx.field(static=True, default=4)

    chosen = Nodes.largest([Nodes(nodes=8, rtol=1e-6), Nodes(nodes=32, rtol=1e-8)])
    assert (chosen.nodes, chosen.rtol) == (32, 1e-8)
    with pytest.raises(Refused, match="has no 'knots'; it has: rtol, atol, max_steps, nodes"):
        Nodes().replace(knots=3)


def test_a_failed_prediction_says_what_to_do():
    good = Prediction({"loss": np.ones(3)})
    assert good.raise_if_failed() is good
    with pytest.raises(NumericalFailure, match="raise its iterations"):
        Prediction({"loss": np.ones(3)}, status=Status.NO_ROOT).raise_if_failed()
    with pytest.raises(NumericalFailure, match=r"predicted loss is not finite, first at index \(1,\)"):
        Prediction({"loss": np.array([1.0, np.nan])}).raise_if_failed()
    Prediction({"loss": np.array([1.0, np.nan])}).raise_if_failed(undefined_ok=["loss"])
    with pytest.raises(NumericalFailure, match=r"first at index \(1,\): .*largest number of steps"):
        Prediction({"loss": np.array([1.0, np.nan])}, status=Status.MAX_STEPS).raise_if_failed()


def test_the_first_failure_wins_in_a_batch():
    statuses = worst(jnp.array([0, 1, 0]), jnp.array([2, 2, 0]))
    assert statuses.tolist() == [2, 1, 0]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"margin": 0.0}, "margin of loss must be in"),
        ({"floor": -1.0}, "floor of loss must not be negative"),
        ({"name": "a b"}, "must be an identifier"),
        ({"scale": "cubic"}, "unknown scale 'cubic'"),
        ({"scale": "density", "dims": ()}, "a density needs an axis"),
    ],
)
def test_an_observable_out_of_range_is_refused(changes, sentence):
    with pytest.raises(Refused, match=sentence):
        Observable(**{"name": "loss", "label": "loss", **changes})


def test_presets_refuse_what_cannot_be():
    with pytest.raises(Refused, match="case names of a preset must differ"):
        Preset((Case("a"), Case("a")), 1)
    with pytest.raises(Refused, match="runs of case a must be at least 1"):
        Case("a", runs=0)
    with pytest.raises(Refused, match="no case 'b' in this preset; its cases are: a"):
        Preset((Case("a"),), 1).case("b")


def test_require_is_silent_on_tracers_and_checks_every_entry():
    jax.jit(lambda x: (require(x > 0, "never"), x)[1])(-1.0)
    with pytest.raises(Refused, match="all positive"):
        require(np.array([1, -1]) > 0, "all positive")


def test_documentation_comes_from_the_source():
    assert summary(Toy) == "Noisy exponential decay."
    assert field_docs(Toy)["rate"] == "Decay rate."


# -- derivatives ---------------------------------------------------------------------------------------------


def _recursion(a, b):
    def step(x, _):
        return a * jnp.sin(x) + b, x

    final, path = jax.lax.scan(step, jnp.ones_like(a), None, length=10)
    return {"final": final, "path": path, "steps": jnp.int32(10)}


def test_the_explicit_jacobian_equals_reverse_mode():
    wrapped = explicit_jacobian(_recursion)
    at = (jnp.float64(0.7), jnp.float64(0.2))
    want = jax.grad(lambda a, b: _recursion(a, b)["path"].sum(), argnums=(0, 1))(*at)
    got = jax.jit(jax.grad(lambda a, b: wrapped(a, b)["path"].sum(), argnums=(0, 1)))(*at)
    np.testing.assert_allclose(got, want, rtol=1e-13)


def test_the_explicit_jacobian_serves_forward_mode_vmap_second_derivatives_and_arrays():
    wrapped = explicit_jacobian(_recursion)
    a = jnp.array([0.5, 0.7])
    b = jnp.float64(0.2)

    def total(f):
        return lambda a: (f(a, b)["path"] ** 2).sum()

    np.testing.assert_allclose(jax.grad(total(wrapped))(a), jax.grad(total(_recursion))(a), rtol=1e-13)
    np.testing.assert_allclose(jax.hessian(total(wrapped))(a), jax.hessian(total(_recursion))(a), rtol=1e-12)
    one = jax.vmap(jax.jacfwd(lambda x: wrapped(x, b)["final"]))(a)
    np.testing.assert_allclose(one, jax.vmap(jax.grad(lambda x: _recursion(x, b)["final"]))(a), rtol=1e-13)
