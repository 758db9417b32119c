"""Controls that look at no score of a model."""

import numpy as np

from bench.acquisition import Strategy, never_asked
from bench.registry import number, probability
from bench.types import Query


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


class ForegroundRandom(Strategy):
    """Foreground-aware random: a `share` of the batch is drawn among predicted foreground, the rest among all others.

    Foreground are the superpixels whose dominant prediction is not the class `background`. Where there are fewer of
    them than the share, the rest of the batch is larger. It draws along the order of `random`.
    """

    needs = ("dominant",)
    source = "Luth et al. (nnActive), 2025, its strong control: random with 33 % or 66 % foreground"

    def __init__(self, share: float = 0.66, background: int = 0):
        self.share, self.background = probability("share", share), number("background", background, whole=True)

    def acquire(self, pool, budget, rng):
        rows, n = never_asked(pool, budget)
        is_chosen = np.zeros(len(rows), bool)
        is_chosen[np.flatnonzero(pool.candidates.dominant[rows] != self.background)[: int(n * self.share)]] = True
        return Query(np.concatenate([rows[is_chosen], rows[~is_chosen]])[:n], self.question)
