"""Noise on any other strategy's score, so that a batch is less redundant. Source: Kirsch et al., TMLR 2023."""

from abc import ABC, abstractmethod

import numpy as np

from bench.acquisition import Strategy, highest, never_asked, scored
from bench.types import InputError, Query


class _Noisy(Strategy, ABC):
    source = "Kirsch et al., TMLR 2023"

    def __init__(self, of="sim", beta=1.0):
        if not beta > 0:
            raise ValueError(f"beta must be above 0, got {beta}")
        self.inner, self.beta = scored(of), beta
        self.needs, self.question, self.reads_truth = self.inner.needs, self.inner.question, self.inner.reads_truth

    def acquire(self, pool, budget, rng):
        rows, n = never_asked(pool, budget)
        scores = np.asarray(self.inner.score(pool), dtype=np.float64)
        best_first = highest(scores, pool, len(rows))
        keys = np.full(len(scores), -np.inf)
        keys[best_first] = self.log_weight(scores[best_first])
        keys[rows] += rng.gumbel(size=len(rows)) / self.beta
        return Query(highest(keys, pool, n), self.question)

    @abstractmethod
    def log_weight(self, scores: np.ndarray) -> np.ndarray:
        """(m,) from scores, best first."""


class Power(_Noisy):
    """Power: ln of another strategy's superpixel score, plus Gumbel noise / beta; scores of 0 come last."""

    def log_weight(self, scores):
        if (scores < 0).any():
            raise InputError(f"power needs scores of 0 or more, got {scores.min():.3g}: use softrank for this strategy")
        with np.errstate(divide="ignore"):
            return np.log(scores)


class Softrank(_Noisy):
    """Soft rank: -ln of the superpixel's rank by another strategy's score, plus Gumbel noise / beta."""

    def log_weight(self, scores):
        return -np.log(np.arange(1, len(scores) + 1))
