"""F7: does the winner change with scale? Final shares of the tiny and the small models, every seed."""

from rl_language_common import explored, language, save

from theorylab.systems.rl_posttraining import language_figures

save(language_figures.scale([explored(), explored(language.SMALL)]), __file__)
