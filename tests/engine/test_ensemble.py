"""Ensembles: the same runs wherever, whenever and however many are computed."""

from __future__ import annotations

import dataclasses
import math
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toy import Toy

import theorylab as tl
from theorylab.core.casting import cast
from theorylab.engine import lanes
from theorylab.engine.programs import MEMORY_VARIABLE, traces

KEY = jax.random.key(3)
TESTS = Path(__file__).parents[1]


def test_adding_runs_changes_no_earlier_one():
    few = tl.simulate(Toy(), runs=5, key=KEY)
    many = tl.simulate(Toy(), runs=70, key=KEY)
    assert many.curves["loss"].shape == (70, 20)
    np.testing.assert_array_equal(many.curves["loss"][:5], few.curves["loss"])


def test_a_run_depends_on_its_index_and_the_key_only():
    whole = tl.simulate(Toy(), runs=64, key=KEY).curves["loss"]
    alone = cast(Toy(), "float32")
    with jax.enable_x64(False):
        for i in (0, 33):
            one = jax.jit(Toy.simulate)(alone, None, jax.random.fold_in(KEY, i))["loss"]
            np.testing.assert_allclose(whole[i], one, rtol=1e-6)  # another batch size: a float32 rounding apart
    assert len({row.tobytes() for row in whole}) == 64


def test_two_devices_give_bit_for_bit_what_one_gives(tmp_path, monkeypatch):
    monkeypatch.setenv(lanes.VARIABLE, "2")
    assert len(lanes.devices()) == 2
    here = tl.simulate(Toy(disorder=True), runs=96, key=KEY).curves["loss"]
    script = (
        "import jax, numpy, sys; from toy import Toy; import theorylab as tl;"
        "assert len(jax.devices()) == 1;"
        "numpy.save(sys.argv[1], tl.simulate(Toy(disorder=True), runs=96, key=jax.random.key(3)).curves['loss'])"
    )
    out = tmp_path / "one.npy"
    environment = {**os.environ, "XLA_FLAGS": "", lanes.VARIABLE: "1", "PYTHONPATH": str(TESTS)}
    subprocess.run([sys.executable, "-c", script, str(out)], env=environment, check=True)
    np.testing.assert_array_equal(here, np.load(out))


def test_lapack_in_a_simulation_does_not_hang_where_jax_has_two_cpu_devices():
    assert len(jax.local_devices()) == 2

    def mine(system, instance, key):
        q, _ = jnp.linalg.qr(jax.random.normal(key, (100, 100), system.dtype))
        curve = system._curve(instance) * jnp.linalg.norm(q[0])
        return {"loss": curve, "total": curve.sum()}

    np.testing.assert_allclose(
        tl.simulate(Toy(), runs=64, using=mine).mean["loss"], np.exp(-0.1 * np.arange(20)), rtol=1e-5
    )


def test_simulation_is_float32_unless_exactness_is_asked_for():
    assert tl.simulate(Toy(), runs=2).curves["loss"].dtype == np.float32
    assert tl.simulate(Toy(), runs=2, precision="float64").curves["loss"].dtype == np.float64


def test_moments_equal_those_of_all_runs():
    every = tl.simulate(Toy(), runs=70, key=KEY)
    only = tl.simulate(Toy(), runs=70, key=KEY, keep="moments")
    assert only.curves == {}
    for name in ("loss", "total"):
        np.testing.assert_allclose(only.mean[name], every.mean[name], rtol=1e-14)
        np.testing.assert_allclose(only.stderr[name], every.stderr[name], rtol=1e-10)


def test_one_run_has_no_standard_error():
    assert math.isnan(tl.simulate(Toy(), runs=1).stderr["total"])


def test_a_sweep_over_a_coupling_compiles_one_simulation_and_one_theory():
    before = traces()
    tl.sweep(Toy(steps=21), rate=[0.1, 0.2, 0.3, 0.4], runs=6)
    # four predictions together, the prediction and the simulation of one setting: three programs, however many values
    first = traces() - before
    tl.sweep(Toy(steps=21), rate=[0.5, 0.6, 0.7, 0.8], runs=6)
    assert (first, traces() - before) == (3, 3)


def test_instances_are_shared_as_asked():
    system = Toy(disorder=True, noise=0.0)
    each = tl.simulate(system, runs=12, key=KEY).curves["loss"][:, 0]
    assert len(np.unique(each)) == 12
    few = tl.simulate(system, runs=12, key=KEY, instances=3)
    assert few.instance_of is not None
    assert few.instance_of.tolist() == [0, 1, 2] * 4
    assert len(np.unique(few.curves["loss"][:, 0])) == 3
    one = tl.simulate(system, runs=12, key=KEY, instances=1).curves["loss"][:, 0]
    assert len(np.unique(one)) == 1
    given = tl.simulate(system, runs=2, instance=np.float64(1.5)).curves["loss"][:, 0]
    np.testing.assert_allclose(given, 1.5 * (1 + 1 / 1000), rtol=1e-6)


def test_theory_and_simulation_get_the_same_instance():
    system = Toy(disorder=True, noise=0.0, width=10**9)
    run = tl.simulate(system, runs=2, key=KEY, instances=1)
    prediction = tl.predict(system, key=KEY)
    np.testing.assert_allclose(run.mean["loss"], prediction.curves["loss"], rtol=1e-6)


def test_the_instance_of_a_key_may_be_drawn_inside_a_derivative():
    system = Toy(disorder=True)
    drawn = tl.predict(system, key=KEY).curves["loss"]

    def early(rate, **instance):
        return tl.predict(dataclasses.replace(system, rate=rate), numerics=system.numerics(None), **instance)

    with jax.enable_x64(True):
        slope = jax.jit(jax.grad(lambda rate: early(rate, key=KEY).curves["loss"][5]))(float(system.rate))
        held = jax.grad(lambda rate: early(rate, instance=np.float64(drawn[0])).curves["loss"][5])(float(system.rate))
    np.testing.assert_allclose(slope, held, rtol=1e-12)
    assert slope != 0


def test_instances_of_a_setting_that_draws_none_are_refused():
    with pytest.raises(tl.Refused, match="draws no instances in this setting"):
        tl.simulate(Toy(), runs=2, instances=2)
    with pytest.raises(tl.Refused, match="predicts one concrete instance; give key= or instance="):
        tl.predict(Toy(disorder=True))


def test_divergence_is_named_by_observable_run_and_step():
    ensemble = tl.simulate(Toy(blow_up=1.0), runs=16, key=KEY)
    bad = np.isnan(ensemble.curves["loss"]).any(axis=1)
    first = int(np.argmax(bad))
    assert 0 < bad.sum() < 16
    expected = f"simulated loss is not finite in {bad.sum()} of 16 runs, first in run {first} at time 7"
    with pytest.raises(tl.NumericalFailure, match=expected):
        ensemble.raise_if_failed()


@pytest.mark.parametrize(
    ("choices", "sentence"),
    [
        ({"runs": 0}, "runs must be at least 1"),
        ({"tile": 0}, "tile must be at least 1"),
        ({"keep": "some"}, 'keep must be "all" or "moments"'),
        ({"key": 3}, "key must be a JAX random key"),
    ],
)
def test_bad_choices_are_refused(choices, sentence):
    with pytest.raises(tl.Refused, match=sentence):
        tl.simulate(Toy(), **choices)


def test_an_old_style_key_is_understood():
    old, new = jax.random.PRNGKey(3), KEY
    np.testing.assert_array_equal(
        tl.simulate(Toy(), runs=2, key=old).curves["loss"], tl.simulate(Toy(), runs=2, key=new).curves["loss"]
    )


def test_a_tile_that_does_not_fit_is_refused_with_the_one_that_does(monkeypatch):
    monkeypatch.setenv(MEMORY_VARIABLE, "20000")
    with pytest.raises(tl.OutOfMemory, match=r"a tile of 32 runs needs .* GiB, .* are free; use --tile \d+") as refusal:
        tl.simulate(Toy(steps=100), runs=32)
    fits = int(str(refusal.value).split("--tile ")[1].split()[0])
    assert 1 <= fits < 32
    assert tl.simulate(Toy(steps=100), runs=4, tile=fits).runs == 4


def test_a_size_that_does_not_fit_at_all_is_refused_with_one_that_would(monkeypatch):
    monkeypatch.setenv(MEMORY_VARIABLE, "1")
    with pytest.raises(tl.OutOfMemory, match="not even one run fits; choose width of at most about"):
        tl.simulate(Toy(steps=101), runs=2)
    with pytest.raises(tl.OutOfMemory, match="the theory of Toy needs"):
        tl.predict(Toy(steps=101))


def test_a_simulation_with_wrong_curves_is_refused_before_it_runs():
    with pytest.raises(tl.Refused, match=r"the simulation returns no 'total'; it returns \['loss'\]"):
        tl.simulate(Toy(), using=lambda system, instance, key: {"loss": system._curve(instance)})
    with pytest.raises(tl.Refused, match=r"returns loss of shape \(19,\); its axes \('time',\) have shape \(20,\)"):
        tl.simulate(Toy(), using=lambda system, _, key: {"loss": system._curve(None)[1:], "total": system.rate})


def test_a_users_own_simulation_takes_the_place_of_ours():
    def mine(system, instance, key):
        curve = system._curve(instance)
        return {"loss": curve, "total": curve.sum()}

    comparison = tl.compare.run(Toy(wrong=0.5), simulate=mine, runs=6)
    assert comparison.verdict == "agrees"


PROCESSES = """
import sys, jax, numpy
jax.distributed.initialize(f"localhost:{sys.argv[1]}", 2, int(sys.argv[2]))
from toy import Toy
import theorylab as tl
assert jax.process_count() == 2
runs = int(sys.argv[4])
found = tl.simulate(Toy(disorder=True), runs=runs, key=jax.random.key(3))
moments = tl.simulate(Toy(disorder=True), runs=runs, key=jax.random.key(3), keep="moments")
# processes that do not run in step must still divide the same work when there is a store
import time
for case in range(2):
    if jax.process_index() == 0:
        time.sleep(1.0)
    stored = tl.simulate(Toy(disorder=True, rate=0.1 + case), runs=runs, key=jax.random.key(3), store=sys.argv[5])
numpy.savez(sys.argv[3], loss=found.curves["loss"], mean=moments.mean["loss"], computed=found.computed)
"""


@pytest.mark.parametrize("runs", [96, 20])
def test_two_processes_give_bit_for_bit_what_one_gives(tmp_path, runs):
    port = str(20000 + os.getpid() % 20000 + runs)
    environment = {**os.environ, "XLA_FLAGS": "", "PYTHONPATH": str(TESTS)}
    outs = [tmp_path / f"{i}.npz" for i in range(2)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESSES, port, str(i), str(out), str(runs), str(tmp_path / "s")], env=environment
        )
        for i, out in enumerate(outs)
    ]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    here = tl.simulate(Toy(disorder=True), runs=runs, key=KEY)
    found = [np.load(out) for out in outs]
    for each in found:
        np.testing.assert_array_equal(each["loss"], here.curves["loss"])
        np.testing.assert_allclose(each["mean"], here.mean["loss"], rtol=1e-14)
    assert sum(int(each["computed"]) for each in found) == math.ceil(runs / 32)
