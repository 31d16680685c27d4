"""What a system's source says of it: a summary line, and a line for every field."""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap
from functools import cache

from theorylab.core.system import AbstractSystem


def summary(system: type[AbstractSystem]) -> str:
    """The first sentence of a system's docstring."""
    paragraph = " ".join((inspect.getdoc(system) or system.__name__).split("\n\n")[0].split())
    end = paragraph.find(". ")
    return paragraph if end < 0 else paragraph[: end + 1]


@cache
def field_docs(system: type[AbstractSystem]) -> dict[str, str]:
    """The docstring under each field, joined to one line; {} where the source is not to be had."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(system)))
    except (OSError, TypeError, SyntaxError):
        return {}
    found: dict[str, str] = {}
    body = next((node.body for node in ast.walk(tree) if isinstance(node, ast.ClassDef)), [])
    for node, following in itertools.pairwise(body):
        if (
            isinstance(node, ast.AnnAssign)
            and isinstance(node.target, ast.Name)
            and isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
            and isinstance(following.value.value, str)
        ):
            found[node.target.id] = " ".join(following.value.value.split())
    return found
