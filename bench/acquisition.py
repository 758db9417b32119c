"""The common part of all strategies: the best B by score, bans, ties and the kind of question."""

from abc import ABC, abstractmethod

import numpy as np

from bench import registry
from bench.types import InputError, Pool, Query


class Strategy:
    """Base of a strategy. A subclass writes ``score``, or ``acquire`` if it chooses in a way of its own.

    ``needs``: the statistics it reads, by their names in `bench.kernels.statistics.STATISTICS`. ``question``: its kind
    of question, one of `bench.types.QUESTIONS`. The class has the kind of its source, and ``name[question=dominant]``
    sets another (`bench.registry.COMMON`). ``source``: paper and equation. ``reads_truth``: true for bounds, which are
    drawn as reference lines and never ranked. ``may_stop``: true if it may ask fewer questions than the budget.
    ``stateless``: false if an object keeps something from round to round that changes its choice. A cell that goes on
    then begins again, so that it ends as if it had never stopped. ``reads_slips``: true if it reads
    `bench.types.Pool.slip_rate`, which takes second answers. ``reasks``: true if it may ask about a superpixel that was
    asked about in an earlier round; the next person then answers. It cannot be ``stateless``: a rule is given the
    statistics of the first question, which a resumed cell has no more.
    """

    needs: tuple[str, ...] = ()
    question = "correction"
    source = ""
    reads_truth = False
    may_stop = False
    stateless = True
    reads_slips = False
    reasks = False
    _scored: tuple[Pool, np.ndarray] | None = None

    def score(self, pool: Pool) -> np.ndarray:
        """(n,) float: higher means ask first."""
        raise TypeError(f"{type(self).__name__} defines neither score nor acquire")

    def scores(self, pool: Pool) -> np.ndarray:
        """(n,) float64: `score`, which is called once for each pool."""
        if self._scored is None or self._scored[0] is not pool:
            self._scored = pool, np.asarray(self.score(pool), np.float64)
        return self._scored[1]

    def acquire(self, pool: Pool, budget: int, rng: np.random.Generator) -> Query:
        """The ``budget`` rows to ask next, best first; fewer only when fewer are left."""
        return Query(highest(self.scores(pool), pool, budget, self.reasks), self.question)

    def ranking(self, pool: Pool, query: Query) -> np.ndarray:
        """(n,) float: the rank of each candidate, to measure which errors a strategy finds: its scores. A strategy
        without scores ranks its questions in the order of asking; the rest is tied behind them."""
        if type(self).score is not Strategy.score:
            return self.scores(pool)
        ranks = np.full(len(pool.candidates), -np.inf)
        ranks[query.rows] = -np.arange(len(query.rows))
        return ranks


class Refiner(ABC):
    """Base of a refiner, which comes behind a strategy and a plus: ``sim+lcm``. A subclass writes ``refine``.

    ``needs`` and ``source`` as of a `Strategy`.
    """

    needs: tuple[str, ...] = ()
    source = ""

    @abstractmethod
    def refine(
        self, pool: Pool, rows: np.ndarray, labels: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """The rows to relabel, (m,) int64, none of them ever asked, and their new labels, (m,) uint8.

        ``pool``: as the strategy saw it, with this round's rows marked as asked. ``rows`` (k,) int64: those asked this
        round. ``labels`` (k,) uint8: the label that most pixels of each of them have after correction.
        """


def scored(spec: str) -> Strategy:
    """The strategy that ``spec`` names, for one that wraps its score. Raises InputError if it has none."""
    strategy = registry.load("strategies", spec)
    if type(strategy).acquire is not Strategy.acquire:
        raise InputError(f"{spec!r} chooses without a score: give a strategy that has one")
    return strategy


def never_asked(pool: Pool, budget: int, reasks: bool = False) -> tuple[np.ndarray, int]:
    """The rows never asked, or all if it ``reasks``, in the order of the pool's ties, and how many of them to choose.

    A strategy that draws or chooses step by step does so along these rows. Its choice then depends on the seed alone,
    not on the order of the table. Raises InputError for a negative budget.
    """
    if budget < 0:
        raise InputError(f"the budget must be 0 or more questions, got {budget}")
    rows = np.flatnonzero(~pool.asked | reasks)
    return rows[np.argsort(pool.ties[rows], kind="stable")], min(budget, len(rows))


def highest(scores: np.ndarray, pool: Pool, budget: int, reasks: bool = False) -> np.ndarray:
    """Rows of the ``budget`` highest scores among those never asked, or all if it ``reasks``; ties go by the pool's
    seeded hash.

    Raises InputError for a negative budget, for NaN, and for scores of another length than the pool.
    """
    scores = np.asarray(scores, dtype=np.float64)
    if scores.shape != pool.asked.shape:
        raise InputError(f"scores have shape {scores.shape}, expected {pool.asked.shape}")
    if np.isnan(scores).any():
        raise InputError(f"{np.isnan(scores).sum()} scores are NaN; a strategy must rank every superpixel")
    rows, n = never_asked(pool, budget, reasks)
    return rows[np.argsort(-scores[rows], kind="stable")[:n]]
