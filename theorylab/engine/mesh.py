"""Devices and hosts: where a tile is computed, never what it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, PartitionSpec

AXIS = "run"


def spread(function: Callable[..., Any], devices: Sequence[Any], shared: bool) -> Callable[..., Any]:
    """`function(system, instance, keys)` of one tile, as a function of one tile a device.

    Keys, and instances unless `shared`, carry a leading axis as long as `devices`; so does the result.
    """
    mesh = Mesh(np.array(devices), (AXIS,))
    each = PartitionSpec(AXIS)
    everywhere = PartitionSpec()

    def one(system: Any, instance: Any, keys: Any) -> Any:
        own = instance if shared else jax.tree.map(lambda leaf: leaf[0], instance)
        return jax.tree.map(lambda leaf: leaf[None], function(system, own, keys[0]))

    return jax.shard_map(
        one, mesh=mesh, in_specs=(everywhere, everywhere if shared else each, each), out_specs=each, check_vma=False
    )


def meet() -> None:
    """Wait for all processes."""
    from jax.experimental import multihost_utils

    multihost_utils.sync_global_devices("theorylab")


def gather_hosts(
    own: dict[int, dict[str, np.ndarray]], wanted: Sequence[int], template: Mapping[str, np.ndarray]
) -> dict[int, dict[str, np.ndarray]]:
    """Tiles `wanted` from all processes, given each process's own; `template` has a tile's names and shapes."""
    from jax.experimental import multihost_utils

    # every process contributes the same shapes: its tiles at their places, zeros elsewhere
    mine = np.zeros(len(wanted), bool)
    stacked = {name: np.zeros((len(wanted), *value.shape), value.dtype) for name, value in template.items()}
    for place, tile in enumerate(wanted):
        if tile in own:
            mine[place] = True
            for name, value in own[tile].items():
                stacked[name][place] = value
    with jax.enable_x64(True):  # a float64 array would be rounded on its way through otherwise
        owners, everyone = multihost_utils.process_allgather((mine, stacked))
    owner = np.argmax(np.asarray(owners), axis=0)
    return {
        tile: {name: np.asarray(value)[owner[place], place] for name, value in everyone.items()}
        for place, tile in enumerate(wanted)
    }
