"""The task as images, without a theory: pentominoes or random binary patches, a two-layer network or a small CNN."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Float, Key

from theorylab.core import require, require_size
from theorylab.data import patterns
from theorylab.networks import parametrization
from theorylab.networks.cnn import CNN
from theorylab.networks.mlp import MLP

TESTS = 2000
UNSEEN_PATCHES = 512
CONVOLUTION = 0.1 / 32
"""Learning rate of the filters relative to the other weights'."""


class Scene(NamedTuple):
    """What the images show.

    Arguments:
      kind: pentominoes (each turned independently, one pixel of margin), or random patches of +1 and -1.
      seen: kinds of patterns trained on; the test has the remaining pentominoes, or 512 other patches.
      grid: cells a side.
    """

    kind: Literal["pentominoes", "patches"] = "patches"
    seen: int = 16
    grid: int = 2


def train(
    key: Key[Array, ""],
    scene: Scene,
    network: Literal["mlp", "cnn"] = "mlp",
    *,
    width: int = 512,
    richness: ArrayLike = 1.0,
    rate: ArrayLike = 0.05,
    batch: int = 128,
    steps: int = 2000,
    split: Key[Array, ""] | None = None,
) -> dict[str, Float[Array, ""]]:
    """One network trained online; gamma is the richness itself, without a root of the dimension.

    Arguments:
      split: chooses the kinds that are seen; one fixed choice where None.

    Returns: accuracies `train` (of seen kinds) and `test` (of kinds never seen), on 2,000 images each.

    Raises: `Refused` for sizes out of range.
    """
    for name, size in (("width", width), ("batch", batch), ("steps", steps)):
        require_size(name, size)
    require_size("seen", scene.seen, least=2)
    bitmaps, seen, unseen, margin = _patterns(scene, split)
    init_key, batch_key, *test_keys = jax.random.split(key, 4)
    dtype = jnp.float32

    def images(key: Any, kinds: Any, count: int) -> tuple[Array, Array]:
        x, y = patterns.scenes(key, bitmaps, kinds, count, scene.grid, margin, dtype)
        return (x if network == "cnn" else x.reshape(count, -1)), y

    shown = images(batch_key, seen, 1)[0]
    model: Any = CNN(width) if network == "cnn" else MLP(width, 1, "relu")
    begin = model.init(init_key, shown)
    # the two-layer network divides by the root of its input's size, which this task's scaling does not
    enlarge = jnp.asarray(1.0 if network == "cnn" else shown.shape[1] ** 0.5, dtype)
    size = parametrization.mean_field_rate(rate, width, richness)
    slow = {"filters": CONVOLUTION}

    def output(parameters: Any, x: Array) -> Array:
        found = model.apply(parameters, x * enlarge, richness)
        return found if network == "cnn" else found.output

    def centred(parameters: Any, x: Array) -> Array:
        return output(parameters, x) - output(begin, x)

    def loss(parameters: Any, x: Array, y: Array) -> Array:
        return jnp.mean(jax.nn.softplus(-y * centred(parameters, x)))

    def step(i: Any, parameters: Any) -> Any:
        slope = jax.grad(loss)(parameters, *images(jax.random.fold_in(batch_key, i), seen, batch))
        moved = {
            name: w - (size * slow.get(name, 1.0)).astype(dtype) * slope["params"][name]
            for name, w in parameters["params"].items()
        }
        return {"params": moved}

    final = lax.fori_loop(0, steps, step, begin)
    found = {}
    for name, kinds, test_key in (("train", seen, test_keys[0]), ("test", unseen, test_keys[1])):
        x, y = images(test_key, kinds, TESTS)
        found[name] = 0.5 + 0.5 * jnp.mean(jnp.sign(y * centred(final, x)))
    return found


def _patterns(scene: Scene, split: Key[Array, ""] | None) -> tuple[patterns.Bitmaps, Any, Any, int]:
    """Bitmaps, the kinds trained on, the kinds tested on, and the margin."""
    if scene.kind == "patches":
        every = scene.seen + UNSEEN_PATCHES
        bitmaps, margin, kinds = patterns.binary_patches(every, 0), 0, np.arange(every)
    else:
        bitmaps, margin = patterns.pentominoes(), 1
        kinds = np.random.default_rng(0).permutation(len(bitmaps.versions))
    require(
        scene.seen <= len(kinds) - 2,
        f"of {len(kinds)} pentominoes two must be left to test on: seen must be at most {len(kinds) - 2}, got "
        f"{scene.seen}",
    )
    if split is not None:
        kinds = jax.random.permutation(split, jnp.asarray(kinds))
    return bitmaps, kinds[: scene.seen], kinds[scene.seen :], margin
