"""Choosing points that are far apart, and clusters. Points are rows; one product with a vector a choice, in float32."""

from collections.abc import Callable

import numpy as np
from scipy.sparse import csr_matrix

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

    Sener and Savarese, ICLR 2018, algorithm 1. The first is row 0 where there are no centres.
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
        chosen[k] = i = nearest.argmax()
        np.minimum(nearest, to(i), out=nearest)
        nearest[i] = -1
    return chosen


def plus_plus(to: Distance, first: np.ndarray, n: int, rng: np.random.Generator, weights=1.0) -> np.ndarray:
    """``n`` rows: the first drawn by ``first`` (n_points,), then by squared distance to the nearest before x weights.

    Arthur and Vassilvitskii, SODA 2007, without local trials. One uniform number a row.
    """
    nearest = np.full(len(first), np.inf, np.float32)
    chosen, taken = np.empty(n, int), np.zeros(len(first), bool)
    for k in range(n):
        chosen[k] = i = draw(nearest * weights if k else first, taken, rng)
        taken[i] = True
        np.minimum(nearest, to(i), out=nearest)
        nearest[i] = 0
    return chosen


def draw(weights: np.ndarray, taken: np.ndarray, rng: np.random.Generator) -> int:
    """One row in proportion to ``weights``, 0 or more; evenly among those not taken where no weight is left."""
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


def k_means(
    points: np.ndarray, start: np.ndarray, weights: np.ndarray, n_iterations: int
) -> tuple[np.ndarray, np.ndarray]:
    """Lloyd's weighted k-means from the rows ``start`` (k,): centres (k, d) float64, each point's cluster (n,) int64.

    Ends when no point changes its cluster, or after ``n_iterations``. A cluster without weight keeps its centre.
    """
    points = np.asarray(points, dtype=np.float64)
    mean, single = points.mean(0), centred(points)
    centres, cluster = points[start], None
    for _ in range(n_iterations):
        before, cluster = cluster, _nearest(single, np.asarray(centres - mean, np.float32))
        if before is not None and np.array_equal(before, cluster):
            break
        members = csr_matrix((weights, (cluster, np.arange(len(points)))), shape=(len(centres), len(points)))
        mass = np.asarray(members.sum(1))
        centres = np.where(mass > 0, members @ points / np.where(mass > 0, mass, 1), centres)
    return centres, cluster


def nearest_centre(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """(n,) int64: for each point (n, d) the nearest of ``centres`` (k, d) (tie: the first)."""
    mean = np.mean(points, axis=0, dtype=np.float64)
    return _nearest(np.asarray(points - mean, np.float32), np.asarray(centres - mean, np.float32))


def _nearest(points, centres):
    return np.concatenate([between(points[b], centres).argmin(1) for b in _blocks(len(points), len(centres))])


def between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(n, m) squared Euclidean distances of (n, d) and (m, d), at least 0."""
    distance = a @ (-2 * b.T)
    distance += np.einsum("nd,nd->n", a, a)[:, None]
    distance += np.einsum("md,md->m", b, b)
    return np.maximum(distance, 0, out=distance)


def _blocks(n: int, m: int):
    """Slices of n rows whose distances to m others fit into `BLOCK`."""
    step = max(1, BLOCK // max(m, 1))
    return (slice(i, i + step) for i in range(0, n, step))
