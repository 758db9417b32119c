"""What all strategies share: the highest scores among those never asked, in an order that the seed alone decides."""

import numpy as np
import pytest
from pools import pool, random_columns

from bench.acquisition import Strategy, highest, never_asked, scored
from bench.types import InputError, Query

N = 60


class Largest(Strategy):
    def score(self, pool):
        return pool.candidates.size


class First(Strategy):
    def acquire(self, pool, budget, rng):
        return Query(np.arange(budget), self.question)


def made(asked=()):
    return pool(random_columns((), N), 5, asked)


def test_infinite_scores_rank_and_nan_and_a_wrong_length_do_not():
    p = made()
    scores = np.zeros(N)
    scores[4], scores[9] = np.inf, -np.inf
    assert highest(scores, p, N)[0] == 4 and highest(scores, p, N)[-1] == 9
    with pytest.raises(InputError, match="NaN"):
        highest(np.full(N, np.nan), p, 3)
    with pytest.raises(InputError, match="shape"):
        highest(scores[1:], p, 3)


def test_rows_left_come_in_the_order_of_ties():
    p = made(asked=[1, 2])
    rows, n = never_asked(p, 1000)
    assert n == N - 2 and (np.diff(p.ties[rows]) > 0).all() and not p.asked[rows].any()


def test_ties_of_scores_go_by_the_hash():
    p = made(asked=[3])
    assert highest(np.zeros(N), p, 5).tolist() == never_asked(p, 5)[0][:5].tolist()


def test_a_ranking_is_the_score_or_else_the_order_of_asking():
    p = made()
    query = Largest().acquire(p, 4, np.random.default_rng(0))
    np.testing.assert_array_equal(Largest().ranking(p, query), p.candidates.size.astype(float))
    ranks = First().ranking(p, Query(np.array([7, 2])))
    assert ranks[[7, 2]].tolist() == [0, -1] and np.isneginf(np.delete(ranks, [2, 7])).all()


def test_a_strategy_without_a_score_has_none_to_wrap():
    assert scored("entropy").score
    with pytest.raises(InputError, match="'coreset' chooses without a score"):
        scored("coreset")
    with pytest.raises(TypeError, match="Strategy defines neither score nor acquire"):
        Strategy().score(made())
