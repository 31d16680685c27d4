"""A small network rounded after training: degradation against bits and data with the fitted law, and the loss that
turns up from some data on."""

import functools

from common import cells, save, size

from theorylab.systems.precision_scaling import degradation_fit, simulation_tiny, tiny

kept, seeds = cells("precision_scaling"), size(2, tiny.SEEDS)
after = {}
for width in tiny.WIDTHS:
    question = {"part": "after", "width": width, "checkpoints": list(tiny.CHECKPOINTS), "bits": list(tiny.BITS)}
    measure = functools.partial(simulation_tiny.after_training, width, tiny.CHECKPOINTS, tiny.BITS, seeds)
    after[width] = kept(question | {"seeds": seeds}, measure)
save(tiny.degradation_figure(after, degradation_fit.fit(*tiny.rows_of(after))), __file__)
save(tiny.turning_figure(after), __file__, "turning")
