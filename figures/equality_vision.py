"""Same or different in images: accuracy on seen and unseen patches and pentominoes, rich and lazy networks, short runs.

`python -m theorylab.compare equality_reasoning --preset vision` draws the same at full size, and for a small CNN.
"""

from dataclasses import replace

from equality_common import save

from theorylab.engine.cells import StoredCells
from theorylab.engine.store import default_root
from theorylab.systems.equality_reasoning import vision

cells = StoredCells("equality_reasoning", default_root())
rows = [replace(row, steps=1500) for row in vision.ROWS]
found = {row: vision.accuracies(cells, row, range(2)) for row in rows}
save(vision.figure(found), __file__)
