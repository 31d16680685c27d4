"""Widths of networks that together have the parameters of one."""

from __future__ import annotations

from collections.abc import Callable

from theorylab.core import require


def member_width(count: Callable[[int], int], width: int, members: int, unit: int = 1) -> int:
    """Width n of each of `members` networks whose parameters together come closest to those of one of `width`.

    Arguments:
      count: parameters of a network of that width, growing.
      unit: n is a multiple of it.

    Raises: `Refused` where not even the narrowest network fits.
    """
    require(members >= 1, f"members must be at least 1, got {members}")
    require(width >= 1 and width % unit == 0, f"width must be a positive multiple of {unit}, got {width}")
    share = count(width) / members
    require(
        2 * share >= count(unit),
        f"{members} members of one network of width {width} have no unit left; lower members",
    )
    return min(range(unit, width + 1, unit), key=lambda n: abs(count(n) - share))
