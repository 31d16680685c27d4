"""Writers that are killed, writers that meet, and eight devices: nothing is lost, and no half-file is believed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
from toy import Toy

import theorylab as tl
from theorylab.engine import files, lanes

TESTS = Path(__file__).parents[1]
KEY = jax.random.key(3)

KILLER = """
import os, random, signal, sys, time
from pathlib import Path
import numpy
from theorylab.engine import files

def write(folder):
    value = 0
    while True:
        value += 1
        for name in ("a", "b"):
            files.write_arrays(folder / f"{name}.npz", {"x": numpy.full(20_000, value, float)})

folder, chance, seen = Path(sys.argv[1]), random.Random(0), 0
for _ in range(50):
    child = os.fork()
    if child == 0:
        write(folder)
    time.sleep(chance.uniform(0.005, 0.06))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    for path in folder.glob("[ab].npz"):
        values = files.read_arrays(path)["x"]  # raises where the checksum does not hold
        assert len(numpy.unique(values)) == 1
        seen += 1
print(seen, len(list(folder.glob(f".*{files.TEMPORARY}"))))
"""


def environment(**more):
    return {**os.environ, "XLA_FLAGS": "", "PYTHONPATH": str(TESTS), **more}


def test_a_writer_killed_50_times_leaves_no_half_file_that_is_believed(tmp_path):
    command = [sys.executable, "-c", KILLER, str(tmp_path)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    seen, interrupted = map(int, done.stdout.split())
    assert seen > 50
    assert interrupted > 5  # writers were caught in the act


COMPARE = """
import sys
from toy import Toy
import jax, theorylab as tl
from theorylab.compare import Options
found = tl.compare.run(Toy(disorder=True), runs=320, key=jax.random.key(3), options=Options(store=sys.argv[1]))
found.save(sys.argv[2])
print(found.verdict)
"""


def test_two_comparisons_at_once_on_one_store_lose_nothing(tmp_path):
    command = [sys.executable, "-c", COMPARE, str(tmp_path / "store")]
    both = [
        subprocess.Popen([*command, str(tmp_path / "out")], env=environment(), stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert said == ["agrees\n", "agrees\n"]
    stored = tl.simulate(Toy(disorder=True), runs=320, key=KEY, store=tmp_path / "store")
    assert (stored.computed, stored.reused) == (0, 10)
    fresh = tl.simulate(Toy(disorder=True), runs=320, key=KEY)
    np.testing.assert_array_equal(stored.curves["loss"], fresh.curves["loss"])
    loaded = tl.load(tmp_path / "out", system=Toy(disorder=True))
    assert loaded.verdict == "agrees"
    assert not list((tmp_path / "store").rglob(f"*{files.TEMPORARY}"))


EIGHT = """
import sys, jax, numpy
from toy import Toy
import theorylab as tl
assert len(jax.devices()) == 8
numpy.save(sys.argv[1], tl.simulate(Toy(disorder=True), runs=300, key=jax.random.key(3)).curves["loss"])
"""


def test_eight_devices_give_bit_for_bit_what_one_gives(tmp_path):
    out = tmp_path / "eight.npy"
    more = {"XLA_FLAGS": "--xla_force_host_platform_device_count=8", lanes.VARIABLE: "8"}
    subprocess.run([sys.executable, "-c", EIGHT, str(out)], env=environment(**more), check=True)
    here = tl.simulate(Toy(disorder=True), runs=300, key=KEY).curves["loss"]
    np.testing.assert_array_equal(np.load(out), here)
