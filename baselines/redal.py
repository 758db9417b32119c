"""Uncertain, structured and unlike each other."""

import numpy as np

from bench.acquisition import Strategy, highest, never_asked
from bench.kernels.distances import clusters
from bench.types import Query


class Redal(Strategy):
    """ReDAL: alpha x mean entropy + beta x mean colour gradient, times decay^k for the k-th best of a feature cluster.

    As in the source, the entropy is in bits and the mean over the C classes, H / (C ln 2). The colour gradient of a
    pixel is the mean absolute difference to its 50 nearest, itself among them, at most 0.1. In an image that is the
    disc of radius 4, 49 pixels. Clusters: k-means on mean features of the superpixels never asked. The defaults are
    those of the source for S3DIS, its configuration with colours. Left out is the third term, the surface variation of
    point clouds, which images have none of.
    """

    needs = ("entropy_sum", "colour_gradient_sum", "feature")
    source = "Wu et al. (ReDAL), ICCV 2021, configuration for S3DIS"

    def __init__(self, alpha=1.0, beta=0.1, clusters=400, decay=0.95):
        if not (alpha >= 0 and beta >= 0 and clusters >= 1 and 0 < decay <= 1):
            raise ValueError("alpha and beta must be 0 or more, clusters 1 or more, decay above 0 and at most 1")
        self.alpha, self.beta, self.clusters, self.decay = alpha, beta, clusters, decay

    def acquire(self, pool, budget, rng):
        rows, n = never_asked(pool, budget)
        if not n:
            return Query(rows[:0], self.question)
        c = pool.candidates
        entropy = c.entropy_sum / (pool.n_classes * np.log(2))
        scores = (self.alpha * entropy + self.beta * c.colour_gradient_sum) / c.size
        cluster = np.zeros(len(scores), int)
        cluster[rows] = clusters(c.feature[rows], min(self.clusters, len(rows)), rng)[1]
        best = highest(scores, pool, len(rows))
        by_cluster = best[np.argsort(cluster[best], kind="stable")]
        ordered = cluster[by_cluster]
        decayed = np.zeros(len(scores))
        decayed[by_cluster] = scores[by_cluster] * self.decay ** (
            np.arange(len(rows)) - np.searchsorted(ordered, ordered)
        )
        return Query(highest(decayed, pool, n), self.question)
