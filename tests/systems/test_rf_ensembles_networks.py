"""Networks beside the theory of ensembles: tuning, widening, pairing, and small smoke runs of every kind of network."""

from __future__ import annotations

import dataclasses
import math
import pickle
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from theorylab.core import Refused
from theorylab.core.experiment import experiment
from theorylab.data import markov
from theorylab.systems.rf_ensembles import (
    RFEnsembles,
    networks,
    networks_accelerator,
    networks_bytes,
    networks_digits,
    networks_images,
    networks_sizes,
    networks_text,
)


@dataclasses.dataclass
class Cells:
    """Cells kept in memory; what was said."""

    data: Path | None = None
    said: list[str] = dataclasses.field(default_factory=list)
    kept: dict[str, dict] = dataclasses.field(default_factory=dict)

    def __call__(self, question, measure):
        at = str(sorted(question.items()))
        if at not in self.kept:
            with jax.enable_x64(False):
                self.kept[at] = {name: np.asarray(value) for name, value in measure().items()}
        return self.kept[at]

    def say(self, sentence):
        self.said.append(sentence)


def pretended(*, members, richness, decay, runs, best=4.0, best_decay=0.0):
    """Losses with a known best place, that differ by members - 1 and whose runs differ by 1."""
    loss = members + math.log(richness / best) ** 2 + (decay - best_decay) ** 2 + np.arange(runs)
    return {"validation": loss, "test": loss, "wrong": 0.1 * loss}


def task(**changes) -> networks.Task:
    fields = {"richness": (1.0, 2.0), "decay": (0.0, 0.1), "parameters": lambda k: 100 * k, "question": {"runs": 3}}
    return networks.Task(**{"name": "invented, small", "measure": pretended, **fields, **changes})


# -- tuning ----------------------------------------------------------------------------------------------------


def test_best_place_at_an_edge_widens_the_grid_and_nothing_is_measured_twice() -> None:
    cells = Cells()
    found = networks.tuned(cells, task(), 1)
    assert (found.richness, found.decay, found.edge) == (4.0, 0.0, ())
    # 1, 2 and then 4, 8 with two decays each
    assert len(cells.kept) == 8
    networks.tuned(cells, task(), 1)
    assert len(cells.kept) == 8


def test_best_place_below_the_grid_is_found_too() -> None:
    found = networks.tuned(Cells(), task(richness=(8.0, 16.0)), 1)
    assert (found.richness, found.edge) == (4.0, ())


def test_an_optimum_that_stays_at_an_edge_is_said_to() -> None:
    cells = Cells()
    outcome = networks.outcome(cells, [task(richness=(0.01, 0.02))], widen=1)
    assert outcome.numbers["invented, small"][0]["edge"] == ["richness"]
    assert "K = 1 stays at the grid's edge in richness" in outcome.findings[0]
    assert any("(edge)" in sentence for sentence in cells.said)
    held = networks.tuned(Cells(), task(question={"runs": 3, "best_decay": 5.0}, largest_decay=0.15), 1)
    assert held.edge == ("decay",)
    assert max(wd for _, wd in held.grid) == 0.1


def test_differences_are_paired_and_reported_whichever_way_they_fall() -> None:
    outcome = networks.outcome(Cells(), [task(members=(1, 4))])
    one, four = outcome.numbers["invented, small"]
    assert four["difference"] == pytest.approx(3)
    # runs scatter by 1, their differences by nothing
    assert one["test_error"] == pytest.approx(1 / math.sqrt(3))
    assert four["difference_error"] == pytest.approx(0, abs=1e-12)
    assert "K = 1 beats K = 4" in outcome.findings[0]
    reverse = networks.outcome(Cells(), [task(members=(4, 1))])
    assert "K = 1 beats K = 4" in reverse.findings[0]
    (name,) = outcome.figures
    assert name == "invented-small"


def test_a_difference_within_its_error_is_called_a_tie() -> None:
    def noisy(*, members, richness, decay, runs):
        found = pretended(members=1, richness=richness, decay=decay, runs=runs)
        return {**found, "test": found["test"] + (members - 1) * np.array([0.1, -0.1, 0.02])}

    outcome = networks.outcome(Cells(), [task(measure=noisy, members=(1, 2))])
    assert "a tie" in outcome.findings[0]


def test_a_diverged_place_never_wins() -> None:
    grid = {(1.0, 0.0): {"validation": np.array([np.nan, 0.0])}, (2.0, 0.0): {"validation": np.array([3.0, 4.0])}}
    assert networks.best_place(grid) == (2.0, 0.0)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"richness": (0.0, 1.0)}, "richness must be positive, got 0"),
        ({"decay": (0.0, 20.0), "largest_decay": 10.0}, "between 0 and 10, where a step turns no weight over; got 20"),
        ({"decay": (-0.1, 0.1)}, "decay must be between 0 and inf"),
        ({"richness": (1.0,)}, "at least two values each"),
        ({"members": (0, 1)}, "members must be at least 1"),
        ({"question": {"runs": 1}}, "runs must be at least 2"),
    ],
)
def test_bad_grids_are_refused_with_a_sentence(changes, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        task(**changes)


# -- sizes -----------------------------------------------------------------------------------------------------


def test_networks_of_an_ensemble_have_the_parameters_of_the_single_one() -> None:
    assert [networks_digits.member_width(32, k) for k in (1, 4, 16)] == [32, 10, 3]
    assert [networks_digits.member_width(128, k) for k in (1, 4, 16)] == [128, 52, 18]
    assert [networks_text.member_width(17, k) for k in (1, 4)] == [17, 8]
    assert [networks_text.parameters(17, k) for k in (1, 4)] == [7480, 7168]
    assert [networks_bytes.member_width(512, k, 256, 6) for k in (1, 4, 16)] == [512, 256, 128]
    assert [networks_images.member_width(256, k) for k in (1, 4, 16)] == [256, 127, 63]
    with pytest.raises(Refused, match="have no unit left; lower members"):
        networks_digits.member_width(2, 1000)
    with pytest.raises(Refused, match="width must be a positive multiple of 64"):
        networks_sizes.member_width(lambda n: n, 100, 2, 64)


@pytest.mark.parametrize("width", [3, 8])
def test_counts_are_those_of_the_networks(width: int) -> None:
    model = networks_text.Decoder(8, width, networks_text.LAYERS, 1, networks_text.LENGTH)
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, 4), int)))
    assert sum(math.prod(x.shape) for x in jax.tree.leaves(shapes)) == networks_text.count(width)
    images = jax.eval_shape(lambda: networks_images.ConvNet(width).init(jax.random.key(0), jnp.zeros((1, 32, 32, 3))))
    assert sum(math.prod(x.shape) for x in jax.tree.leaves(images)) == networks_images.count(width)


# -- smoke runs ------------------------------------------------------------------------------------------------


def test_networks_learn_the_digits_from_a_zero_predictor() -> None:
    size = {"samples": 200, "width": 12, "runs": 2, "members": 2, "richness": 3.0, "decay": 0.01}
    with jax.enable_x64(False):
        untrained, trained = (networks_digits.measure(**size, steps=steps) for steps in (0, 60))
    # a one-hot target less 0.1 has squared length 0.9; 60 steps of two networks of 7 units learn some of it
    np.testing.assert_allclose(untrained["test"], 0.9, rtol=1e-6)
    assert np.all(trained["test"] < 0.75)
    assert trained["wrong"].shape == (2,)


def test_transformers_learn_markov_text_from_a_uniform_guess() -> None:
    size = {"samples": 200, "width": 9, "runs": 2, "steps": 60, "batch": 16, "members": 2, "decay": 0.0}
    with jax.enable_x64(False):
        found = networks_text.measure(**size, richness=1.0)
    # the zero predictor's divergence from the chain's law is log(letters) - entropy
    zero = math.log(8) - markov.chain(8).entropy
    assert np.all(found["test"] < 0.8 * zero)
    assert np.all(found["test"] > 0)
    # log of a mean of probabilities against a mean of logits, normalised: near each other, not the same
    assert np.all(np.abs(found["averaged_probabilities"] - found["test"]) < 0.1 * zero)
    assert np.all(found["averaged_probabilities"] != found["test"])


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A folder with CIFAR-10 of 20 invented images a batch, and a text of 12,000 bytes."""
    folder = tmp_path_factory.mktemp("data")
    random = np.random.default_rng(0)
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        batch = {b"data": random.integers(0, 256, (20, 3072), np.uint8), b"labels": list(range(10)) * 2}
        (folder / name).write_bytes(pickle.dumps(batch))
    (folder / "text.txt").write_bytes(b"to be or not to be. " * 600)
    return folder


TINY = {"members": (1, 2), "richness": (0.5, 1.0), "decay": (0.0, 0.01)}


def test_convolutional_networks_on_a_folder_run_end_to_end(data) -> None:
    size = {"held_out": 20, "width": 3, "steps": 3, "batch": 4, "runs": 2}
    outcome = networks_accelerator.image_ensembles(Cells(data), {"data-limited": 40}, size, TINY, widen=0)
    (rows,) = outcome.numbers.values()
    # random labels of ten classes, three steps: no better and not much worse than knowing nothing
    assert all(abs(row["test"] - math.log(10)) < 0.5 for row in rows)
    assert [row["members"] for row in rows] == [1, 2]
    with pytest.raises(Refused, match="90 \\+ 20 images are asked for, the training set has 100"):
        networks_accelerator.image_ensembles(Cells(data), {"too many": 90}, size, TINY, widen=0)


def test_transformers_on_a_text_run_end_to_end(data) -> None:
    size = {"tested": 8, "width": 6, "layers": 1, "length": 16, "steps": 20, "batch": 8, "runs": 2}
    outcome = networks_accelerator.text_ensembles(Cells(data), {"data-limited": 100}, size, TINY, widen=0)
    (rows,) = outcome.numbers.values()
    assert all(row["test"] < math.log(256) for row in rows)
    with pytest.raises(Refused, match="the text has 674 and 74 of 16 bytes; name a longer text"):
        networks_accelerator.text_ensembles(Cells(data), {"too many": 5000}, size, TINY, widen=0)
    with pytest.raises(Refused, match="too short for windows of 800 bytes"):
        networks_accelerator.text_ensembles(Cells(data), {"long": 1}, {**size, "length": 800}, TINY, widen=0)


def test_windows_follow_each_other() -> None:
    found = networks_bytes.windows(np.arange(11), 3)
    assert found.tolist() == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9]]


def test_a_missing_folder_or_data_set_is_refused(tmp_path) -> None:
    with pytest.raises(Refused, match="CIFAR-10 is read from a folder of yours; name it with --data FOLDER"):
        networks_accelerator.images(Cells())
    with pytest.raises(Refused, match="data_batch_1 is missing: CIFAR-10 needs"):
        networks_accelerator.images(Cells(tmp_path))
    with pytest.raises(Refused, match="name it with --data FOLDER"):
        networks_accelerator.text(Cells())
    with pytest.raises(Refused, match=r"has no \*.txt file"):
        networks_accelerator.text(Cells(tmp_path))


def test_experiments_of_the_presets_exist() -> None:
    paths = [preset.experiment for preset in RFEnsembles.presets.values() if preset.experiment]
    assert len(paths) == 4
    assert all(callable(experiment(path)) for path in paths)
