"""Controls that look at no prediction."""

import numpy as np

from bench.acquisition import Strategy


class Random(Strategy):
    """Random: one seeded permutation of all superpixels, used up round after round, so that subsets nest."""

    source = "the control of every paper"

    def score(self, pool):
        return np.zeros(len(pool.candidates))


class Area(Strategy):
    """Area: the number of pixels, the largest superpixel first; the control for scores that are sums."""

    source = "a control of this suite: SIM and ABC are sums, which favour large superpixels"

    def score(self, pool):
        return pool.candidates.size
