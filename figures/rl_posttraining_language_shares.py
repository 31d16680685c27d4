"""Transformers from scratch: format shares under GRPO, PPO and Expert Iteration, every seed; the theory over GRPO."""

from common import save, size
from rl_posttraining_language_common import explored

from theorylab.systems.rl_posttraining import language_figures

OVERLAID = size({"grpo": "grpo"}, {"grpo": "grpo", "grpo, beta .1": "grpo_kl", "ppo": "ppo"})
found = explored(overlaid=OVERLAID)
save(language_figures.shares(found), __file__)
for name, part in OVERLAID.items():
    save(language_figures.overlays(found, name), __file__, part)
