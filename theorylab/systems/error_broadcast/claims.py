"""The paper's claims, each checked by a number; what a claim says is in `presets.PAPER`."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

import theorylab as tl
from theorylab.core import Finding
from theorylab.systems.error_broadcast import ErrorBroadcast
from theorylab.systems.error_broadcast import theory_channel as channel
from theorylab.systems.error_broadcast import theory_floors as floors
from theorylab.systems.error_broadcast.presets import QUICK


def flow() -> Finding:
    """The verdict on the running correlation of a wide network, which a flow without memory would miss."""
    found = tl.compare.run(ErrorBroadcast(steps=1000, records=10), runs=8, key=jax.random.key(0))
    return Finding.judged(found.rungs[-1].agreements["feedback"], "the running correlation's size")


def dfa_limit() -> Finding:
    """Both rules train the same network from the same start: the largest difference of any weight."""
    import optax

    from theorylab.networks.broadcast import DFA, EBD, train
    from theorylab.networks.broadcast_models import MLP

    key = jax.random.key(0)
    x, y = jax.random.normal(key, (64, 8)), jax.random.normal(jax.random.fold_in(key, 1), (64, 3))
    net = MLP((16, 8), 3)
    both = [
        train(net, rule, optax.sgd(0.05), x, y, batch=8, epochs=10, key=key).params
        for rule in (EBD(forgetting=1.0, feedback=0.3), DFA(feedback=0.3))
    ]
    gaps = jax.tree.map(lambda a, b: float(jnp.abs(a - b).max()), *both)
    largest = max(jax.tree.leaves(gaps))
    return Finding(largest, 0.0, "the largest difference of a weight after training is zero", largest == 0.0)


def orthogonality() -> Finding:
    """A small network trained for a short time on the channel at snr 1, against the closed least error."""
    system = ErrorBroadcast(model="channel", width=64, batch=64, rate=0.02, steps=6000, memory=200.0)
    runs = tl.simulate(system, runs=8, key=jax.random.key(0)).curves["mean_square"]
    with jax.enable_x64(True):
        least = float(channel.mmse(1.0))
    mean, error = float(np.mean(runs)), float(np.std(runs, ddof=1) / len(runs) ** 0.5)
    # from below it cannot be reached, and what training leaves is to be under 2 % of it
    holds = None if error > 0.005 * least else least - 2 * error <= mean <= 1.02 * least
    return Finding(mean, error, f"mean square error within 2 % above the least, {least:.6f}", holds)


def bottleneck() -> Finding:
    """Mean over drawn problems of the predicted late error with long memory less that with short memory."""
    gaps = []
    for seed in range(12):
        late = [
            float(
                tl.predict(
                    ErrorBroadcast(width=2, memory=memory, steps=20000, records=1), key=jax.random.key(seed)
                ).curves["mean_square"][-1]
            )
            for memory in (300.0, 1.0)
        ]
        gaps.append(late[0] - late[1])
    mean, error = float(np.mean(gaps)), float(np.std(gaps, ddof=1) / len(gaps) ** 0.5)
    holds = True if mean < -3 * error else False if mean > 0 else None
    return Finding(mean, error, "error at memory 300 less that at memory 1 is negative", holds)


def floor() -> Finding:
    """|R|^2 in the quick preset's last window over the open-loop floor."""
    case = QUICK.case("floor-closed")
    system = ErrorBroadcast.from_case(case)
    runs = tl.simulate(system, runs=case.runs, key=jax.random.key(0)).curves["feedback_power"][:, -1]
    kappa = np.arange(1.0, system.width + 1) ** -float(system.capacity)
    forgetting = 1 - float(system.rate / system.memory)
    with jax.enable_x64(True):
        open_loop = float(floors.open_loop(kappa, forgetting, system.batch, float(system.noise), system.outputs))
    ratio = runs / open_loop
    mean, error = float(ratio.mean()), float(ratio.std(ddof=1) / len(ratio) ** 0.5)
    holds = True if mean < 1 - 3 * error else False if mean > 1 + 3 * error else None
    return Finding(mean, error, "the floor over the open-loop floor is below 1", holds)
