"""The one interface: a setting that can be predicted and simulated."""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Generic, Self, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Key, Shaped

from theorylab.core.errors import require
from theorylab.core.numerics import Numerics
from theorylab.core.observable import Observable
from theorylab.core.paper import Paper
from theorylab.core.prediction import Prediction
from theorylab.core.preset import Case, Preset

Instance = TypeVar("Instance")
Size = int | float
"""A size: a positive integer, or `inf`."""

RESERVED = frozenset(
    {
        *("system", "preset", "case", "runs", "seed", "key", "sizes", "out", "json", "list", "shard", "tile"),
        *("force", "quiet", "version", "cite", "against", "sweep", "claims", "instance", "instances"),
        *("numerics", "help", "precision", "distributed", "store"),
    }
)
"""Names that the engine and the command line keep for themselves; no field of a system may take them."""


def _as_coupling(value: Any) -> Any:
    return value if isinstance(value, (jax.Array, np.ndarray)) else np.float64(value)


def coupling(default: float, **kwargs: Any) -> Any:
    """A continuous parameter: a leaf that jit traces; exact float64 until the engine casts it."""
    return eqx.field(default=default, converter=_as_coupling, **kwargs)


def _as_array(value: Any) -> Any:
    if isinstance(value, jax.Array) or (isinstance(value, tuple) and not value):
        return value
    return np.asarray(value, np.float64)


def coupling_array(default: tuple[Any, ...], **kwargs: Any) -> Any:
    """A coupling that is an array, given as (nested) tuples of numbers; an empty tuple stays what it is."""
    return eqx.field(default=default, converter=_as_array, **kwargs)


def _as_size(value: Any) -> Any:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        return value
    if math.isfinite(value) and float(value).is_integer():
        return int(value)
    return float(value)


def extent(default: Size, **kwargs: Any) -> Any:
    """A size that may be infinite: static, an int or `inf`; check it with `require_size`."""
    return eqx.field(static=True, default=default, converter=_as_size, **kwargs)


def require_size(name: str, value: Any, least: int = 1, infinite: bool = False) -> None:
    """Refuse a size that is no integer of at least `least` (or `inf` where allowed). Raises: `Refused`."""
    allowed = f"an integer of at least {least}" + (" or inf" if infinite else "")
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= least
    require(whole or (infinite and value == math.inf), f"{name} must be {allowed}, got {value}")


CACHE = 3 * 2**20
"""Bytes of weights that a tile should not exceed on a CPU: beyond a core's cache every step reads them from memory."""


def tile_within_cache(numbers: float, most: int) -> int:
    """Runs of a tile: `most`, or on a CPU the power of two below it whose weights stay within a core's cache.

    Arguments:
      numbers: float32 numbers that a run carries from step to step; inf where it is only predicted.
    """
    if jax.default_backend() != "cpu" or not math.isfinite(numbers):
        return most
    return min(most, 1 << max(int(CACHE / (4 * numbers)), 1).bit_length() - 1)


class AbstractSystem(eqx.Module, Generic[Instance]):
    """One setting of one paper. The pytree's leaves are the couplings; static fields are sizes and choices.

    A concrete system gives `paper`, `presets`, `observables`, `coordinates`, `predict` and `simulate`, and
    refuses bad parameters in `__check_init__` with `require`. Its `__init__.py` imports `theorylab.core` only
    and reaches `theory` and `simulation` inside its methods.
    """

    paper: ClassVar[Paper]
    """Source of the theory."""
    presets: ClassVar[Mapping[str, Preset]]
    """"quick" (seconds on two cores), "paper" (the paper's figures), and what else the system offers."""
    size: ClassVar[str | None] = None
    """The field whose growth makes the prediction exact; None: no ladder."""
    rate_exponent: ClassVar[float] = 1.0
    """The finite-size deviation falls like size ** -rate_exponent."""

    axis_labels: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Label, with its unit, of each axis whose name does not say enough."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if inspect.isabstract(cls) or cls.__name__.startswith(("Abstract", "_")):
            return
        for name in ("paper", "presets"):
            if not hasattr(cls, name):
                raise TypeError(f"{cls.__name__} must define the class variable {name!r}")
        if "quick" not in cls.presets:
            raise TypeError(f"{cls.__name__}.presets must have a 'quick' preset")
        taken = RESERVED.intersection(inspect.get_annotations(cls))
        if taken:
            raise TypeError(f"{cls.__name__}: fields {sorted(taken)} have names that the engine reserves")

    # -- what a system says of itself --------------------------------------------------------------------

    @property
    def observables(self) -> tuple[Observable, ...]:
        """What this setting is judged on; may depend on static fields."""
        raise NotImplementedError

    def coordinates(self) -> dict[str, Shaped[ArrayLike, "..."]]:
        """Named axes of the observables, each one-dimensional. Evaluated on concrete systems only."""
        raise NotImplementedError

    def resized(self, n: int) -> Self:
        """This setting at size `n`: a rung of the ladder. Override where sizes grow together."""
        require(self.size is not None, f"{type(self).__name__} has no size that a ladder could climb")
        return dataclasses.replace(self, **{str(self.size): n})

    def draw(self, key: Key[Array, ""]) -> Instance:
        """Shared disorder made concrete: a pytree of arrays; None where the prediction averages over it."""
        del key
        return None  # pyright: ignore[reportReturnType]

    def predict(self, instance: Instance, numerics: Any) -> Prediction:
        """The theory: pure, jit-able, differentiable; sees float64 leaves."""
        raise NotImplementedError

    def simulate(self, instance: Instance, key: Key[Array, ""]) -> dict[str, Shaped[Array, "..."]]:
        """One random run: pure; sees float32 leaves; the engine vmaps, tiles, shards and resumes it."""
        raise NotImplementedError

    # -- what the host may ask before tracing -------------------------------------------------------------

    def numerics(self, instance: Instance) -> Numerics:
        """How the theory is solved at these concrete couplings; static fields rounded up."""
        del instance
        return Numerics()

    def cost(self) -> float:
        """Relative cost of one prediction at these concrete couplings; a sweep puts like cost together."""
        return 1.0

    def warnings(self, instance: Instance) -> tuple[str, ...]:
        """What a user should know of these concrete couplings, though they are not refused."""
        del instance
        return ()

    def doubts(self, prediction: Prediction) -> tuple[str, ...]:
        """Why, at these concrete couplings, agreement would not mean what it says (finite sizes scatter past a
        stability edge, say): a comparison then says "undecided", with these sentences, where it would say "agrees"."""
        del prediction
        return ()

    # -- what the engine derives ---------------------------------------------------------------------------

    @property
    def dtype(self) -> Any:
        """Floating type of the couplings: what a simulation's random draws are to be made in."""
        for leaf in jax.tree.leaves(self):
            if jnp.issubdtype(jnp.result_type(leaf), jnp.floating):
                return jnp.result_type(leaf)
        return jnp.result_type(float)

    @property
    def draws(self) -> bool:
        """Whether this setting has shared disorder, so that its prediction belongs to an instance."""
        return type(self).draw is not AbstractSystem.draw

    @property
    def deterministic(self) -> bool:
        """Whether a simulation has no randomness beyond its instance: then one run decides."""
        return False

    @property
    def tile(self) -> int:
        """Runs in one vmap, the unit of computation; smaller for wide networks."""
        return 32

    @classmethod
    def from_case(cls, case: Case, **changes: Any) -> Self:
        """The system of a preset's case, some fields changed. Raises: `Refused`."""
        return cls(**{**case.fields, **changes})


def fields_of(system: AbstractSystem | type[AbstractSystem]) -> tuple[dataclasses.Field[Any], ...]:
    """The init fields of a system, couplings and static ones."""
    return tuple(f for f in dataclasses.fields(system) if f.init)


def is_static(field: dataclasses.Field[Any]) -> bool:
    """Whether a field is a size or choice rather than a coupling."""
    return bool(field.metadata.get("static", False))


def couplings(system: AbstractSystem) -> dict[str, Any]:
    """The couplings by name."""
    return {f.name: getattr(system, f.name) for f in dataclasses.fields(system) if not is_static(f)}
