"""Laws as they are fitted: centred, logarithms of what is positive; the right ones and their rivals."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from theorylab.systems.precision_scaling.fitting_table import Runs
from theorylab.systems.precision_scaling.theory_laws import log_robustness

SHORT = ("w", "a", "kv")
"""Suffixes of the parts' constants."""
SHARPNESS = (math.log(1e-3), math.log(30.0))
"""Range of ln C_x: at 30 a part trained one bit above P_post has no robustness left to 1e-13."""
REFERENCE = 16.0
"""Bits that count as all of the parameters in laws that know no saturation."""


class Data(NamedTuple):
    """What a fit reads.

    Arguments:
      size, data: ln N and ln D less their centres, (n,).
      bits: precisions in training, (n, 3); inf where high.
      post: precision after training, (n,); inf where high.
      log_loss: (n,).
      centres: means of ln N, ln D, and of the finite P_post, (3,).
    """

    size: Float[Array, "n"]
    data: Float[Array, "n"]
    bits: Float[Array, "n 3"]
    post: Float[Array, "n"]
    log_loss: Float[Array, "n"]
    centres: Float[Array, "3"]


def prepared(runs: Runs, centres: Any = None) -> Data:
    """A table as a fit reads it; centred on itself, or on given centres."""
    low = runs.post[np.isfinite(runs.post)]
    if centres is None:
        own = [np.log(runs.N).mean(), np.log(runs.D).mean(), low.mean() if len(low) else 0.0]
        centres = np.array(own)
    size, data = np.log(runs.N) - centres[0], np.log(runs.D) - centres[1]
    return Data(*map(jnp.asarray, (size, data, runs.bits, runs.post, np.log(runs.loss), centres)))


@dataclass(frozen=True)
class Form:
    """A law in fitted coordinates; docs/precision_scaling_laws.md eqs. (1)-(5), rivals in section 3.

    Arguments:
      name: how it is called in tables.
      parts: indices of the parts whose training precision enters.
      capacity: how bits change N: "exponential" 1 - exp(-P/gamma), "linear" P/16, "power" (P/16)^p, "none".
      data: how bits change D: "exponential" with constants of their own, "tied" with those of N, "none".
      additive: whether every part adds c P^-p to the loss.
      post: what quantization after training adds: "full", "no data" (gamma_D = 0), "no size" (gamma_N = 0),
        "power" (P^-p in place of the exponential), "none".
      robust: parts whose robustness C_x is fitted.
      size_term, data_term: whether these terms are there.
      tied: alpha = beta.
      floor: E where it is known; None: fitted. 0: no floor.
      offset: whether the factors of N are 1 - exp(-P/gamma + n), with n fitted.
    """

    name: str
    parts: tuple[int, ...] = ()
    capacity: Literal["exponential", "linear", "power", "none"] = "none"
    data: Literal["exponential", "tied", "none"] = "none"
    additive: bool = False
    post: Literal["full", "no data", "no size", "power", "none"] = "none"
    robust: tuple[int, ...] = ()
    size_term: bool = True
    data_term: bool = True
    tied: bool = False
    floor: float | None = None
    offset: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Fitted constants in order. Those of `POSITIVE` are fitted by their logarithm; A, B, C_T at the centre."""
        short = [SHORT[i] for i in self.parts]
        found = ["A", "alpha"] if self.size_term else []
        if self.data_term:
            found += ["B"] if self.tied else ["B", "beta"]
        if self.floor is None:
            found += ["E"]
        if self.capacity == "exponential" or self.data == "tied":
            found += [f"gamma_{s}" for s in short]
            found += [f"n_{s}" for s in short] if self.offset else []
        if self.capacity == "power":
            found += [f"power_{s}" for s in short]
        if self.data == "exponential":
            found += [f"gamma_data_{s}" for s in short]
        if self.additive:
            found += [f"{kind}_{s}" for s in short for kind in ("added", "falling")]
        if self.post != "none":
            found += ["C_T"]
            found += ["gamma_D"] if self.post != "no data" else []
            found += ["gamma_N"] if self.post != "no size" else []
            found += ["falling_post"] if self.post == "power" else ["gamma_post"]
            found += [f"C_{SHORT[i]}" for i in self.robust]
        return tuple(found)

    @property
    def positive(self) -> np.ndarray:
        """Which constants are fitted by their logarithm, (parameters,)."""
        return np.array([is_positive(name) for name in self.names])

    def terms(self, at: Float[Array, "parameters"], data: Data) -> Float[Array, "terms n"]:
        """Logarithms of the terms whose sum is the loss."""
        k = dict(zip(self.names, at, strict=True))
        short = [SHORT[i] for i in self.parts]
        low = [jnp.isfinite(data.bits[:, i]) for i in self.parts]
        bits = [jnp.where(flag, data.bits[:, i], REFERENCE) for i, flag in zip(self.parts, low, strict=True)]

        def factors(prefix: str) -> Any:
            return sum(
                # an offset that leaves a factor negative gives NaN, and such a step is refused
                jnp.where(flag, jnp.log(-jnp.expm1(k.get(f"n_{s}", 0.0) - p * jnp.exp(-k[f"{prefix}_{s}"]))), 0.0)
                for s, p, flag in zip(short, bits, low, strict=True)
            )

        size: Any = data.size
        if self.capacity == "exponential":
            size = size + factors("gamma")
        elif self.capacity == "linear":
            size = size + sum(jnp.log(p / REFERENCE) for p in bits)
        elif self.capacity == "power":
            size = size + sum(k[f"power_{s}"] * jnp.log(p / REFERENCE) for s, p in zip(short, bits, strict=True))
        tokens: Any = data.data
        if self.data == "tied":
            tokens = tokens + factors("gamma")
        elif self.data == "exponential":
            tokens = tokens + factors("gamma_data")
        found = []
        if self.size_term:
            found.append(k["A"] - k["alpha"] * size)
        if self.data_term:
            found.append(k["B"] - k.get("beta", k.get("alpha")) * tokens)
        if self.floor is None:
            found.append(jnp.broadcast_to(k["E"], data.size.shape))
        elif self.floor > 0:
            found.append(jnp.full(data.size.shape, jnp.log(self.floor)))
        if self.additive:
            # P^-p of a part in high precision is taken at P = inf
            found += [
                jnp.where(flag, k[f"added_{s}"] - jnp.exp(k[f"falling_{s}"]) * jnp.log(p / 4), -jnp.inf)
                for s, p, flag in zip(short, bits, low, strict=True)
            ]
        if self.post != "none":
            found.append(self._degradation(k, size, data))
        return jnp.stack(found)

    def _degradation(self, k: dict[str, Array], size: Array, data: Data) -> Array:
        low = jnp.isfinite(data.post)
        post = jnp.where(low, data.post, data.centres[2])
        if self.post == "power":
            fall = jnp.exp(k["falling_post"]) * jnp.log(post / data.centres[2])
        else:
            fall = (post - data.centres[2]) * jnp.exp(-k["gamma_post"])
        grown = k["C_T"] + k.get("gamma_D", 0.0) * data.data - k.get("gamma_N", 0.0) * size - fall
        if self.robust:
            robustness = jnp.exp(jnp.stack([jnp.clip(k[f"C_{SHORT[i]}"], *SHARPNESS) for i in self.robust]))
            grown = grown + jnp.sum(log_robustness(data.bits[:, list(self.robust)], post, robustness), axis=1)
        return jnp.where(low, grown, -jnp.inf)

    def log_loss(self, at: Float[ArrayLike, "parameters"], data: Data) -> Float[Array, "n"]:
        """ln L."""
        return jax.nn.logsumexp(self.terms(jnp.asarray(at), data), axis=0)

    def __call__(self, at: Float[Array, "parameters"], data: Data) -> Float[Array, "n"]:
        """ln L less its measured value: what a fit makes small. Equal forms share their compiled programs."""
        return self.log_loss(at, data) - data.log_loss

    def starts(self, draws: Float[np.ndarray, "many parameters"], data: Data) -> Float[np.ndarray, "many parameters"]:
        """Starting points from uniform draws in [0, 1)."""
        lowest = float(np.exp(np.min(np.asarray(data.log_loss))))
        middle = float(np.exp(np.median(np.asarray(data.log_loss))))
        ranges = np.array([_range(name, lowest, middle) for name in self.names])
        return ranges[:, 0] + draws * (ranges[:, 1] - ranges[:, 0])

    def uncentred(
        self, at: Float[np.ndarray, "*many parameters"], centres: Any
    ) -> Float[np.ndarray, "*many parameters"]:
        """Fitted coordinates with A, B, C_T as the laws define them (logarithms still)."""
        raw, place = np.array(at, float), {name: i for i, name in enumerate(self.names)}
        for i in self.robust:
            raw[..., place[f"C_{SHORT[i]}"]] = np.clip(raw[..., place[f"C_{SHORT[i]}"]], *SHARPNESS)
        size, data, post = (float(c) for c in centres)
        get = lambda name: raw[..., place[name]] if name in place else 0.0  # noqa: E731
        if self.size_term:
            raw[..., place["A"]] += get("alpha") * size
        if self.data_term:
            raw[..., place["B"]] += (get("alpha") if self.tied else get("beta")) * data
        if self.post != "none":
            raw[..., place["C_T"]] += get("gamma_N") * size - get("gamma_D") * data
            if self.post == "power":
                raw[..., place["C_T"]] += np.exp(get("falling_post")) * np.log(post)
            else:
                raw[..., place["C_T"]] += post * np.exp(-get("gamma_post"))
        return raw


def is_positive(name: str) -> bool:
    """Whether a constant is positive, and so fitted by its logarithm."""
    return name not in ("alpha", "beta", "gamma_D", "gamma_N") and not name.startswith(("power", "n_"))


def _range(name: str, lowest: float, middle: float) -> tuple[float, float]:
    """Where a coordinate starts; terms are within factors of the loss itself, whatever its unit."""
    if name in ("A", "B"):
        return np.log(0.02 * middle), np.log(0.6 * middle)
    if name in ("alpha", "beta"):
        return 0.1, 1.0
    if name == "E":
        return np.log(0.2 * lowest), np.log(lowest)
    if name == "C_T" or name.startswith("added"):
        return np.log(0.001 * middle), np.log(0.3 * middle)
    if name in ("gamma_D", "gamma_N"):
        return 0.0, 1.0
    if name.startswith("power"):
        return 0.1, 2.0
    if name.startswith("n_"):
        return 0.0, 0.5
    if name.startswith("falling"):
        return 0.0, 1.5
    if name == "gamma_post":
        return np.log(0.3), np.log(2.0)
    if name.startswith("C_"):
        return np.log(0.2), np.log(3.0)
    return -0.5, 1.5  # gamma


LAWS = ("chinchilla", "precision", "unified")


def form(law: str, runs: Runs, *, tied: bool = False, floor: float | None = None, offset: bool = False) -> Form:
    """The law of that name for the parts that a table varies."""
    parts = tuple(i for i in range(3) if np.isfinite(runs.bits[:, i]).any())
    if law == "chinchilla":
        return Form(law, tied=tied, floor=floor)
    if law == "precision":
        return Form(law, parts, "exponential", tied=tied, floor=floor, offset=offset)
    quantized = np.isfinite(runs.post)
    robust = tuple(i for i in parts if np.isfinite(runs.bits[quantized, i]).any())
    kind = "exponential" if parts else "none"
    return Form(law, parts, kind, post="full", robust=robust, tied=tied, floor=floor, offset=offset and bool(parts))


def rivals(own: Form) -> tuple[Form, ...]:
    """Other laws for the same table, wrong where ours is right."""
    new = dataclasses.replace
    found: list[Form] = []
    if own.post != "none":
        found += [
            new(own, name="degradation independent of data", post="no data"),
            new(own, name="degradation independent of size", post="no size"),
            new(own, name="degradation a power of bits", post="power"),
        ]
    if own.parts:
        plain = new(own, offset=False)
        found += [
            new(plain, name="N_eff linear in bits", capacity="linear"),
            new(plain, name="N_eff a power of bits", capacity="power"),
            new(plain, name="additive power law", capacity="none", additive=True),
            new(plain, name="D_eff", capacity="none", data="exponential"),
            new(plain, name="N_eff and D_eff, tied", data="tied"),
            new(plain, name="N_eff and D_eff", data="exponential"),
        ]
        found += [new(plain, name="no offsets")] if own.offset else []
    if not found:
        found += [
            new(own, name="no size term", size_term=False, tied=False),
            new(own, name="no data term", data_term=False, tied=False),
        ]
        if own.floor is None:
            found.append(new(own, name="no floor", floor=0.0))
    return tuple(found)
