"""A small network rounded after training: degradation against bits and data, with the fitted law."""

from precision_common import cells, save

from theorylab.systems.precision_scaling import degradation_fit, tiny

after, _ = tiny.measured(cells())
save(tiny.degradation_figure(after, degradation_fit.fit(*tiny.rows_of(after))), __file__)
