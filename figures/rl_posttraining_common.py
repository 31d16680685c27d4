"""What the rl_posttraining figures share: predicted curves beside runs."""

from __future__ import annotations

import numpy as np
from common import predict, simulate

from theorylab.systems.rl_posttraining import RLPosttraining

SHARES, ACCURACY = (0.3, 0.5, 0.2), (0.65, 0.5, 0.3)
"""Three formats, of which the most accurate is not the most frequent."""


def both(system: RLPosttraining, runs: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Predicted curves, and the runs' with run the leading axis."""
    theory = {name: np.asarray(curve) for name, curve in predict(system).curves.items()}
    return theory, simulate(system, runs, tile=min(runs, system.tile))
