"""Each statistic: a case by hand, and an independent twin where one exists."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bench import seeds
from bench.report.statistics import inference as s

RNG = seeds.generator(0, "test statistics")


def test_area_by_hand_and_beyond_the_last_round():
    cost, value = np.array([0.0, 10, 30]), np.array([0.2, 0.4, 0.8])
    assert s.area_weights(cost, (0, 30)) @ value == pytest.approx((10 * 0.3 + 20 * 0.6) / 30)
    assert s.area_weights(cost, (5, 20)) @ value == pytest.approx((5 * 0.35 + 10 * 0.5) / 15)
    assert s.area_weights(cost, (0, 40)) @ value == pytest.approx((3 + 12 + 10 * 0.8) / 40)
    assert np.isnan(s.area_weights(cost, (30, 30))).all()
    assert s.value_weights(cost, np.array([5, 40])) @ value == pytest.approx([0.3, 0.8])
    assert s.common_span([cost, np.array([2.0, 50])]) == (2, 30)


@given(st.lists(st.tuples(st.integers(1, 9), st.floats(0, 1)), min_size=2, max_size=8), st.floats(1e-3, 1e3))
def test_area_is_a_mean_height_in_any_unit(steps, unit):
    cost, value = np.cumsum([float(n) for n, _ in steps]), np.array([v for _, v in steps])
    area = s.area_weights(cost, (cost[0], cost[-1])) @ value
    assert value.min() - 1e-9 <= area <= value.max() + 1e-9
    other = cost * unit + 7
    assert s.area_weights(other, (other[0], other[-1])) @ value == pytest.approx(area)


def test_cost_to_reach_by_hand():
    cost, value = np.array([0.0, 100, 200]), np.array([0.2, 0.4, 0.35])
    assert s.cost_to_reach(cost, value, 0.3) == pytest.approx(50)
    assert s.cost_to_reach(cost, value, 0.1) == 0
    assert s.cost_to_reach(cost, value, 0.5) == np.inf


def test_median_of_censored_costs_by_hand():
    """Row 11: for an even number the mean of the two middle ones, infinite where one of them is."""
    assert s.censored_median([3.0, 1.0, 2.0]) == 2
    assert s.censored_median([1.0, 2.0, 4.0, np.inf]) == 3
    assert s.censored_median([1.0, 2.0, np.inf, np.inf]) == np.inf
    assert s.censored_median([1.0, np.inf]) == np.inf and np.isnan(s.censored_median([]))


def test_probability_of_improvement_is_mann_whitneys_u_over_the_pairs():
    scores = RNG.integers(0, 5, (4, 6)).astype(float)
    found = s.probability_of_improvement(scores)
    for i, j in itertools.permutations(range(4), 2):
        assert found[i, j] == pytest.approx(stats.mannwhitneyu(scores[i], scores[j]).statistic / 36)
    assert s.probability_of_improvement(np.array([[1.0, 2], [1.0, 0]]))[0, 1] == (0.5 + 1 + 1 + 1) / 4


def test_test_of_two_strategies_is_the_paired_t_test():
    a, b = RNG.random(7), RNG.random(7)
    found, twin = s.all_pairs(np.array([a, b])), stats.ttest_rel(a, b)
    interval = twin.confidence_interval()
    assert found.p[0, 1] == pytest.approx(twin.pvalue, rel=2e-3)
    assert (found.low[0, 1], found.high[0, 1]) == pytest.approx((interval.low, interval.high), rel=2e-3)


def test_each_pair_has_its_own_spread_and_bonferronis_level():
    scores = RNG.normal(size=(4, 6)) * np.array([1, 1, 1, 9])[:, None]
    found = s.all_pairs(scores)
    for i, j in itertools.combinations(range(4), 2):
        twin = stats.ttest_rel(scores[i], scores[j])
        interval = twin.confidence_interval(1 - 0.05 / 6)
        assert found.p[i, j] == pytest.approx(min(6 * twin.pvalue, 1))
        assert (found.low[i, j], found.high[i, j]) == pytest.approx((interval.low, interval.high))


def test_the_level_of_a_false_discovery_rate_is_benjamini_and_hochbergs():
    p = np.concatenate([RNG.random(40), 1e-3 * RNG.random(15)])
    level = s.discovery_level(np.append(p, np.nan))
    assert ((p <= level) == (stats.false_discovery_control(p) <= 0.05)).all()
    assert level == pytest.approx(0.05 * (p <= level).sum() / 55)
    assert s.discovery_level(np.full(10, 0.5)) == pytest.approx(0.005) and s.discovery_level(p[:0]) == 0.05


@pytest.mark.parametrize("df", [2, 4, 22.5])
def test_the_margin_is_found_four_times_in_five(df):
    effect = s.detectable(0.05 / 66, np.array([[df, np.nan]]))
    assert stats.nct.sf(stats.t.isf(0.025 / 66, df), df, effect[0, 0]) == pytest.approx(0.8, abs=1e-3)
    assert np.isnan(effect[0, 1])


def test_no_spread_gives_no_p():
    """Row 6: differences that are the same in every seed say nothing of other seeds."""
    scores = np.array([[0.1, 0.1, 0.1, 0.1, 0.1], [0.5] * 5, [0.31, 0.29, 0.3, 0.32, 0.28]])
    found = s.all_pairs(scores)
    assert np.isnan(found.p[0, 1]) and np.isnan(found.low[0, 1]) and np.isnan(found.margin[0, 1])
    assert found.p[0, 2] < 0.01 and found.better[2, 0]
    assert np.isnan(s.all_pairs(scores[:2]).p).all() and np.isnan(s.all_pairs(scores[:2]).ranks).all()
    assert np.isnan(s.all_pairs(scores[:, :2]).p).all()


def test_images_give_a_spread_to_seeds_without_one():
    """Row 6: with confusion matrices by image there is a test, and it is the paired t test over images."""
    values = seeds.generator(0, "test of images").normal(0, 1, (2, 60)) + np.array([[0.3], [0.0]])
    scores = np.repeat(values.mean(1)[:, None], 3, axis=1)
    influence = np.repeat(((values - values.mean(1, keepdims=True)) / 60)[:, None], 3, axis=1)
    found = s.all_pairs(scores, images=s.image_spread(influence))
    assert found.p[0, 1] == pytest.approx(stats.ttest_rel(*values).pvalue, rel=0.25)
    assert found.difference[0, 1] == pytest.approx(values[0].mean() - values[1].mean())


def test_no_difference_that_identical_runs_may_have_is_significant():
    """Row 5: the threshold is t·√2·std/√n, from the spread of identical runs."""
    scores = np.array([0.5, 0.52, 0.6])[:, None] + 5e-4 * RNG.normal(size=(3, 5))
    free, held = s.all_pairs(scores), s.all_pairs(scores, repeats=(0.02, 10))
    threshold = stats.t.isf(0.025 / 3, 10) * 0.02 * np.sqrt(2 / 5)
    assert 0.02 < threshold < 0.08 and free.better[1, 0] and not held.better[1, 0] and held.better[2, 1]
    assert held.high[1, 0] - held.difference[1, 0] == pytest.approx(threshold, rel=1e-3)


@pytest.mark.parametrize("n_seeds, old_share", [(2, 0.92), (5, 0.61), (10, 0.22)])
def test_equal_strategies_share_a_rank_where_identical_runs_differ(n_seeds, old_share):
    """Row 5: six equal strategies, noise of identical runs only: once they got different ranks in ``old_share``."""
    rng, n = seeds.generator(0, "repeats", n_seeds), 1000
    scores = rng.normal(size=(n, 6, n_seeds))
    std = np.sqrt(rng.chisquare(6 * n_seeds, n) / (6 * n_seeds))
    apart = sum(s.all_pairs(one, repeats=(r, 6 * n_seeds)).better.any() for one, r in zip(scores, std, strict=True))
    assert apart <= stats.binom.ppf(0.999, n, 0.05) < old_share * n


def test_ranks_follow_from_the_intervals():
    """Row 12: the strategies that are tied with the best share its rank; the rest has a range."""
    scores = np.array([0.5, 0.501, 0.6, 0.8, 0.8])[:, None] + 0.003 * RNG.normal(size=(5, 6))
    low, high = s.all_pairs(scores).ranks
    assert (low.tolist(), high.tolist()) == ([4, 4, 3, 1, 1], [5, 5, 3, 2, 2])


def test_mean_interval_is_scipys_t_interval():
    """Row 14."""
    values = RNG.normal(size=(5, 3))
    low, high = s.mean_interval(values)
    twin = stats.t.interval(0.95, 4, values.mean(0), stats.sem(values, axis=0))
    assert (low, high) == (pytest.approx(twin[0]), pytest.approx(twin[1]))
    assert np.isnan(s.mean_interval(values[:2])[0]).all() and np.isnan(s.mean_interval(np.ones((5, 2)))[0]).all()
