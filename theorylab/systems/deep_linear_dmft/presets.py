"""Settings that come with the system, and the paper's claims."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from theorylab.core import Case, Claim, Paper, Preset

PAPER = Paper(
    title=(
        "Deep Linear Network Training Dynamics from Random Initialization: Data, Width, Depth, and Hyperparameter "
        "Transfer"
    ),
    authors=("Blake Bordelon", "Cengiz Pehlevan"),
    year=2025,
    arxiv="2502.02531",
    claims=(
        Claim("wider is better", "in muP, wider networks have the lower loss at every step", "mup_4"),
        Claim(
            "rate transfer",
            "in muP the best learning rate saturates with width; in NTK it keeps moving",
            "ntk_width_8",
        ),
        Claim("data reuse", "repeated samples overfit; fresh ones do not", "reused"),
        Claim("depth transfer", "branches scaled by 1/sqrt(depth) have a limit of infinite depth", "scaled_depth_5"),
        Claim("accelerated scaling", "feature learning speeds up hard power-law tasks", "power_law"),
    ),
)


def sized(dimension: int, width_ratio: float, data_ratio: float, **fields: Any) -> dict[str, Any]:
    return {
        "dimension": dimension,
        "width": round(width_ratio * dimension),
        "samples": round(data_ratio * dimension),
        **fields,
    }


NOISE = 0.1**0.5
"""Label noise of variance 0.1."""
RESIDUAL = {"depth": 5, "residual": "scaled", "noise": NOISE}
POWER_LAW = {
    "spectrum": "power_law",
    "spectrum_exponent": 1.5,
    "task_exponent": 0.5,
    "depth": 1,
    "dimension": 300,
    "width": 400,
    "samples": 600,
    "richness": 0.5,
    "rate": 0.15,
    "noise": 0.02**0.5,
    "steps": 40,
}

QUICK = Preset(
    cases=(
        Case("mup", sized(200, 1, 2, noise=NOISE, steps=40), runs=256, about="full batch, label noise, muP"),
        Case(
            "one_pass",
            sized(200, 1, 1, depth=1, data="online", rate=0.1, noise=NOISE, steps=20),
            runs=256,
            about="a fresh batch at every step",
        ),
        Case("residual", sized(200, 1, 2, **RESIDUAL, steps=30), runs=192, about="four branches of scale 1/2"),
        Case("power_law", POWER_LAW, runs=128, about="a hard power-law task, finitely many samples and neurons"),
    ),
    seconds=25,
)


def _widths() -> tuple[Case, ...]:
    """muP and NTK networks of growing width on clean data."""
    return tuple(
        Case(
            f"{name}_{str(ratio).replace('.', '_')}",
            sized(200, ratio, 4, parametrization=name, steps=40, loss_scale="linear"),
            runs=192,
            about=f"width {ratio} x dimension, {name}",
        )
        for name in ("mup", "ntk")
        for ratio in (0.5, 1, 2, 4)
        if not (name == "ntk" and ratio == 1)  # the same network as muP there
    )


PAPER_PRESET = Preset(
    cases=(
        *_widths(),
        *(
            Case(f"depth_{depth}", sized(200, 1, 2, depth=depth, rate=rate, noise=NOISE, steps=40), runs=256)
            for depth, rate in ((1, 0.05), (3, 0.05), (5, 0.02))  # five layers overshoot at 0.05
        ),
        Case(
            "reused",
            sized(200, 2, 1, noise=0.5, steps=150, loss_scale="linear"),
            runs=192,
            about="repeated samples overfit",
        ),
        Case(
            "fresh",
            sized(200, 2, 1, noise=0.5, steps=150, data="online", loss_scale="linear"),
            runs=64,
            about="fresh ones do not",
        ),
        Case("ensemble", sized(200, 1, 2, noise=NOISE, steps=40, members=3), runs=192, about="three networks averaged"),
        Case(
            "schedules",
            sized(
                200,
                1,
                0.5,
                depth=1,
                data="online",
                richness=1.2,
                rate=0.08,
                rate_decay=0.02,
                noise=0.3**0.5,
                batch_schedule=((12, 400),),
                steps=40,
            ),
            runs=192,
            about="falling learning rate, growing batch",
        ),
        Case(
            "power_law_lazy",
            {**POWER_LAW, "richness": 0.02, "centered": True},
            runs=128,
            about="the same task without feature learning",
        ),
        Case(
            "ladder",
            sized(400, 1, 2, noise=NOISE, steps=40),
            runs=128,
            sizes=(50, 100, 200, 400),
            about="the deviation vanishes with the dimension",
        ),
    ),
    seconds=130,
)

RATES = (0.01, 0.02, 0.035, 0.05, 0.07)
"""Learning rates of the transfer sweeps, up to the best one in muP; just beyond lies the stability edge."""
NTK_RATES = {1: RATES, 4: (*RATES, 0.1), 8: (*RATES, 0.1, 0.14)}
"""In NTK parametrization best rate and edge move with the width."""
RESIDUAL_RATES = (0.01, 0.02, 0.04, 0.06, 0.09)
CONSTANT_RATES = {2: RESIDUAL_RATES, 3: (0.01, 0.02, 0.035, 0.05), 5: (0.002, 0.004, 0.007, 0.01)}
"""Branches of constant scale diverge beyond such rates."""

TRANSFER = Preset(
    cases=(
        *(
            Case(
                f"{name}_width_{ratio}",
                sized(100, ratio, 4, parametrization=name, richness=4.0, steps=20, loss_scale="linear"),
                runs=64,
                sweep={"rate": RATES if name == "mup" else NTK_RATES[ratio]},
                about=f"loss against learning rate, width {ratio} x dimension, {name}",
            )
            for name in ("mup", "ntk")
            for ratio in (1, 4, 8)
        ),
        *(
            Case(
                f"{scale}_depth_{depth}",
                sized(100, 4, 4, depth=depth, residual=scale, steps=12, loss_scale="linear"),
                runs=128,
                sweep={"rate": RESIDUAL_RATES if scale == "scaled" else CONSTANT_RATES[depth]},
                about=f"loss against learning rate, {depth - 1} residual branches of {scale} scale",
            )
            for scale in ("scaled", "constant")
            for depth in (2, 3, 5)
        ),
    ),
    seconds=200,
)

ACCELERATOR = Preset(
    cases=(
        Case("large", sized(2000, 1, 2, noise=NOISE, steps=60), runs=32, about="ten times the quick dimension"),
        Case("large_deep", sized(1000, 2, 2, **{**RESIDUAL, "depth": 9}, steps=60), runs=32),
    ),
    seconds=120,
)

PRESETS: Mapping[str, Preset] = {
    "quick": QUICK,
    "paper": PAPER_PRESET,
    "transfer": TRANSFER,
    "accelerator": ACCELERATOR,
}
