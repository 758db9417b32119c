"""Statistics of budget curves: pure functions of NumPy arrays. Differences are paired by seed.

`MIN_SEEDS` is the fewest seeds for a test or an interval: with fewer, a paired t-test rests on its assumption of normal
differences alone, and a bootstrap interval is too tight. Whoever has fewer gets NaN here, and a sentence in the report.
"""

from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq
from scipy.special import nctdtr, stdtr, stdtrit

from bench.metrics import area_under_curve

MIN_SEEDS = 5
ALPHA, POWER = 0.05, 0.8
NAN = float("nan")


def area(cost: np.ndarray, value: np.ndarray, span: tuple[float, float]) -> float:
    """Area under a curve over ``span``, divided by its width: a mean height.

    ``cost`` (r,) ascending, ``value`` (r,). Between two rounds the curve is a straight line; after the last it keeps
    its value. NaN for a span without width.
    """
    low, high = span
    at = np.concatenate([[low], cost[(cost > low) & (cost < high)], [high]])
    return area_under_curve(at, np.interp(at, cost, value)) if high > low else NAN


def common_span(costs: list[np.ndarray]) -> tuple[float, float]:
    """The costs that every curve covers: from the largest first one to the smallest last one."""
    return max(c[0] for c in costs), min(c[-1] for c in costs)


def cost_to_reach(cost: np.ndarray, value: np.ndarray, target: float) -> float:
    """The first cost at which the curve stands at ``target``; infinite (censored) where it never does."""
    above = np.flatnonzero(value >= target)
    if not len(above):
        return np.inf
    i = above[0]
    if i == 0:
        return float(cost[0])
    return float(cost[i - 1] + (target - value[i - 1]) / (value[i] - value[i - 1]) * (cost[i] - cost[i - 1]))


def interquartile_mean(scores: np.ndarray) -> float:
    """Mean of the middle half of all ``scores``, a quarter cut from each end, rounded down (Agarwal et al., 2021)."""
    ordered = np.sort(scores, axis=None)
    cut = len(ordered) // 4
    return float(ordered[cut : len(ordered) - cut].mean())


def bootstrap_interval(
    strata: list[np.ndarray], statistic: Callable[[np.ndarray], float], rng: np.random.Generator, n: int = 2000
) -> tuple[float, float]:
    """95 % percentile interval of ``statistic`` of all scores; each stratum (n_seeds,) is drawn anew from its own
    scores. NaN where a stratum has fewer than `MIN_SEEDS`."""
    if min(map(len, strata)) < MIN_SEEDS:
        return NAN, NAN
    drawn = np.concatenate([s[rng.integers(len(s), size=(n, len(s)))] for s in strata], axis=1)
    low, high = np.quantile([statistic(row) for row in drawn], [ALPHA / 2, 1 - ALPHA / 2])
    return float(low), float(high)


def probability_of_improvement(x: list[np.ndarray], y: list[np.ndarray]) -> float:
    """The chance that a run of X is better than one of Y, ties counted half: mean over strata (Agarwal et al.,
    2021)."""
    shares = [np.mean((a[:, None] > b) + 0.5 * (a[:, None] == b)) for a, b in zip(x, y, strict=True)]
    return float(np.mean(shares))


def paired_test(difference: np.ndarray) -> float:
    """Two-sided p of a t-test on seed-paired differences (n_seeds,); NaN with fewer than `MIN_SEEDS`."""
    n = len(difference)
    if n < MIN_SEEDS:
        return NAN
    spread = difference.std(ddof=1)
    if spread == 0:
        return 1.0 if difference[0] == 0 else 0.0
    return float(2 * stdtr(n - 1, -abs(difference.mean()) * np.sqrt(n) / spread))


def holm(p: np.ndarray) -> np.ndarray:
    """p-values adjusted for that many tests (Holm, 1979); NaNs stay and do not count."""
    p = np.asarray(p, float)
    adjusted = np.full(p.shape, np.nan)
    order = np.argsort(p)[: np.isfinite(p).sum()]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1)
    return adjusted


def penalty_matrix(values: np.ndarray) -> np.ndarray:
    """(s, s): the share of budgets at which row beats column, by a paired test at 5 % with Holm's correction over all
    pairs (Ash et al., 2020, with the correction). ``values`` (s, n_seeds, n_budgets); NaN with too few seeds."""
    n, n_seeds, n_budgets = values.shape
    wins = np.zeros((n, n))
    if n_seeds < MIN_SEEDS:
        return np.full((n, n), np.nan)
    rows, columns = np.triu_indices(n, 1)
    for budget in range(n_budgets):
        differences = values[rows, :, budget] - values[columns, :, budget]
        told_apart = holm([paired_test(d) for d in differences]) < ALPHA
        better = differences.mean(axis=1) > 0
        np.add.at(wins, (rows[told_apart & better], columns[told_apart & better]), 1)
        np.add.at(wins, (columns[told_apart & ~better], rows[told_apart & ~better]), 1)
    return wins / n_budgets


def detectable_difference(differences: np.ndarray) -> float:
    """The smallest true difference that a paired t-test at 5 % finds with 80 % power.

    ``differences`` (n_pairs, n_seeds): their pooled spread is what one pair is expected to have. NaN with one seed.
    """
    n_pairs, n = differences.shape
    if n < 2 or not n_pairs:
        return NAN
    spread = np.sqrt(np.mean(differences.var(axis=1, ddof=1)))
    critical = stdtrit(n - 1, 1 - ALPHA / 2)

    def excess(effect):  # the other tail is empty where the power is high
        return 1 - nctdtr(n - 1, effect * np.sqrt(n), critical) - POWER

    return float(spread * brentq(excess, 0, 40))


def ranks(means: np.ndarray, spread: float = 0.0) -> np.ndarray:
    """(s,) int: 1 is the largest mean. Whoever is within ``spread`` of the best of a rank shares it."""
    found = np.empty(len(means), int)
    leader, rank = np.inf, 0
    for place, i in enumerate(np.argsort(-means, kind="stable"), 1):
        if place == 1 or leader - means[i] > spread:
            leader, rank = means[i], place
        found[i] = rank
    return found


def rank_stability(scores: np.ndarray, spread: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Best and worst rank (s,) of each strategy by ``scores`` (s, n_seeds), whole and with each seed left out once."""
    n = scores.shape[1]
    chosen = [scores, *(np.delete(scores, seed, axis=1) for seed in range(n if n > 1 else 0))]
    found = np.array([ranks(some.mean(axis=1), spread) for some in chosen])
    return found.min(axis=0), found.max(axis=0)
