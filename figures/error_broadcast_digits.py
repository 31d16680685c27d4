"""Accuracies, correlations and the entropy regularizer on digits: the preset `digits`, from its stored cells."""

from pathlib import Path

from error_broadcast_common import save

from theorylab.compare.case import store_folder
from theorylab.engine.cells import StoredCells
from theorylab.systems.error_broadcast import digits

root = store_folder(True)
assert root is not None
outcome = digits.run(StoredCells("error_broadcast", root))
for name, make in outcome.figures.items():
    save(make(), str(Path(__file__).with_stem(f"error_broadcast_digits_{name}")))
print(*outcome.findings, sep="\n")
