"""Transformers from scratch: Expert Iteration from the base shifts the formats mildly beside GRPO and PPO."""

from common import save
from rl_posttraining_language_common import explored

from theorylab.systems.rl_posttraining import language_figures

save(language_figures.mild(explored()), __file__)
