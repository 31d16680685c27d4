"""Runs the figure scripts, each in a process of its own, and writes figures/README.md.

python figures/build.py [NAME ...] [--preset quick|paper]     all scripts, or those named (a part of the name will do)
python figures/build.py --readme-only                         no script: thumbnails and outcomes of claims as they are

Figures go to figures/out, thumbnails to figures/thumbnails, what each script cost to figures/costs.json. Outcomes are
those that `python -m theorylab.compare --claims` left in results/.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent
OUT, THUMBNAILS, COSTS, README = (HERE / name for name in ("out", "thumbnails", "costs.json", "README.md"))
WIDTH = 480
"""Of a thumbnail, pixels."""


@dataclass(frozen=True)
class Script:
    """A figure script, read and not run.

    Arguments:
      name: without .py; it begins with the system's.
      about: its docstring's first paragraph.
      claims: "SYSTEM/CLAIM" that it shows.
    """

    name: str
    about: str
    claims: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> Script:
        tree = ast.parse(path.read_text())
        claims: Any = ()
        for node in tree.body:
            if isinstance(node, ast.Assign) and [getattr(target, "id", "") for target in node.targets] == ["CLAIM"]:
                claims = ast.literal_eval(node.value)
        about = (ast.get_docstring(tree) or "").split("\n\n")[0]
        return cls(path.stem, " ".join(about.split()), (claims,) if isinstance(claims, str) else tuple(claims))

    def images(self, folder: Path) -> list[Path]:
        """Its figure and the figure's further parts."""
        return [
            path for path in (folder / f"{self.name}.png", *sorted(folder.glob(f"{self.name}--*.png"))) if path.exists()
        ]


def scripts() -> list[Script]:
    """Every figure script; what they share is none."""
    paths = sorted(HERE.glob("*.py"))
    return [Script.read(path) for path in paths if path.stem != "build" and not path.stem.endswith("common")]


# -- running -------------------------------------------------------------------------------------------------


def run(script: Script, preset: str) -> dict[str, Any] | None:
    """What a script cost; None where it failed."""
    for old in script.images(OUT):
        old.unlink()
    command = [sys.executable, str(HERE / f"{script.name}.py"), "--folder", str(OUT), "--preset", preset]
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "seconds"
        process = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"FIGURE_CELLS": str(told)})
        _, status, used = os.wait4(process.pid, 0)
        trained = float(told.read_text()) if told.exists() else 0.0
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - begun
    if process.returncode != 0 or not script.images(OUT):
        return None
    cost = {"seconds": round(seconds, 1), "cpu": round(used.ru_utime + used.ru_stime, 1), "preset": preset}
    return cost | ({"networks": round(trained, 1)} if trained else {})


def thumbnail(image: Path) -> None:
    """A small copy in few colours."""
    from PIL import Image

    THUMBNAILS.mkdir(exist_ok=True)
    with Image.open(image) as full:
        small = full.convert("RGB")
    small.thumbnail((WIDTH, WIDTH), Image.Resampling.LANCZOS)
    small.quantize(64, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
        THUMBNAILS / image.name, optimize=True
    )


def costs() -> dict[str, dict[str, Any]]:
    """What every script cost when it last ran."""
    return json.loads(COSTS.read_text()) if COSTS.exists() else {}


def build(chosen: Sequence[Script], preset: str) -> list[str]:
    """Run scripts one after the other, whatever becomes of them; the names of those that failed."""
    failed = []
    for script in chosen:
        print(f"{script.name} ...", flush=True)
        cost = run(script, preset)
        if cost is None:
            failed.append(script.name)
            print(f"{script.name} FAILED", file=sys.stderr, flush=True)
            continue
        print(f"{script.name}: {cost['seconds']:.1f} s", flush=True)
        for old in script.images(THUMBNAILS):
            old.unlink()
        for image in script.images(OUT):
            thumbnail(image)
        names = {one.name for one in scripts()}
        kept = {name: one for name, one in (costs() | {script.name: cost}).items() if name in names}
        COSTS.write_text(json.dumps(dict(sorted(kept.items())), indent=1) + "\n")
    return failed


# -- the page ------------------------------------------------------------------------------------------------


def statements() -> dict[str, str]:
    """Every claim of every system, "SYSTEM/CLAIM", and what it says."""
    from theorylab.core import registry

    return {
        f"{name}/{claim.name}": claim.statement
        for name in registry.names()
        for claim in registry.load(name).paper.claims
    }


def outcomes(results: Path) -> dict[str, dict[str, Any]]:
    """The last outcome of every claim that was checked."""
    rows = [row for path in sorted(results.glob("*/claims.json")) for row in json.loads(path.read_text())]
    return {f"{row['system']}/{row['claim']}": row for row in rows}


def number(value: float) -> str:
    return f"{value:.4g}"


def outcome(row: Mapping[str, Any] | None) -> str:
    """What became of a claim, in words."""
    if row is None:
        return "not checked yet"
    if row["measured"] is None:
        return f"{row['word']}: {row['expected']}"
    error = f" ± {row['error']:.2g}" if row["error"] else ""
    return f"**{row['word']}**: measured {number(row['measured'])}{error}; expected: {row['expected']}"


def cell(text: str) -> str:
    """Text for a Markdown table."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def shown(claim: str) -> str:
    return claim.split("/", 1)[1]


def page(results: Path) -> str:
    """figures/README.md."""
    said, found, cost = statements(), outcomes(results), costs()
    every = scripts()
    wall, cpu = (sum(one[name] for one in cost.values()) / 60 for name in ("seconds", "cpu"))
    lines = [
        "# Figures",
        "",
        "Written by `make figures`: one script a figure, each showing a paper's claim, or what its sentence says.",
        "`make figures PRESET=paper` runs them at full size; a script alone takes `[FOLDER] [--preset quick|paper]`.",
        "Full-size images go to `figures/out`. The outcome of a claim is that of the last",
        "`python -m theorylab.compare --claims` (`python figures/build.py --readme-only` takes it up); it is measured",
        "by the claim's own check, not read off the figure.",
        "",
        f"{len(every)} figures in {cpu:.0f} minutes of CPU time. A cost is what was measured when the script last ran:",
        f"CPU time, and wall time ({wall:.0f} minutes in all) on two cores that may have had other work. Networks that",
        "the store keeps are not trained again: a first call takes as long as theirs did besides.",
    ]
    for name in sorted({system_of(one.name) for one in every}):
        lines += ["", f"## {name}", ""]
        lines += ["| figure | what it shows | cost |", "|---|---|---|"]
        lines += [row(one, said, found, cost.get(one.name)) for one in every if system_of(one.name) == name]
    drawn = {claim for one in every for claim in one.claims}
    missing = [claim for claim in said if claim not in drawn]
    if missing:
        lines += ["", "## Claims without a figure", "", "| claim | statement | outcome |", "|---|---|---|"]
        lines += [
            f"| {claim.split('/')[0]}: {shown(claim)} | {cell(said[claim])} | {cell(outcome(found.get(claim)))} |"
            for claim in missing
        ]
    return "\n".join(lines) + "\n"


def system_of(script: str) -> str:
    """The system that a script's name begins with."""
    from theorylab.core import registry

    return next(name for name in registry.names() if script.startswith(name + "_"))


def row(script: Script, said: Mapping[str, str], found: Mapping[str, Any], cost: Mapping[str, Any] | None) -> str:
    """A figure's row of the table."""
    images = [f"![{script.name}](thumbnails/{path.name})" for path in script.images(THUMBNAILS)]
    parts = [cell(script.about)]
    for claim in script.claims:
        parts.append(f"Claim *{shown(claim)}*: {cell(said[claim])}")
        parts.append(cell(outcome(found.get(claim))))
    parts.append(f"`python figures/{script.name}.py`")
    spent = f"{cost['cpu']:.0f} s of CPU, {cost['seconds']:.0f} s of wall time, {cost['preset']}" if cost else "not run"
    if cost and "networks" in cost:
        spent += f"; its networks, kept in the store, {cost['networks']:.0f} s when they were trained"
    return f"| {'<br>'.join(images) or 'not drawn yet'} | {'<br>'.join(parts)} | {spent} |"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="scripts to run; all by default")
    parser.add_argument("--preset", choices=("quick", "paper"), default="quick", help="size of the runs")
    parser.add_argument("--readme-only", action="store_true", help="run nothing, write figures/README.md")
    parser.add_argument("--results", type=Path, default=ROOT / "results", help="where the outcomes of claims are")
    chosen = parser.parse_args(argv)
    every = scripts()
    wanted = every
    if chosen.names:  # in the order given
        wanted = list(dict.fromkeys(one for name in chosen.names for one in every if name in one.name))
    if not wanted:
        parser.error(f"no script is called like {', '.join(chosen.names)}")
    failed = [] if chosen.readme_only else build(wanted, chosen.preset)
    README.write_text(page(chosen.results))
    print(README)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
