"""Digits: how layers decorrelate from the output error under backpropagation, feedback alignment and error broadcast.

A few runs of a small network at fixed settings; `--preset paper` measures what `python -m theorylab.compare
error_broadcast --preset digits` does, and draws the accuracies of all rules, tuned with equal effort, too.
"""

from common import cells, save, size

from theorylab.systems.error_broadcast import digits, images

FEW = {"networks": (), "widths": (64, 32), "epochs": 5, "runs": 4}
plan = digits.Plan("digits", images.digits(), **size(FEW, {}))
outcome = digits.measure(plan, cells("error_broadcast"))
save(outcome.figures["correlations"](), __file__)
if plan.networks:
    save(outcome.figures["accuracies"](), __file__, "accuracies")
print(*outcome.findings, sep="\n")
