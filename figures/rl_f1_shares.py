"""One format takes over: GRPO, PPO and Expert Iteration, sampled (points) and predicted (lines)."""

from rl_common import RLPosttraining, panels, save, shares

from theorylab.systems.rl_posttraining.presets import EXPERT, GRPO, PPO

FORMATS = ("format 1", "format 2", "format 3")
figure, axes = panels(3, sharey=True)
shares(
    axes[0, 0],
    RLPosttraining(**{**GRPO, "steps": 800, "records": 40}),
    16,
    FORMATS,
    "GRPO, 8 answers, 512 rollouts a step",
)
shares(
    axes[0, 1],
    RLPosttraining(**{**PPO, "steps": 40, "records": 40, "batch": 64}),
    16,
    FORMATS,
    "PPO, 4 inner steps, clip 0.2",
)
shares(axes[0, 2], RLPosttraining(**{**EXPERT, "steps": 12, "records": 12}), 16, FORMATS, "Expert Iteration")
axes[0, 0].set_ylabel("share")
axes[0, 0].legend()
save(figure, __file__)
