from __future__ import annotations

import gc
import os
import subprocess
import sys
import weakref
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from made_by_hand import COORDINATES, DECAY, DENSITY, EXPONENT, KERNEL, LOSS, STEPS, THEORY, TIME
from matplotlib._pylab_helpers import Gcf
from matplotlib.colors import to_hex, to_rgb
from matplotlib.patches import StepPatch

from theorylab.core import Observable, Refused
from theorylab.report import grids
from theorylab.report.overlay import overlay, overlay_measured, png, save
from theorylab.report.style import LIMIT, MARGIN, shades, style
from theorylab.report.style import THEORY as THEORY_COLOUR


def lines_of(axes, colour):
    """Drawn lines of a colour that are no markers."""
    return [line for line in axes.lines if to_hex(line.get_color()) == colour and line.get_linestyle() != "None"]


def markers_of(axes):
    return [line for line in axes.lines if line.get_marker() == "o" and line.get_linestyle() == "None"]


def words_of(figure):
    texts = [text.get_text() for text in figure.findobj(mpl.text.Text)]
    return " ".join(" ".join(texts).split())


def test_theory_is_a_line_and_simulation_is_points_with_standard_errors(comparison):
    data = comparison(LOSS)
    panel, _ = overlay(data).axes
    (theory,) = lines_of(panel, THEORY_COLOUR)
    np.testing.assert_array_equal(theory.get_xydata(), np.stack((TIME, THEORY["loss"]), axis=1))
    (points,) = markers_of(panel)
    assert 10 <= len(points.get_xdata()) <= 30
    where = np.searchsorted(TIME, points.get_xdata())
    np.testing.assert_array_equal(points.get_ydata(), data.rungs[0].simulated["loss"][where])
    (bars,) = panel.collections
    half = [(segment[1, 1] - segment[0, 1]) / 2 for segment in bars.get_segments()]
    np.testing.assert_allclose(half, data.rungs[0].stderr["loss"][where], rtol=1e-9)


def test_strip_shows_residual_and_band_in_percent_and_both_margins(comparison):
    data = comparison(LOSS)
    judged = data.rungs[0].agreements["loss"]
    _, strip = overlay(data).axes
    (residual,) = lines_of(strip, shades(1)[0])
    np.testing.assert_allclose(residual.get_ydata(), 100 * judged.residual)
    (band,) = strip.collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert heights.min() == pytest.approx(100 * (judged.residual - judged.band).min())
    assert heights.max() == pytest.approx(100 * (judged.residual + judged.band).max())
    assert sorted(line.get_ydata()[0] for line in lines_of(strip, MARGIN)) == [-5.0, 5.0]
    assert "%" in strip.get_ylabel()


def test_a_single_run_has_no_error_bars(comparison):
    panel, _ = overlay(comparison(LOSS, runs=1)).axes
    assert not panel.collections


@pytest.mark.parametrize(
    ("judged", "said"),
    [
        ((LOSS,), {}),
        ((DECAY, DENSITY), {"word": "differs"}),
        ((EXPONENT,), {"word": "undecided", "needed": 128}),
        ((KERNEL,), {}),
        ((LOSS, EXPONENT, DECAY, DENSITY), {"sizes": (50, 100, 200, 400)}),
    ],
    ids=["curve", "two", "number", "family", "ladder"],
)
def test_every_axis_is_labelled_and_every_panel_says_word_and_interval(comparison, judged, said):
    data = comparison(*judged, **said)
    figure = overlay(data)
    assert len(figure.axes) == 2 * len(judged)
    for observable, panel, strip in zip(judged, figure.axes[::2], figure.axes[1::2], strict=True):
        assert panel.get_ylabel().replace("\n", " ") == observable.axis_label
        assert strip.get_ylabel()
        assert strip.get_xlabel() or [label.get_text() for label in strip.get_xticklabels()]
        written = " ".join(text.get_text() for text in panel.texts)
        assert (data.ladder or data.rungs[-1].agreements)[observable.name].word in written
        assert "% [" in written
    if said.get("needed"):
        assert "about 128 runs would decide" in words_of(figure)


def test_log_observables_get_a_log_axis_and_geometric_grids_a_log_abscissa(comparison):
    panel, strip = overlay(comparison(DECAY)).axes
    assert panel.get_yscale() == "log"
    assert panel.get_xscale() == strip.get_xscale() == "log"
    panel, _ = overlay(comparison(LOSS)).axes
    assert panel.get_yscale() == panel.get_xscale() == "linear"


def test_points_at_or_below_zero_are_counted_on_a_log_axis(comparison):
    figure = overlay(comparison(DECAY, change=lambda curve: np.where(STEPS[-1] == STEPS, -1.0, curve)))
    assert "1 point at or below 0 not shown" in words_of(figure)


@pytest.mark.parametrize(
    ("grid", "spans"),
    [
        (np.geomspace(1e-3, 1e3, 20), True),
        (STEPS, True),
        (COORDINATES["late_steps"], True),
        (2.0 ** np.arange(8), True),
        (np.linspace(0.0, 100.0, 101), False),
        (np.arange(1.0, 1000.0), False),
        (np.geomspace(1.0, 20.0, 20), False),
        (np.linspace(-3.0, 3.0, 40), False),
        (np.array([1.0, 1000.0]), False),
    ],
)
def test_a_grid_is_geometric_when_its_ratios_are_even_over_decades(grid, spans):
    assert grids.geometric(grid) is spans


def test_thinned_points_are_even_as_drawn_and_skip_what_is_undefined():
    values = np.where(np.arange(STEPS.size) == 3, np.nan, 1.0)
    kept = grids.thinned(STEPS, values, 10)
    assert 3 not in kept
    assert len(kept) <= 10
    gaps = np.diff(np.log(STEPS[kept][3:]))
    assert gaps.max() < 2 * gaps.min()


def test_density_is_drawn_as_steps_against_a_line_and_judged_on_its_distribution(comparison):
    panel, strip = overlay(comparison(DENSITY)).axes
    steps = [patch for patch in panel.patches if isinstance(patch, StepPatch)]
    assert steps
    assert len(steps[0].get_data().edges) == len(COORDINATES["eigenvalue"]) + 1
    assert len(lines_of(panel, THEORY_COLOUR)) == 1
    assert "CDF" in strip.get_ylabel()


def test_a_single_number_is_a_point_against_a_horizontal_line_beside_every_run(comparison):
    data = comparison(EXPONENT, runs=12)
    panel, _ = overlay(data).axes
    (theory,) = lines_of(panel, THEORY_COLOUR)
    np.testing.assert_array_equal(theory.get_ydata(), 1.5)
    assert sorted(len(points.get_xdata()) for points in markers_of(panel)) == [1, 12]


def test_sizes_are_shades_the_largest_darkest_and_the_extrapolation_is_in_the_strip(comparison):
    data = comparison(LOSS, EXPONENT, sizes=(50, 100, 200, 400))
    figure = overlay(data)
    panel, strip, numbers, _ = figure.axes
    brightness = [sum(to_rgb(points.get_color())) for points in markers_of(panel)]
    assert len(brightness) == 4
    assert brightness == sorted(brightness, reverse=True)
    (limit,) = lines_of(strip, LIMIT)
    np.testing.assert_allclose(limit.get_ydata(), 100 * data.ladder["loss"].residual)
    assert [float(points.get_xdata()[0]) for points in markers_of(numbers)] == [50.0, 100.0, 200.0, 400.0]
    assert "width → ∞: 0.40 % [" in words_of(figure)
    assert "width 400" in words_of(figure)


def test_two_dimensional_observables_show_at_most_five_indices_named_by_their_axis(comparison):
    panel, _ = overlay(comparison(KERNEL)).axes
    assert len(markers_of(panel)) == 5
    texts = [text.get_text() for text in panel.get_legend().get_texts()]
    assert texts[0] == "layer"
    assert texts[1::4] == ["1", "8"]


def test_the_names_of_lines_stand_above_the_panel_and_hide_no_curve(comparison):
    figure = overlay(comparison(KERNEL))
    panel, _ = figure.axes
    assert panel.get_legend().get_window_extent().y0 >= panel.get_window_extent().y1


SINGLE = Observable("loss", "loss", ("layer", "time"))
ALONE = Observable("exponent", r"alignment $\alpha$", ("layer",))


@pytest.fixture
def one_layer(monkeypatch):
    """A setting with one layer: its axis holds a single value."""
    monkeypatch.setitem(COORDINATES, "layer", np.array([3]))
    monkeypatch.setitem(THEORY, "loss", THEORY["loss"][None])
    monkeypatch.setitem(THEORY, "exponent", np.array([1.5]))


def test_an_axis_of_one_value_is_no_axis_but_named_below(comparison, one_layer):
    panel, strip = overlay(comparison(SINGLE)).axes
    (theory,) = lines_of(panel, THEORY_COLOUR)
    assert len(theory.get_xdata()) == len(TIME)
    assert panel.get_legend() is None
    assert strip.get_xlabel() == "time (layer 3)"
    assert lines_of(strip, shades(1)[0])


@pytest.mark.parametrize("sizes", [(None,), (50, 100, 200)])
def test_a_curve_of_one_point_is_drawn_as_a_number(comparison, one_layer, sizes):
    panel, strip = overlay(comparison(ALONE, runs=12, sizes=sizes)).axes
    (theory,) = lines_of(panel, THEORY_COLOUR)
    np.testing.assert_array_equal(theory.get_ydata(), 1.5)
    assert sorted(len(points.get_xdata()) for points in markers_of(panel)) == ([1, 12] if sizes == (None,) else [1] * 3)
    assert "layer 3" in strip.get_xlabel()
    low, high = panel.get_ylim()
    assert low < 1.5 < high


def words_drawn(figure):
    """Every text of a figure that is drawn: tick labels outside the limits exist, and are not."""
    ticks = set()
    shown = []
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            ticks |= {label for which in ("major", "minor") for label in axis.get_ticklabels(which=which)}
            ticks |= {label for tick in axis._update_ticks() for label in (tick.label1, tick.label2)}
            if axes.axison and axis.get_visible():
                shown += [tick.label1 for tick in axis._update_ticks()]
    every = [text for text in figure.findobj(mpl.text.Text) if text not in ticks] + shown
    hidden = {text for axes in figure.axes if not axes.axison for text in (axes.xaxis.label, axes.yaxis.label)}
    return [text for text in every if text.get_visible() and text.get_text().strip() and text not in hidden]


def overlapping(figure):
    """Pairs of words of a figure that cover each other."""
    canvas = figure.canvas.get_renderer()
    boxes = [(text.get_text(), text.get_window_extent(canvas)) for text in words_drawn(figure)]
    found = []
    for i, (one, a) in enumerate(boxes):
        for other, b in boxes[i + 1 :]:
            across, up = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
            if across > 1 and up > 1:
                found.append((one, other))
    return found


LONG = Observable("decay", "generalised cross-validation error of the ensemble", ("steps",), "log", unit="variance")


@pytest.mark.parametrize(
    ("judged", "said"),
    [
        ((LOSS,), {}),
        ((LOSS, DECAY, DENSITY, EXPONENT, KERNEL), {"word": "undecided", "needed": 12345}),
        ((LONG, KERNEL, DENSITY, EXPONENT), {"sizes": (50, 100, 200, 400)}),
        ((KERNEL,), {"sizes": (50, 100)}),
        ((LONG,), {"change": lambda curve: np.where(STEPS > 1000, -1.0, curve)}),
        ((LOSS, EXPONENT), {"failure": "the dynamics diverges: " + "lower the rate or shorten the horizon; " * 8}),
    ],
    ids=["one", "five", "ladder", "family", "hidden", "failed"],
)
def test_no_words_of_a_figure_cover_each_other_or_leave_it(comparison, judged, said):
    figure = overlay(comparison(*judged, **said))
    assert overlapping(figure) == []
    page = figure.bbox.padded(1)
    for text in words_drawn(figure):
        box = text.get_window_extent(figure.canvas.get_renderer())
        assert page.contains(box.x0, box.y0), text.get_text()
        assert page.contains(box.x1, box.y1), text.get_text()


@pytest.mark.parametrize(("low", "high", "written"), [(0.02, 4.0, True), (1e-6, 1.0, False)])
def test_logarithmic_axes_are_written_in_plain_numbers_where_those_are_short(low, high, written):
    from theorylab.report.grids import plain_decades

    figure = mpl.figure.Figure()
    axes = figure.add_subplot()
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    plain_decades(axes.yaxis, low, high)
    figure.draw_without_rendering()
    labels = [label.get_text() for label in axes.get_yticklabels() if label.get_text()]
    assert all(("$" in label) is not written for label in labels)
    assert not written or {"0.1", "1"} <= set(labels)


def test_a_failed_comparison_is_a_sentence_and_no_curve(comparison):
    figure = overlay(comparison(LOSS, failure="the dynamics diverges; lower the rate"))
    assert "failed" in words_of(figure)
    assert "the dynamics diverges; lower the rate" in words_of(figure)
    assert not any(axes.lines for axes in figure.axes)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_never_drawn_as_a_result(comparison, bad):
    def spoil(curve):
        return np.where(TIME > 9, bad, curve) if curve.shape == TIME.shape else curve

    figure = overlay(comparison(LOSS, EXPONENT, change=spoil))
    broken, whole = figure.axes[0], figure.axes[2]
    assert not broken.lines
    assert "simulated loss is not finite" in words_of(figure)
    assert whole.lines


def test_nan_is_a_gap_where_the_observable_says_undefined(comparison):
    gappy = Observable("loss", "loss", ("time",), undefined_ok=True)
    panel, _ = overlay(comparison(gappy, change=lambda curve: np.where(TIME > 9, np.nan, curve))).axes
    (points,) = markers_of(panel)
    assert points.get_xdata().max() <= 9


def test_style_leaves_the_users_settings_alone_and_does_not_take_them(comparison):
    with mpl.rc_context({"lines.linewidth": 9.0, "axes.facecolor": "black", "text.usetex": False}):
        before = dict(mpl.rcParams)
        panel, _ = overlay(comparison(LOSS)).axes
        assert dict(mpl.rcParams) == before
        assert lines_of(panel, THEORY_COLOUR)[0].get_linewidth() < 2
        assert to_hex(panel.get_facecolor()) == "#ffffff"
        with style():
            assert mpl.rcParams["lines.linewidth"] < 2


def test_figures_belong_to_nobody_and_are_freed(comparison):
    figure = overlay(comparison(LOSS))
    png(figure)
    assert not Gcf.figs
    alive = weakref.ref(figure)
    del figure
    gc.collect()
    assert alive() is None


def test_the_report_does_not_import_pyplot():
    code = "import sys, theorylab.report.overlay, theorylab.report.page\nsys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_saved_files_are_the_same_bytes_each_time_and_hold_no_date(comparison, tmp_path):
    data = comparison(LOSS)
    first = [path.read_bytes() for path in save(overlay(data), tmp_path / "a")]
    again = [path.read_bytes() for path in save(overlay(data), tmp_path / "b")]
    assert first == again
    assert first[0].startswith(b"\x89PNG")
    assert first[1].startswith(b"%PDF")
    assert b"CreationDate" not in first[1]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["overlay.pdf", "overlay.png"]


def test_a_failed_save_leaves_the_old_figure_and_nothing_else(comparison, tmp_path, monkeypatch):
    (tmp_path / "overlay.png").write_bytes(b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(Refused, match="No space left"):
        save(overlay(comparison(EXPONENT)), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["overlay.png"]
    assert (tmp_path / "overlay.png").read_bytes() == b"old"


def test_a_measured_curve_is_points_on_the_theory_with_no_strip_unless_judged(comparison):
    at = np.arange(0.5, 9.0, 0.8)
    runs = np.exp(-at / 2) + 0.1 + 0.01 * np.random.default_rng(1).normal(size=(4, at.size))
    figure = overlay_measured(LOSS, [TIME], THEORY["loss"], [at], runs.mean(axis=0), runs=runs, name="mine.csv")
    (panel,) = figure.axes
    np.testing.assert_array_equal(markers_of(panel)[0].get_xdata(), at)
    assert panel.collections
    assert panel.get_xlabel() == "time"
    assert "not judged" in words_of(figure)
    judged = replace(
        comparison(LOSS).rungs[0].agreements["loss"], residual=0.01 + 0 * at, band=0.02 + 0 * at, unit="point"
    )
    figure = overlay_measured(LOSS, [TIME], THEORY["loss"], [at], runs.mean(axis=0), runs=runs, agreement=judged)
    assert len(figure.axes) == 2
    assert "agrees" in words_of(figure)


def test_a_measured_curve_that_does_not_fit_its_coordinates_is_refused():
    with pytest.raises(Refused, match=r"measured loss has shape \(3,\)"):
        overlay_measured(LOSS, [TIME], THEORY["loss"], [TIME[:4]], TIME[:3])


def test_long_labels_break_between_words_and_never_inside_mathematics():
    long = Observable("x", r"norm of the readout $\| w \cdot x \|$ after training", ())
    assert grids.upright(long).replace("\n", " ") == long.label
    assert grids.upright(long).count("\n") == 1
    assert all(part.count("$") % 2 == 0 for part in grids.upright(long).split("\n"))
    assert grids.upright(LOSS) == LOSS.axis_label
    longer = Observable("x", "generalised cross-validation error of the ensemble", (), unit="variance")
    assert grids.upright(longer).split("\n") == [
        "generalised",
        "cross-validation error of",
        "the ensemble",
        "[variance]",
    ]


def test_the_figure_shows_itself_in_a_notebook(comparison):
    assert overlay(comparison(EXPONENT))._repr_png_().startswith(b"\x89PNG")
