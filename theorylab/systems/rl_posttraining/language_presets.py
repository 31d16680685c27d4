"""Experiments with language models: plain data, to be merged into the system's presets."""

from __future__ import annotations

from theorylab.core import Preset

_LANGUAGE = "theorylab.systems.rl_posttraining.language"

EXPERIMENTS: dict[str, Preset] = {
    "tiny": Preset(
        experiment=f"{_LANGUAGE}:tiny",
        seconds=500,
        about="8 transformers of 26 thousand parameters pretrained on mixed formats; GRPO, PPO, Expert Iteration; "
        "tabular theory overlaid",
    ),
    "small": Preset(
        experiment=f"{_LANGUAGE}:small",
        seconds=2500,
        about="the same with 8 transformers of 101 thousand parameters: does the winner change with scale?",
    ),
    "accelerator": Preset(
        experiment=f"{_LANGUAGE}:accelerator",
        seconds=7200,
        about="the same with 8 transformers of 5 million parameters; needs an accelerator",
    ),
}
