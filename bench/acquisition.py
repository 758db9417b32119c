"""What all strategies share: the best B by score, bans, ties and the kind of question."""

import numpy as np

from bench.types import InputError, Pool, Query


class Strategy:
    """Base of a strategy. A subclass writes ``score``, or ``acquire`` where it chooses in a way of its own.

    ``needs``: the statistics it reads, by their names in `bench.kernels.COLUMNS`. ``question``: what it asks, one of
    `bench.types.QUESTIONS`. ``source``: paper and equation. ``reads_truth``: true for bounds, which are drawn as
    reference lines and never ranked.
    """

    needs: tuple[str, ...] = ()
    question = "correction"
    source = ""
    reads_truth = False

    def score(self, pool: Pool) -> np.ndarray:
        """(n,) float: higher means ask first."""
        raise TypeError(f"{type(self).__name__} defines neither score nor acquire")

    def acquire(self, pool: Pool, budget: int, rng: np.random.Generator) -> Query:
        """The ``budget`` rows to ask next, best first; fewer only when fewer are left."""
        return Query(top(self.score(pool), pool, budget), self.question)


def top(scores: np.ndarray, pool: Pool, budget: int) -> np.ndarray:
    """Rows of the ``budget`` highest scores among those never asked; ties go by the pool's seeded hash.

    Raises InputError for a negative budget, for NaN, and for scores of another length than the pool.
    """
    if budget < 0:
        raise InputError(f"the budget must be 0 or more questions, got {budget}")
    scores = np.asarray(scores, dtype=np.float64)
    if scores.shape != pool.asked.shape:
        raise InputError(f"scores have shape {scores.shape}, expected {pool.asked.shape}")
    if np.isnan(scores).any():
        raise InputError(f"{np.isnan(scores).sum()} scores are NaN; a strategy must rank every superpixel")
    open_rows = np.flatnonzero(~pool.asked)
    order = np.lexsort((pool.ties[open_rows], -scores[open_rows]))
    return open_rows[order[:budget]]
