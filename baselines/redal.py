"""Uncertain, structured and unlike each other."""

import numpy as np

from bench.acquisition import Strategy, left, top
from bench.kernels.distances import k_means, plus_plus, squared
from bench.types import Query


class Redal(Strategy):
    """ReDAL: alpha x mean entropy + beta x mean colour gradient, times decay^k for the k-th best of a feature cluster.

    The source's third term, surface variation, is of point clouds: images have none. Its colour discontinuity is, here,
    each pixel's mean absolute difference to its 4 neighbours. Clusters: k-means on mean features of the superpixels
    never asked.
    """

    needs = ("entropy_sum", "colour_gradient_sum", "feature")
    source = "Wu et al. (ReDAL), ICCV 2021"

    def __init__(self, alpha=1.0, beta=0.1, clusters=150, decay=0.95):
        if not (alpha >= 0 and beta >= 0 and clusters >= 1 and 0 < decay <= 1):
            raise ValueError("alpha and beta must be 0 or more, clusters 1 or more, decay above 0 and at most 1")
        self.alpha, self.beta, self.clusters, self.decay = alpha, beta, clusters, decay

    def acquire(self, pool, budget, rng):
        rows, n = left(pool, budget)
        if not n:
            return Query(rows[:0], self.question)
        c = pool.candidates
        scores = (self.alpha * c.entropy_sum + self.beta * c.colour_gradient_sum) / c.size
        features, even = c.feature[rows], np.ones(len(rows), np.float32)
        start = plus_plus(squared(features), even, min(self.clusters, len(rows)), rng)
        cluster = np.zeros(len(scores), int)
        cluster[rows] = k_means(features, start, even, n_iterations=10)[1]
        best = top(scores, pool, len(rows))
        by_cluster = best[np.argsort(cluster[best], kind="stable")]
        ordered = cluster[by_cluster]
        decayed = np.zeros(len(scores))
        decayed[by_cluster] = scores[by_cluster] * self.decay ** (
            np.arange(len(rows)) - np.searchsorted(ordered, ordered)
        )
        return Query(top(decayed, pool, n), self.question)
