"""A comparison: theory and simulation of one case, the verdict on every observable, and what can be done with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theorylab.compare.result import ComparisonData, Word

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

SEVERITY: tuple[Word, ...] = ("failed", "differs", "undecided", "converges", "agrees")
"""Words from worst to best: a whole comparison is as good as its worst observable."""
EXIT_CODES = {"failed": 4, "differs": 1, "undecided": 3, "converges": 0, "agrees": 0}
"""Exit code of the command line for each word."""


@dataclass(frozen=True)
class Comparison(ComparisonData):
    """Theory and simulation of one case, with the verdict.

    `comparison.verdict` is its word, `comparison.words` one word an observable; `plot()` draws, `to_xarray()`
    exports, `save(folder)` writes the files that `theorylab.load(folder)` reads.
    """

    @property
    def words(self) -> dict[str, Word]:
        """The word on every observable: the ladder's where there is one and the observable is in it."""
        if self.failure:
            return {observable.name: "failed" for observable in self.system.observables}
        last = self.rungs[-1].agreements
        return {name: self.ladder[name].word if name in self.ladder else last[name].word for name in last}

    @property
    def verdict(self) -> Word:
        """The worst of `words`."""
        return worst_word(list(self.words.values()))

    def plot(self) -> Figure:
        """The overlay: theory as a line, simulation as points, residuals below."""
        from theorylab.report.overlay import overlay

        return overlay(self)

    def to_xarray(self) -> xarray.Dataset:
        """Theory, runs, mean and standard error of the largest size, with named coordinates."""
        from theorylab.compare.export import dataset

        return dataset(self, self.rungs[-1])

    def to_datatree(self) -> xarray.DataTree:
        """`to_xarray` for every size, as children named `size_N`."""
        from theorylab.compare.export import datatree

        return datatree(self)

    def save(self, folder: str | Path) -> Path:
        """Write config.json, curves.nc, overlay.png, overlay.pdf and verdict.json, each whole or not at all.

        Raises: `Refused` where the folder cannot be written.
        """
        from theorylab.compare.export import save

        return save(self, Path(folder))

    def __str__(self) -> str:
        from theorylab.compare.export import verdict_json
        from theorylab.report.table import table

        return table([verdict_json(self)])

    def _repr_html_(self) -> str:
        from theorylab.report.notebook import repr_html

        return repr_html(self)


def worst_word(words: list[Word]) -> Word:
    """The worst of several words."""
    return min(words, key=SEVERITY.index)


def exit_code(words: list[Word]) -> int:
    """The exit code for several words: failure first, then difference, then indecision."""
    return EXIT_CODES[worst_word(words)] if words else 0


def metadata(**values: Any) -> dict[str, Any]:
    """Versions, platform and device that a comparison was made with, and what the caller adds."""
    import platform

    import jax
    import numpy

    from theorylab import __version__

    device = jax.local_devices()[0]
    return {
        "versions": {
            "theorylab": __version__,
            "jax": jax.__version__,
            "numpy": numpy.__version__,
            "python": platform.python_version(),
        },
        "platform": device.platform,
        "device": f"{len(jax.devices())} x {device.device_kind}",
        **values,
    }
