"""Choosing points that are far apart, and clusters. Points are rows; one product with a vector a choice, in float32."""

import warnings
from collections.abc import Callable

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

BLOCK = 2**22  # distances held at once

Distance = Callable[[int], np.ndarray]


def squared(points: np.ndarray) -> Distance:
    """``i`` to (n,) float32: squared Euclidean distances of all ``points`` (n, d) to point i."""
    points = centred(points)
    norms = np.einsum("nd,nd->n", points, points)

    def to(i):
        distance = points @ (-2 * points[i])
        distance += norms
        distance += norms[i]
        return np.maximum(distance, 0, out=distance)

    return to


def centred(points: np.ndarray) -> np.ndarray:
    """float32 ``points`` less their mean: distances stay, and the products that give them lose fewer digits."""
    points = np.asarray(points, dtype=np.float64)
    return np.ascontiguousarray(points - points.mean(0), dtype=np.float32)


def k_centre(points: np.ndarray, n: int, centres=()) -> np.ndarray:
    """``n`` rows, each the farthest from ``centres`` (rows) and the rows before it (tie: lowest row).

    Sener and Savarese, ICLR 2018, algorithm 1. The first is row 0 if there are no centres.
    """
    points = centred(points)
    to = squared(points)
    nearest = np.full(len(points), np.inf, np.float32)
    centres = np.asarray(centres, dtype=int)
    for block in _blocks(len(points), len(centres)):
        nearest[block] = between(points[block], points[centres]).min(1, initial=np.inf)
    nearest[centres] = -1
    chosen = np.empty(n, int)
    for k in range(n):
        chosen[k] = i = int(nearest.argmax())
        np.minimum(nearest, to(i), out=nearest)
        nearest[i] = -1
    return chosen


def plus_plus(to: Distance, first: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """``n`` rows: the first drawn by ``first`` (n_points,), then by squared distance to the nearest before.

    Arthur and Vassilvitskii, SODA 2007, without local trials. One uniform number a row.
    """
    nearest = np.full(len(first), np.inf, np.float32)
    chosen, taken = np.empty(n, int), np.zeros(len(first), bool)
    for k in range(n):
        chosen[k] = i = draw(nearest if k else first, taken, rng)
        taken[i] = True
        np.minimum(nearest, to(i), out=nearest)
        nearest[i] = 0
    return chosen


def draw(weights: np.ndarray, taken: np.ndarray, rng: np.random.Generator) -> int:
    """One row in proportion to ``weights``, 0 or more; evenly among those not taken if no weight is left."""
    edges = np.arange(0, len(weights), 1024)  # sums of runs first: one cumulative sum over all rows is the slowest step
    sums = np.cumsum(np.add.reduceat(weights, edges), dtype=np.float64)
    if not sums[-1] > 0:
        weights = ~taken
        sums = np.cumsum(np.add.reduceat(weights, edges, dtype=np.float64))
    target = rng.random() * sums[-1]
    run = int(np.searchsorted(sums, target, side="right"))
    inner = np.cumsum(weights[edges[run] : edges[run] + 1024], dtype=np.float64)
    before = sums[run - 1] if run else 0.0
    target = (target - before) / (sums[run] - before) * inner[-1]
    return int(edges[run] + min(np.searchsorted(inner, target, side="right"), np.searchsorted(inner, inner[-1])))


def clusters(
    points: np.ndarray, n: int, rng: np.random.Generator, weights: np.ndarray | None = None, iterations: int = 300
) -> tuple[np.ndarray, np.ndarray]:
    """k-means: ``n`` centres (n, d) and each point's cluster (n_points,), from k-means++ and then Lloyd's algorithm.

    It is scikit-learn's `KMeans`, with ``weights`` of the points, on one thread. More of them would add up sums in an
    order that differs from run to run.
    """
    seed = int(rng.integers(2**32))
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different points than clusters
        found = KMeans(n, n_init=1, max_iter=iterations, random_state=seed).fit(points, sample_weight=weights)
    return found.cluster_centers_, found.labels_


def between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(n, m) squared Euclidean distances of (n, d) and (m, d), at least 0."""
    distance = a @ (-2 * b.T)
    distance += np.einsum("nd,nd->n", a, a)[:, None]
    distance += np.einsum("md,md->m", b, b)
    return np.maximum(distance, 0, out=distance)


def _blocks(n: int, m: int):
    """Slices of n rows; a slice's distances to m others fit into `BLOCK`."""
    step = max(1, BLOCK // max(m, 1))
    return (slice(i, i + step) for i in range(0, n, step))
