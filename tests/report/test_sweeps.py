"""Sweeps as figures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_by_hand import EXPONENT, KERNEL, LOSS, THEORY
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm, to_hex
from test_overlay import overlapping

from theorylab.core import Refused
from theorylab.report.sweeps import TOGETHER, Swept, grouped, heat_map, overview, save

RATES = (0.01, 0.1, 1.0)


@pytest.fixture
def cases(comparison):
    def make(names, *judged):
        return {name: [Swept(rate, comparison(*judged)) for rate in RATES] for name in names}

    return make


def test_an_overview_draws_theory_as_lines_and_simulation_as_marks_against_the_coupling(cases):
    figure = overview(cases(["one", "two"], LOSS, EXPONENT, KERNEL), "rate")
    assert len(figure.axes) == 2  # a kernel of two axes has no single end
    loss, exponent = figure.axes
    lines = [line for line in loss.lines if line.get_linestyle() == "-"]
    assert len(lines) == 2
    np.testing.assert_array_equal(lines[0].get_xdata(), RATES)
    np.testing.assert_allclose(lines[0].get_ydata(), THEORY["loss"][-1])
    assert loss.get_xscale() == "log"
    assert "at the end" in loss.get_ylabel()
    assert "at the end" not in exponent.get_ylabel()


TWELVE = [f"{kind}_{field}_{n}" for kind, field in (("mup", "width"), ("ntk", "width"), ("scaled", "depth"),
          ("constant", "depth")) for n in (1, 4, 8)]  # fmt: skip


def test_many_cases_go_in_rows_of_a_kind_that_can_be_told_apart(cases):
    assert [len(row) for row in grouped(TWELVE)] == [3, 3, 3, 3]
    assert grouped(TWELVE[:5]) == [TWELVE[:5]]
    assert [len(row) for row in grouped([chr(97 + i) for i in range(14)])] == [TOGETHER, TOGETHER, 2]
    figure = overview(cases(TWELVE, LOSS, EXPONENT), "rate")
    figure.draw_without_rendering()
    assert len(figure.axes) == 8
    for row in range(4):
        panel = figure.axes[2 * row]
        lines = [line for line in panel.lines if line.get_linestyle() == "-"]
        marks = {line.get_marker() for line in panel.lines if line.get_linestyle() == "None"}
        assert len({to_hex(line.get_color()) for line in lines}) == len(marks) == 3
        assert panel.get_ylim() == figure.axes[0].get_ylim()  # rows can be compared
    assert overlapping(figure) == []


def test_settings_that_failed_are_left_out(cases):
    made = cases(["one"], LOSS)
    made["one"][1] = Swept(0.1, replace(made["one"][1].data, failure="diverges"))
    panel = overview(made, "rate").axes[0]
    np.testing.assert_array_equal(panel.lines[0].get_xdata(), [0.01, 1.0])


VALUES = np.array([[1.0, 2.0, np.nan], [4.0, 5.0, 600.0]])


def mesh_of(figure):
    (mesh,) = [one for one in figure.axes[0].collections if isinstance(one, QuadMesh)]
    return mesh


def test_a_heat_map_shows_every_value_in_its_cell_and_a_gap_where_there_is_none():
    figure = heat_map(VALUES, [("ridge", np.array([0.1, 0.2])), ("rate", np.array([1.0, 2.0, 3.0]))], "loss")
    mesh = mesh_of(figure)
    shown = np.ma.masked_invalid(mesh.get_array())
    np.testing.assert_array_equal(shown.filled(-1).reshape(2, 3), np.where(np.isnan(VALUES), -1, VALUES))
    assert isinstance(mesh.norm, LogNorm)  # 1 to 600
    assert figure.axes[0].get_xlabel() == "rate"
    assert figure.axes[0].get_ylabel() == "ridge"
    assert figure.axes[1].get_ylabel() == "loss"
    assert overlapping(figure) == []


@pytest.mark.parametrize(
    ("at", "scale", "edges"),
    [
        (np.array([1.0, 2.0, 3.0]), "linear", [0.5, 1.5, 2.5, 3.5]),
        (np.array([1.0, 10.0, 100.0, 1000.0]), "log", 10.0 ** np.array([-0.5, 0.5, 1.5, 2.5, 3.5])),
        (np.array([1.0, 2.0, 50.0]), "linear", [-0.5, 0.5, 1.5, 2.5]),
        (np.array(["flat", "power"]), "linear", [-0.5, 0.5, 1.5]),
        (np.array([7.0]), "linear", [-0.5, 0.5]),
    ],
    ids=["even", "geometric", "uneven", "words", "one"],
)
def test_cells_are_as_wide_as_their_axis_says(at, scale, edges):
    figure = heat_map(np.ones((1, at.size)), [("width", np.array([5.0])), ("other", at)], "x")
    panel = figure.axes[0]
    assert panel.get_xscale() == scale
    np.testing.assert_allclose(mesh_of(figure).get_coordinates()[0, :, 0], edges)
    if scale == "linear" and edges[0] == -0.5:  # cells are counted, so their values are written out
        labels = [label.get_text() for label in panel.get_xticklabels()]
        assert labels == [str(value) if at.dtype.kind == "U" else f"{value:g}" for value in at]


def test_the_margin_is_a_fence_and_signs_are_in_their_cells():
    signs = np.array([["✓", "✓", "!"], ["✓", "≠", "≠"]])
    axes = [("ridge", np.array([1.0, 2.0])), ("rate", np.array([1.0, 2.0, 3.0]))]
    figure = heat_map(VALUES, axes, "deviation [%]", margin=4.5, signs=signs)
    panel = figure.axes[0]
    assert [text.get_text() for text in panel.texts] == list(signs.ravel())
    # around the three cells below the margin (an L): 8 unit edges, each drawn twice
    assert len(panel.lines) == 16


def test_a_heat_map_of_another_shape_is_refused():
    with pytest.raises(Refused, match=r"over \(2, 2\) settings needs values of that shape, got \(2, 3\)"):
        heat_map(VALUES, [("a", np.arange(2.0)), ("b", np.arange(2.0))], "x")


def test_a_heat_map_without_any_value_is_an_empty_one(tmp_path):
    figure = heat_map(np.full((2, 2), np.nan), [("a", np.arange(2.0)), ("b", np.arange(2.0))], "x", margin=0.05)
    assert save(figure, tmp_path / "map.png").read_bytes() == save(figure, tmp_path / "again.png").read_bytes()
