"""One network against an average of smaller ones of the same total size: tuned test loss, and what tuning changes.

Draws what `python -m theorylab.systems.rf_ensembles.networks --out FOLDER` stored: give the same --results FOLDER.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from rf_ensembles_common import COLOURS, panels, save

parser = argparse.ArgumentParser(add_help=False)
parser.add_argument("--results", type=Path, default=Path("results/rf_networks"))
options, sys.argv[1:] = parser.parse_known_args()
if not (options.results / "report.json").exists():
    sys.exit(f"{options.results} holds no finished experiment; run theorylab.systems.rf_ensembles.networks first")

report = json.loads((options.results / "report.json").read_text())
stored = [json.loads(path.read_text()) for path in sorted(options.results.glob("*-limited-*.json"))]
names = list(dict.fromkeys(row["regime"] for row in report))
figure, axes = panels(len(names))
for panel, name in zip(axes[0], names, strict=True):
    rows = [row for row in report if row["regime"] == name]
    members = [row["members"] for row in rows]
    panel.errorbar(members, [r["test"] for r in rows], [r["stderr"] for r in rows], fmt="ko-", label="tuned for each K")
    for colour, (gamma, decay) in zip(COLOURS, ((1.0, 0.0), (3.0, 0.1), (6.0, 0.0)), strict=False):
        found = {
            one["asked"]["members"]: np.mean(one["losses"]["test"])
            for one in stored
            if one["asked"]["regime"]["name"] == name
            and one["asked"]["richness"] == gamma
            and one["asked"]["decay"] == decay
        }
        panel.plot(
            sorted(found),
            [found[k] for k in sorted(found)],
            "--",
            color=colour,
            label=f"richness {gamma}, decay {decay}",
        )
    panel.set(xscale="log", xticks=members, xticklabels=members, xlabel="members K", ylabel="test squared error")
    panel.set(title=name, yscale="log")
    panel.legend(fontsize=8, frameon=False)
save(figure, "networks")
