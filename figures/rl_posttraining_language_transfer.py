"""Transformers from scratch: what training on easy prompts does to hard ones, against what the pretrained model says of
it."""

from common import save
from rl_posttraining_language_common import explored

from theorylab.systems.rl_posttraining import language_figures

save(language_figures.transfer(explored()), __file__)
