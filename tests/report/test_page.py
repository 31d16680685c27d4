from __future__ import annotations

import io
import os
import re
from html.parser import HTMLParser
from importlib import resources

import numpy as np
import pytest
from made_by_hand import DECAY, DENSITY, EXPONENT, KERNEL, LOSS

from theorylab.core import Refused
from theorylab.report.overlay import overlay, save
from theorylab.report.page import html, page, repr_html, table
from theorylab.report.picture import DETAILS, copied
from theorylab.report.rows import MEANINGS, SIGNS

LADDER = {
    "sizes": [50, 100, 200], "word": "converges", "deviation": 0.004, "low": 0.001, "high": 0.009, "noise": 0.003,
    "deviations": [0.08, 0.04, 0.02], "exponent": 1.02, "exponent_low": 0.93, "exponent_high": 1.1, "reason": "",
}  # fmt: skip
NOTHING_KNOWN = dict.fromkeys(("deviation", "low", "high", "noise", "largest_z", "units", "unit", "needed"))


class Document(HTMLParser):
    """Elements in order, with attributes and the text directly or indirectly inside."""

    def __init__(self, source: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None], list[str]]] = []
        self._open: list[tuple[str, list[str]]] = []
        self.feed(source)
        assert not self._open, f"never closed: {[tag for tag, _ in self._open]}"

    def handle_starttag(self, tag, attrs):
        text: list[str] = []
        self.elements.append((tag, dict(attrs), text))
        if tag not in ("meta", "img", "br"):
            self._open.append((tag, text))

    def handle_endtag(self, tag):
        assert self._open.pop()[0] == tag

    def handle_data(self, data):
        for _, text in self._open:
            text.append(data)

    def all(self, tag, **attributes):
        wanted = {name.rstrip("_"): value for name, value in attributes.items()}
        return [
            (found, "".join(text))
            for name, found, text in self.elements
            if name == tag and all(value in (found.get(key) or "").split() for key, value in wanted.items())
        ]


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    from matplotlib.figure import Figure

    path = tmp_path_factory.mktemp("picture") / "overlay.png"
    Figure(figsize=(1, 1)).savefig(path)
    return path


def test_page_needs_nothing_beside_it(verdict, picture):
    source = html([verdict(figure=str(picture)), verdict(system="other", figure=str(picture))])
    found = Document(source)
    images = found.all("img")
    assert len(images) == 2
    assert all(attributes["src"].startswith("data:image/png;base64,") for attributes, _ in images)
    assert not [tag for tag, _, _ in found.elements if tag in ("link", "iframe", "object", "embed", "video", "source")]
    assert not any("src" in attributes for tag, attributes, _ in found.elements if tag != "img")
    styles = "".join(text for _, text in found.all("style"))
    assert "url(" not in styles
    assert "@import" not in styles
    away = {a["href"] for a, _ in found.all("a") if not a["href"].startswith("#")}
    assert away == {"https://arxiv.org/abs/2401.01234"}
    policy = next(a["content"] for a, _ in found.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy


def test_what_users_wrote_is_text_and_never_markup(verdict):
    evil = "<script>alert('x')</script>\"'&`a`"
    result = verdict(
        {"name": evil, "reason": evil},
        system=evil, case=evil, about=evil, title=evil, command=evil, warnings=[evil], facts={evil: evil},
        parameters={evil: {"value": evil, "doc": evil}}, versions={evil: evil}, device=evil,
        paper={"title": evil, "authors": [evil], "year": 2024, "arxiv": evil, "url": "javascript:alert(1)",
               "bibtex": evil},
    )  # fmt: skip
    found = Document(html([result]))
    assert len(found.all("script")) == 1
    assert "alert('x')" not in found.all("script")[0][1]
    assert not [a for a, _ in found.all("a") if a["href"].startswith("javascript")]
    assert not [a for _, a, _ in found.elements if any(name.startswith("on") for name in a)]
    assert evil in [text for _, text in found.all("code")]


def test_the_command_is_copied_as_it_was_given(verdict):
    command = "python -m theorylab.compare toy --sizes 50 100 --label 'a  b'"
    found = Document(html([verdict(command=command)]))
    assert command in [text for _, text in found.all("code")]


def test_page_is_labelled_for_readers_who_do_not_see_it(verdict, picture):
    source = html([verdict(figure=str(picture)), verdict({"ladder": LADDER}, case="bulk")])
    found = Document(source)
    assert found.all("html")[0][0]["lang"] == "en"
    assert any(a.get("name") == "viewport" for a, _ in found.all("meta"))
    assert "loss agrees, deviation 1.23 % [" in found.all("img")[0][0]["alt"]
    labels = " ".join(text for _, text in found.all("label"))
    assert "System" in labels
    assert "Verdict" in labels
    assert all(a.get("scope") for a, _ in found.all("th"))
    identifiers = [a["id"] for _, a, _ in found.elements if "id" in a]
    assert len(identifiers) == len(set(identifiers))
    targets = {a["href"][1:] for a, _ in found.all("a") if a["href"].startswith("#")}
    targets |= {name for _, a, _ in found.elements for name in (a.get("aria-labelledby") or "").split()}
    assert targets <= set(identifiers)
    for word in ("agrees", "converges"):
        assert any(text.strip() == SIGNS[word] + word for _, text in found.all("span", class_=word))


def test_page_says_everything_that_belongs_beside_a_verdict(verdict):
    result = verdict({"ladder": LADDER}, warnings=["close to the edge"])
    text = re.sub(r"\s+", " ", " ".join(text for _, text in Document(html([result])).all("body")))
    for said in (
        "converges", "0.40 % [", "1.23 % [", "5 %", "0.20 %", "2.3", "32 runs", "50, 100, 200", "1.02 [0.930, 1.10]",
        "critical rate", "0.07386", "0.5, -1", "close to the edge", "theorylab 0.1.0", "1 x cpu", "12 ms", "3.40 s",
        "python -m theorylab.compare toy --width 200", "@misc{lovelace2024", "network width N; inf for the limit",
    ):  # fmt: skip
        assert said in text, said


def test_a_failed_case_never_shows_a_verdict_or_a_number(verdict):
    stale = verdict({"word": "agrees"}, failure="the dynamics diverges; lower the rate")
    honest = verdict({"word": "failed", **NOTHING_KNOWN}, failure="the dynamics diverges; lower the rate")
    empty = verdict(observables=[], failure="the dynamics diverges; lower the rate")
    for result in (stale, honest, empty):
        for row in Document(html([result])).all("tr", role="row")[1:2]:
            assert "failed" in row[1]
            assert "agrees" not in row[1]
            assert "[" not in row[1]
        assert "the dynamics diverges; lower the rate" in html([result])
        assert "agrees" not in table([result], 120)
        assert "the dynamics diverges" in table([result], 120)


@pytest.mark.parametrize("unknown", [None, float("nan"), float("inf"), "inf"])
def test_numbers_that_are_not_finite_are_not_shown_as_numbers(verdict, unknown):
    result = verdict(dict.fromkeys(("deviation", "low", "high", "noise", "largest_z"), unknown) | {"word": "undecided"})
    result["seconds"] = dict.fromkeys(result["seconds"], unknown)
    cells = Document(html([result])).all("td", role="cell")[4:8]
    assert [text.strip() for _, text in cells] == ["n/a"] * 4
    assert "nan" not in table([result], 120)


def test_a_missing_figure_is_said_to_be_missing(verdict, tmp_path):
    source = html([verdict(figure=str(tmp_path / "gone.png"))])
    assert "file is missing" in source
    assert "<img" not in source


def test_no_results_make_a_page_that_says_so():
    assert "No comparisons yet." in html([])
    assert table([]) == "no results\n"


def test_page_is_written_whole_and_the_same_each_time(verdict, picture, tmp_path, monkeypatch):
    results = [verdict(figure=str(picture))]
    path = page(results, tmp_path / "out" / "index.html")
    first = path.read_bytes()
    assert page(results, path).read_bytes() == first
    assert [entry.name for entry in path.parent.iterdir()] == ["index.html"]

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(Refused, match="No space left"):
        page([verdict(case="other")], path)
    assert path.read_bytes() == first
    assert [entry.name for entry in path.parent.iterdir()] == ["index.html"]


def test_ten_systems_with_all_their_presets_fit_in_ten_megabytes(verdict, comparison, tmp_path):
    figure, _ = save(overlay(comparison(LOSS, EXPONENT, DECAY, KERNEL, sizes=(50, 100, 200))), tmp_path)
    results = [verdict(system=f"s{i}", case=f"c{j}", figure=str(figure)) for i in range(10) for j in range(10)]
    assert page(results, tmp_path / "index.html").stat().st_size < 10e6


def test_a_page_that_would_be_too_large_has_coarser_figures_and_the_files_stay_as_they_are(
    verdict, comparison, tmp_path, monkeypatch
):
    figure, _ = save(overlay(comparison(LOSS)), tmp_path)
    before = figure.read_bytes()
    results = [verdict(figure=str(figure))]
    sizes = {detail: len(html(results, detail=detail).encode()) for detail in DETAILS}
    assert sorted(sizes.values(), reverse=True) == list(sizes.values())
    for limit, detail in ((sizes[DETAILS[0]] + 1, DETAILS[0]), (sizes[DETAILS[0]], DETAILS[1]), (1, DETAILS[2])):
        monkeypatch.setattr("theorylab.report.page.LIMIT", limit)
        assert page(results, tmp_path / "index.html").stat().st_size == sizes[detail]
    assert figure.read_bytes() == before


def test_a_copied_figure_looks_the_same_in_a_third_of_the_bytes(comparison, tmp_path):
    from PIL import Image

    figure, _ = save(overlay(comparison(LOSS, DENSITY, KERNEL)), tmp_path)
    content, width, height = copied(figure, DETAILS[0])
    with Image.open(figure) as image, Image.open(io.BytesIO(content)) as copy:
        assert copy.size == image.size == (width, height)
        difference = np.abs(np.asarray(image.convert("RGB"), float) - np.asarray(copy.convert("RGB"), float))
    assert len(content) < figure.stat().st_size / 3
    assert difference.mean() < 1.0  # of 255
    assert np.mean(difference > 40) < 1e-3


def test_a_damaged_figure_is_said_to_be_missing(verdict, picture, tmp_path):
    whole = picture.read_bytes()
    for name, content in (("cut", whole[: len(whole) // 2]), ("text", b"no picture"), ("empty", b"")):
        (tmp_path / name).write_bytes(content)
        assert "file is missing" in html([verdict(figure=str(tmp_path / name))])


def test_transparent_parts_of_a_figure_are_white_on_the_page(tmp_path):
    from PIL import Image

    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    content, *_ = copied(tmp_path / "clear.png", DETAILS[0])
    with Image.open(io.BytesIO(content)) as copy:
        assert copy.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


CLAIM = {"system": "toy", "claim": "half-life", "statement": "It <halves>.", "measured": 6.93, "error": 0.02,
         "expected": "6.93", "word": "holds"}  # fmt: skip
EXPERIMENT = {
    "system": "other", "preset": "measured", "about": "two <squares>", "findings": ["it grows"], "figures": [],
    "folder": "", "command": "python -m theorylab.compare other --preset measured", "device": "cpu",
    "tables": [{"title": "squares", "columns": ["size", "square"], "rows": [[2, 4.0], [3, None]], "note": "by hand"}],
    "cells": {"seconds": 12.0, "measured": 1, "reused": 0},
}  # fmt: skip
SWEEP = {
    "system": "toy", "case": "flow", "over": {"rate": [1, 2], "noise_level": [1, 2]}, "settings": 4,
    "words": ["agrees", "differs", "agrees"], "failures": {"3": "no <root>"}, "figures": [], "folder": "",
}  # fmt: skip


def test_claims_experiments_and_sweeps_have_tables_sections_and_marks_for_the_filters(verdict):
    source = html([verdict()], [EXPERIMENT], [CLAIM, {**CLAIM, "word": "fails"}], [SWEEP])
    found = Document(source)
    text = re.sub(r"\s+", " ", " ".join(text for _, text in found.all("body")))
    for said in ("6.930(20)", "It <halves>.", "two <squares>", "it grows", "12.0 s", "by hand", "rate, noise level",
                 "2 agrees, 1 differs", "no <root>", "--preset measured"):  # fmt: skip
        assert said in text, said
    kinds = {}
    for attributes, _ in found.all("tr", role="row"):
        if "data-kind" in attributes:
            kinds.setdefault(attributes["data-kind"], []).append((attributes["data-system"], attributes["data-words"]))
    assert kinds == {
        "comparison": [("toy", "agrees")],
        "claim": [("toy", "holds"), ("toy", "fails")],
        "experiment": [("other", "")],
        "sweep": [("toy", "")],
    }
    assert [a["data-kind"] for a, _ in found.all("section", class_="case")] == ["comparison", "experiment", "sweep"]
    options = [a.get("value") for a, _ in found.all("option")]
    assert {"comparison:agrees", "claim:holds", "claim:fails", "experiment", "sweep"} <= set(options)
    assert {a["href"] for a, _ in found.all("a")} >= {"#claims", "#experiments", "#sweeps", "#experiment-0", "#sweep-0"}


def test_a_page_of_comparisons_alone_offers_nothing_else(verdict):
    found = Document(html([verdict()]))
    assert not found.all("nav")
    assert [a.get("label") for a, _ in found.all("optgroup")] == ["Comparisons"]
    assert not [a for a, _ in found.all("section", class_="table") if a["id"] != "summary"]


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_text_colour_has_a_contrast_of_at_least_four_and_a_half():
    css = resources.files("theorylab.report").joinpath("page.css").read_text()
    schemes = [dict(re.findall(r"--(\w+): (#\w{6})", block)) for block in re.findall(r":root \{(.*?)\}", css, re.S)]
    assert len(schemes) == 2
    for colours in schemes:
        assert set(MEANINGS) <= set(colours)
        for name in ("ink", "soft", "link", *MEANINGS):
            for ground in ("paper", "card", "tint"):
                light, dark = sorted((_luminance(colours[name]), _luminance(colours[ground])), reverse=True)
                assert (light + 0.05) / (dark + 0.05) >= 4.5, (name, ground)  # WCAG 2.2, 1.4.3 (AA)


def test_every_border_of_a_control_and_the_focus_ring_has_a_contrast_of_at_least_three():
    css = resources.files("theorylab.report").joinpath("page.css").read_text()
    assert "outline: 3px solid var(--link)" in css
    assert "border: 1px solid var(--soft)" in css
    for block in re.findall(r":root \{(.*?)\}", css, re.S):
        colours = dict(re.findall(r"--(\w+): (#\w{6})", block))
        for name in ("link", "soft"):
            for ground in ("paper", "card"):
                light, dark = sorted((_luminance(colours[name]), _luminance(colours[ground])), reverse=True)
                assert (light + 0.05) / (dark + 0.05) >= 3, (name, ground)  # WCAG 2.2, 1.4.11 (AA)


@pytest.mark.parametrize("width", [80, 100, 160])
def test_table_is_aligned_and_no_wider_than_the_terminal(verdict, width):
    results = [
        verdict(),
        verdict({"word": "undecided", "needed": 128}, case="a_rather_long_case"),
        verdict({"ladder": LADDER, "name": "a_very_long_name_of_an_observable"}, system="some_long_system_name"),
        verdict({"word": "failed", "reason": "not finite, first in run 3", **NOTHING_KNOWN}, system="last"),
    ]
    lines = table(results, width).splitlines()
    assert all(len(line) <= width for line in lines)
    noise = "noise floor" if "noise floor" in lines[0] else "noise"
    ends = lines[0].index(noise) + len(noise)
    for line in lines[2:]:
        if any(word in line.split() for word in MEANINGS):
            assert line[ends : ends + 2].strip() == ""
            assert line[ends - 1] != " "
    assert table(results, width).isascii()
    assert "about 128 runs would decide" in table(results, 160)
    assert "first in run 3" in table(results, 160)


def test_table_says_a_name_once_where_there_is_room(verdict):
    lines = table([verdict(), verdict(case="other")], 160).splitlines()
    assert [line.split()[0] for line in lines[2:4]] == ["toy", "other"]


def test_colour_is_only_there_when_asked_and_moves_nothing(verdict):
    results = [verdict(), verdict({"word": "differs"})]
    plain, coloured = table(results, 120), table(results, 120, colour=True)
    assert "\x1b" not in plain
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == plain


def test_a_comparison_shows_itself_in_a_notebook(comparison):
    shown = repr_html(comparison(EXPONENT, word="undecided", needed=128))
    found = Document(shown)
    assert found.all("img")[0][0]["src"].startswith("data:image/png;base64,")
    assert found.all("img")[0][0]["alt"]
    row = found.all("tr")[1][1]
    for said in ("exponent", "? undecided", "% [", "5 %", "about 128 would decide"):
        assert said in row


def test_a_failed_comparison_shows_no_verdict_in_a_notebook(comparison):
    shown = repr_html(comparison(EXPONENT, failure="a <solve> failed"))
    assert "a &lt;solve&gt; failed" in shown
    assert "agrees" not in shown
