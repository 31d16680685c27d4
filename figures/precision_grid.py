"""Transformers trained in low precision: the fitted law against held-out larger runs."""

from precision_common import cells, save

from theorylab.systems.precision_scaling import grid

save(grid.experiment(cells()).figures["held_out"](), __file__)
