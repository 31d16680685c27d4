"""The device is named first; the JSON says the machine, what was skipped and why, and whether it is only a part."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from common import about

_skipped: dict[str, str] = {}
_deselected: list[str] = []


def pytest_report_header() -> str:
    return ", ".join(f"{name} {value}" for name, value in about().items())


def pytest_deselected(items: list[Any]) -> None:
    _deselected.extend(item.nodeid for item in items)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        _skipped[report.nodeid] = reason.removeprefix("Skipped: ")
    elif report.failed:
        _skipped[report.nodeid] = f"failed: {str(report.longrepr).strip().splitlines()[-1]}"


def pytest_benchmark_update_json(config: pytest.Config, output_json: dict[str, Any]) -> None:
    output_json["about"] = about()
    output_json["skipped"] = _skipped
    files = [str(Path(one)) for one in config.args]
    whole = all(Path(one).resolve() == Path(__file__).parent for one in files)
    left = f"{len(_deselected)} left out" if _deselected else ""
    output_json["part"] = config.option.keyword or left or ("" if whole else ", ".join(files))


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """A file that is skipped whole, for want of a library."""
    if report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        _skipped[report.nodeid] = reason.removeprefix("Skipped: ")
