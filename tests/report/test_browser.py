"""The page in a real browser: headless Chromium, driven by playwright. Skipped, saying why, where there is none;
with THEORYLAB_BROWSER=required that is a failure."""

from __future__ import annotations

import itertools
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from made_by_hand import DECAY, EXPONENT, LOSS
from matplotlib.figure import Figure

from theorylab.report.overlay import overlay, save
from theorylab.report.page import page
from theorylab.report.rows import MEANINGS

NARROW, BROAD = {"width": 360, "height": 800}, {"width": 1280, "height": 900}


def _missing(reason: str) -> None:
    if os.environ.get("THEORYLAB_BROWSER") == "required":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def chromium() -> Iterator[object]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _missing("playwright is not installed: pip install 'theorylab[dev]'")
        raise
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if found is None:
        _missing("there is no chromium on this machine: apt-get install chromium, or name one in CHROMIUM")
    with sync_playwright() as driver:
        # the sandbox needs a user other than root; the page is ours
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"] if os.geteuid() == 0 else [])
        yield browser
        browser.close()


WORDS = ("agrees", "converges", "differs", "undecided", "failed")
OUTCOMES = ("holds", "fails", "undecided", "failed")


@pytest.fixture(scope="module")
def written(verdict, comparison, tmp_path_factory) -> Path:
    """A page with every kind of thing on it: two systems, five words, claims, an experiment, a sweep."""
    tmp_path = tmp_path_factory.mktemp("page")
    drawn, _ = save(overlay(comparison(LOSS, DECAY, EXPONENT)), tmp_path)
    made = Figure(figsize=(3, 2))
    made.add_subplot().plot([1, 2], [3, 4])
    for name in ("squares", "loss_deviation"):
        made.savefig(tmp_path / f"{name}.png")
    results = [
        verdict({"word": word, "reason": f"why {word}"}, system=("toy", "other")[i % 2], case=word, figure=str(drawn))
        for i, word in enumerate(WORDS)
    ]
    claims = [
        {"system": "toy", "claim": f"claim {word}", "statement": "It does.", "measured": 1.2, "error": 0.1,
         "expected": "about 1", "word": word}
        for word in OUTCOMES
    ]  # fmt: skip
    experiments = [
        {"system": "other", "preset": "measured", "about": "two squares", "findings": ["it grows"],
         "figures": ["squares.png"], "folder": str(tmp_path), "command": "python -m theorylab.compare other",
         "tables": [{"title": "squares", "columns": ["size", "square"], "rows": [[2, 4.0]], "note": "by hand"}],
         "cells": {"seconds": 12.0, "measured": 1, "reused": 0}, "device": "cpu"}
    ]  # fmt: skip
    sweeps = [
        {"system": "toy", "case": "flow", "over": {"rate": [1, 2], "noise": [1, 2]}, "settings": 4,
         "words": ["agrees"] * 4, "failures": {}, "figures": ["loss_deviation.png"], "folder": str(tmp_path)}
    ]  # fmt: skip
    return page(results, tmp_path / "index.html", experiments, claims, sweeps)


@pytest.fixture
def opened(chromium, written):
    """Opens the page; what it logs as an error, and every request that leaves it, is a failure."""
    contexts = []

    def open_(viewport=BROAD, **options):
        context = chromium.new_context(viewport=viewport, offline=True, **options)
        contexts.append(context)
        tab = context.new_page()
        tab.on("pageerror", lambda error: wrong.append(str(error)))
        tab.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        tab.on(
            "request", lambda request: None if request.url.startswith(("file:", "data:")) else wrong.append(request.url)
        )
        tab.goto(written.as_uri())
        return tab

    wrong: list[str] = []
    yield open_
    for context in contexts:
        context.close()
    assert wrong == []


def _ours(url: str) -> bool:
    return url.startswith(("file:", "data:"))


def shown(tab, selector: str) -> list[str]:
    return [one.inner_text() for one in tab.query_selector_all(selector) if one.is_visible()]


def test_the_page_loads_offline_and_shows_every_image(opened):
    tab = opened()
    assert tab.title() == "theorylab: theory beside simulation"
    images = tab.evaluate("[...document.images].map((i) => [i.complete, i.naturalWidth, i.clientWidth, i.alt.length])")
    assert len(images) == len(WORDS) + 2
    for complete, natural, width, alt in images:
        assert complete
        assert min(natural, width) > 100
        assert alt > 10


@pytest.mark.parametrize("viewport", [BROAD, NARROW], ids=["broad", "narrow"])
def test_filters_leave_what_was_asked_for(opened, viewport):
    tab = opened(viewport)
    said = tab.locator("#shown")
    assert said.inner_text() == "5 of 5 verdicts, 4 of 4 claims, 1 of 1 experiments, 1 of 1 sweeps shown"

    tab.select_option("#by-system", "other")
    assert said.inner_text() == "2 of 5 verdicts, 0 of 4 claims, 1 of 1 experiments, 0 of 1 sweeps shown"
    assert shown(tab, "section.case h2") == ["converges", "undecided", "measured"]
    assert shown(tab, "section.table h2") == ["Summary", "Experiments"]

    tab.select_option("#by-system", "")
    tab.select_option("#by-word", "comparison:differs")
    assert shown(tab, "section.case h2") == ["differs"]
    assert [re.split(r"\s+", row.strip())[-1] != "" for row in shown(tab, "table.rows tbody tr")] == [True]

    tab.select_option("#by-word", "claim:fails")
    assert shown(tab, "section.table h2") == ["Claims"]
    assert [text.split("\n")[0] for text in shown(tab, "#claims strong")] == ["claim fails"]
    assert shown(tab, "section.case") == []

    tab.select_option("#by-word", "experiment")
    assert shown(tab, "section.case h2") == ["measured"]
    tab.select_option("#by-word", "sweep")
    assert shown(tab, "section.case h2") == ["flow · rate, noise"]
    tab.select_option("#by-word", "comparison")
    assert len(shown(tab, "section.case h2")) == len(WORDS)


def test_everything_can_be_done_with_the_keyboard(opened):
    tab = opened()
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "skip"
    box = tab.locator(".skip").bounding_box()
    assert box is not None
    assert box["x"] >= 0  # it shows itself once it is reached

    reached = []
    for _ in range(80):
        tab.keyboard.press("Tab")
        name = tab.evaluate(
            """() => {
              const e = document.activeElement, r = e.getBoundingClientRect(), s = getComputedStyle(e);
              if (e === document.body) return null;
              if (r.width < 1 || s.outlineStyle === "none") return "unseen " + e.outerHTML.slice(0, 80);
              return e.id || e.getAttribute("href") || e.className || e.tagName;
            }"""
        )
        if name is None:
            break
        reached.append(name)
    assert [name for name in reached if name.startswith("unseen")] == []
    every = tab.evaluate(
        "document.querySelectorAll('a[href]:not(.close), select, button, summary, [tabindex=\"0\"]').length"
    )
    assert len(reached) == every - 1  # the skip link came first
    assert reached.index("by-system") < reached.index("by-word") < reached.index("#case-0")

    tab.focus("#by-word")
    tab.keyboard.type("dif")
    assert shown(tab, "section.case h2") == ["differs"]


def test_a_figure_is_enlarged_alone_and_closed_by_keyboard(opened):
    tab = opened()
    opener = tab.locator("#figure-0 a.enlarge")
    before = opener.locator("img").bounding_box()
    opener.focus()
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#figure-0 a.close:focus")
    after = opener.locator("img").bounding_box()
    assert before is not None
    assert after is not None
    assert after["width"] > before["width"]
    for _ in range(4):  # nothing behind it can be reached
        tab.keyboard.press("Tab")
        assert tab.evaluate("document.activeElement === document.body || !!document.activeElement.closest('#figure-0')")
    tab.keyboard.press("Escape")
    tab.wait_for_selector("#figure-0 a.enlarge:focus")
    tab.keyboard.press("Tab")
    assert not tab.evaluate("!!document.activeElement.closest('#figure-0')")


_CONTRASTS = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (c) => {
    const [r, g, b] = c.map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const colour = rgb(getComputedStyle(e).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = {};
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || ["SCRIPT", "STYLE"].includes(e.tagName)) continue;
    const [light, dark] = [rgb(getComputedStyle(e).color), ground(e)].map(luminance).sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    const name = `${e.tagName}.${e.className}`;
    found[name] = Math.min(ratio, found[name] ?? 99);
  }
  return found;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_a_contrast_of_at_least_four_and_a_half_as_it_is_rendered(opened, scheme):
    found = opened(color_scheme=scheme).evaluate(_CONTRASTS)
    assert len(found) > 20
    assert {name: ratio for name, ratio in found.items() if ratio < 4.5} == {}  # WCAG 2.2, 1.4.3 (AA)
    assert any(word in name for name in found for word in MEANINGS)


def test_every_control_image_and_table_has_a_name_in_the_accessibility_tree(opened):
    tab = opened()
    nameless = tab.evaluate(
        """() => {
          const words = (elements) => elements.map((e) => e?.textContent ?? "").join("");
          const labels = (e) => (e.getAttribute("aria-labelledby") || "").split(" ");
          const by = (e) => labels(e).map((id) => document.getElementById(id));
          const named = (e) => e.getAttribute("aria-label") || words([...(e.labels ?? [])]) || words(by(e)) || e.alt;
          const name = (e) => named(e) || e.textContent.trim();
          const wanted = "a[href], button, select, summary, img, table, form, nav, section, [role=region], output";
          return [...document.querySelectorAll(wanted)].filter((e) => !name(e)).map((e) => e.outerHTML.slice(0, 90));
        }"""
    )
    assert [text for text in nameless if not text.startswith("<output")] == []
    levels = tab.evaluate("[...document.querySelectorAll('h1,h2,h3')].map((e) => +e.tagName[1])")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    identifiers = tab.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(identifiers) == len(set(identifiers))
    small = tab.evaluate(
        """[...document.querySelectorAll("button, select, summary")].filter((e) => e.offsetHeight < 24).length"""
    )
    assert small == 0  # WCAG 2.2, 2.5.8 (AA): targets of at least 24 pixels


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 768, 1280, 1920])
def test_nothing_overlaps_or_leaves_the_page_at_any_width(opened, width, scheme):
    tab = opened({"width": width, "height": 900}, color_scheme=scheme)
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")  # WCAG 2.2, 1.4.10 at 320 pixels
    overlapping = tab.evaluate(
        """() => {
          const parts = "td, th, dt, dd, label, button, h2, h3, nav a, figcaption, summary";
          const seen = [...document.querySelectorAll(parts)]
            .filter((e) => e.checkVisibility() && !e.closest("thead") && !e.closest(".scroll"))
            .map((e) => [e, e.getBoundingClientRect()]).filter(([, r]) => r.width > 1 && r.height > 1);
          const found = [];
          for (let i = 0; i < seen.length; i++) for (let j = i + 1; j < Math.min(i + 40, seen.length); j++) {
            const [a, r] = seen[i], [b, s] = seen[j];
            if (a.contains(b) || b.contains(a)) continue;
            const across = Math.min(r.right, s.right) - Math.max(r.left, s.left);
            const down = Math.min(r.bottom, s.bottom) - Math.max(r.top, s.top);
            if (across > 1 && down > 1) found.push(a.textContent.slice(0, 30) + " / " + b.textContent.slice(0, 30));
          }
          return found;
        }"""
    )
    assert overlapping == []


def test_without_scripts_everything_is_there(opened):
    tab = opened(java_script_enabled=False)
    assert tab.locator(".filters").is_hidden()
    assert len(shown(tab, "section.case h2")) == len(WORDS) + 2
    tab.click("#figure-0 a.enlarge")
    assert tab.locator("#figure-0 a.close").is_visible()
    tab.click("#figure-0 a.close")
    assert tab.locator("#figure-0 a.close").is_hidden()
