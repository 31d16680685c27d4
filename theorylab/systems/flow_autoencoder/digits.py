"""One or two classes of handwritten digits as a target: principal components, class means, residual variance.

scikit-learn, which ships the images, is imported inside; what is computed is kept for the life of the process.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

PIXELS = 64
"""Pixels of an image."""


class DigitsTarget(NamedTuple):
    """Images of the chosen classes in coordinates whose first axes are their principal components.

    Arguments:
      images: mean image subtracted, rotated and scaled, shape (images, 64); the first `components` columns are the
        scores that the theory takes as the target's structure.
      means: of each class's scores, shape (classes, components).
      shares: of the classes, shape (classes,).
      noise: residual standard deviation outside the components.
      rotation: rows are the axes in pixels, shape (64, 64).
      centre: mean image, shape (64,).
      unit: grey levels (of 16) in one unit of the scaled coordinates.
    """

    images: Float[np.ndarray, "images 64"]
    means: Float[np.ndarray, "classes components"]
    shares: Float[np.ndarray, "classes"]
    noise: float
    rotation: Float[np.ndarray, "64 64"]
    centre: Float[np.ndarray, "64"]
    unit: float

    def pixels(self, points: Float[np.ndarray, "count 64"]) -> Float[np.ndarray, "count 8 8"]:
        """Points of the scaled coordinates as images, in grey levels."""
        return (points * self.unit @ self.rotation + self.centre).reshape(-1, 8, 8)


@functools.cache
def target(classes: tuple[int, ...], components: int, scale: float) -> DigitsTarget:
    """The chosen classes, scaled so that the residual standard deviation is `scale`."""
    from sklearn.datasets import load_digits

    pixels, digit = load_digits(return_X_y=True)
    kept = np.isin(digit, classes)
    pixels, digit = pixels[kept], digit[kept]
    pixels, digit = np.asarray(pixels, float), np.asarray(digit)
    centre = pixels.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov((pixels - centre).T, bias=True))
    rotation = vectors[:, ::-1].T
    residual = float(np.mean(values[::-1][components:]))
    unit = np.sqrt(residual) / scale
    images = (pixels - centre) @ rotation.T / unit
    means = np.stack([images[digit == one, :components].mean(axis=0) for one in classes])
    shares = np.array([np.mean(digit == one) for one in classes])
    return DigitsTarget(images, means, shares, scale, rotation, centre, float(unit))
