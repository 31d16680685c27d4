"""How fast this machine could be: its matmul rate, its memory bandwidth, and what a simulation needs of them.

The work of a simulation is counted in its own traced program, loops times their lengths: XLA's cost analysis counts a
loop's body once (`python benchmarks/roofline.py` shows both, and this machine's rates, as JSON).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from common import show
from jax.extend import core as jex

FAR = 2**28
"""Bytes of a working set beyond every cache."""
NEAR = 2**20
"""Bytes below which the bandwidth of a working set is taken to be that of one of this size."""
ELEMENT = 4
"""Bytes of a float32."""


@dataclass(frozen=True)
class Work:
    """What a program does.

    Arguments:
      flops: of matrix products, two a multiply-add; of eigendecompositions and solves by their leading order.
      bytes: that loops move at least: what an iteration is given is read, what it hands on is read and written, once.
      random: random numbers of 32 bits.
      elements: results of elementwise operations and sums.
      iterations: of the longest chain of loops.
      state: bytes that the largest loop hands on: weights, their optimiser's memory, all runs of a tile.
      held: bytes that an iteration of the largest loop is given: its state, and what it only reads.
    """

    flops: float = 0.0
    bytes: float = 0.0
    random: float = 0.0
    elements: float = 0.0
    iterations: float = 0.0
    state: float = 0.0
    held: float = 0.0

    def __add__(self, other: Work) -> Work:
        summed = [a + b for a, b in zip(astuple(self), astuple(other), strict=True)][:-2]
        return Work(*summed, state=max(self.state, other.state), held=max(self.held, other.held))

    def times(self, count: float) -> Work:
        """That many times the same."""
        return Work(*(a * count for a in astuple(self)[:-2]), state=self.state, held=self.held)


# -- the machine -----------------------------------------------------------------------------------------------------

_BEST: dict[str, float] = {}


def seconds_of(function: Callable[..., Any], *args: Any, least: float = 0.1, calls: int = 3) -> float:
    """The best time of a compiled call, over at least `calls` calls and `least` seconds."""
    jax.block_until_ready(function(*args))
    best, begin, done = math.inf, time.perf_counter(), 0
    while done < calls or time.perf_counter() - begin < least:
        start = time.perf_counter()
        jax.block_until_ready(function(*args))
        best, done = min(best, time.perf_counter() - start), done + 1
    return best


def _kept(name: str, rate: Callable[[], float], again: bool) -> float:
    # other programs on the machine only ever slow a measurement down: the best is kept
    if again or name not in _BEST:
        _BEST[name] = max(_BEST.get(name, 0.0), rate())
    return _BEST[name]


def matmul(again: bool = False) -> float:
    """float32 operations a second of a large matrix product, the best of several sizes, on all cores that XLA uses."""

    def rate() -> float:
        sizes = (768, 1024, 1536) if jax.default_backend() == "cpu" else (4096, 8192)
        product = jax.jit(lambda a: a @ a)
        return max(2 * n**3 / seconds_of(product, jnp.full((n, n), 1e-3, jnp.float32)) for n in sizes)

    return _kept("matmul", rate, again)


def bandwidth(working_set: float = math.inf, again: bool = False) -> float:
    """Bytes a second of a triad c <- b + c / 2 over arrays of that many bytes in all: of main memory, or of the cache
    that a smaller working set stays in."""
    size = 2 ** round(math.log2(min(max(working_set, NEAR), FAR)))

    def rate() -> float:
        count = size // (2 * ELEMENT)
        moved = 3 * ELEMENT * count
        repeats = max(12, 2**28 // moved)  # so that fresh pages do not count
        a, b = jnp.ones(count, jnp.float32), jnp.ones(count, jnp.float32)

        def many(a: jax.Array, b: jax.Array) -> jax.Array:
            # in place, as the weights of a training loop are
            return jax.lax.scan(lambda c, _: (b + 0.5 * c, None), a, None, length=repeats)[0]

        return moved * repeats / seconds_of(jax.jit(many), a, b)

    return _kept(f"bandwidth {size}", rate, again)


def randoms(again: bool = False) -> float:
    """Standard normal numbers a second, of `jax.random.normal`."""
    count = 2**20
    draw = jax.jit(lambda key: jax.random.normal(key, (count,), jnp.float32))
    return _kept("random", lambda: count / seconds_of(draw, jax.random.key(0)), again)


# -- the roof --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Roof:
    """The least seconds that a program's work takes here.

    Arguments:
      flops, bytes: seconds of the products at the matmul rate, and of the bytes at the working set's bandwidth.
      random: seconds of the random numbers at `jax.random.normal`'s own rate.
    """

    flops: float
    bytes: float
    random: float

    @property
    def seconds(self) -> float:
        """The roof: the larger of the two that every roofline has."""
        return max(self.flops, self.bytes)

    @property
    def binds(self) -> str:
        """Which of the two it is."""
        return "matmul rate" if self.flops >= self.bytes else "bandwidth"


def roof(work: Work, working_set: float, again: bool = False) -> Roof:
    """The roof of that work on a working set of so many bytes."""
    return Roof(
        work.flops / matmul(again),
        work.bytes / bandwidth(working_set, again),
        work.random / randoms(again) if work.random else 0.0,
    )


# -- counting --------------------------------------------------------------------------------------------------------


def count(function: Callable[..., Any], *args: Any, steps: int | None = None) -> Work:
    """The work of `function(*args)`, traced, not run.

    Arguments:
      steps: iterations, over the whole program, of a loop whose bounds are traced: the training loop between records.
    """
    return _count(jax.make_jaxpr(function)(*args).jaxpr, steps, 1.0)


def _count(jaxpr: jex.Jaxpr, steps: int | None, visits: float) -> Work:
    total = Work()
    for equation in jaxpr.eqns:
        total = total + _equation(equation, steps, visits)
    return total


def _equation(equation: jex.JaxprEqn, steps: int | None, visits: float) -> Work:
    name, params = equation.primitive.name, equation.params
    if name == "scan":
        body = params["jaxpr"].jaxpr
        # constants, what is carried, and rows of what is scanned, in this order; rows lack an axis
        rows = sum(_rank(a) != _rank(b) for a, b in zip(body.invars, equation.invars, strict=True))
        carried = sum(_rank(a) == _rank(b) for a, b in zip(body.outvars, equation.outvars, strict=True))
        return _loop(body, params["length"], len(body.invars) - rows - carried, carried, steps, visits)
    if name == "while":
        length = 1.0 if steps is None else steps / visits
        body, consts = params["body_jaxpr"].jaxpr, params["body_nconsts"]
        return _loop(body, length, consts, len(body.invars) - consts, None, visits)
    if name == "cond":
        return max((_count(branch.jaxpr, steps, visits) for branch in params["branches"]), key=lambda w: w.flops)
    out = sum(_size(variable) for variable in equation.outvars)
    shapes = [variable.aval.shape for variable in equation.invars if hasattr(variable.aval, "shape")]
    if name == "dot_general":
        (contracted, _), _ = params["dimension_numbers"]
        return Work(flops=2.0 * out * math.prod(shapes[0][axis] for axis in contracted))
    if name == "conv_general_dilated":
        taken = params["dimension_numbers"].rhs_spec[0]
        return Work(flops=2.0 * out * math.prod(shapes[1]) / shapes[1][taken])
    if name in FACTORIZATIONS:
        rows = shapes[0][-1]
        return Work(flops=FACTORIZATIONS[name] * rows**2 * (math.prod(shapes[-1]) / shapes[-1][-2]))
    if name in ("random_bits", "threefry2x32"):
        return Work(random=out)
    inside = [found for value in params.values() if (found := getattr(value, "jaxpr", value)) is not value]
    inside += [value for value in params.values() if isinstance(value, jex.Jaxpr)]
    if inside:  # a call of another program; a rule of differentiation names its function first
        return _count(inside[0], steps, visits)
    return Work() if name in FREE else Work(elements=out)


def _loop(body: jex.Jaxpr, length: float, consts: int, carried: int, steps: int | None, visits: float) -> Work:
    once = _count(body, steps, visits * length)
    given, handed = (sum(_bytes(v) for v in part) for part in (body.invars, body.outvars))
    state = sum(_bytes(v) for v in body.invars[consts : consts + carried])
    work = once.times(length)
    return replace(
        work,
        bytes=max(once.bytes, given + handed) * length,
        state=max(work.state, state),
        held=max(work.held, given),
        iterations=max(work.iterations, length),
    )


FACTORIZATIONS = {"cholesky": 1 / 3, "triangular_solve": 1.0, "eigh": 9.0, "lu": 2 / 3, "geqrf": 4 / 3, "qr": 4 / 3}
"""Operations over rows^2 x columns, all matrices of a batch; an eigendecomposition with vectors takes about 9 n^3."""
FREE = frozenset({"broadcast_in_dim", "reshape", "squeeze", "convert_element_type", "iota", "copy", "transpose"})
"""What costs nothing where it is fused or a view."""


def _rank(variable: Any) -> int:
    return len(getattr(variable.aval, "shape", ()))


def _size(variable: Any) -> int:
    return math.prod(getattr(variable.aval, "shape", ()))


def _bytes(variable: Any) -> int:
    kind = getattr(variable.aval, "dtype", None)
    return _size(variable) * getattr(kind, "itemsize", 8)


# -- by itself -------------------------------------------------------------------------------------------------------


def main() -> None:
    a = jnp.zeros((64, 64))

    def ten(a: jax.Array) -> jax.Array:
        return jax.lax.scan(lambda c, _: (c @ a, None), a, None, length=10)[0]

    analysis = jax.jit(ten).lower(a).compile().cost_analysis()
    show(
        {
            "benchmark": "roofline",
            "matmul_flops_per_second": matmul(),
            "bandwidth_bytes_per_second": {f"{2**k} MiB": bandwidth(2.0 ** (k + 20)) for k in range(9)},
            "normals_per_second": randoms(),
            "loop_of_ten_products": {"flops": count(ten, a).flops, "by_xla": (analysis or {}).get("flops", math.nan)},
        }
    )


if __name__ == "__main__":
    main()
