"""Settings of rl_posttraining: plain data."""

from __future__ import annotations

from theorylab.core import Case, Claim, Paper, Preset
from theorylab.systems.rl_posttraining.language_presets import EXPERIMENTS

PAPER = Paper(
    title="Echo Chamber: RL Post-training Amplifies Behaviors Learned in Pretraining",
    authors=(
        "Rosie Zhao",
        "Alexandru Meterez",
        "Sham Kakade",
        "Cengiz Pehlevan",
        "Samy Jelassi",
        "Eran Malach",
    ),
    year=2025,
    arxiv="2504.07912",
    claims=(
        Claim("one-format", "Training on correctness collapses a mixture of formats onto one of them.", "grpo"),
        Claim("winner-by-share", "A format that is less accurate but more frequent can win.", "learned"),
        Claim("kl-keeps-minority", "A larger KL coefficient keeps minority formats.", "kl"),
        Claim("expert-mild", "Expert Iteration from the base shifts the mixture only mildly.", "expert-restart"),
        Claim("pass-at-k", "While pass@1 rises, pass@k at large k falls.", "pass-at-k"),
        Claim("easy-to-hard", "Training on easy questions helps hard ones, where their winners agree.", "transfer"),
        Claim("group-size", "A group of answers multiplies the mean advantage by an exact factor.", "grpo"),
        Claim("noise", "In small batches the worse format wins with a predictable probability.", "winner"),
    ),
)

INF = float("inf")
CLASSES = ((0.9, 0.6, 0.2), (0.4, 0.5, 0.1))
"""Two classes of questions, three formats."""
ONE_EACH = {"group": 1, "advantage": "baseline"}
PAIR = (0.2689414213699951, 0.7310585786300049)
"""Shares with logit -1."""

GRPO = {"accuracy": CLASSES, "steps": 400, "records": 10}
KL = {**GRPO, "advantage": "group_mean", "kl": 0.05, "steps": 800, "geometry": "euclid"}
NATURAL = {"advantage": "baseline", "geometry": "natural", "kl": 0.1, "rate": 0.02, "steps": 500, "records": 10}
PPO = {"algorithm": "ppo", "advantage": "baseline", "rate": 0.5, "steps": 20, "records": 10, "batch": 256}
EXPERT = {"algorithm": "expert", "advantage": "baseline", "steps": 5, "records": 5, "batch": 256}
EXPERT_RESTART = {**EXPERT, "restart": True, "refit": 0.5}
LEARNED = {
    "skills": "learned",
    "shares": (0.35, 0.65),
    "accuracy": ((0.5, 0.3775406687981454),),
    "advantage": "baseline",
    "steps": 300,
    "records": 10,
}
KNOWN = {
    # every question is known by none, one, or both of two formats, independently with probabilities .6 and .5
    "shares": (0.45, 0.55),
    "accuracy": ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)),
    "weights": (0.2, 0.3, 0.2, 0.3),
    "steps": 600,
    "records": 10,
    "attempts": (1, 4, 32),
}
TRANSFER = {**GRPO, "held_out": ((0.5, 0.1, 0.1),)}
WINNER = {"study": "winner", "shares": (0.5, 0.5), "batch": 8, **ONE_EACH, "steps": 20000}
NOISE = {
    "study": "noise",
    "shares": PAIR,
    "accuracy": ((0.7, 0.4),),
    "rate": 0.3,
    **ONE_EACH,
    "steps": 150,
    "records": 5,
}

QUICK = Preset(
    cases=(
        Case("grpo", fields=GRPO, runs=16, about="GRPO on two classes of questions amplifies one format of three"),
        Case("learned", fields=LEARNED, runs=16, about="skills grow with practice: the more frequent format wins"),
        Case(
            "winner",
            fields={**WINNER, "accuracy": ((0.5, 0.4),), "rate": 4.0},
            runs=2048,
            about="small batches: how often the better format wins",
        ),
    ),
    seconds=20,
)

FIGURES = Preset(
    cases=(
        *(
            Case(
                f"{advantage.replace('_', '-')}-{geometry}",
                fields={
                    **GRPO,
                    "advantage": advantage,
                    "geometry": geometry,
                    # natural steps are told at times before the rarest format has vanished
                    "rate": 0.1 if geometry == "euclid" else 0.01,
                },
                runs=32,
                about=f"{advantage}, {geometry} geometry",
            )
            for geometry in ("euclid", "natural")
            for advantage in ("baseline", "group_mean", "grpo", "batch_mean")
        ),
        Case("natural-kl", fields=NATURAL, runs=32, about="replicator with a KL penalty"),
        Case("kl", fields=KL, runs=32, sweep={"kl": (0.02, 0.05, 0.1, 0.2)}, about="the KL penalty keeps minorities"),
        Case("ppo", fields=PPO, runs=32, about="PPO with clipped ratios"),
        Case("expert", fields=EXPERT, runs=32, about="Expert Iteration from the current policy"),
        Case("expert-restart", fields=EXPERT_RESTART, runs=32, about="Expert Iteration from the base: a mild shift"),
        Case(
            "expert-keep",
            fields={**EXPERT, "accuracy": CLASSES, "keep": 2, "steps": 10, "records": 5},
            runs=96,
            about="two right answers a question are kept",
        ),
        Case("learned-grpo", fields={**LEARNED, "advantage": "grpo", "steps": 300}, runs=64, about="skills, GRPO"),
        Case("pass-at-k", fields=KNOWN, runs=32, about="pass@1 rises, pass@k falls"),
        Case(
            "measured",
            fields={**GRPO, "attempts": (1, 8, 32), "votes": 8, "evaluations": 128},
            runs=128,
            about="accuracies, pass@k and majority@k measured from answers",
        ),
        Case("transfer", fields=TRANSFER, runs=32, about="trained on easy questions, tested on hard ones"),
        Case(
            "ladder",
            fields={**GRPO, "dynamics": "steps", "rate": 0.5, "steps": 40, "group": 4},
            runs=512,
            sizes=(4, 8, 16, 32),
            about="the mean step is exact as the batch grows",
        ),
        Case("noise", fields=NOISE, runs=16384, about="mean and variance of the logit over runs"),
        Case(
            "noise-grpo",
            fields={**NOISE, "group": 8, "advantage": "grpo", "batch": 16},
            runs=8192,
            about="the same, GRPO",
        ),
        *(
            Case(
                f"winner-{index}",
                fields={
                    **WINNER,
                    "accuracy": (accuracy,),
                    "rate": rate,
                    "batch": batch,
                    "shares": shares,
                    "barrier": barrier,
                },
                runs=8192,
                about=f"who wins at accuracies {accuracy[0]}, {accuracy[1]} and rate {rate:g}",
            )
            for index, (accuracy, rate, batch, shares, barrier) in enumerate(
                (
                    ((0.5, 0.4), 4.0, 8, (0.5, 0.5), 2.0),
                    ((0.5, 0.45), 4.0, 8, (0.3775406687981454, 0.6224593312018546), 2.0),
                    ((0.52, 0.5), 2.0, 8, (0.5, 0.5), 2.5),
                    ((0.7, 0.4), 1.0, 4, PAIR, 2.0),
                )
            )
        ),
    ),
    seconds=400,
)

PRESETS: dict[str, Preset] = {"quick": QUICK, "paper": FIGURES, **EXPERIMENTS}
"""Tabular settings with a verdict, and what is measured of language models, without one."""
