"""Does the winner change with scale? Final shares of the tiny and the small transformers, every seed."""

from common import save
from rl_posttraining_language_common import SMALL, TINY, explored

from theorylab.systems.rl_posttraining import language_figures

save(language_figures.scale([explored(TINY), explored(SMALL)]), __file__)
