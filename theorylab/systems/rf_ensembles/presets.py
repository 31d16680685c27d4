"""Source, claims and settings."""

from __future__ import annotations

import math

from theorylab.core import Case, Claim, Paper, Preset

PAPER = Paper(
    title="No Free Lunch From Random Feature Ensembles: Scaling Laws and Near-Optimality Conditions",
    authors=("Benjamin S. Ruben", "William L. Tong", "Hamza Tahir Chaudhry", "Cengiz Pehlevan"),
    year=2024,
    arxiv="2412.05418",
    claims=(
        Claim(
            "risk",
            "A deterministic equivalent gives bias, data variance and feature variance of an ensemble.",
            "few-features",
        ),
        Claim(
            "no-free-lunch",
            "At the best ridge one model beats any even split of its features; at a wrong ridge it may not.",
            "budget",
        ),
        Claim(
            "over-parametrised", "Wide members lose little: only the total number of features matters.", "many-features"
        ),
        Claim("universality", "A kernel's measured spectrum predicts ReLU features on digits.", "digits"),
    ),
)

FEW = Case("few-features", {}, runs=256, about="members of 60 features on 200 samples: K matters at small ridges")
MANY = Case(
    "many-features",
    {"samples": 60, "width": 300, "members": 4},
    runs=160,
    about="members of 300 features on 60 samples: over-parametrised, the ensemble is nearly optimal",
)
BUDGET = Case(
    "budget",
    {"axis": "members", "samples": 96, "width": 24, "members": 4, "ridge_low": 1e-3, "ridges": 4},
    runs=128,
    about="96 features on 96 samples, split among 1 to 4 members: which K wins depends on the ridge",
)
DIGITS = Case(
    "digits",
    {"spectrum": "digits", "dimension": 1797, "samples": 300, "width": 100, "members": 4, "noise": 0.0}
    | {"ridge_high": 0.1, "ridges": 4},
    runs=16,
    about="ReLU features on the digits set, predicted from the kernel's measured spectrum",
)

PRESETS = {
    "quick": Preset((FEW, MANY, BUDGET, DIGITS), 20.0),
    "paper": Preset(
        (
            Case(
                "few-features",
                {"ridges": 13},
                runs=768,
                sizes=(100, 200, 400),
                about="under-parametrised members; the finite-size deviation vanishes along the ladder",
            ),
            Case(
                "comparable",
                {"samples": 100, "width": 150, "members": 4, "ridges": 13},
                runs=256,
                about="100 samples, 150 features: next to the interpolation peak",
            ),
            Case("many-features", {**MANY.fields, "ridges": 13}, runs=256, about=MANY.about),
            Case(
                "budget",
                {"axis": "members", "dimension": 1000, "samples": 256, "width": 8, "members": 32, "ridges": 9},
                runs=64,
                about="256 features on 256 samples, split among 1 to 32 members",
            ),
            Case(
                "kernel",
                {"width": math.inf, "members": 1, "ridges": 13},
                runs=256,
                about="infinitely many features: kernel ridge regression, the members drop out",
            ),
            Case(
                "population",
                {"samples": math.inf, "ridge_low": 1e-4, "ridges": 13},
                runs=256,
                about="infinitely many samples: features alone limit the risk, label noise drops out",
            ),
            Case("digits", {**DIGITS.fields, "ridges": 7}, runs=32, about=DIGITS.about),
            Case(
                "digits-wide",
                {**DIGITS.fields, "width": 1000, "ridges": 7},
                runs=16,
                about="1000 ReLU features on 300 digits: over-parametrised members",
            ),
        ),
        300.0,
    ),
    "networks": Preset(
        seconds=1800.0,
        experiment="theorylab.systems.rf_ensembles.networks:small",
        about="one network against K smaller ones at fixed total parameters, each tuned: digits, and Markov text",
    ),
    "networks-large": Preset(
        seconds=6 * 3600.0,
        experiment="theorylab.systems.rf_ensembles.networks:large",
        about="the same with wider networks, more members, runs and steps",
    ),
    "accelerator-images": Preset(
        seconds=4 * 3600.0,
        experiment="theorylab.systems.rf_ensembles.networks_accelerator:images",
        about="the same with CNNs on CIFAR-10, on an accelerator; needs --data FOLDER",
    ),
    "accelerator-text": Preset(
        seconds=12 * 3600.0,
        experiment="theorylab.systems.rf_ensembles.networks_accelerator:text",
        about="the same with transformers on a text of yours, on an accelerator; needs --data FOLDER",
    ),
    "accelerator": Preset(
        (
            Case(
                "budget",
                {"axis": "members", "dimension": 8000, "samples": 2048, "width": 64, "members": 32, "ridges": 13},
                runs=64,
                about="2048 features on 2048 samples, split among 1 to 32 members",
            ),
        ),
        600.0,
    ),
}
