"""The paper, its claims, and the settings that show them. Plain data."""

from __future__ import annotations

from theorylab.core import Case, Claim, Paper, Preset

PIXELS = 64
"""Pixels of a digit."""

PAPER = Paper(
    title="A precise asymptotic analysis of learning diffusion models: theory and insights",
    authors=("Hugo Cui", "Cengiz Pehlevan", "Yue M. Lu"),
    year=2025,
    arxiv="2501.03937",
    claims=(
        Claim(
            "few overlaps",
            "in high dimension one-pass SGD of the auto-encoder is followed by a few overlaps that obey closed "
            "differential equations in samples / dimension",
            "training",
        ),
        Claim(
            "generated density",
            "projections of generated samples obey a closed low-dimensional flow, so their density is known as a "
            "function of the number of training samples",
            "training",
        ),
        Claim(
            "mode collapse",
            "the architecture alone can lose modes of the target, or change their weights, at any number of samples",
            "modes",
        ),
        Claim("model collapse", "training on generated data compounds that over generations", "collapse"),
    ),
)

LADDER = {
    "grid": 10,
    "share": 0.6,
    "separation": 2.5,
    "noise": 0.8,
    "rate": 0.4,
    "skip_rate": 10.0,
    "bias_rate": 0.5,
    "hidden_bias": True,
    "ridge": 0.02,
    "overlap": 0.4,
    "duration": 10.0,
    "records": 5,
}
"""A pair of modes of unequal weight, with biases and weight decay: the finite-size law."""

BIMODAL = {"grid": 20, "skip_rate": 20.0, "hidden_bias": True, "duration": 16.0, "records": 4, "dimension": 800}
"""Modes at +-3 of weights .75 and .25, 20 sampling steps."""

CROSS = {"target": "cross", "share": 0.7, "grid": 20, "skip_rate": 20.0, "tilt": 0.1, "dimension": 400, "samples": 1500}
"""Four modes: a major pair on one axis, a minor pair on another."""

COLLAPSE = {
    "grid": 20,
    "share": 0.7,
    "skip_rate": 20.0,
    "overlap": 0.5,
    "duration": 12.0,
    "records": 1,
    "generations": 3,
    "dimension": 500,
    "samples": 2000,
}
"""Four generations, each of twelve samples a dimension."""

SEPARATE = {"share": 0.5, "skip_rate": 2.0, "overlap": 1.0, "duration": 8.0, "records": 1, "dimension": 400}
"""A network for each time."""

QUICK = Preset(
    cases=(
        Case(
            "training",
            fields={"hidden_bias": True, "dimension": 400, "records": 5, "samples": 500},
            runs=32,
            about="overlaps while two modes of unequal weight are learned, and the density generated at the end",
        ),
        Case(
            "modes",
            fields={
                **CROSS,
                **{"grid": 10, "dimension": 400, "duration": 10.0, "records": 4, "overlap": 0.5, "samples": 800},
            },
            runs=32,
            about="one hidden unit, four modes: the minor pair is being lost",
        ),
        Case(
            "collapse",
            fields={**COLLAPSE, "grid": 10, "dimension": 300, "duration": 8.0, "generations": 2, "samples": 500},
            runs=16,
            about="three generations, each trained on what the one before generates",
        ),
    ),
    seconds=25,
)

FIGURES = Preset(
    cases=(
        Case(
            "ladder",
            fields=LADDER,
            runs=64,
            sizes=(125, 250, 500, 1000),
            about="overlaps and gain at growing dimension: the deviation vanishes as 1 / dimension",
        ),
        Case("generation", fields=BIMODAL, runs=24, about="the generated density at 16 samples a dimension, with bias"),
        Case(
            "no-bias",
            fields={**BIMODAL, "hidden_bias": False, "duration": 40.0},
            runs=12,
            about="without biases the generated density is even, whatever the target's weights",
        ),
        Case(
            "bias",
            fields={**BIMODAL, "duration": 40.0},
            runs=24,
            about="with biases the weights of the modes are learned",
        ),
        Case(
            "lost-modes",
            fields={**CROSS, "duration": 80.0, "records": 8},
            runs=12,
            about="one unit, four modes: the minor pair is lost",
        ),
        Case(
            "two-units",
            fields={**CROSS, "units": 2, "duration": 80.0, "records": 8},
            runs=12,
            about="two units recover the minor pair, and then over-represent it",
        ),
        Case("collapse", fields=COLLAPSE, runs=12, about="model collapse, every generation from fresh weights"),
        Case(
            "collapse-bias",
            fields={**COLLAPSE, "hidden_bias": True, "bias_rate": 0.5},
            runs=24,
            about="model collapse with biases",
        ),
        Case(
            "collapse-warm",
            fields={**COLLAPSE, "hidden_bias": True, "bias_rate": 0.5, "inherit": True},
            runs=24,
            about="model collapse where each generation goes on from the weights of the one before",
        ),
        Case(
            "collapse-real",
            fields={**COLLAPSE, "hidden_bias": True, "bias_rate": 0.5, "real": 0.5},
            runs=24,
            about="half of the data real: a fixed point in place of decay",
        ),
        Case(
            "plain",
            fields={
                **{"gains": "plain", "share": 0.5, "rate": 0.2, "overlap": 1.0, "duration": 30.0, "records": 6},
                "dimension": 400,
            },
            runs=12,
            about="plain gains, which cannot represent the best denoiser: the generated modes lie too far apart",
        ),
        Case("separate", fields={**SEPARATE, "sharing": "nothing"}, runs=8, about="a network for each time"),
        Case(
            "shared-data",
            fields={**SEPARATE, "sharing": "data", "grid": 6, "rate": 0.6},
            runs=8,
            about="a network for each time, all trained on the same samples",
        ),
        Case(
            "escape",
            fields={"share": 0.5, "skip": "optimal", "origin": "random", "dimension": 400, "duration": 30.0},
            runs=24,
            about="random weights: the time of escape varies, each run against its own prediction",
        ),
        Case("sde", fields={**BIMODAL, "sampler": "sde"}, runs=24, about="the noisy sampler"),
        Case("flow", fields={**BIMODAL, "sampler": "flow"}, runs=24, about="the continuous flow"),
        Case(
            "digits",
            fields={"target": "digits", "rate": 0.1, "overlap": 1.0, "records": 5, "dimension": 800},
            runs=16,
            about="scores of handwritten threes and eights on their two first principal components",
        ),
    ),
    seconds=900,
)

ACCELERATOR = Preset(
    cases=(
        Case(
            "ladder",
            fields=LADDER,
            runs=128,
            sizes=(250, 500, 1000, 2000, 4000),
            about="the finite-size ladder at dimensions for an accelerator",
        ),
    ),
    seconds=3600,
)

PRESETS = {"quick": QUICK, "paper": FIGURES, "accelerator": ACCELERATOR}
