"""Tests run in float64 where not said otherwise, on two CPU devices."""

from __future__ import annotations

import os

os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=2")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "agg")

import gc
from collections.abc import Iterator

import jax
import pytest

jax.config.update("jax_enable_x64", True)


@pytest.fixture(autouse=True, scope="module")
def forget_programs() -> Iterator[None]:
    """One process compiles thousands of programs for the whole suite; kept all, they exhaust its memory maps."""
    yield
    from theorylab.engine import programs

    programs.clear()
    gc.collect()
