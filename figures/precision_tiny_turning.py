"""A small network rounded after training: from some data on, more training hurts."""

from precision_common import cells, save

from theorylab.systems.precision_scaling import tiny

after, _ = tiny.measured(cells())
save(tiny.turning_figure(after), __file__)
