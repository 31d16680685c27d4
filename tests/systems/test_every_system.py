"""What holds for every registered system: no accepted setting gives a number that is not finite without saying so."""

from __future__ import annotations

import dataclasses
import math

import jax
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import theorylab as tl
from theorylab.core import registry
from theorylab.core.system import couplings

DECADES = st.floats(-3, 3)
RANDOM = {
    "derandomize": True,
    "deadline": None,
    "database": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
}


def first_case(name):
    cls = registry.load(name)
    return cls.from_case(cls.presets["quick"].cases[0])


@st.composite
def settings_of(draw, name):
    """The first quick case with one or two couplings anywhere within three decades; None where it is refused."""
    system = first_case(name)
    names = sorted(n for n, value in couplings(system).items() if np.ndim(value) == 0)
    changes = {}
    for one in draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True)):
        value = float(couplings(system)[one])
        scale = value if value and math.isfinite(value) else 1.0
        changes[one] = scale * 10 ** draw(DECADES)
    try:
        return dataclasses.replace(system, **changes)
    except ValueError:
        return None


def check(system):
    """Prediction and simulation are finite, or a sentence says what failed."""
    if system is None:
        return
    undefined = {o.name for o in system.observables if o.undefined_ok}
    judged = {o.name for o in system.observables}
    try:
        prediction = tl.predict(system, key=jax.random.key(0))
        ensemble = tl.simulate(system, runs=2, key=jax.random.key(1), tile=2)
    except tl.Refused:  # where the numerics would need more than the machine has, or an instance is out of range
        return
    if not prediction.failure(undefined):
        for name in judged - undefined:
            assert np.isfinite(np.asarray(prediction.curves[name])).all(), name
    if not ensemble.failure:
        for name in judged - undefined:
            assert np.isfinite(ensemble.curves[name]).all(), name


@pytest.mark.parametrize("name", registry.names())
def test_no_accepted_setting_is_silently_not_finite(name):
    @settings(max_examples=6, **RANDOM)
    @given(settings_of(name))
    def run(system):
        check(system)

    run()


@pytest.mark.slow
@pytest.mark.parametrize("name", registry.names())
def test_no_accepted_setting_is_silently_not_finite_in_many_tries(name):
    @settings(max_examples=60, **RANDOM)
    @given(settings_of(name))
    def run(system):
        check(system)

    run()


@pytest.mark.parametrize("name", registry.names())
def test_every_claim_has_its_check_and_names_a_case_that_exists(name):
    from theorylab.compare.claims import check_of

    cls = registry.load(name)
    assert cls.paper.claims
    cases = {case.name for preset in cls.presets.values() for case in preset.cases} | set(cls.presets)
    for claim in cls.paper.claims:
        assert check_of(cls, claim) is not None
        assert not claim.case or claim.case in cases, claim.name
