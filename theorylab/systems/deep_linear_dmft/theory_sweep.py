"""The same two-time equations by fixed-point sweeps over full matrices: slow, independent of the marching, a check.

NumPy only. Each sweep makes at least one more time step exact; the window of steps grows, warm-started, so that late
times do not overflow while early ones converge (docs section 4).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from theorylab.core import NumericalFailure
from theorylab.systems.deep_linear_dmft.theory_setting import Setting

Matrix = Float[np.ndarray, "time time"]


@dataclass
class Sweep:
    """State of the sweeps on a window of steps. Lists run over layers: index l - 1 for layer l; `features[0]` and
    `pulls[0]` are C_u and Gamma_u, source of the first layer."""

    gradients: list[Matrix]
    responses: list[Matrix]
    features: list[Matrix]
    pulls: list[Matrix]
    sample_response: Matrix
    sample_error: Matrix
    error: Matrix
    mean: Float[np.ndarray, "modes time"] = field(default_factory=lambda: np.zeros((0, 0)))

    def arrays(self) -> list[Matrix]:
        return [*self.gradients, *self.responses, *self.features, *self.pulls, self.sample_error, self.error]


def solve(setting: Setting, tolerance: float = 1e-14, most: int = 2000) -> Sweep:
    """Sweep to a relative change below `tolerance`. Equations of docs/deep_linear_dmft.md, section 3.

    Raises: `NumericalFailure` where `most` sweeps of one window do not suffice.
    """
    window = min(8, setting.steps)
    state = _grow(None, setting, window)
    while True:
        change = np.inf
        for _ in range(most):
            old = [np.array(a) for a in state.arrays()]
            _sweep(state, setting, window)
            change = max(
                float(np.max(np.abs(new - was)) / max(np.max(np.abs(new)), 1e-300))
                for new, was in zip(state.arrays(), old, strict=True)
            )
            if change < tolerance:
                break
        else:
            raise NumericalFailure(f"sweeps over {window} steps still change by {change:.1e}; raise `most`")
        if window == setting.steps:
            return state
        window = min(int(window * 1.5), setting.steps)
        state = _grow(state, setting, window)


def _grow(state: Sweep | None, setting: Setting, window: int) -> Sweep:
    depth = setting.depth

    def matrix(old: Matrix | None, fill: float, identity: bool = False) -> Matrix:
        new = np.eye(window) if identity else np.full((window, window), fill)
        if old is not None:
            n = old.shape[0]
            new[:n, :n] = old
        return new

    def matrices(name: str, count: int, fill: float) -> list[Matrix]:
        olds = [None] * count if state is None else getattr(state, name)
        return [matrix(old, fill) for old in olds]

    return Sweep(
        gradients=matrices("gradients", depth, 1.0),
        responses=matrices("responses", depth, 0.0),
        features=matrices("features", depth + 1, 0.0),
        pulls=matrices("pulls", depth + 1, 0.0),
        sample_response=matrix(None if state is None else state.sample_response, 0.0, identity=True),
        sample_error=matrix(None if state is None else state.sample_error, 0.0),
        error=matrix(None if state is None else state.error, 0.0),
    )


def _sweep(state: Sweep, setting: Setting, window: int) -> None:
    rates = np.asarray(setting.rates)[:window]
    if setting.residual and setting.depth > 1:
        _residual(state, setting, rates)
    else:
        _plain(state, setting, rates, forward=False)
    _data(state, setting, rates)
    if setting.residual and setting.depth > 1:
        _residual(state, setting, rates)
    else:
        _plain(state, setting, rates, forward=True)


def _memory(matrix: Matrix, rates: Any) -> Matrix:
    return np.tril(matrix, -1) * rates


def _plain(state: Sweep, setting: Setting, rates: Any, forward: bool) -> None:
    gamma, depth = float(setting.richness), setting.depth
    one, zero, identity = np.ones_like(state.error), np.zeros_like(state.error), np.eye(len(rates))
    for index in range(depth) if forward else reversed(range(depth)):
        last = index == depth - 1
        source, response = (one, zero) if last else (state.gradients[index + 1], state.responses[index + 1])
        below = state.features[index]
        back = response + gamma * _memory(source, rates)
        forth = state.pulls[index] + gamma * _memory(below, rates)
        gain = np.linalg.inv(identity - forth @ back)
        gain_back = np.linalg.inv(identity - back @ forth)
        if forward:
            pull = gain @ forth
            state.pulls[index + 1] = pull
            state.features[index + 1] = gain @ below @ gain.T + pull @ source @ pull.T
        else:
            push = gain_back @ back
            state.responses[index] = push
            state.gradients[index] = gain_back @ source @ gain_back.T + push @ below @ push.T


def _residual(state: Sweep, setting: Setting, rates: Any) -> None:
    """All layers at once: (1 - A)^-1 on 2 L T variables h^1..h^L, g^1..g^L (docs eqs. (16)-(20))."""
    gamma, b, depth, steps = float(setting.richness), float(setting.branch), setting.depth, len(rates)
    one = np.ones((steps, steps))
    system = np.zeros((2 * depth, steps, 2 * depth, steps))
    covariance = np.zeros_like(system)
    for i in range(depth):
        h, g = i, depth + i
        scale = 1.0 if i == 0 else b
        system[h, :, g] = scale * state.pulls[i] + scale**2 * gamma * _memory(state.features[i], rates)
        covariance[h, :, h] = scale**2 * state.features[i]
        if i > 0:
            system[h, :, h - 1] = np.eye(steps)
        if i == depth - 1:
            system[g, :, h] = gamma * _memory(one, rates)
            covariance[g, :, g] = one
        else:
            source = state.gradients[i + 1]
            system[g, :, h] = b * state.responses[i + 1] + b**2 * gamma * _memory(source, rates)
            system[g, :, g + 1] = np.eye(steps)
            covariance[g, :, g] = b**2 * source
    size = 2 * depth * steps
    gain = np.linalg.inv(np.eye(size) - system.reshape(size, size))
    correlation = (gain @ covariance.reshape(size, size) @ gain.T).reshape(system.shape)
    gain = gain.reshape(system.shape)
    for i in range(depth):
        scale = 1.0 if i == 0 else b
        state.gradients[i] = correlation[depth + i, :, depth + i]
        state.responses[i] = scale * gain[depth + i, :, i]
        state.features[i + 1] = correlation[i, :, i]
        state.pulls[i + 1] = b * gain[i, :, depth + i]


def _data(state: Sweep, setting: Setting, rates: Any) -> None:
    gamma, steps = float(setting.richness), len(rates)
    lam, powers, count = (np.asarray(x) for x in (setting.eigenvalues, setting.powers, setting.multiplicities))
    inverse = np.asarray(setting.inverse_samples)[:steps]
    one, identity = np.ones((steps, steps)), np.eye(steps)
    shift = np.eye(steps)
    if setting.centered:
        shift[:, 0] -= 1
    if setting.depth:
        drift = np.tril(state.responses[0], -1) / gamma + _memory(state.gradients[0], rates)
        initial = shift @ state.gradients[0] @ shift.T * float(setting.inverse_width) / gamma**2
    else:
        drift, initial = _memory(one, rates), np.zeros_like(one)
    response = state.sample_response
    noise = state.sample_error * inverse
    transfers = [np.linalg.inv(identity + k * drift @ response) for k in lam]
    error = np.zeros_like(one)
    for h, k, w2, m in zip(transfers, lam, powers, count, strict=True):
        error += m * k * h @ (w2 * one + initial + k * drift @ noise @ drift.T) @ h.T
    if setting.data == "batch":
        feedback = sum(m * k * h @ drift for h, k, m in zip(transfers, lam, count, strict=True))
        response = np.linalg.inv(identity + inverse[0] * np.asarray(feedback))
        sample_error = response @ (error + float(setting.noise_variance) * one) @ response.T
    elif setting.data == "online":
        sample_error = np.diag(np.diag(error) + float(setting.noise_variance))
    else:
        sample_error = np.zeros_like(one)
    force, pull = np.zeros_like(one), np.zeros_like(one)
    noise = sample_error * inverse
    for h, k, w2, m in zip(transfers, lam, powers, count, strict=True):
        seen = response @ h
        left = identity - k * seen @ drift
        force += m * (k * left @ noise @ left.T + k**2 * seen @ (w2 * one + initial) @ seen.T)
        pull -= m * k * seen @ shift * float(setting.inverse_width) / gamma
    state.sample_response, state.sample_error, state.error = response, sample_error, error
    state.features[0], state.pulls[0] = force, pull
    state.mean = np.stack([h.sum(1) for h in transfers])
