"""One look for every figure: a colour-blind palette, type that survives an 8.5 cm column, lines for theory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import LinearSegmentedColormap, to_hex

from theorylab.report.rows import SIGNS

COLUMN = 8.5 / 2.54
"""Width of a journal's column, inches: a single panel is drawn at this width, so type keeps its size in print."""

THEORY = "#1a1a1a"
SIMULATION = "#0b5a9c"
LIMIT = "#c4500a"
"""Extrapolation to infinite size: vermilion, far from blue for every kind of colour vision."""
MARGIN = "#5c5c5c"

_COLOURS = {
    "agrees": "#00695a",
    "converges": "#0b5a9c",
    "differs": "#b23c06",
    "undecided": "#6a5a00",
    "failed": "#8a1c68",
}

WORDS = MappingProxyType({word: (SIGNS[word], colour) for word, colour in _COLOURS.items()})
"""Sign and colour of each verdict: never the colour alone."""

_RC = {
    "font.family": ["DejaVu Sans"],
    "font.size": 7.5,
    "axes.labelsize": 7.5,
    "axes.titlesize": 7.5,
    "axes.titlepad": 4.0,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "legend.fontsize": 7.0,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "legend.columnspacing": 1.2,
    "legend.handletextpad": 0.5,
    "mathtext.fontset": "dejavusans",
    "text.usetex": False,
    "text.color": THEORY,
    "axes.labelcolor": THEORY,
    "xtick.color": "#333333",
    "ytick.color": "#333333",
    "axes.edgecolor": "#555555",
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.useoffset": False,
    "axes.formatter.limits": (-3, 4),
    "axes.formatter.use_mathtext": True,
    "axes.unicode_minus": True,
    "axes.grid": False,
    "axes.facecolor": "white",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "xtick.direction": "out",
    "ytick.direction": "out",
    "lines.linewidth": 1.1,
    "lines.markersize": 3.2,
    "lines.solid_capstyle": "round",
    "pdf.fonttype": 42,
    "savefig.bbox": "standard",
    "savefig.transparent": False,
}


@contextmanager
def style() -> Iterator[None]:
    """The package's look for figures made inside; a user's own settings neither leak in nor are changed."""
    own: Any = {key: value for key, value in mpl.rcParamsDefault.items() if key not in _KEPT}
    with mpl.rc_context(own | _RC):
        yield


_KEPT = frozenset(
    {"backend", "backend_fallback", "interactive", "toolbar", "timezone", "webagg.port", "webagg.address"}
)
"""Settings of the session rather than of the look."""


def shades(count: int) -> list[str]:
    """`count` blues, light to dark: rungs of a size ladder, the largest darkest."""
    ramp = LinearSegmentedColormap.from_list("sizes", ["#93bfe2", "#3f8ccb", SIMULATION, "#062a52"])
    start = 0.67 if count == 1 else 0.0
    return [to_hex(ramp(x)) for x in np.linspace(start, 0.67 if count == 1 else 1.0, count)]


def family(count: int) -> list[str]:
    """`count` colours in order, dark to bright: one for each index of an observable's first axis."""
    ramp = mpl.colormaps["viridis"]
    return [to_hex(ramp(x)) for x in np.linspace(0.0, 0.8, count)] if count > 1 else [SIMULATION]
