"""Transformers from scratch: pass@1, pass@8, pass@32 and majority, on the easy prompts that are trained on and on hard
ones."""

from common import save
from rl_posttraining_language_common import explored

from theorylab.systems.rl_posttraining import language_figures

save(language_figures.passes(explored()), __file__)
