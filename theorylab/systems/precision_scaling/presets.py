"""Settings of precision_scaling: plain data."""

from __future__ import annotations

from theorylab.core import Case, Claim, Paper, Preset

PAPER = Paper(
    title="Scaling Laws for Precision",
    authors=(
        "Tanishq Kumar",
        "Zachary Ankner",
        "Benjamin F. Spector",
        "Blake Bordelon",
        "Niklas Muennighoff",
        "Mansheej Paul",
        "Cengiz Pehlevan",
        "Christopher Ré",
        "Aditi Raghunathan",
    ),
    year=2024,
    arxiv="2411.04330",
    claims=(
        Claim("bits", "Rounding to one bit fewer adds four times the loss: the degradation is exponential.", "model"),
        Claim("growth", "The degradation by rounding after training grows with training.", "model"),
        Claim("turning", "Beyond a critical training time the rounded model gets worse, not better.", "model"),
        Claim("compute", "The jointly compute-optimal precision does not depend on compute."),
        Claim("fixed-size", "At fixed size the optimal precision grows with the logarithm of compute."),
        Claim("effective", "Features that fail independently leave an effective parameter count of product form."),
    ),
)

QUICK = Preset(
    cases=(
        Case(
            "model",
            fields={"bits": (4.0, 5.0, 6.0)},
            runs=4096,
            about="weights of a power-law regression rounded after training",
        ),
        Case(
            "stochastic",
            fields={"rounding": "stochastic", "bits": (4.0, 5.0)},
            runs=4096,
            about="weights rounded up or down at random",
        ),
    ),
    seconds=15,
)

FIGURES = Preset(
    cases=(
        Case("model", fields={"bits": (4.0, 5.0, 6.0, 7.0, 8.0)}, runs=32768, about="four to eight bits"),
        Case(
            "many-modes",
            fields={"modes": 2000, "bits": (4.0, 5.0)},
            runs=4096,
            about="2,000 modes, far from the end of training",
        ),
        Case(
            "saturated",
            fields={"modes": 100, "steps": 500_000, "records": 6, "bits": (5.0, 6.0)},
            runs=4096,
            about="trained to the end: the degradation stops growing",
        ),
        Case(
            "rotations",
            fields={"sampler": "rotation", "bits": (4.0, 5.0), "records": 5},
            runs=4096,
            about="explicit rotations in place of their law",
        ),
        Case(
            "steep",
            fields={"capacity": 1.2, "source": 1.5, "bits": (4.0, 5.0, 6.0)},
            runs=8192,
            about="another pair of exponents",
        ),
        Case(
            "ladder",
            fields={"bits": (4.0, 5.0), "records": 4},
            runs=8192,
            sizes=(50, 100, 200, 400, 800),
            about="the formula's error against the number of modes",
        ),
        Case(
            "stochastic",
            fields={"rounding": "stochastic", "bits": (4.0, 5.0)},
            runs=8192,
            about="weights rounded up or down at random",
        ),
    ),
    seconds=240,
)

TINY = Preset(
    seconds=240,
    experiment="theorylab.systems.precision_scaling.tiny:experiment",
    about="a small ReLU network rounded after and during training, no theory",
)
GRID = Preset(
    seconds=1000,
    experiment="theorylab.systems.precision_scaling.grid:experiment",
    about="small transformers over size, data and precision; laws fitted and judged on larger runs",
)
ACCELERATOR = Preset(
    seconds=36_000,
    experiment="theorylab.systems.precision_scaling.grid:accelerator",
    about="the same with hundreds of runs of up to 25 million parameters",
)

PRESETS = {"quick": QUICK, "paper": FIGURES, "tiny": TINY, "grid": GRID, "accelerator": ACCELERATOR}
