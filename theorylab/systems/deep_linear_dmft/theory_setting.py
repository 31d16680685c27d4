"""What the two-time equations need to know of a setting, in one normalisation for every spectrum."""

from __future__ import annotations

from typing import Literal

import equinox as eqx
from jaxtyping import Array, Float

DataMode = Literal["batch", "online", "population"]


class Setting(eqx.Module):
    """Couplings and sizes of the equations of docs/deep_linear_dmft.md, section 3.

    Arguments:
      eigenvalues, powers, multiplicities: lambda_k, w*_k^2 and m_k of each group of equal modes.
      rates: learning rate of every step.
      richness: gamma0.
      noise_variance: sigma^2.
      inverse_width: 1/N; 0 for infinite width.
      inverse_samples: 1/P of every step (constant unless fresh batches vary in size); 0 for infinitely many.
      branch: scale of the residual branches; not used by plain networks.
      reaction: weight of the response functions; 1 is the theory, 0 leaves their feedback out (naive mean field).
      steps, depth, data, residual, centered: as in the system.
      ensemble: whether the correlation between two networks trained on the same data is wanted.
      infinite: width and samples are both infinite, so that each mode moves by its mean alone.
    """

    eigenvalues: Float[Array, "modes"]
    powers: Float[Array, "modes"]
    multiplicities: Float[Array, "modes"]
    rates: Float[Array, "time"]
    richness: Float[Array, ""]
    noise_variance: Float[Array, ""]
    inverse_width: Float[Array, ""]
    inverse_samples: Float[Array, "time"]
    branch: Float[Array, ""]
    reaction: Float[Array, ""]
    steps: int = eqx.field(static=True)
    depth: int = eqx.field(static=True)
    data: DataMode = eqx.field(static=True)
    residual: bool = eqx.field(static=True, default=False)
    centered: bool = eqx.field(static=True, default=False)
    ensemble: bool = eqx.field(static=True, default=False)
    infinite: bool = eqx.field(static=True, default=False)
