"""Controls that look at no prediction."""

import numpy as np

from bench.acquisition import Strategy


class Random(Strategy):
    """Random: one seeded permutation of all superpixels, consumed round after round, so that larger budgets hold smaller ones."""

    def score(self, pool):
        return np.zeros(len(pool.candidates))


class Area(Strategy):
    """Area: the number of pixels, the largest superpixel first; the control for scores that are sums."""

    def score(self, pool):
        return pool.candidates.size
