"""Where tiles are computed: which devices, in which program."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

if TYPE_CHECKING:
    from theorylab.engine.ensemble import Plan

VARIABLE = "THEORYLAB_CPU_DEVICES"
"""Environment variable: how many of JAX's CPU devices to use, in place of one."""


def devices() -> list[Any]:
    """Local devices to compute on: all accelerators, but one CPU device unless the environment says more.

    One CPU device uses all cores already, and programs that call LAPACK on several at once can wait for each
    other's threads for ever.
    """
    found = jax.local_devices()
    return found[: int(os.environ.get(VARIABLE, "1"))] if found[0].platform == "cpu" else found


class Lanes:
    """Tiles on several devices at once, one a device, by a program compiled when this is made.

    Arguments:
      plan: what is computed.
      tiles: all tiles that will be; no more devices are used than there are tiles.

    `width` tiles run at once; `peak` bytes and `seconds_compile` are what that takes. Raises: `OutOfMemory`.
    """

    def __init__(self, plan: Plan, tiles: list[int]) -> None:
        used = devices()[: len(tiles)]
        self._plan = plan
        self.width = len(used)
        arguments = self._arguments(tiles[: self.width])
        before = time.perf_counter()
        self._program = plan.program(used, arguments)
        self.seconds_compile = time.perf_counter() - before
        self.peak = self._program.peak

    def run(self, tiles: list[int]) -> list[dict[str, np.ndarray]]:
        """The curves of at most `width` tiles."""
        found = jax.device_get(self._program.call(*self._arguments(tiles)))
        if self.width == 1:
            return [{name: np.asarray(curve) for name, curve in found.items()}]
        return [{name: np.asarray(curve[place]) for name, curve in found.items()} for place in range(len(tiles))]

    def _arguments(self, tiles: list[int]) -> tuple[Any, Any, Any]:
        # a short last group is filled up with a tile that is thrown away: one program serves all groups
        return self._plan.arguments(tiles + tiles[-1:] * (self.width - len(tiles)))
