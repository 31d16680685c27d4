"""Right-hand sides of the systems' differential equations in plain NumPy, for scipy's solvers.

Written from the equations of docs/NAME.md and apart from the package: they share no code with the theories that they
are compared with. Each maker returns a `Peer` for one value of the swept coupling.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp


@dataclass(frozen=True)
class Peer:
    """dy/dt = rhs(t, y), y(times[0]) = start; `observe` maps states at `times`, (time, entry), to what is judged."""

    rhs: Callable[[float, np.ndarray], np.ndarray]
    start: np.ndarray
    times: np.ndarray
    observe: Callable[[np.ndarray], np.ndarray]

    def solve(self, method: str, rtol: float, most: int = 100_000) -> np.ndarray:
        """What is judged, by one of scipy's methods; NaN where it gave up, or needs more than `most` evaluations."""
        return self.counted(method, rtol, most)[0]

    def counted(self, method: str, rtol: float, most: int = 100_000) -> tuple[np.ndarray, int]:
        """What `solve` returns, and how often the right-hand side was evaluated."""
        made = 0

        def rhs(t: float, y: np.ndarray) -> np.ndarray:
            nonlocal made
            made += 1
            if made > most:
                raise _Enough
            return self.rhs(t, y)

        ends = (self.times[0], self.times[-1])
        try:
            with np.errstate(all="ignore"):  # trial steps that overflow are rejected
                found = solve_ivp(rhs, ends, self.start, method, t_eval=self.times, rtol=rtol, atol=1e-2 * rtol)
        except _Enough:
            return np.array(np.nan), made
        return (self.observe(found.y.T) if found.success else np.array(np.nan)), made

    def by_euler(self, step: float) -> np.ndarray:
        """What is judged, by fixed steps and one extrapolation: for right-hand sides that jump."""
        return 2 * self._fixed(step / 2) - self._fixed(step)

    def _fixed(self, step: float) -> np.ndarray:
        y, states = self.start, [self.start]
        for before, after in zip(self.times[:-1], self.times[1:], strict=True):
            count = round((after - before) / step)
            for i in range(count):
                y = y + (after - before) / count * self.rhs(before + i * step, y)
            states.append(y)
        return self.observe(np.array(states))


class _Enough(Exception):
    """Too many evaluations."""


# -- rnn_integrator: reduced gradient flow, eqs. (6), (7) ------------------------------------------------------------


def powers(m: np.ndarray, x: np.ndarray, lags: int) -> np.ndarray:
    """M^tau x for all lags, by doubling (quicker than a loop over lags)."""
    rows, power = x[None], m.T
    while len(rows) < lags:
        rows = np.concatenate([rows, rows @ power])
        power = power @ power
    return rows[:lags]


def backwards(m: np.ndarray, errors: np.ndarray, v: np.ndarray) -> np.ndarray:
    """The errors carried backwards, by doubling."""
    rows, power, shift = errors[:, None] * v, m, 1
    while shift < len(rows):
        later = rows[shift:] @ power
        rows = rows.copy()
        rows[:-shift] += later
        power, shift = power @ power, 2 * shift
    return rows


def rnn_integrator(timescale: float, system: Any) -> Peer:
    lags = int(system.horizon)
    target = np.exp(-np.arange(lags) / timescale)

    def rhs(_: float, y: np.ndarray) -> np.ndarray:
        m, p, q = y[:4].reshape(2, 2), y[4:6], y[6:]
        forward = powers(m, p, lags)
        error = forward @ q - target
        back = backwards(m, error, q)
        return -np.concatenate([(back[1:].T @ forward[:-1]).ravel(), back[0], error @ forward])

    def loss(states: np.ndarray) -> np.ndarray:
        filters = [powers(y[:4].reshape(2, 2), y[4:6], lags) @ y[6:] for y in states]
        return 0.5 * np.sum((np.array(filters) - target) ** 2, axis=1)

    start = np.array([0, 0, 0, 0, system.scale, 0, system.along, system.across], float)
    return Peer(rhs, start, np.asarray(system.coordinates()["time"]), loss)


# -- deep_linear_dmft: rank-one reduction, eq. (30) ------------------------------------------------------------------


def rank_one(
    task_exponent: float, index: np.ndarray, count: np.ndarray, exponent: float, depth: int, times: np.ndarray
) -> Peer:
    values = index**-exponent
    power = np.sqrt(count * index ** -(exponent * task_exponent + 1))
    target, root = power / np.sqrt(values), np.sqrt(values)

    def rhs(_: float, y: np.ndarray) -> np.ndarray:
        modes, scale = y[:-1], y[-1]
        force = values * (target - scale**depth * modes)
        return np.append(scale**depth * force, scale ** (depth - 1) * (modes @ force))

    def loss(states: np.ndarray) -> np.ndarray:
        modes, scale = states[1:, :-1], states[1:, -1:]
        return np.sum((power - root * scale**depth * modes) ** 2, axis=1)

    return Peer(rhs, np.append(np.zeros(index.size), 1.0), np.append(0.0, times), loss)


# -- error_broadcast: the flow with a running correlation, eqs. (11)-(13) --------------------------------------------


def error_broadcast(memory: float, system: Any, drawn: Any) -> Peer:
    target, first, second, feedback = (np.asarray(x, float) for x in drawn)
    variances = np.arange(1.0, target.shape[1] + 1) ** -float(system.capacity)
    shapes = (first.shape, second.shape, feedback.shape)
    cuts = np.cumsum([math.prod(shape) for shape in shapes])[:-1]

    def parts(y: np.ndarray) -> list[np.ndarray]:
        return [part.reshape(shape) for part, shape in zip(np.split(y, cuts), shapes, strict=True)]

    def rhs(_: float, y: np.ndarray) -> np.ndarray:
        w1, w2, r = parts(y)
        error = (w2 @ w1 - target) * variances
        slopes = (-r @ error, -error @ w1.T, (w1 @ error.T - r) / memory)
        return np.concatenate([slope.ravel() for slope in slopes])

    def mean_square(states: np.ndarray) -> np.ndarray:
        off = np.array([w2 @ w1 - target for w1, w2, _ in map(parts, states)])
        return np.sum(off**2 * variances, axis=(1, 2)) + float(system.noise) ** 2 * len(target)

    start = np.concatenate([x.ravel() for x in (first, second, feedback)])
    return Peer(rhs, start, float(system.rate) * np.asarray(system.recorded(), float), mean_square)


# -- rl_posttraining: formats, and formats with skills that learn, eqs. (5)-(8), (22), (23) --------------------------


def _factor(group: int) -> Callable[[np.ndarray], np.ndarray]:
    """c_G(r) of GRPO, eq. (6)."""
    right = np.arange(1, group)
    share = right / group
    ways = np.array([math.comb(group, int(n)) for n in right]) * np.sqrt(share * (1 - share))
    return lambda r: (r[:, None] ** (right - 1) * (1 - r[:, None]) ** (group - right - 1)) @ ways


def _softmax(x: np.ndarray) -> np.ndarray:
    grown = np.exp(x - x.max())
    return grown / grown.sum()


def formats(kl: float, system: Any) -> Peer:
    accuracy = np.atleast_2d(np.asarray(system.accuracy, float))
    weights = np.full(len(accuracy), 1 / len(accuracy))
    start, factor = np.log(np.asarray(system.shares, float)), _factor(int(system.group))

    def rhs(_: float, theta: np.ndarray) -> np.ndarray:
        p = _softmax(theta)
        success, away = accuracy @ p, theta - start
        gain = weights * factor(success) @ (accuracy - success[:, None]) - kl * (away - p @ away)
        return p * gain

    def shares(states: np.ndarray) -> np.ndarray:
        return np.array([_softmax(theta) for theta in states])

    return Peer(rhs, start, float(system.rate) * np.asarray(system.recorded(), float), shares)


def formats_with_skills(kl: float, system: Any) -> Peer:
    """With the exact baseline, whose factor is one."""
    accuracy = np.atleast_2d(np.asarray(system.accuracy, float))
    questions, count = accuracy.shape
    weights = np.full(questions, 1 / questions)
    first, known = np.log(np.asarray(system.shares, float)), np.log(accuracy / (1 - accuracy))

    def rhs(_: float, y: np.ndarray) -> np.ndarray:
        theta, u = y[:count], y[count:].reshape(questions, count)
        p, a = _softmax(theta), 1 / (1 + np.exp(-u))
        success = a @ p
        divergence = a * (u - known) - np.logaddexp(0, u) + np.logaddexp(0, known)
        away = theta - first + weights @ divergence
        gain = weights @ (a - success[:, None]) - kl * (away - p @ away)
        skill = p * a * (1 - a) * weights[:, None] * (1 - kl * (u - known))
        return np.concatenate([p * gain, float(system.skill_rate) * skill.ravel()])

    def shares(states: np.ndarray) -> np.ndarray:
        return np.array([_softmax(y[:count]) for y in states])

    start = np.concatenate([first, known.ravel()])
    return Peer(rhs, start, float(system.rate) * np.asarray(system.recorded(), float), shares)


# -- flow_autoencoder: one tanh unit, a pair of modes; eqs. (8)-(14), (30) -------------------------------------------


class _Pair:
    """Averages over the two modes and the hidden field for one unit, all times of the grid at once."""

    def __init__(self, share: float, system: Any, nodes: int, radius: float) -> None:
        self.system, self.times = system, np.arange(system.grid) / system.grid
        self.variance = float(system.noise) ** 2
        self.alpha, self.beta = 1 - self.times, self.times
        self.xx = self.alpha**2 + self.beta**2 * self.variance
        self.gain, self.inner = self.alpha**2 / self.xx, self.beta / self.xx
        z = np.linspace(-radius, radius, nodes)
        chance = np.exp(-0.5 * z**2)
        self.z = np.tile(z, 2)
        self.weights = np.outer([share, 1 - share], chance / chance.sum()).ravel()
        self.c = np.repeat([float(system.separation), -float(system.separation)], nodes)

    def skip(self, tau: float, rate: float) -> np.ndarray:
        best = self.beta * self.variance / self.xx
        return best * (1 - np.exp(-rate * self.xx * tau))

    def slopes(self, m: Any, q: Any, theta: Any, skip: np.ndarray) -> dict[str, np.ndarray]:
        """What a step adds, before the learning rates: to M, Q, theta, and the noise; and averages by name."""
        a, b, g, k, xx, v = self.alpha, self.beta, self.gain, self.inner, self.xx, self.variance
        left = 1 - skip * b
        ex, ee = b * v - skip * xx, left**2 * v + (skip * a) ** 2
        root = np.sqrt(xx * q)
        error, inplane, missed = ex * q / root, m * xx / root, m * ex / root
        column = lambda x: np.broadcast_to(x, a.shape)[:, None]  # noqa: E731
        f = np.tanh(column(k * b * m) * self.c + column(k * root) * self.z + column(theta))
        slope = 1 - f * f
        push = slope * (column(left * m) * self.c + column(error) * self.z - column(g * q) * f)
        w = self.weights
        wf, wp = f * w, push * w
        mean = {
            "fc": wf @ self.c, "fz": wf @ self.z, "ff": (wf * f).sum(1), "pc": wp @ self.c, "pz": wp @ self.z,
            "fp": (wf * push).sum(1), "pp": (wp * push).sum(1), "ss": (slope * slope) @ w,
        }  # fmt: skip
        overlap = g * (left * mean["fc"] + mean["fz"] * missed - g * mean["ff"] * m)
        overlap = overlap + g * k * (b * mean["pc"] + mean["pz"] * inplane)
        f_error = left * mean["fc"] * m + mean["fz"] * error - g * mean["ff"] * q
        push_h = b * mean["pc"] * m + mean["pz"] * root
        rest = ee * q - error**2
        noise = ee * mean["ff"] + 2 * k * ex * mean["fp"] + k**2 * xx * (mean["pp"] + mean["ss"] * rest)
        return mean | {
            "overlap": overlap, "norm": 2 * g * (f_error + k * push_h), "noise": g**2 * noise, "bias": g * wp.sum(1),
            "left": left, "ex": ex, "root": root,
        }  # fmt: skip


def autoencoder(share: float, system: Any, nodes: int, radius: float) -> Peer:
    """One network for all times: overlap, norm and bias in tau."""
    pair = _Pair(share, system, nodes, radius)
    rate, ridge = float(system.rate), float(system.ridge)

    def rhs(tau: float, y: np.ndarray) -> np.ndarray:
        m, q, theta = y
        found = pair.slopes(m, q, theta, pair.skip(tau, float(system.skip_rate) / system.grid))
        return np.array(
            [
                rate * (found["overlap"].mean() - ridge * m),
                rate * (found["norm"].mean() - 2 * ridge * q) + rate**2 / system.batch * found["noise"].mean(),
                float(system.bias_rate) * found["bias"].mean(),
            ]
        )

    m = float(system.overlap)
    return Peer(rhs, np.array([m, m**2 + float(system.spread), 0.0]), np.asarray(system.recorded()), lambda y: y)


def autoencoders(share: float, system: Any, nodes: int, radius: float) -> Peer:
    """A network for each time, without biases: overlaps with the target and with one another at the end."""
    pair = _Pair(share, system, nodes, radius)
    rate, ridge, times = float(system.rate), float(system.ridge), system.grid

    def rhs(tau: float, y: np.ndarray) -> np.ndarray:
        m, cross = y[:times], y[times:].reshape(times, times)
        found = pair.slopes(m, np.diagonal(cross), 0.0, pair.skip(tau, float(system.skip_rate)))
        through = cross / found["root"]
        missed = found["left"] * m[:, None] * found["fc"] + found["ex"] * through * found["fz"]
        missed = missed - pair.gain * cross * found["ff"]
        heard = pair.beta * m[:, None] * found["pc"] + pair.xx * through * found["pz"]
        half = pair.gain * (missed + pair.inner * heard)
        moved = rate * (half + half.T - 2 * ridge * cross) + rate**2 / system.batch * np.diag(found["noise"])
        return np.concatenate([rate * (found["overlap"] - ridge * m), moved.ravel()])

    m = float(system.overlap)
    cross = np.full((times, times), m**2) + float(system.spread) * np.eye(times)
    ends = np.asarray(system.recorded(), float)[[0, -1]]
    return Peer(rhs, np.concatenate([np.full(times, m), cross.ravel()]), ends, lambda states: states[-1])


# -- equality_reasoning: particles in the symbols' span, eqs. (6), (7) -----------------------------------------------


def equality(richness: float, symbols: np.ndarray, start: Any, times: np.ndarray) -> Peer:
    symbols = np.asarray(symbols, float)
    count, gamma = len(symbols), richness * symbols.shape[1] ** 0.5
    gram = symbols @ symbols.T
    values, vectors = np.linalg.eigh(gram)
    at_start = (vectors * np.sqrt(values)) @ vectors.T @ np.asarray(start.span)
    labels = 2 * np.eye(count) - 1
    shares = np.where(labels > 0, 0.5 / count, 0.5 / (count * (count - 1)))
    particles = len(start.readout)

    def known(y: np.ndarray) -> tuple[np.ndarray, ...]:
        readout, weights = y[:particles], y[particles:].reshape(2, count, particles)
        seen = at_start + gram @ weights
        phi = np.maximum(seen[0][:, None] + seen[1][None], 0)
        return readout, phi, phi @ readout / (gamma * particles)

    def rhs(_: float, y: np.ndarray) -> np.ndarray:
        readout, phi, output = known(y)
        push = shares * labels / (1 + np.exp(labels * output))
        active = push[:, :, None] * (phi > 0)
        readout_slope = np.tensordot(push, phi, 2)
        weights = readout * np.stack([active.sum(1), active.sum(0)])
        return gamma * np.concatenate([readout_slope, weights.ravel()])

    def outputs(states: np.ndarray) -> np.ndarray:
        return np.array([known(y)[2].ravel() for y in states[1:]])

    begin = np.concatenate([np.asarray(start.readout), np.zeros(2 * count * particles)])
    return Peer(rhs, begin, np.append(0.0, times), outputs)


# -- adaptive_kernels: particles of a two-layer tanh network, eq. (26) -----------------------------------------------


def adaptive(
    richness: float, system: Any, inputs: np.ndarray, targets: np.ndarray, start: tuple[np.ndarray, np.ndarray],
    times: np.ndarray,
) -> Peer:  # fmt: skip
    points = np.asarray(inputs, float) / inputs.shape[1] ** 0.5
    samples, dimension = len(targets), inputs.shape[1]
    ridge, count = float(system.ridge), 2 * len(start[1])

    def function(w: np.ndarray, z: np.ndarray) -> np.ndarray:
        return z @ np.tanh(w @ points.T) / (count * richness)

    def rhs(_: float, y: np.ndarray) -> np.ndarray:
        w, z = y[: count * dimension].reshape(count, dimension), y[count * dimension :]
        phi = np.tanh(w @ points[:samples].T)
        error = targets - z @ phi / (count * richness)
        dw = richness * (z[:, None] * (1 - phi**2) * error) @ points[:samples] - ridge * w
        return np.concatenate([dw.ravel(), richness * phi @ error - ridge * z])

    def functions(states: np.ndarray) -> np.ndarray:
        cut = count * dimension
        return np.array([function(y[:cut].reshape(count, dimension), y[cut:]) for y in states])

    weights, readouts = (np.asarray(x, float) for x in start)
    begin = np.concatenate([weights.ravel(), weights.ravel(), readouts, -readouts])
    return Peer(rhs, begin, np.asarray(times, float), functions)
