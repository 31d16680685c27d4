"""Same or different in images: accuracy on seen and unseen patches and pentominoes, rich and lazy networks, short runs.

`python -m theorylab.compare equality_reasoning --preset vision` draws the same for a small CNN too.
"""

from dataclasses import replace

from common import cells, save, size

from theorylab.systems.equality_reasoning import vision

rows = [replace(row, steps=size(400, row.steps), width=size(256, row.width)) for row in vision.ROWS]
kept = cells("equality_reasoning")
save(vision.figure({row: vision.accuracies(kept, row, range(size(2, vision.SEEDS))) for row in rows}), __file__)
