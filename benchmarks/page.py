"""The page of the benchmarks, from pytest-benchmark's JSON; `make benchmarks` calls it.

python benchmarks/page.py benchmarks/out/benchmarks.json

Writes docs/benchmarks.md and docs/figures/benchmarks_*.png; where only a part was run (`-k`), the same beside the JSON.
"""

from __future__ import annotations

import argparse
import ast
import json
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib import ticker

from theorylab.report.style import COLUMN, THEORY, style

HERE = Path(__file__).parent
ORDER = ("theory", "growth", "odes", "simulation", "peers")
"""Files bench_NAME.py in the order of their sections; others follow."""
COLOURS = (THEORY, "#c4500a", "#0b5a9c", "#00695a", "#8a1c68", "#a08800", "#4fa3d9", "#8c8c8c")
MARKERS = "osD^vPX<"


def number(value: Any) -> str:
    """Three significant figures, in full where that is short."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) or not isinstance(value, float):
        return str(value)
    if not math.isfinite(value):
        return "–"
    if value == 0 or 1e-2 <= abs(value) < 1e5:
        return f"{value:,.{max(0, 2 - math.floor(math.log10(abs(value))))}f}" if value else "0"
    mantissa, power = f"{value:.1e}".split("e")
    return f"{mantissa}e{int(power)}"


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Rows as a Markdown table: columns in the order they first come in, numbers to the right."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    numeric = [all(not isinstance(row.get(name), str) for row in rows) for name in columns]
    lines = [" | ".join(columns), " | ".join("--:" if right else "---" for right in numeric)]
    lines += [" | ".join(number(row.get(name)) for name in columns) for row in rows]
    return [f"| {line} |" for line in lines]


def goal(one: dict[str, Any]) -> str:
    """What was to be reached."""
    least, most = one["at_least"], one["at_most"]
    return f"≥ {number(least)}" if least is not None else f"≤ {number(most)}"


def slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def draw(panels: list[dict[str, Any]], path: Path) -> None:
    """Panels of points joined by lines, both axes logarithmic, one legend for all."""
    names = list(dict.fromkeys(name for panel in panels for name in panel["curves"]))
    looks = {name: (COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]) for i, name in enumerate(names)}
    across = min(3, len(panels))
    down = math.ceil(len(panels) / across)
    with style():
        figure, axes = plt.subplots(
            down,
            across,
            figsize=(COLUMN * (0.5 + 0.5 * across), 2.1 * down + 0.35),
            squeeze=False,
            layout="constrained",
        )
        for axis, panel in zip(axes.flat, panels, strict=False):
            for name, (x, y) in panel["curves"].items():
                colour, marker = looks[name]
                axis.plot(x, y, marker=marker, ms=3, lw=0.9, color=colour, label=name)
            axis.set(xscale="log", yscale="log", title=panel.get("title", ""))
            axis.set(xlabel=panel["x"], ylabel=panel["y"])
            for one in (axis.xaxis, axis.yaxis):
                ticks(one)
        for axis in axes.flat[len(panels) :]:
            axis.set_visible(False)
        found = {}
        for axis in axes.flat:
            found |= dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
        if len(names) > 1:
            figure.legend(found.values(), found, loc="outside upper left", ncols=min(len(found), 4))
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150)
        plt.close(figure)


def ticks(axis: Any) -> None:
    """Two to five plain numbers, whatever the span."""
    low, high = axis.get_view_interval()
    decades = math.log10(high / low)
    if decades > 2.5:
        return
    steps = (1.0, 3.0) if decades > 1.2 else (1.0, 2.0, 5.0) if decades > 0.5 else (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
    axis.set_major_locator(ticker.LogLocator(subs=steps))
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(ticker.NullLocator())


def section(
    name: str, benchmarks: list[dict[str, Any]], skipped: dict[str, str], figures: Path, shown: str
) -> list[str]:
    """One file's benchmarks: its docstring, a table and a figure a group, remarks, what was skipped."""
    title, _, text = (ast.get_docstring(ast.parse((HERE / name).read_text())) or name).partition("\n")
    lines = [f"## {title.rstrip('.')}", "", *text.strip().splitlines(), ""]
    groups = list(dict.fromkeys(one["extra_info"]["group"] for one in benchmarks))
    for group in groups:
        members = [one["extra_info"] for one in benchmarks if one["extra_info"]["group"] == group]
        if len(groups) > 1:
            lines += [f"### {group[0].upper()}{group[1:]}", ""]
        lines += [*table([one["row"] for one in members if "row" in one]), ""]
        panels = [one["plot"] for one in members if one.get("plot")]
        if panels:
            path = figures / f"benchmarks_{slug(group)}.png"
            draw(panels, path)
            lines += [f"![{group}]({shown}/{path.name})", ""]
        remarks = dict.fromkeys(remark for one in members for remark in one.get("remarks", []))
        lines += [f"- {remark}" for remark in remarks] + ([""] if remarks else [])
    mine = {at: why for at, why in skipped.items() if at.split("::")[0].endswith(name)}
    if mine:
        lines += ["Not measured:", "", *(f"- `{at.split('/')[-1]}`: {why}" for at, why in mine.items()), ""]
    return lines


def targets(benchmarks: Iterable[dict[str, Any]]) -> list[str]:
    """Every number that was to be reached."""
    every = [goal for one in benchmarks for goal in one["extra_info"].get("targets", [])]
    if not every:
        return []
    rows = [
        {"target": one["what"], "asked": goal(one), "measured": one["value"], "reached": bool(one["met"])}
        for one in every
    ]
    met = sum(row["reached"] for row in rows)
    return ["## Targets", "", f"{met} of {len(rows)} reached.", "", *table(rows), ""]


def page(found: dict[str, Any], figures: Path, shown: str) -> str:
    """The whole page in Markdown; its figures are drawn on the way."""
    about, benchmarks = found["about"], found["benchmarks"]
    files: dict[str, list[dict[str, Any]]] = {}
    for one in benchmarks:
        files.setdefault(Path(one["fullname"].split("::")[0]).name, []).append(one)
    for at in found["skipped"]:
        files.setdefault(Path(at.split("::")[0]).name, [])
    place = {f"bench_{name}.py": i for i, name in enumerate(ORDER)}
    versions = ("python", "jax", "jaxlib", "diffrax", "equinox", "numpy", "scipy", "torch", "theorylab")
    lines = [
        "# Benchmarks",
        "",
        "Written by `make benchmarks` (`benchmarks/page.py`); do not edit. Every ratio is of two times measured in one "
        "process, one after the other; absolute times are of this machine, and of how busy it was.",
        "",
        f"- device: {about['device']}; {about['cores']} cores, {about['system']} {about['machine']}",
        f"- {', '.join(f'{name} {about[name]}' for name in versions if about.get(name))}",
        f"- date: {found['datetime'][:10]}; command: `make benchmarks`"
        + (f" (a part: {found['part']})" if found["part"] else ""),
        "",
        *targets(benchmarks),
    ]
    for name in sorted(files, key=lambda name: (place.get(name, len(place)), name)):
        lines += section(name, files[name], found["skipped"], figures, shown)
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("json", type=Path, nargs="?", default=HERE / "out" / "benchmarks.json")
    source = parser.parse_args().json
    found = json.loads(source.read_text())
    docs = HERE.parent / "docs"
    written = source.with_suffix(".md") if found["part"] else docs / "benchmarks.md"
    figures, shown = (source.parent, ".") if found["part"] else (docs / "figures", "figures")
    if not found["part"]:
        for old in figures.glob("benchmarks_*.png"):
            old.unlink()
    written.write_text(page(found, figures, shown))
    print(f"written: {written}")


if __name__ == "__main__":
    main()
