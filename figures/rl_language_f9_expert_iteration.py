"""Expert Iteration from the base shifts the formats mildly beside GRPO and PPO: every seed."""

from rl_language_common import explored, save

from theorylab.systems.rl_posttraining import language_figures

save(language_figures.mild(explored()), __file__)
