"""The store: whole files, resumed runs, addresses that change with what can change the numbers."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from toy import Toy

import theorylab as tl
from theorylab import store as store_command
from theorylab.core import registry
from theorylab.engine import files, sources, store
from theorylab.engine.ensemble import Incomplete, Plan, run

KEY = jax.random.key(3)
TESTS = Path(__file__).parents[1]


def tiles(root: Path) -> list[Path]:
    return sorted(root.glob("*/*/tile-*.npz"))


def test_only_what_is_missing_is_computed(tmp_path):
    first = tl.simulate(Toy(), runs=40, key=KEY, store=tmp_path)
    assert (first.computed, first.reused) == (2, 0)
    second = tl.simulate(Toy(), runs=100, key=KEY, store=tmp_path)
    assert (second.computed, second.reused) == (2, 2)
    np.testing.assert_array_equal(second.curves["loss"], tl.simulate(Toy(), runs=100, key=KEY).curves["loss"])
    assert second.seconds > 0  # what the stored tiles took is remembered


def test_shared_instances_are_stored_once(tmp_path):
    fresh = tl.simulate(Toy(disorder=True), runs=40, key=KEY, instances=2, store=tmp_path)
    assert len(list(tmp_path.glob("*/*/instance-*.npz"))) == 2
    again = tl.simulate(Toy(disorder=True), runs=70, key=KEY, instances=2, store=tmp_path)
    assert again.computed == 1
    np.testing.assert_array_equal(again.curves["loss"][:40], fresh.curves["loss"])


@pytest.mark.parametrize("change", [{"rate": 0.1000001}, {"steps": 21}, {"noise": 0.2}])
def test_every_field_is_part_of_the_address(tmp_path, change):
    one = store.description(Toy(), KEY, 32, "float32", None)
    assert store.address(one) != store.address(store.description(Toy(**change), KEY, 32, "float32", None))
    assert store.address(one) == store.address(store.description(Toy(), KEY, 32, "float32", None))


def test_key_tile_precision_and_instances_are_part_of_the_address():
    every = [
        store.description(Toy(), KEY, 32, "float32", None),
        store.description(Toy(), jax.random.key(4), 32, "float32", None),
        store.description(Toy(), KEY, 8, "float32", None),
        store.description(Toy(), KEY, 32, "float64", None),
        store.description(Toy(), KEY, 32, "float32", 2),
    ]
    assert len({store.address(one) for one in every}) == len(every)


def test_a_damaged_tile_is_named_set_aside_and_computed_again(tmp_path, capsys):
    first = tl.simulate(Toy(), runs=64, key=KEY, store=tmp_path)
    victim = tiles(tmp_path)[1]
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(bytes(content))
    again = tl.simulate(Toy(), runs=64, key=KEY, store=tmp_path)
    assert (again.computed, again.reused) == (1, 1)
    assert victim.name in capsys.readouterr().err
    assert len(list(tmp_path.glob("*/*/*.damaged"))) == 1
    np.testing.assert_array_equal(first.curves["loss"], again.curves["loss"])


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half a file"])
def test_half_a_file_is_never_believed(tmp_path, content):
    tl.simulate(Toy(), runs=32, key=KEY, store=tmp_path)
    tiles(tmp_path)[0].write_bytes(content)
    assert tl.simulate(Toy(), runs=32, key=KEY, store=tmp_path).computed == 1


def test_shards_fill_one_store(tmp_path):
    def shard(index: int):
        return run(Plan.of(Toy(), KEY, root=tmp_path), 96, shard=(index, 2))

    with pytest.raises(Incomplete, match="shard 0/2 is done; 1 of 3 tiles belong to other shards"):
        shard(0)
    assert len(tiles(tmp_path)) == 2
    whole = shard(1)
    assert (whole.computed, whole.reused) == (1, 2)


SLOW = """
import sys, time, jax, numpy
from toy import Toy
import theorylab as tl
class Slow:
    def start(self, *a): print("started", flush=True)
    def step(self, done): print("tile", done, flush=True); time.sleep(0.3)
    def note(self, text): print(text, flush=True)
    def end(self): pass
found = tl.simulate(Toy(disorder=True), runs=320, key=jax.random.key(3), store=sys.argv[1], progress=Slow())
numpy.save(sys.argv[2], found.curves["loss"])
"""


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGKILL])
def test_a_killed_run_resumes_bit_for_bit(tmp_path, kill):
    environment = {**os.environ, "XLA_FLAGS": "", "PYTHONPATH": str(TESTS)}
    command = [sys.executable, "-c", SLOW, str(tmp_path / "store"), str(tmp_path / "out.npy")]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("tile 3"):
            process.send_signal(kill)
            break
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    if kill == signal.SIGINT:
        assert "the same command resumes" in errors
    stored = len(tiles(tmp_path / "store"))
    assert 1 <= stored < 10  # writing may be behind by a tile or two
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert f"tile {10 - stored}" in result.stdout
    assert f"tile {11 - stored}" not in result.stdout
    whole = tl.simulate(Toy(disorder=True), runs=320, key=KEY).curves["loss"]
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), whole)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "file.json"
    files.write_json(path, {"a": 1})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(tl.Refused, match=r"cannot write .*file.json: No space left on device; free some space"):
        files.write_json(path, {"a": 2})
    monkeypatch.undo()
    assert path.read_text() == '{\n  "a": 1\n}\n'
    assert [p.name for p in tmp_path.iterdir()] == ["file.json"]


def test_a_file_size_limit_is_refused_and_leaves_no_half_file(tmp_path):
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, old[1]))
        with pytest.raises(tl.Refused, match="cannot write"):
            files.write_arrays(tmp_path / "big.npz", {"a": np.zeros(10_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, ignored)
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_folders_place_is_refused(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(tl.Refused, match="cannot write"):
        tl.simulate(Toy(), runs=2, store=tmp_path / "taken")
    with pytest.raises(tl.Refused, match="cannot write"):
        files.check_writable(tmp_path / "taken")


# -- addresses and sources -------------------------------------------------------------------------------------


def _package(folder: Path) -> type:
    package = folder / "made_up"
    package.mkdir()
    (package / "__init__.py").write_text(
        textwrap.dedent("""
            from toy import Toy
            class MadeUp(Toy):
                def predict(self, instance, numerics):
                    from made_up.theory import x
                    return x
                def simulate(self, instance, key):
                    from made_up.simulation import simulate
                    return simulate(self, key)
        """)
    )
    (package / "simulation.py").write_text("from made_up.helper import f\ndef simulate(s, key):\n    return f(s)\n")
    (package / "helper.py").write_text("def f(s):\n    return 1\n")
    (package / "theory.py").write_text("x = 1\n")
    (package / "presets.py").write_text("y = 1\n")
    (package / "claims.py").write_text("z = 1\n")
    return package


def test_only_what_a_simulation_runs_changes_its_address(tmp_path, monkeypatch):
    package = _package(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    import made_up  # pyright: ignore[reportMissingImports]

    simulation = sources.simulation_sources(made_up.MadeUp)
    theory = sources.theory_sources(made_up.MadeUp)
    for name in ("theory.py", "presets.py", "claims.py"):
        (package / name).write_text("x = 2\n")
        assert sources.simulation_sources(made_up.MadeUp) == simulation
    assert sources.theory_sources(made_up.MadeUp) != theory
    theory = sources.theory_sources(made_up.MadeUp)
    (package / "helper.py").write_text("def f(s):\n    return 2\n")
    changed = sources.simulation_sources(made_up.MadeUp)
    assert changed != simulation
    (package / "simulation.py").write_text("from made_up.helper import f\ndef simulate(s, key):\n    return f(s) + 1\n")
    assert sources.simulation_sources(made_up.MadeUp) != changed


@pytest.mark.parametrize("name", registry.names())
def test_a_systems_address_covers_its_simulation_and_not_its_theory(name):
    reached = {f"{path.parent.name}/{path.name}" for path in sources._simulation(registry.load(name))}
    assert {f"{name}/__init__.py", f"{name}/simulation.py"} <= reached
    assert not any(Path(path).name.startswith(("theory", "presets")) for path in reached)
    assert not any(path.startswith(("solvers/", "compare/", "report/")) for path in reached)


# -- the command ---------------------------------------------------------------------------------------------------


def test_the_store_command_lists_and_cleans(tmp_path, capsys):
    assert store_command.main(["--root", str(tmp_path / "none")]) == 0
    assert "no store there" in capsys.readouterr().out
    tl.simulate(Toy(), runs=40, key=KEY, store=tmp_path)
    tl.simulate(Toy(rate=0.2), runs=2, key=KEY, store=tmp_path)
    assert store_command.main(["--root", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert out.count("\nToy") + out.startswith("Toy") == 2
    assert "in all: 2 addresses" in out
    assert store_command.main(["--root", str(tmp_path), "--clean", "--older-than", "1"]) == 0
    assert len(tiles(tmp_path)) == 3
    assert store_command.main(["Toy", "--root", str(tmp_path), "--clean"]) == 0
    assert tiles(tmp_path) == []


def test_an_interrupt_between_tiles_is_honoured(tmp_path):
    class Impatient:
        def start(self, *_): ...
        def step(self, done: int):
            if done >= 2:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.01)

        def note(self, text): ...
        def end(self): ...

    with pytest.raises(KeyboardInterrupt, match="of 5 tiles are done; they are stored: the same command resumes"):
        tl.simulate(Toy(), runs=160, key=KEY, store=tmp_path, progress=Impatient())
    assert len(tiles(tmp_path)) == 2


SCRIPT = """
import sys
from toy import Toy
import theorylab as tl
FACTOR = {factor}
class Mine(Toy):
    def simulate(self, instance, key):
        return {{name: FACTOR * curve for name, curve in super().simulate(instance, key).items()}}
found = tl.simulate(Mine(), runs=2, store=sys.argv[1])
print(found.computed, float(found.mean["total"]))
"""


def test_a_change_anywhere_in_a_script_changes_its_addresses(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    script = tmp_path / "script.py"
    said = []
    for factor in (1.0, 2.0, 2.0):
        script.write_text(SCRIPT.format(factor=factor))
        command = [sys.executable, str(script), str(tmp_path / "store")]
        out = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()
        said.append((int(out[0]), float(out[1])))
    assert [computed for computed, _ in said] == [1, 1, 0]
    assert said[1] == (1, pytest.approx(2 * said[0][1]))


def test_a_class_without_a_file_is_not_stored(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    command = [sys.executable, "-c", SCRIPT.format(factor=1.0), str(tmp_path / "store")]
    assert subprocess.run(command, env=environment, capture_output=True, check=True).returncode == 0
    assert not (tmp_path / "store").exists()


def test_the_libraries_that_a_simulation_imports_are_part_of_the_address():
    found = sources.libraries(registry.load("sgd_resolvent"))
    assert {"jax", "jaxlib", "numpy"} <= set(found)
    assert "matplotlib" not in found
