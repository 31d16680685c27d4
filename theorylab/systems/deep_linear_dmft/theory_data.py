"""Input layer and data: the modes of the covariance seen through finitely many samples (docs eqs. (8)-(14))."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from theorylab.solvers import two_time
from theorylab.solvers.two_time import Matrix, Row, Step
from theorylab.systems.deep_linear_dmft.theory_setting import Setting

ModeRow = Float[Array, "modes time"]
ModeMatrix = Float[Array, "modes time time"]


class Data(NamedTuple):
    """Two-time functions of the data, filled row by row. What a data mode does not need is None.

    Arguments:
      memory: A0, how earlier forces displace the predictor.
      transfer: H_k, mode k's answer to its target.
      seen: R_D H_k (batch) ; H_k itself otherwise.
      noise_filter: E_k, how sampling noise reaches the force (batch); H_k otherwise.
      sample_response: R_D, response of the training errors (batch).
      error: C_v, correlation of the error weighted by the covariance; its diagonal is the test loss.
      sample_error: C_D, correlation of the training errors (batch; its diagonal otherwise).
      shared, shared_sample: C_v and C_D between two networks trained on the same data.
      mean: sum over s of H_k(t, s), the fraction of mode k not yet learned; all there is for N = P = inf.
    """

    memory: Matrix
    transfer: ModeMatrix | None
    seen: ModeMatrix | None
    noise_filter: ModeMatrix | None
    sample_response: Matrix | None
    error: Matrix
    sample_error: Array | None
    shared: Matrix | None
    shared_sample: Array | None
    mean: ModeRow


def start(setting: Setting) -> Data:
    """No row reached."""
    steps, dtype, modes = setting.steps, setting.rates.dtype, setting.eigenvalues.shape[0]
    matrix = two_time.empty(steps, dtype)
    mean = jnp.zeros((modes, steps), dtype)
    if setting.infinite:
        return Data(matrix, None, None, None, None, matrix, None, None, None, mean)
    stack = jnp.zeros((modes, steps, steps), dtype)
    batch = setting.data == "batch"
    samples = {"batch": matrix, "online": jnp.zeros(steps, dtype), "population": None}[setting.data]
    return Data(
        memory=matrix,
        transfer=stack,
        seen=stack if batch else None,
        noise_filter=stack if batch else None,
        sample_response=matrix if batch else None,
        error=matrix,
        sample_error=samples,
        shared=matrix if setting.ensemble else None,
        shared_sample=samples if setting.ensemble else None,
        mean=mean,
    )


def march(data: Data, setting: Setting, t: Step, response: Row, correlation: Matrix | None) -> tuple[Data, Row, Row]:
    """Row t of the data's functions, and rows t of C_u and Gamma_u, the source of the first hidden layer.

    Arguments:
      response: row t of R_g^1; not read without hidden layers.
      correlation: C_g^1, written up to row t; None without hidden layers.
    """
    past = two_time.before(setting.steps, t)
    if correlation is None:
        memory_row = jnp.where(past, setting.rates, 0)
    else:
        drift = setting.reaction * response / setting.richness + setting.rates * correlation[t]
        memory_row = jnp.where(past, drift, 0)
    data = data._replace(memory=two_time.write_row(data.memory, memory_row, t))
    if setting.infinite:
        return _march_infinite(data, setting, t, memory_row)
    return _march_finite(data, setting, t, memory_row, correlation)


def _march_infinite(data: Data, setting: Setting, t: Step, memory_row: Row) -> tuple[Data, Row, Row]:
    """N = P = inf, docs eq. (15): no noise of any kind, each mode decays by its mean transfer."""
    lam, weight = setting.eigenvalues, setting.multiplicities * setting.eigenvalues * setting.powers
    new = 1 - lam * (data.mean @ memory_row)
    mean = data.mean.at[:, t].set(new)
    error_row = (weight * new) @ mean
    force_row = (weight * lam * new) @ mean
    data = data._replace(mean=mean, error=two_time.write_symmetric(data.error, error_row, t))
    return data, force_row, jnp.zeros_like(force_row)


def _march_finite(
    data: Data, setting: Setting, t: Step, memory_row: Row, correlation: Matrix | None
) -> tuple[Data, Row, Row]:
    """Finite width or samples, docs eqs. (9)-(14)."""
    data, h_row, r_row = _respond(data, setting, t, memory_row)
    data = _write_errors(data, setting, t, h_row, r_row, correlation)
    return _push(data, setting, t, h_row, r_row, correlation)


def _respond(data: Data, setting: Setting, t: Step, memory_row: Row) -> tuple[Data, ModeRow, Row]:
    """Rows t of H_k and R_D, docs eqs. (10) and (12)."""
    assert data.transfer is not None
    lam = setting.eigenvalues[:, None]
    unit = two_time.unit_row(setting.steps, t, memory_row.dtype)
    seen = data.transfer if data.seen is None else data.seen
    h_row = unit - lam * _mode_product(jnp.broadcast_to(memory_row, (lam.shape[0], setting.steps)), seen)
    data = data._replace(
        transfer=two_time.write_row(data.transfer, h_row, t), mean=data.mean.at[:, t].set(h_row.sum(1))
    )
    if data.sample_response is None:
        return data, h_row, unit
    back = setting.inverse_samples[0] * (_weights(setting) @ (h_row @ data.memory))
    r_row = unit - setting.reaction * (back @ data.sample_response)
    return data._replace(sample_response=two_time.write_row(data.sample_response, r_row, t)), h_row, r_row


def _write_errors(
    data: Data, setting: Setting, t: Step, h_row: ModeRow, r_row: Row, correlation: Matrix | None
) -> Data:
    """Rows t of C_v and C_D, docs eqs. (11) and (12), and of their counterparts between two networks."""
    kicked = h_row @ data.memory

    def error(matrix: Matrix, source: ModeRow, sample: Array | None) -> Matrix:
        noise = setting.eigenvalues[:, None] * (_sampled(kicked, sample, setting) @ data.memory.T)
        row = jnp.einsum("k,kst,kt->s", _weights(setting), data.transfer, source + noise)
        return two_time.write_symmetric(matrix, row, t)

    def sample(matrix: Array | None, error: Matrix) -> Array | None:
        if matrix is None:
            return None
        if matrix.ndim == 1:
            return matrix.at[t].set(error[t, t] + setting.noise_variance)
        assert data.sample_response is not None
        row = r_row @ error + setting.noise_variance * r_row.sum()
        return two_time.write_symmetric(matrix, data.sample_response @ row, t)

    both = error(data.error, _target(h_row, correlation, setting), data.sample_error)
    data = data._replace(error=both, sample_error=sample(data.sample_error, both))
    if data.shared is None:
        return data
    shared = error(data.shared, _target(h_row, None, setting), data.shared_sample)
    return data._replace(shared=shared, shared_sample=sample(data.shared_sample, shared))


def _push(
    data: Data, setting: Setting, t: Step, h_row: ModeRow, r_row: Row, correlation: Matrix | None
) -> tuple[Data, Row, Row]:
    """Rows t of C_u and Gamma_u, docs eqs. (13) and (14)."""
    assert data.transfer is not None
    lam = setting.eigenvalues
    if data.seen is None or data.noise_filter is None:  # R_D = 1, hence E_k = H_k
        seen_row, e_row, seen, noise_filter = h_row, h_row, data.transfer, data.transfer
    else:
        seen_row = _mode_product(jnp.broadcast_to(r_row, h_row.shape), data.transfer)
        e_row = two_time.unit_row(setting.steps, t, h_row.dtype) - lam[:, None] * (seen_row @ data.memory)
        seen = two_time.write_row(data.seen, seen_row, t)
        noise_filter = two_time.write_row(data.noise_filter, e_row, t)
        data = data._replace(seen=seen, noise_filter=noise_filter)
    signal = jnp.einsum("k,kst,kt->s", _weights(setting) * lam, seen, _target(seen_row, correlation, setting))
    noise = 0.0
    if data.sample_error is not None:
        fresh = _sampled(e_row, data.sample_error, setting)
        noise = jnp.einsum("k,kst,kt->s", _weights(setting), noise_filter, fresh)
    pull = _weights(setting) @ seen_row
    if setting.centered:
        pull = pull - pull.sum() * two_time.unit_row(setting.steps, 0, pull.dtype)
    return data, signal + noise, -setting.inverse_width / setting.richness * pull


def _weights(setting: Setting) -> Float[Array, "modes"]:
    """m_k lambda_k."""
    return setting.multiplicities * setting.eigenvalues


def _target(rows: ModeRow, correlation: Matrix | None, setting: Setting) -> ModeRow:
    """rows (w*^2 1 + Q0): the target's power, and the initial predictor's where `correlation` (C_g^1) is given."""
    powers = setting.powers[:, None] * rows.sum(1, keepdims=True)
    return powers * jnp.ones_like(rows) if correlation is None else powers + _initial(rows, correlation, setting)


def _sampled(rows: ModeRow, sample: Array | None, setting: Setting) -> ModeRow:
    """rows C_D / P: noise of finitely many samples; fresh batches are independent of one another."""
    if sample is None:
        return jnp.zeros_like(rows)
    if sample.ndim == 1:
        return rows * (sample * setting.inverse_samples)
    return (rows @ sample) * setting.inverse_samples[0]


def _mode_product(rows: ModeRow, matrices: ModeMatrix) -> ModeRow:
    """rows_k @ matrices_k; one matrix-vector product where there is one mode (a batch of one is slower)."""
    if rows.shape[0] == 1:
        return (rows[0] @ matrices[0])[None]
    return jnp.einsum("ks,kst->kt", rows, matrices)


def _initial(rows: ModeRow, correlation: Matrix, setting: Setting) -> ModeRow:
    """rows Q0: variance that the initial weights give the predictor; for centred networks, that of its increment."""
    if setting.centered:
        rows = rows - rows.sum(1, keepdims=True) * two_time.unit_row(setting.steps, 0, rows.dtype)
    out = rows @ correlation
    if setting.centered:
        out = out - out[:, :1]
    return out * setting.inverse_width / setting.richness**2
