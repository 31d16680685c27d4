"""Source, claims and settings."""

from __future__ import annotations

import math

from theorylab.core import Case, Claim, Paper, Preset

PAPER = Paper(
    title="Two-Point Deterministic Equivalence for Stochastic Gradient Dynamics in Linear Models",
    authors=(
        "Alexander Atanasov",
        "Blake Bordelon",
        "Jacob A. Zavatone-Veth",
        "Courtney Paquette",
        "Cengiz Pehlevan",
    ),
    year=2025,
    arxiv="2502.05074",
    claims=(
        Claim("learning-curves", "Two-point equivalents give train and test loss of gradient descent.", "gd"),
        Claim(
            "random-features", "Finite width adds a bottleneck that the same equivalents predict.", "random-features"
        ),
        Claim("one-pass", "One-pass SGD obeys a Volterra equation in the test loss.", "online"),
        Claim("multi-pass", "Multi-pass SGD feeds the training loss back through a second kernel.", "multi"),
        Claim("universality", "A measured kernel spectrum predicts kernel regression on real data.", "digits"),
    ),
)

INF = math.inf

GD = Case(
    "gd", {}, runs=128, about="full-batch gradient descent on 150 samples: overfitting after the fast modes are learned"
)
FEATURES = Case(
    "random-features",
    {"dimension": 400, "samples": 800, "width": 200, "steps": 200},
    runs=96,
    about="linear random features: loss levels off at what 200 features can express",
)
ONLINE = Case(
    "online",
    {"dynamics": "online", "samples": INF, "batch": 16, "rate": 0.2, "steps": 300},
    runs=128,
    about="one-pass SGD on fresh data",
)
MULTI = Case(
    "multi",
    {"dynamics": "multi", "batch": 16, "rate": 0.2, "steps": 300},
    runs=128,
    about="multi-pass SGD: batches of 16 from 150 samples",
)
DIGITS = Case(
    "digits",
    {"spectrum": "digits", "dimension": 1797, "samples": 300, "noise": 0.0, "rate": 2.0},
    runs=32,
    about="kernel gradient descent on the digits set, 300 training points, predicted from the measured spectrum",
)
TWO_LEVEL = {
    "spectrum": "two_level",
    "dimension": 400,
    "signal": 0.625,
    "rate": 0.06,
    "batch": 30,
    "samples": 300,
    "width": 240,
    "dynamics": "multi",
    "steps": 200,
}

PRESETS = {
    "quick": Preset((GD, FEATURES, ONLINE, MULTI, DIGITS), 20.0),
    "paper": Preset(
        (
            Case("gd", {"dimension": 400, "samples": 300}, runs=256, about=GD.about),
            Case(
                "random-features",
                {"width": 120},
                runs=512,
                sizes=(100, 200, 400),
                about="120 features on 150 samples: finite-size deviation vanishes along the ladder",
            ),
            Case("wide-data", {"dimension": 400, "samples": 800, "width": 200}, runs=256, about=FEATURES.about),
            Case(
                "flow",
                {"dynamics": "flow", "horizon": 1000.0, "dimension": 400, "samples": 300},
                runs=256,
                about="gradient flow over six decades of loss and time: train loss vanishes, test loss turns up",
            ),
            Case("online", {**ONLINE.fields, "dimension": 400}, runs=512, about=ONLINE.about),
            Case(
                "online-features",
                {**ONLINE.fields, "dimension": 400, "width": 200},
                runs=256,
                about="one-pass SGD on 200 random features",
            ),
            Case("multi", {**MULTI.fields, "dimension": 400, "samples": 300}, runs=512, about=MULTI.about),
            Case(
                "multi-features",
                {**MULTI.fields, "dimension": 400, "samples": 800, "width": 200},
                runs=256,
                about="multi-pass SGD on random features",
            ),
            Case(
                "two-level",
                TWO_LEVEL,
                runs=512,
                sizes=(80, 160, 320),
                about="batch, samples and width in proportion to the dimension",
            ),
            Case(
                "replacement",
                {"spectrum": "flat", "dimension": 240, "samples": 180, "width": 200, "dynamics": "multi"}
                | {"batch": 60, "rate": 0.1, "steps": 150, "replacement": True},
                runs=512,
                about="batches with replacement carry a third more noise here than without",
            ),
            DIGITS,
            Case(
                "digits-sgd",
                {**DIGITS.fields, "dynamics": "multi", "batch": 8, "rate": 1.0},
                runs=64,
                about="SGD in kernel space on the digits set",
            ),
        ),
        300.0,
    ),
    "accelerator": Preset(
        (
            Case("gd", {"dimension": 4000, "samples": 3000, "steps": 2000}, runs=256, about=GD.about),
            Case(
                "multi-features",
                {**MULTI.fields, "dimension": 4000, "samples": 6000, "width": 2000, "steps": 2000, "batch": 64},
                runs=256,
                about="multi-pass SGD on random features",
            ),
        ),
        600.0,
    ),
}
