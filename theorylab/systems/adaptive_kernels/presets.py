"""The paper, its claims, and the settings that show them. Plain data."""

from __future__ import annotations

from theorylab.core import Case, Claim, Paper, Preset

PAPER = Paper(
    title="Adaptive kernel predictors from feature-learning infinite limits of neural networks",
    authors=("Clarissa Lauditi", "Blake Bordelon", "Cengiz Pehlevan"),
    year=2025,
    arxiv="2502.07998",
    claims=(
        Claim(
            "bayesian-kernel",
            "a wide feature-learning Bayesian network predicts as a kernel machine whose kernel has adapted to data",
            "erf-posterior",
        ),
        Claim(
            "ridge-reduction",
            "a deep linear Bayesian network is ridge regression with the ridge divided by a, one scalar root",
            "deep-linear-posterior",
        ),
        Claim(
            "dynamics",
            "functions, feature kernels and gradient kernels follow a causal single-site process",
            "tanh-dynamics",
        ),
        Claim(
            "tangent-kernel",
            "gradient flow with weight decay ends on a kernel machine of the adapted tangent kernel",
            "linear-converged",
        ),
        Claim("lower-loss", "adapted kernels have a lower test loss than lazy ones on real data", "digits-posterior"),
    ),
)

TOY = {"data": "waves", "samples": 3, "dimension": 5, "tests": 1, "targets": (1.0, -1.0, 0.5)}
"""Three training points and a test point in five dimensions."""
WAVES = {"data": "waves", "samples": 8, "dimension": 12, "tests": 3}
RING = {"data": "ring", "samples": 6, "dimension": 2, "tests": 3}

DYNAMICS = {"problem": "training", "activation": "tanh", "depth": 2, "richness": 2.0, "ridge": 0.1, **TOY}
DIGITS = {"data": "digits", "samples": 60, "dimension": 64, "tests": 200}
POSTERIOR = {"problem": "posterior"}

QUICK = Preset(
    (
        Case(
            "erf-posterior",
            {**POSTERIOR, "activation": "erf", "width": 128, **RING},
            runs=8,
            about="two-layer erf network on a ring: adapted kernel and predictor against Hamiltonian Monte Carlo",
        ),
        Case(
            "deep-linear-posterior",
            {**POSTERIOR, "activation": "linear", "depth": 2, "width": 64, "beta": 5.0, "moves": 200, **WAVES},
            runs=8,
            about="two hidden linear layers: one scalar root",
        ),
        Case(
            "tanh-dynamics",
            {**DYNAMICS, "width": 300, "records": 10},
            runs=120,
            about="functions and kernels in time from one causal pass, beside gradient descent",
        ),
        Case(
            "linear-converged",
            {
                "problem": "converged",
                "activation": "linear",
                "depth": 1,
                "ridge": 0.3,
                "rate": 0.02,
                "steps": 5000,
                "width": 100,
                **WAVES,
            },
            runs=8,
            about="end point of gradient descent with weight decay: one scalar root",
        ),
    ),
    seconds=25,
)

FIGURES = Preset(
    (
        Case(
            "erf-widths",
            {**POSTERIOR, "activation": "erf", "moves": 600, **RING},
            runs=16,
            sizes=(32, 64, 128, 256),
            about="the deviation of a two-layer erf posterior falls like 1 / width",
        ),
        Case(
            "relu-posterior",
            {**POSTERIOR, "activation": "relu", "width": 128, "moves": 600, **RING},
            runs=16,
            about="ReLU: heavy-tailed preactivations, the radius integrated exactly",
        ),
        Case(
            "two-hidden-posterior",
            {**POSTERIOR, "activation": "erf", "depth": 2, "width": 64, "moves": 600, **TOY},
            runs=8,
            about="two nonlinear hidden layers: the saddle point by Newton's method",
        ),
        Case(
            "layers",
            {
                **POSTERIOR,
                "activation": "linear",
                "depth": 4,
                "width": 128,
                "richness": 4.0,
                "data": "orthogonal",
                "samples": 8,
                "dimension": 8,
                "tests": 0,
            },
            runs=8,
            about="kernel adaptation grows geometrically with the layer",
        ),
        Case(
            "digits-posterior",
            {**POSTERIOR, "activation": "erf", "beta": 20.0, "richness": 0.5, "width": 128, **DIGITS},
            runs=32,
            sweep={"richness": (0.1, 0.3, 0.5, 1.0, 2.0)},
            about="threes against eights: test loss of adaptive, lazy and real networks against the richness",
        ),
        Case(
            "tanh-dynamics-wide",
            {**DYNAMICS, "width": 2000, "records": 10},
            runs=96,
            about="width 2000, pairs of networks",
        ),
        Case(
            "erf-dynamics-wide",
            {**DYNAMICS, "activation": "erf", "ridge": 0.3, "width": 2000, "records": 10},
            runs=24,
            about="width 2000, pairs of networks",
        ),
        Case(
            "three-layer-dynamics",
            {**DYNAMICS, "depth": 3, "richness": 1.0, "width": 2000, "steps": 60, "records": 10},
            runs=32,
            about="three hidden layers of width 2000, pairs of networks",
        ),
        Case(
            "relu-converged",
            {
                "problem": "converged",
                "activation": "relu",
                "depth": 1,
                "ridge": 0.3,
                "rate": 0.02,
                "steps": 10_000,
                "width": 500,
                **RING,
            },
            runs=8,
            about="ReLU: gradient descent ends on total-variation regression",
        ),
        Case(
            "erf-flow",
            {
                "problem": "training",
                "dynamics": "flow",
                "activation": "erf",
                "depth": 1,
                "richness": 2.0,
                "rate": 0.01,
                "steps": 500,
                "width": 1000,
                **RING,
            },
            runs=16,
            about="one hidden layer: gradient flow of particles beside small steps",
        ),
    ),
    seconds=900,
)

PRESETS = {"quick": QUICK, "paper": FIGURES}
