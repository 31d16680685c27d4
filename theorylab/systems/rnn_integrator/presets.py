"""The paper, its claims, and the settings that show them. Plain data."""

from __future__ import annotations

from math import log

from theorylab.core import Case, Claim, Paper, Preset

PAPER = Paper(
    title="Dynamically learning to integrate in recurrent neural networks",
    authors=("Blake Bordelon", "Jordan Cotler", "Cengiz Pehlevan", "Jacob A. Zavatone-Veth"),
    year=2025,
    arxiv="2503.18754",
    claims=(
        Claim(
            "outlier",
            "From small weights, one real eigenvalue leaves the bulk and learns the target's pole.",
            "outlier",
        ),
        Claim("pair", "A damped oscillation is learned by two real eigenvalues that meet and leave as a pair.", "pair"),
        Claim("bulk", "A random bulk speeds learning up; wide networks follow one deterministic curve.", "bulk"),
        Claim(
            "lazy", "Without an outlier (read-out alone trained) memory is limited to about log(time) lags.", "readout"
        ),
        Claim(
            "trap", "Vectors nearly parallel hold an oscillation's learning up at the best real exponential.", "trap"
        ),
    ),
)


def timescale(pole: float) -> float:
    """Memory of a pole."""
    return -1.0 / log(pole)


BULK = {
    "timescale": timescale(0.85),
    "horizon": 20,
    "train": "recurrent",
    "rate": 5e-3,
    "steps": 140,
    "records": 35,
}

OUTLIER = {"timescale": timescale(0.9), "scale": 0.3, "rate": 2e-3, "steps": 1200, "width": 64}
PAIR = {
    "start": "given",
    "timescale": timescale(0.85),
    "frequency": 0.8,
    "horizon": 30,
    "scale": 0.5,
    "along": 0.1,
    "across": 0.45,
    "rate": 4e-3,
    "steps": 1500,
    "width": 64,
}
SGD = {
    "dynamics": "sgd",
    "timescale": timescale(0.85),
    "horizon": 30,
    "train": "recurrent",
    "batch": 32,
    "rate": 2e-3,
    "steps": 400,
    "width": 24,
}
READOUT = {
    "train": "readout",
    "start": "given",
    "along": 0.0,
    "across": 0.0,
    "bulk": 0.8,
    "timescale": timescale(0.85),
    "horizon": 30,
    "rate": 2e-2,
    "steps": 400,
}

QUICK = Preset(
    cases=(
        Case(
            "outlier",
            fields=OUTLIER,
            runs=1,
            about="one eigenvalue learns a leaky integrator: plateau, sharp rise, saturation",
        ),
        Case(
            "bulk",
            fields={**BULK, "bulk": 0.2, "width": 100},
            runs=64,
            about="a random bulk, against the infinite-width limit",
        ),
        Case("pair", fields=PAIR, runs=1, about="a conjugate pair learns a damped oscillation"),
        Case("sgd", fields=SGD, runs=16, about="stochastic gradient descent on sampled white noise"),
    ),
    seconds=20,
)

FIGURES = Preset(
    cases=(
        Case(
            "outlier",
            fields={**OUTLIER, "dynamics": "flow", "horizon": 100, "scale": 0.1, "rate": 2.5e-4, "steps": 16000},
            runs=1,
            sweep={"timescale": (timescale(0.8), timescale(0.9), timescale(0.95))},
            about="gradient flow to poles 0.8, 0.9, 0.95: slow targets are stiff, not slow",
        ),
        Case(
            "ladder",
            fields={**BULK, "bulk": 0.3},
            runs=64,
            sizes=(50, 100, 200, 400),
            about="a random bulk at growing width: the deviation from the infinite-width limit vanishes",
        ),
        Case(
            "bulk",
            fields={**BULK, "bulk": 0.2, "width": 200},
            runs=128,
            about="a random bulk at width 200",
        ),
        Case(
            "pair",
            fields={**PAIR, "timescale": timescale(0.9), "frequency": 0.5, "horizon": 40, "rate": 2e-3, "steps": 3000},
            runs=1,
            about="the conjugate pair of pole 0.9, frequency 0.5, and its coalescence",
        ),
        Case(
            "pair-with-bulk",
            fields={
                "start": "given",
                "timescale": timescale(0.8),
                "frequency": 0.6,
                "horizon": 20,
                "bulk": 0.3,
                "scale": 0.8,
                "along": 0.5,
                "across": 0.5,
                "rate": 5e-3,
                "steps": 900,
            },
            runs=64,
            sizes=(100, 200, 400),
            about="an oscillation learned from a random bulk, which breaks the trap",
        ),
        Case(
            "trap",
            fields={
                **PAIR,
                "timescale": timescale(0.9),
                "frequency": 0.5,
                "horizon": 40,
                "scale": 1.0,
                "along": 1.0,
                "across": 1e-3,
                "rate": 4e-3,
                "steps": 4000,
            },
            runs=1,
            about="vectors nearly parallel: a long plateau at the best real exponential",
        ),
        Case(
            "random-vectors",
            fields={**OUTLIER, "start": "random", "scale": 0.3, "steps": 2000},
            runs=8,
            about="independent random vectors align silently; each run against its own prediction",
        ),
        Case(
            "readout",
            fields=READOUT,
            runs=128,
            sizes=(100, 200, 400, 800),
            about="the read-out alone learns: memory of about log(time) lags",
        ),
        Case(
            "sgd",
            fields={**SGD, "width": 32, "rate": 0.05 / 80.3, "steps": 1400},
            runs=48,
            about="stochastic gradient descent at a twentieth of the inverse curvature",
        ),
        Case(
            "infinite-horizon",
            fields={
                "horizon": float("inf"),
                "timescale": timescale(0.9),
                "train": "recurrent",
                "dynamics": "flow",
                "rate": 4e-4,
                "steps": 1500,
                "width": 16,
            },
            runs=1,
            about="all lags, summed by a Lyapunov equation; the flow time of the closed form",
        ),
        Case(
            "continuous",
            fields={
                "timing": "continuous",
                "timescale": 10.0,
                "horizon": 40,
                "train": "recurrent",
                "dynamics": "flow",
                "rate": 5e-4,
                "steps": 1600,
                "width": 16,
            },
            runs=1,
            about="the continuous-time network: the outlier's leak goes as mu^3 = 1 - 9 s / 4 until the target's",
        ),
    ),
    seconds=300,
)

ACCELERATOR = Preset(
    cases=(
        Case(
            "ladder",
            fields={**BULK, "bulk": 0.3},
            runs=256,
            sizes=(100, 200, 400, 800, 1600),
            about="the finite-size ladder at widths for an accelerator",
        ),
        Case(
            "pair-with-bulk",
            fields={
                "start": "given",
                "timescale": timescale(0.8),
                "frequency": 0.6,
                "horizon": 20,
                "bulk": 0.3,
                "scale": 0.8,
                "along": 0.5,
                "across": 0.5,
                "rate": 5e-3,
                "steps": 900,
            },
            runs=128,
            sizes=(100, 200, 400, 800),
            about="an oscillation learned from a random bulk",
        ),
    ),
    seconds=3600,
)

PRESETS = {"quick": QUICK, "paper": FIGURES, "accelerator": ACCELERATOR}
