"""Transformers trained in low precision: loss against the bits of weights, activations and cache; two small ones.

`--preset paper` takes the cells of `python -m theorylab.compare precision_scaling --preset grid`, and draws the fitted
law against held-out larger runs, and the degradation by rounding after training.
"""

from common import cells, save, size

from theorylab.systems.precision_scaling import grid, grid_figures, grid_report, simulation_grid

FEW = tuple((grid.Shape(width, 1), 2.0**17) for width in (16, 32))
PLAN = size(grid.Plan(grid.Setup(), FEW, (), 1, 1, grid.SETTINGS, (3.0, 4.0)), grid.GRID)
fitted, held_out = grid.measured(cells("precision_scaling"), PLAN)
every = {**fitted, **held_out}
figure = grid_figures.bits(PLAN, every, simulation_grid.source(PLAN.setup.letters).entropy)
for axis in figure.axes:
    axis.set_yscale(size("linear", "log"))  # few sizes span less than a decade, and would have no number at the axis
save(figure, __file__)
if held_out:
    save(grid_report.outcome(PLAN, fitted, held_out).figures["held_out"](), __file__, "held_out")
    save(grid_figures.degradation(PLAN, every), __file__, "degradation")
