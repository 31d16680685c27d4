"""The paper's claims, each checked by a number in seconds. Larger settings are in the presets."""

from __future__ import annotations

import jax
import numpy as np

from theorylab.core import Finding


def bayesian_kernel() -> Finding:
    """Posterior networks predict what the adapted kernel does, and not what the lazy one does."""
    import theorylab as tl
    from theorylab.systems.adaptive_kernels import AdaptiveKernels
    from theorylab.systems.adaptive_kernels.presets import QUICK

    case = QUICK.case("erf-posterior")
    result = tl.compare.run(AdaptiveKernels.from_case(case), runs=case.runs, key=jax.random.key(0))
    found = result.rungs[-1].agreements["test_function"]
    return Finding.judged(found, "networks' test outputs from the adapted kernel machine")


def ridge_reduction() -> Finding:
    """Outputs of deep linear posterior networks are ridge regression of the ridge that the scalar root divides."""
    import theorylab as tl
    from theorylab.systems.adaptive_kernels import AdaptiveKernels
    from theorylab.systems.adaptive_kernels.presets import WAVES

    system = AdaptiveKernels(problem="posterior", activation="linear", beta=5.0, moves=200, width=96, **WAVES)
    runs = np.asarray(tl.simulate(system, runs=8, key=jax.random.key(0)).curves["train_function"], float)
    root = float(tl.predict(system).raise_if_failed().facts["spike"])
    data = system.the_data()
    x, y = np.asarray(data.inputs, float), np.asarray(data.targets, float)
    values, vectors = np.linalg.eigh(x @ x.T / x.shape[1])
    seen, along = runs @ vectors, vectors.T @ y
    trials = np.exp(np.linspace(-1.0, 4.0, 5001))
    fits = trials[:, None] * values / (trials[:, None] * values + 1 / float(system.beta)) * along
    # the factor a of each chain: of all ridges 1 / (a beta) the one whose regression is nearest to its mean output
    best = np.array([trials[np.argmin(np.sum((fits - one) ** 2, axis=1))] for one in seen])
    mean, error = float(best.mean()), float(best.std(ddof=1) / len(best) ** 0.5)
    allowed = 0.05 * root  # finite width leaves 1 / N
    gap = abs(mean - root)
    holds = True if gap + 2 * error < allowed else False if gap - 2 * error > allowed else None
    return Finding(mean, error, f"the root a = {root:.4f} of the scalar equation, within 5 % (1: lazy)", holds)


def dynamics() -> Finding:
    """Outputs of networks in training follow the single-site process."""
    import theorylab as tl
    from theorylab.systems.adaptive_kernels import AdaptiveKernels
    from theorylab.systems.adaptive_kernels.presets import QUICK

    system = AdaptiveKernels.from_case(QUICK.case("tanh-dynamics"), width=200)
    result = tl.compare.run(system, runs=24, key=jax.random.key(0))
    found = result.rungs[-1].agreements["train_function"]
    return Finding.judged(found, "f(t) from the single-site process")


def tangent_kernel() -> Finding:
    """A trained ReLU network is the kernel machine of its own adapted tangent kernel."""
    import theorylab as tl
    from theorylab.systems.adaptive_kernels import AdaptiveKernels, theory, theory_lazy
    from theorylab.systems.adaptive_kernels.presets import WAVES

    system = AdaptiveKernels(
        problem="training", activation="relu", ridge=0.3, rate=0.02, steps=3000, records=1, width=200, **WAVES
    )
    curves = tl.simulate(system, runs=4, key=jax.random.key(0)).curves
    data, away = system.the_data(), []
    with jax.enable_x64(True):
        kernel = np.asarray(theory.input_kernel(data))
        for run in range(4):
            last = {name: np.asarray(curve[run][..., -1], float) for name, curve in curves.items()}
            tangent = last["gradient_kernel"][0] * kernel + last["feature_kernel"][0]
            f = np.concatenate([last["train_function"], last["test_function"]])
            machine = np.asarray(theory_lazy.ridge_predictor(tangent, data.targets, 2 * float(system.ridge)))
            away.append(np.linalg.norm(machine - f) / np.linalg.norm(f))
    mean, error = float(np.mean(away)), float(np.std(away, ddof=1) / len(away) ** 0.5)
    holds = True if mean + 2 * error < 0.01 else False if mean - 2 * error > 0.01 else None
    return Finding(mean, error, "relative distance of f from its tangent kernel machine below 1 %", holds)


def lower_loss() -> Finding:
    """On threes against eights networks that learn features have a lower test loss than the lazy kernel."""
    import theorylab as tl
    from theorylab.systems.adaptive_kernels import AdaptiveKernels, theory
    from theorylab.systems.adaptive_kernels.presets import DIGITS

    system = AdaptiveKernels(
        problem="training", activation="relu", ridge=0.3, rate=0.02, steps=800, records=1, width=200, **DIGITS
    )
    losses = np.asarray(tl.simulate(system, runs=4, key=jax.random.key(0)).curves["loss"], float)[:, -1]
    data = system.the_data()
    with jax.enable_x64(True):
        lazy = float(theory.lazy_facts(system, data, theory.input_kernel(data))["lazy_loss"])
    ratio, error = float(losses.mean() / lazy), float(losses.std(ddof=1) / len(losses) ** 0.5 / lazy)
    holds = True if ratio + 2 * error < 1 else False if ratio - 2 * error > 1 else None
    expected = f"test loss below the lazy kernel's {lazy:.3f}: ratio below 1 at ridge 0.3, richness 1"
    return Finding(ratio, error, expected, holds)
