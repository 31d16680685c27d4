"""F8: what training on easy prompts does to hard ones, against what the pretrained model says of it."""

from rl_language_common import explored, save

from theorylab.systems.rl_posttraining import language_figures

save(language_figures.transfer(explored()), __file__)
