"""Transformers rounded after training: degradation against tokens a parameter, to the nearest and compensated."""

from precision_common import cells, save

from theorylab.systems.precision_scaling import grid, grid_figures

fitted, held_out = grid.measured(cells(), grid.GRID)
save(grid_figures.degradation(grid.GRID, {**fitted, **held_out}), __file__)
