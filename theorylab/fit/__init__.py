"""Laws and couplings from measured curves."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from theorylab.core import registry, require

if TYPE_CHECKING:
    from theorylab.fit.couplings import CouplingFit


def run(system: Any, curve: Any, over: Sequence[str], **options: Any) -> CouplingFit:
    """Couplings of a system from measured curves; see `theorylab.fit.couplings.run`.

    Example: `run(tl.systems.SGDResolvent(), "my_runs.csv", over=["rate", "noise"])`.
    """
    from theorylab.fit import couplings

    return couplings.run(system, curve, over, **options)


def fitter(name: str) -> Any | None:
    """The module `fitting` of a system that fits laws of its own; None where it has none.

    Raises: `Refused`, with the nearest names, for an unknown system.
    """
    package = f"theorylab.systems.{name}"
    if not (name.isidentifier() and importlib.util.find_spec(package) is not None):
        package = registry.load(name).__module__
    try:
        found = importlib.util.find_spec(f"{package}.fitting")
    except ModuleNotFoundError:  # a system in a single file
        found = None
    return None if found is None else importlib.import_module(f"{package}.fitting")


def law(name: str, table: Any, **options: Any) -> Any:
    """Constants of the laws of a system from a table of measurements, by the system's own `fitting.fit`.

    Arguments:
      name: a system's name.
      table: a CSV file's path, or columns.
      options: arguments of the system's fitter.

    Raises: `Refused` for a system without laws to fit, unknown options, malformed tables.

    Example: `law("precision_scaling", "runs.csv", law="chinchilla")`.
    """
    module = fitter(name)
    require(module is not None, f"{name} has no law of its own to fit")
    assert module is not None
    known = inspect.signature(module.fit).parameters
    for option in options:
        require(option in known, f"the fit of {name} has no option {option!r}; it has: {', '.join(known)}")
    return module.fit(table, **options)
