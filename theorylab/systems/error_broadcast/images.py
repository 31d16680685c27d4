"""Images as every rule sees them: centred inputs, one-hot classes, a test set that is never tuned on."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from theorylab.data import folders


class Split(NamedTuple):
    """What is trained on and what is judged on.

    Arguments:
      x, judged_x: images in [0, 1] less the training mean, (images, side, side, channels).
      y: one-hot rows.
      judged: classes.
    """

    x: Float[np.ndarray, "train side side channels"]
    y: Float[np.ndarray, "train classes"]
    judged_x: Float[np.ndarray, "judged side side channels"]
    judged: Int[np.ndarray, "judged"]


class Source(NamedTuple):
    """Training and test images with their classes."""

    train: Float[np.ndarray, "train side side channels"]
    train_labels: Int[np.ndarray, "train"]
    test: Float[np.ndarray, "test side side channels"]
    test_labels: Int[np.ndarray, "test"]


def digits() -> Source:
    """scikit-learn's 1797 digits of 8 x 8 pixels: three quarters to train on, stratified, random_state 0."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    pixels, labels = (np.asarray(part) for part in load_digits(return_X_y=True))
    images = (pixels / 16).astype(np.float32).reshape(-1, 8, 8, 1)
    parts: Any = train_test_split(images, labels, test_size=0.25, stratify=labels, random_state=0)
    train, test, train_labels, test_labels = parts
    return Source(train, train_labels, test, test_labels)


def mnist(data: Path | None) -> Source:
    """MNIST from a folder. Raises: `Refused` where it is not there."""
    return Source(*folders.mnist(data))


def cifar10(data: Path | None) -> Source:
    """CIFAR-10 from a folder. Raises: `Refused` where it is not there."""
    return Source(*folders.cifar10(data))


def tested(source: Source) -> Split:
    """All training images, judged on the test images."""
    return _split(source.train, source.train_labels, source.test, source.test_labels)


def validated(source: Source, share: float = 0.2) -> Split:
    """Training images only, a stratified fifth of which judges: what tuning sees."""
    from sklearn.model_selection import train_test_split

    parts: Any = train_test_split(
        source.train, source.train_labels, test_size=share, stratify=source.train_labels, random_state=1
    )
    x, judged_x, y, judged = parts
    return _split(x, y, judged_x, judged)


def _split(x: np.ndarray, labels: np.ndarray, judged_x: np.ndarray, judged: np.ndarray) -> Split:
    mean = x.mean(0)
    return Split(x - mean, np.eye(10, dtype=np.float32)[labels], judged_x - mean, judged)
