"""Each statistic: a case by hand, and an independent twin where one exists."""

import itertools

import numpy as np
import pytest
from scipy import stats

from bench import seeds
from bench.report import statistics as s

RNG = seeds.generator(0, "test statistics")


def test_area_by_hand_and_beyond_the_last_round():
    cost, value = np.array([0.0, 10, 30]), np.array([0.2, 0.4, 0.8])
    assert s.area(cost, value, (0, 30)) == pytest.approx((10 * 0.3 + 20 * 0.6) / 30)
    assert s.area(cost, value, (5, 20)) == pytest.approx((5 * 0.35 + 10 * 0.5) / 15)
    assert s.area(cost, value, (0, 40)) == pytest.approx((3 + 12 + 10 * 0.8) / 40)
    assert np.isnan(s.area(cost, value, (30, 30)))
    assert s.common_span([cost, np.array([2.0, 50])]) == (2, 30)


def test_cost_to_reach_by_hand():
    cost, value = np.array([0.0, 100, 200]), np.array([0.2, 0.4, 0.35])
    assert s.cost_to_reach(cost, value, 0.3) == pytest.approx(50)
    assert s.cost_to_reach(cost, value, 0.1) == 0
    assert s.cost_to_reach(cost, value, 0.5) == np.inf


@pytest.mark.parametrize("n", [1, 3, 4, 7, 8, 21])
def test_interquartile_mean_is_scipys_trimmed_mean(n):
    x = RNG.random(n)
    assert s.interquartile_mean(x) == pytest.approx(stats.trim_mean(x, 0.25))


def test_interquartile_mean_by_hand():
    assert s.interquartile_mean(np.array([100.0, 1, 2, 3, 4, 5, 6, -100])) == 3.5


def test_bootstrap_interval_of_a_mean_is_scipys():
    x = RNG.normal(0.5, 0.1, 40)
    low, high = s.bootstrap_interval([x], np.mean, seeds.generator(1, "a"), n=8000)
    twin = stats.bootstrap((x,), np.mean, n_resamples=8000, method="percentile", rng=1).confidence_interval
    assert (low, high) == pytest.approx((twin.low, twin.high), abs=0.003)


def test_bootstrap_draws_within_each_stratum():
    # two strata without spread of their own: all the difference is between them, so the interval has no width
    low, high = s.bootstrap_interval([np.full(5, 0.2), np.full(5, 0.8)], np.mean, seeds.generator(0, "b"), n=200)
    assert (low, high) == (pytest.approx(0.5), pytest.approx(0.5))
    again = s.bootstrap_interval([RNG.random(6)], s.interquartile_mean, seeds.generator(0, "c"))
    assert again[0] < again[1]


def test_probability_of_improvement_is_mann_whitneys_u_over_the_pairs():
    x = [RNG.integers(0, 5, 4).astype(float), RNG.random(6)]
    y = [RNG.integers(0, 5, 7).astype(float), RNG.random(3)]
    twin = np.mean([stats.mannwhitneyu(a, b).statistic / (len(a) * len(b)) for a, b in zip(x, y, strict=True)])
    assert s.probability_of_improvement(x, y) == pytest.approx(twin)
    assert s.probability_of_improvement([np.array([1.0, 2])], [np.array([1.0, 0])]) == (0.5 + 1 + 1 + 1) / 4


def test_paired_test_is_scipys_and_needs_enough_seeds():
    a, b = RNG.random(7), RNG.random(7)
    assert s.paired_test(a - b) == pytest.approx(stats.ttest_rel(a, b).pvalue)
    # by hand: mean 2, sample std √2.5, n 5, t = 2√5/√2.5 = 2.828 at 4 degrees of freedom: p = 0.0474
    assert s.paired_test(np.array([0.0, 1, 2, 3, 4])) == pytest.approx(0.0474, abs=5e-5)
    assert np.isnan(s.paired_test(a[:4]))
    assert s.paired_test(np.zeros(5)) == 1 and s.paired_test(np.ones(5)) == 0


def test_holm_by_hand_and_by_statsmodels():
    multitest = pytest.importorskip("statsmodels.stats.multitest", reason="the twin is statsmodels")
    assert s.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    p = RNG.random(12) ** 3
    assert s.holm(p) == pytest.approx(multitest.multipletests(p, method="holm")[1])
    with_gap = s.holm([0.01, np.nan, 0.04])
    assert with_gap[[0, 2]] == pytest.approx([0.02, 0.04]) and np.isnan(with_gap[1])


def test_penalty_matrix_is_the_plain_loop():
    multitest = pytest.importorskip("statsmodels.stats.multitest", reason="the twin is statsmodels")
    values = RNG.normal(0, 1, (4, 6, 3)) + np.array([0, 0.5, 2, 4])[:, None, None]
    expected = np.zeros((4, 4))
    for budget in range(3):
        pairs = list(itertools.combinations(range(4), 2))
        tests = [stats.ttest_rel(values[i, :, budget], values[j, :, budget]) for i, j in pairs]
        rejected = multitest.multipletests([t.pvalue for t in tests], method="holm")[0]
        for (i, j), test, different in zip(pairs, tests, rejected, strict=True):
            if different:
                expected[(i, j) if test.statistic > 0 else (j, i)] += 1 / 3
    assert s.penalty_matrix(values) == pytest.approx(expected)
    assert expected.sum() > 1
    assert np.isnan(s.penalty_matrix(values[:, :4])).all()


@pytest.mark.parametrize("n", [2, 3, 5, 12])
def test_detectable_difference_is_statsmodels_power(n):
    power = pytest.importorskip("statsmodels.stats.power", reason="the twin is statsmodels")
    differences = RNG.normal(0, 0.02, (3, n))
    spread = np.sqrt(np.mean([np.var(d, ddof=1) for d in differences]))
    effect = power.TTestPower().solve_power(nobs=n, alpha=0.05, power=0.8)
    assert s.detectable_difference(differences) == pytest.approx(effect * spread, rel=1e-3)
    assert np.isnan(s.detectable_difference(differences[:, :1]))


def test_ranks_share_a_place_within_the_spread():
    means = np.array([0.50, 0.71, 0.70, 0.69])
    assert s.ranks(means).tolist() == [4, 1, 2, 3]
    assert s.ranks(means, 0.015).tolist() == [4, 1, 1, 3]
    assert s.ranks(-means, 0.5).tolist() == [1, 1, 1, 1]


def test_rank_stability_by_hand():
    # without seed 0 the first leads, without seed 1 the second
    scores = np.array([[0.1, 0.9], [0.5, 0.5], [0.0, 0.1]])
    low, high = s.rank_stability(scores)
    assert (low.tolist(), high.tolist()) == ([1, 1, 3], [2, 2, 3])
    assert [r.tolist() for r in s.rank_stability(scores[:, :1])] == [[2, 1, 3]] * 2
    # with any seed left out the last beats two others, on the whole none
    scores = np.array([[0.0, 6.0, 6.0], [6.0, 0.0, 6.0], [6.0, 6.0, 0.0], [3.9, 3.9, 3.9]])
    low, high = s.rank_stability(scores)
    assert s.ranks(scores.mean(axis=1))[3] == high[3] == 4 and low[3] == 2
