"""One causal pass through the single-site processes of a deep network trained by gradient descent.

Each layer of an infinitely wide network is a population of independent sites whose fields obey

    h^{l+1}(k) = a^k chi^l(k) + memory,   b^l(k) = a^k xi^l(k) + memory,

with Gaussian parts of chi and xi given by the kernels of the neighbouring layers and response parts linear in the
neighbours' past (docs/adaptive_kernels.md eqs. (23)-(25)). Expanding the fields of a layer in an orthonormal basis of
their own span turns the Gaussian processes into sums over latent variables, one a basis column, and the responses into
averages of a field times a latent (Stein's lemma): no response array, no fixed-point iteration.

Sites are sampled (Monte Carlo), or represented by their coefficients on the latents (exact for linear networks): then a
mean over sites is a dot product. Fields are (points, sites), bases (capacity, sites).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Key

from theorylab.core import Refused, Status, status_where

Function = Callable[[Array], Array]
NEGLIGIBLE = 1e-9
"""Root mean square below which what is left of a vector is not added to the base whose complement latents live in."""


class Layout(NamedTuple):
    """How sites are represented.

    Arguments:
      sites: Monte-Carlo sites a layer, even; of the exact representation 2 x capacity coefficients.
      capacity: columns that a basis may have.
      exact: coefficients on the latents instead of samples (linear activations only).
    """

    sites: int
    capacity: int
    exact: bool = False

    @property
    def weight(self) -> float:
        """A mean over sites is this times a dot product."""
        return 1.0 if self.exact else 1.0 / self.sites


class Hidden(NamedTuple):
    """What one hidden weight matrix, from site l to site l + 1, remembers; rows beyond the counters are zero.

    Arguments:
      features, gradients: orthonormal bases Q of phi(h^l) on site l and R of g^{l+1} on site l + 1.
      up, down: latents E of u^l on site l + 1, one a row of Q, and H of r^l on site l, one a row of R.
      memory_up, memory_down: M on site l + 1 and its backward counterpart on site l.
      even, odd: orthonormal bases, on half the sites, of what new latents E and H must be orthogonal to.
      counts: rows in use of Q, R, even, odd, (4,).
    """

    features: Float[Array, "capacity sites"]
    gradients: Float[Array, "capacity sites"]
    up: Float[Array, "capacity sites"]
    down: Float[Array, "capacity sites"]
    memory_up: Float[Array, "capacity sites"]
    memory_down: Float[Array, "capacity sites"]
    even: Float[Array, "double half"]
    odd: Float[Array, "double half"]
    counts: Int[Array, "4"]


class Pass(NamedTuple):
    """Averages over the sites at every step.

    Arguments:
      function: f, (T + 1, n).
      features, gradients: equal-time kernels Phi^l and G^l, (T + 1, L, n, n).
      feature_overlap, gradient_overlap: the kernels between each step and step zero.
      ranks: rows in use of Q and R of every hidden matrix, (L - 1, 2).
      status: FEW_SAMPLES where a basis ran out of capacity, NOT_FINITE where the dynamics diverged.
    """

    function: Float[Array, "time points"]
    features: Float[Array, "time layer points points"]
    gradients: Float[Array, "time layer points points"]
    feature_overlap: Float[Array, "time layer points points"]
    gradient_overlap: Float[Array, "time layer points points"]
    ranks: Int[Array, "matrices 2"]
    status: Int[Array, ""]


def causal_pass(
    kernel: Float[Array, "points points"],
    targets: Float[Array, "samples"],
    value: Function,
    slope: Function,
    *,
    depth: int,
    richness: ArrayLike,
    ridge: ArrayLike,
    rate: ArrayLike,
    steps: int,
    key: Key[Array, ""],
    layout: Layout,
    tolerance: ArrayLike = 0.01,
    responses: bool = True,
) -> Pass:
    """Training of an infinitely wide network by full-batch gradient descent with weight decay, step by step.

    Arguments:
      kernel: input kernel of training points, then test points.
      targets: of the training points; the squared error is summed over them.
      value, slope: activation and its derivative, elementwise.
      depth: hidden layers.
      richness, ridge, rate: gamma0, lambda and the step dt.
      key: draws the sites.
      tolerance: root mean square of a field's rest below which it adds no basis column.
      responses: False leaves the response terms out (a wrong theory, for tests).

    Raises: `Refused` for an odd number of sites, or fewer than four a column of the bases of a site.
    """
    _check(layout, kernel.shape[0])
    points, samples = kernel.shape[0], targets.shape[0]
    decay, push, w = 1 - ridge * rate, richness * rate, layout.weight
    rule = _Rule(value, slope, layout, tolerance, 1.0 if responses else 0.0)
    h, z, key = _initial(kernel, depth, key, layout)
    padded = jnp.concatenate([targets, jnp.zeros(points - samples)])
    mask = (jnp.arange(points) < samples).astype(kernel.dtype)
    blank = jnp.zeros((depth, points, layout.sites))

    def step(carry: tuple[Any, ...], k: Array) -> tuple[tuple[Any, ...], tuple[Array, ...]]:
        h, z, hidden, first, key, over = carry
        key, up, down = jax.random.split(key, 3)
        fade = jnp.asarray(decay**k)
        hidden, fields, features, upward, full = _forward(rule, hidden, h, fade, up)
        f = features[-1] @ z * w / richness
        error = mask * (padded - f)
        hidden, gradients, downward, filled = _backward(rule, hidden, fields, z, fade, down)
        now = (jnp.stack(features), jnp.stack(gradients))
        first = jax.tree.map(lambda old, new: jnp.where(k == 0, new, old), first, now)
        equal, overlap = ([_kernel(a, b, w) for a, b in zip(now, other, strict=True)] for other in (now, first))
        hidden = tuple(
            matrix._replace(
                memory_up=decay * matrix.memory_up + push * upward[i] @ (gradients[i + 1] * error[:, None]),
                memory_down=decay * matrix.memory_down + push * downward[i] @ (features[i] * error[:, None]),
            )
            for i, matrix in enumerate(hidden)
        )
        z = decay * z + push * (error @ features[-1])
        h = decay * h + push * (kernel @ (error[:, None] * gradients[0]))
        return (h, z, hidden, first, key, over | full | filled), (f, *equal, *overlap)

    empty = tuple(_empty(layout) for _ in range(depth - 1))
    begin = (h, z, empty, (blank, blank), key, jnp.asarray(False))
    (_, _, hidden, _, _, over), records = lax.scan(step, begin, jnp.arange(steps + 1))
    ranks = jnp.stack([matrix.counts[:2] for matrix in hidden]) if depth > 1 else jnp.zeros((0, 2), int)
    short = status_where(over, Status.FEW_SAMPLES)
    status = jnp.where(jnp.all(jnp.isfinite(records[0])), short, jnp.int32(Status.NOT_FINITE))
    function, features, gradients, feature_overlap, gradient_overlap = records
    return Pass(function, features, gradients, feature_overlap, gradient_overlap, ranks, status)


class _Rule(NamedTuple):
    """What every layer does alike: activation, representation, tolerance, and whether responses count."""

    value: Function
    slope: Function
    layout: Layout
    tolerance: ArrayLike
    responses: float


def _forward(
    rule: _Rule, hidden: tuple[Hidden, ...], h: Array, fade: Array, key: Array
) -> tuple[tuple[Hidden, ...], list[Array], list[Array], list[Array], Array]:
    """Fields h^l and features of every layer from h^1, the features' coefficients C, and whether a basis is full."""
    w = rule.layout.weight
    fields, features, coefficients, grown, over = [h], [rule.value(h)], [], [], jnp.asarray(False)
    keys = jax.random.split(key, max(len(hidden), 1))
    for layer in range(len(hidden)):
        below = features[-1]
        matrix, full = _grow_features(hidden[layer], below, keys[layer], rule.layout, rule.tolerance)
        c = matrix.features @ below.T * w
        response = rule.responses * w * (matrix.down @ below.T)
        fields.append(fade * (c.T @ matrix.up + response.T @ matrix.gradients) + c.T @ matrix.memory_up)
        features.append(rule.value(fields[-1]))
        coefficients.append(c)
        grown.append(matrix)
        over = over | full
    return tuple(grown), fields, features, coefficients, over


def _backward(
    rule: _Rule, hidden: tuple[Hidden, ...], fields: list[Array], z: Array, fade: Array, key: Array
) -> tuple[tuple[Hidden, ...], list[Array], list[Array], Array]:
    """Fields g^l of every layer from the readout z, their coefficients d, and whether a basis is full."""
    w = rule.layout.weight
    gradients, coefficients, grown, over = [rule.slope(fields[-1]) * z], [], [], jnp.asarray(False)
    keys = jax.random.split(key, max(len(hidden), 1))
    for layer in range(len(hidden) - 1, -1, -1):
        above = gradients[0]
        matrix, full = _grow_gradients(hidden[layer], above, keys[layer], rule.layout, rule.tolerance)
        d = matrix.gradients @ above.T * w
        response = rule.responses * w * (matrix.up @ above.T)
        b = fade * (d.T @ matrix.down + response.T @ matrix.features) + d.T @ matrix.memory_down
        gradients.insert(0, rule.slope(fields[layer]) * b)
        coefficients.insert(0, d)
        grown.insert(0, matrix)
        over = over | full
    return tuple(grown), gradients, coefficients, over


def _check(layout: Layout, points: int) -> None:
    if layout.exact:
        if layout.capacity < points:
            raise Refused(f"capacity must be at least the number of points {points}, got {layout.capacity}")
        if layout.sites != 2 * layout.capacity:
            raise Refused(f"the exact representation has 2 x capacity = {2 * layout.capacity} sites")
        return
    if layout.sites % 2:
        raise Refused(f"sites come in pairs: their number must be even, got {layout.sites}")
    if layout.sites < 8 * layout.capacity:
        raise Refused(
            f"{layout.sites} sites are too few for bases of {layout.capacity} columns and as many latents: raise sites "
            f"to {8 * layout.capacity}, or lower capacity"
        )


def _initial(kernel: Array, depth: int, key: Array, layout: Layout) -> tuple[Array, Array, Array]:
    """h^1(0) and z(0); pairs of sites share the one and have the other with opposite signs."""
    values, vectors = jnp.linalg.eigh(kernel)
    root = vectors * jnp.sqrt(jnp.maximum(values, 0.0))
    points = kernel.shape[0]
    if layout.exact:
        h = jnp.zeros((points, layout.sites)).at[:, :points].set(root)
        return h, jnp.zeros(layout.sites).at[layout.capacity].set(1.0), key
    half = layout.sites // 2
    key, first, second = jax.random.split(key, 3)
    draws, _ = jnp.linalg.qr(jax.random.normal(first, (half, points)))
    h = root @ (draws.T * jnp.sqrt(1.0 * half))
    z = jax.random.normal(second, (half,))
    z = z / jnp.sqrt(jnp.mean(z**2))
    return jnp.concatenate([h, h], axis=1), jnp.concatenate([z, -z]), key


def _empty(layout: Layout) -> Hidden:
    rows = jnp.zeros((layout.capacity, layout.sites))
    base = jnp.zeros((2 * layout.capacity, 1 if layout.exact else layout.sites // 2))
    return Hidden(rows, rows, rows, rows, rows, rows, base, base, jnp.zeros(4, int))


def _kernel(a: Array, b: Array, w: float) -> Array:
    return jnp.einsum("lps,lqs->lpq", a, b) * w


def _grow_features(
    matrix: Hidden, field: Array, key: Array, layout: Layout, tolerance: ArrayLike
) -> tuple[Hidden, Bool[Array, ""]]:
    """Q made to span `field` (P, S) up to the tolerance; every new row brings a latent E."""

    def add(matrix: Hidden, column: Array, key: Array) -> Hidden:
        at = matrix.counts[0]
        latent, even, evens = _latent(matrix.even, matrix.counts[2], at, key, layout, sign=1.0)
        odd, odds = matrix.odd, matrix.counts[3]
        if not layout.exact:
            odd, odds = _append(odd, odds, _half(column, -1.0))
        counts = jnp.stack([at + 1, matrix.counts[1], evens, odds])
        return matrix._replace(
            features=matrix.features.at[at].set(column),
            up=matrix.up.at[at].set(latent),
            even=even,
            odd=odd,
            counts=counts,
        )

    return _grow(matrix, "features", 0, field, key, layout, tolerance, add)


def _grow_gradients(
    matrix: Hidden, field: Array, key: Array, layout: Layout, tolerance: ArrayLike
) -> tuple[Hidden, Bool[Array, ""]]:
    """R made to span `field` (P, S) up to the tolerance; every new row brings a latent H."""

    def add(matrix: Hidden, column: Array, key: Array) -> Hidden:
        at = matrix.counts[1]
        latent, odd, odds = _latent(matrix.odd, matrix.counts[3], at, key, layout, sign=-1.0)
        even, evens = matrix.even, matrix.counts[2]
        if not layout.exact:
            even, evens = _append(even, evens, _half(column, 1.0))
        counts = jnp.stack([matrix.counts[0], at + 1, evens, odds])
        return matrix._replace(
            gradients=matrix.gradients.at[at].set(column),
            down=matrix.down.at[at].set(latent),
            even=even,
            odd=odd,
            counts=counts,
        )

    return _grow(matrix, "gradients", 1, field, key, layout, tolerance, add)


def _grow(
    matrix: Hidden,
    name: str,
    counter: int,
    field: Array,
    key: Array,
    layout: Layout,
    tolerance: ArrayLike,
    add: Callable[[Hidden, Array, Array], Hidden],
) -> tuple[Hidden, Bool[Array, ""]]:
    """Gram-Schmidt, the largest rest first, until every rest is below the tolerance or the capacity is used up."""
    w = layout.weight

    def project(basis: Array, rest: Array) -> Array:
        return rest - (basis @ rest.T * w).T @ basis

    def sizes(rest: Array) -> Array:
        return jnp.sqrt(jnp.sum(rest**2, axis=1) * w)

    def unfinished(state: tuple[Hidden, Array, Array, Array]) -> Array:
        matrix, rest, _, added = state
        room = matrix.counts[counter] < layout.capacity
        return (jnp.max(sizes(rest)) > tolerance) & room & (added < field.shape[0])

    def one(state: tuple[Hidden, Array, Array, Array]) -> tuple[Hidden, Array, Array, Array]:
        matrix, rest, key, added = state
        key, sub = jax.random.split(key)
        column = rest[jnp.argmax(sizes(rest))]
        column = column / jnp.sqrt(jnp.sum(column**2) * w)
        column = project(getattr(matrix, name), column[None])[0]
        column = column / jnp.sqrt(jnp.sum(column**2) * w)
        rest = rest - (rest @ column * w)[:, None] * column
        return add(matrix, column, sub), rest, key, added + 1

    begin = (matrix, project(getattr(matrix, name), field), key, jnp.zeros((), int))
    matrix, rest, _, _ = lax.while_loop(unfinished, one, begin)
    return matrix, jnp.max(sizes(rest)) > tolerance


def _latent(
    base: Array, count: Array, at: Array, key: Array, layout: Layout, sign: float
) -> tuple[Array, Array, Array]:
    """A new latent variable of unit variance, uncorrelated with everything before it; and the base grown by it."""
    if layout.exact:
        place = at if sign > 0 else layout.capacity + at
        return jnp.zeros(layout.sites).at[place].set(1.0), base, count
    drawn = jax.random.normal(key, (layout.sites // 2,))
    base, count = _append(base, count, drawn)
    half = base[count - 1]
    return jnp.concatenate([half, sign * half]), base, count


def _half(column: Array, sign: float) -> Array:
    """The part of a column that is even (+1) or odd (-1) under exchange of a pair, on the first of each pair."""
    first, second = jnp.split(column, 2)
    return 0.5 * (first + sign * second)


def _append(base: Array, count: Array, vector: Array) -> tuple[Array, Array]:
    """An orthonormal base grown by what is new in `vector`, if anything is."""
    w = 1.0 / base.shape[1]
    rest = vector
    for _ in range(2):
        rest = rest - (base @ rest * w) @ base
    size = jnp.sqrt(jnp.sum(rest**2) * w)
    new = size > NEGLIGIBLE
    rest = jnp.where(new, rest / jnp.where(new, size, 1.0), 0.0)
    return base.at[count].set(jnp.where(new, rest, base[count])), count + new
