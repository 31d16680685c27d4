"""A figure inside the page, with its enlargement."""

from __future__ import annotations

import base64
import contextlib
import functools
import io
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from html import escape
from pathlib import Path

_WIDEST = 1500
"""Pixels of the widest figure inside the page; the file beside it keeps its own size."""

_PAPER = 252
"""Levels above this are white: the colours of a cell are averages, and its paper is to stay paper."""


@dataclass(frozen=True)
class Detail:
    """How exactly figures are copied into the page: number of colours, and part of their width in pixels."""

    colours: int
    scale: float


DETAILS = (Detail(128, 1.0), Detail(64, 0.75), Detail(32, 0.5))
"""From fine to coarse: a page takes the finest that keeps it within its size."""


def picture(name: str, section: str, source: Path, named: str, alt: str, caption: str, detail: Detail) -> str:
    """HTML of a figure that is part of the page; a sentence where its file is missing or damaged.

    Arguments:
      name: the figure's anchor.
      section: anchor of the section to go back to.
      source: a PNG.
      named: what the figure is of, in words.
      caption: HTML below it.
    """
    try:
        content, width, height = copied(source, detail)
    except (OSError, SyntaxError):  # what Pillow raises for a damaged file
        return '<p class="soft">The figure’s file is missing; run the command below again.</p>'
    image = base64.b64encode(content).decode()
    return (
        f'<figure id="{name}">'
        f'<a class="close" href="#{section}">Close</a>'
        f'<a class="enlarge" href="#{name}" aria-label="{escape(f"Enlarge the figure of {named}")}">'
        f'<img src="data:image/png;base64,{image}" alt="{escape(alt)}" '
        f'width="{width}" height="{height}" style="--phone: {round(0.6 * width)}px"></a>'
        f"<figcaption>{caption} Select the figure to enlarge it.</figcaption>"
        "</figure>"
    )


def copied(source: Path, detail: Detail) -> tuple[bytes, int, int]:
    """A PNG with few colours, a quarter of its bytes: figures are lines and words on white.

    Returns: its bytes, and the width and height in pixels that it is shown at, whatever the detail.

    Raises: `OSError` or `SyntaxError` for what is no whole PNG.
    """
    found = source.stat()
    return _copied(source, found.st_mtime_ns, found.st_size, detail)


def prepare(sources: Iterable[Path], detail: Detail) -> None:
    """Copy several figures at once, on all cores; what cannot be copied is left to `copied` to say."""

    def one(source: Path) -> None:
        with contextlib.suppress(OSError, SyntaxError):
            copied(source, detail)

    with ThreadPoolExecutor() as pool:
        list(pool.map(one, sources))


@functools.lru_cache(maxsize=1024)
def _copied(source: Path, changed: int, size: int, detail: Detail) -> tuple[bytes, int, int]:
    """A copy belongs to a file as it was; the page of one session is written several times."""
    from PIL import Image

    del changed, size

    with Image.open(source, formats=["PNG"]) as opened:
        opened.load()
        image = opened.convert("RGBA") if opened.mode != "RGBA" else opened
    if image.getchannel("A").getextrema() != (255, 255):  # what is transparent is white on the page
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("RGB")
    fit = min(1.0, _WIDEST / image.width)
    shown = (max(1, round(fit * image.width)), max(1, round(fit * image.height)))
    kept = (max(1, round(detail.scale * shown[0])), max(1, round(detail.scale * shown[1])))
    if kept != image.size:
        image = image.resize(kept, Image.Resampling.LANCZOS)
    few = image.quantize(detail.colours, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    few.putpalette([255 if value > _PAPER else value for value in few.getpalette() or ()])
    buffer = io.BytesIO()
    few.save(buffer, "PNG", compress_level=6)
    return buffer.getvalue(), *shown
