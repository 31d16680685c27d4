"""CorInfoMax-EBD: a recurrent network whose activity settles, one phase an input, and whose forward, backward and
lateral weights learn from local prediction errors and the broadcast error; docs/error_broadcast.md eq. (10).

Layers x -> h_1 -> ... -> h_L = output, activities in [0, 1]. Lateral weights belong to hidden layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from theorylab.core.errors import require


class Recurrent(NamedTuple):
    """Weights and running correlations, a tuple entry a layer.

    Arguments:
      ahead: W_f (units, units before).
      bias: b (units,).
      back: W_b (units, units after) of hidden layers.
      lateral: B (units, units) of hidden layers.
      feedback: R (units, outputs) of hidden layers.
    """

    ahead: tuple[Array, ...]
    bias: tuple[Array, ...]
    back: tuple[Array, ...]
    lateral: tuple[Array, ...]
    feedback: tuple[Array, ...]


class CorInfoMax(eqx.Module):
    """Rates and couplings of the recurrent rule.

    Raises: `Refused` for forgetting factors out of range and a relaxation step outside (0, 1].
    """

    readout: Any = 0.05
    """Rate mu_o of the output's weights."""
    hidden: Any = 0.5
    """Rate of the broadcast error in hidden forward weights."""
    predict: Any = 0.0
    """Rate of the forward prediction error in hidden forward weights."""
    predict_back: Any = 0.0
    """Rate of the backward prediction error in backward weights."""
    hidden_back: Any = 0.0
    """Rate of the broadcast error in backward weights."""
    hidden_lateral: Any = 0.0
    """Rate of the broadcast error in lateral weights."""
    renewal: Any = 1e-5
    """1 - lambda of R."""
    renewal_lateral: Any = 1e-3
    """1 - lambda_E of the lateral weights."""
    feedback: Any = 0.1
    """Standard deviation of R's entries at the start."""
    relaxation: Any = 0.2
    """Step s of the activity's dynamics."""
    top_down: Any = 0.1
    """Weight c_b of the layer above."""
    sideways: Any = 0.05
    """Weight of the lateral input."""
    iterations: int = eqx.field(static=True, default=30)
    """Steps of the activity's dynamics an input."""

    def __check_init__(self) -> None:
        for name in ("renewal", "renewal_lateral"):
            value = getattr(self, name)
            require((value >= 0) & (value < 1), f"{name} = 1 - lambda must be in [0, 1), got {value}")
        require((self.relaxation > 0) & (self.relaxation <= 1), f"relaxation must be in (0, 1], got {self.relaxation}")

    def init(self, sizes: Sequence[int], key: Key[Array, ""], dtype: Any = jnp.float32) -> Recurrent:
        """Weights N(0, 1/fan-in) forward and backward, lateral identities, R of `feedback`.

        Arguments:
          sizes: units of every layer, inputs first.

        Raises: `Refused` for fewer than one hidden layer or a zero width.
        """
        require(len(sizes) >= 3 and min(sizes) >= 1, f"sizes need inputs, a hidden layer and outputs, got {sizes}")
        keys = iter(jax.random.split(key, 3 * len(sizes)))

        def normal(rows: int, columns: int) -> Array:
            return jax.random.normal(next(keys), (rows, columns), dtype)

        pairs = list(zip(sizes[1:], sizes[:-1], strict=True))
        inner, above = sizes[1:-1], sizes[2:]
        return Recurrent(
            tuple(normal(m, n) / n**0.5 for m, n in pairs),
            tuple(jnp.zeros(m, dtype) for m in sizes[1:]),
            tuple(normal(m, n) / n**0.5 for m, n in zip(inner, above, strict=True)),
            tuple(jnp.eye(m, dtype=dtype) for m in inner),
            tuple(jnp.asarray(self.feedback, dtype) * normal(m, sizes[-1]) for m in inner),
        )

    def settle(self, net: Recurrent, x: Float[Array, "batch inputs"]) -> list[Array]:
        """Activities of every layer, inputs first, after the dynamics from a forward pass."""
        start = [x]
        for w, b in zip(net.ahead, net.bias, strict=True):
            start.append(jnp.clip(start[-1] @ w.T + b, 0, 1))

        def step(_: Any, h: list[Array]) -> list[Array]:
            new = [x]
            for k, (w, b) in enumerate(zip(net.ahead, net.bias, strict=True), 1):
                drive = h[k - 1] @ w.T + b - h[k]
                if k < len(h) - 1:
                    drive = drive + self.top_down * (h[k + 1] @ net.back[k - 1].T - h[k])
                    drive = drive + self.sideways * h[k] @ net.lateral[k - 1]
                new.append(jnp.clip(h[k] + self.relaxation * drive, 0, 1))
            return new

        return jax.lax.fori_loop(0, self.iterations, step, start)

    def step(self, net: Recurrent, x: Float[Array, "batch inputs"], y: Float[Array, "batch outputs"]) -> Recurrent:
        """The network after one batch. Raises: `Refused` for targets that are not of the output's shape."""
        require(
            y.shape == (x.shape[0], net.bias[-1].size),
            f"y has shape {y.shape}, it must be (batch, outputs) = {(x.shape[0], net.bias[-1].size)}",
        )
        h, batch = self.settle(net, x), x.shape[0]
        error = h[-1] - y
        ahead, bias, back, lateral, feedback = [], [], [], [], []
        for k in range(1, len(h) - 1):
            r = net.feedback[k - 1]
            r = r + self.renewal * (h[k].T @ error / batch - r)
            moved = jnp.where((h[k] > 0) & (h[k] < 1), error @ r.T, 0.0)
            w, b, w_back, side = net.ahead[k - 1], net.bias[k - 1], net.back[k - 1], net.lateral[k - 1]
            surprise = h[k] - h[k - 1] @ w.T - b
            slope = self.predict * surprise - self.hidden * moved
            ahead.append(w + slope.T @ h[k - 1] / batch)
            bias.append(b + jnp.mean(slope, 0))
            slope = self.predict_back * (h[k] - h[k + 1] @ w_back.T) - self.hidden_back * moved
            back.append(w_back + slope.T @ h[k + 1] / batch)
            z = h[k] @ side
            side = (side - self.renewal_lateral / batch * z.T @ z) / (1 - self.renewal_lateral)
            side = side - self.hidden_lateral / batch * moved.T @ z
            lateral.append((side + side.T) / 2)
            feedback.append(r)
        top = h[-1]
        inward = ((top > 0) | (error < 0)) & ((top < 1) | (error > 0))
        slope = jnp.where(inward, error, 0.0)
        ahead.append(net.ahead[-1] - self.readout * slope.T @ h[-2] / batch)
        bias.append(net.bias[-1] - self.readout * jnp.mean(slope, 0))
        return Recurrent(tuple(ahead), tuple(bias), tuple(back), tuple(lateral), tuple(feedback))
