"""A figure inside the page, with its enlargement."""

from __future__ import annotations

import base64
import struct
from html import escape
from pathlib import Path

_PNG = b"\x89PNG\r\n\x1a\n"


def picture(name: str, section: str, source: Path, named: str, alt: str, caption: str) -> str:
    """HTML of a PNG that is part of the page; a sentence where its file is missing.

    Arguments:
      name: the figure's anchor.
      section: anchor of the section to go back to.
      named: what the figure is of, in words.
      caption: HTML below it.
    """
    try:
        content = source.read_bytes()
    except OSError:
        content = b""
    if not content.startswith(_PNG):
        return '<p class="soft">The figure’s file is missing; run the command below again.</p>'
    image = base64.b64encode(content).decode()
    width, height = struct.unpack(">II", content[16:24])
    return (
        f'<figure id="{name}">'
        f'<a class="close" href="#{section}">Close</a>'
        f'<a class="enlarge" href="#{name}" aria-label="{escape(f"Enlarge the figure of {named}")}">'
        f'<img src="data:image/png;base64,{image}" alt="{escape(alt)}" '
        f'width="{width}" height="{height}" style="--phone: {round(0.6 * width)}px"></a>'
        f"<figcaption>{caption} Select the figure to enlarge it.</figcaption>"
        "</figure>"
    )
