"""F1: format shares under GRPO, PPO and Expert Iteration, every seed; the theory over every GRPO run."""

from rl_language_common import explored, save

from theorylab.systems.rl_posttraining import language_figures

found = explored()
save(language_figures.shares(found), __file__)
for name, suffix in (("grpo", "_grpo"), ("grpo, beta .1", "_grpo_kl"), ("ppo", "_ppo")):
    save(language_figures.overlays(found, name), __file__, suffix)
