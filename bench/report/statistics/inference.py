"""Statistics of budget curves: pure functions of NumPy arrays. One test, `all_pairs`, stands behind every claim.

Each pair of strategies has a paired t test on the spread of its own differences over seeds. Nothing is pooled over
strategies: a pooled spread makes a noisy strategy look as calm as the rest. In simulations with one strategy five times
as noisy, shrunk spreads made 14 times more false claims than they promised, at the strict levels of many tables.

The level of each pair decides what holds for all of them:

- ``ALPHA`` over the number of pairs (Bonferroni): under equal means, the chance of any false difference is at most
  `ALPHA`. Reports use it.
- `discovery_level`, by how many pairs differ (Benjamini and Hochberg, 1995): at most `ALPHA` of the differences shown
  are expected to be false. Boards use it. Intervals at this level cover all but `ALPHA` of the differences that are
  shown (Benjamini and Yekutieli, 2005).

``benchmarks/claims_simulation.py`` holds both against noise of several shapes; docs/statistics.md has its table.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import nctdtrinc, stdtr, stdtrit

MIN_SEEDS = 3  # with two, a spread has one degree of freedom
ALPHA, POWER = 0.05, 0.8
NO_SPREAD = 1e-9  # of scores in [0, 1]: the rounding of equal numbers
TIES = 1e-4  # a hundredth of a point: what ties that are drawn otherwise change in a strategy that draws nothing else
NAN = float("nan")


def area_weights(cost: np.ndarray, span: tuple[float, float]) -> np.ndarray:
    """(r,): the weight of each round's value in the area under a curve over ``span``, divided by its width.

    ``cost`` (r,) ascending. Between two rounds the curve is a straight line; after the last it keeps its value. The
    area is a mean height. NaN for a span without width.
    """
    low, high = span
    if not high > low:
        return np.full(len(cost), NAN)
    at = np.concatenate([[low], cost[(cost > low) & (cost < high)], [high]])
    width = np.diff(at) / (2 * (high - low))
    return (np.append(width, 0) + np.append(0, width)) @ value_weights(cost, at)


def value_weights(cost: np.ndarray, at: np.ndarray) -> np.ndarray:
    """(m, r): the weight of each round's value in the height of a curve at each cost of ``at`` (m,)."""
    return np.stack([np.interp(at, cost, unit) for unit in np.eye(len(cost))], axis=1)


def common_span(costs: list[np.ndarray]) -> tuple[float, float]:
    """The costs that every curve covers: from the highest first cost to the lowest last cost."""
    return max(c[0] for c in costs), min(c[-1] for c in costs)


def cost_to_reach(cost: np.ndarray, value: np.ndarray, target: float) -> float:
    """The first cost at which the curve stands at ``target``; infinite (censored) if it never does."""
    above = np.flatnonzero(value >= target)
    if not len(above):
        return np.inf
    i = above[0]
    if i == 0:
        return float(cost[0])
    return float(cost[i - 1] + (target - value[i - 1]) / (value[i] - value[i - 1]) * (cost[i] - cost[i - 1]))


def censored_median(costs: list[float]) -> float:
    """The median of costs of which some are infinite: the mean of the two middle ones, infinite if one of them is."""
    return float(np.median(costs)) if len(costs) else NAN


def probability_of_improvement(scores: np.ndarray) -> np.ndarray:
    """(s, s): the chance that a run of row is better than one of column, ties counted half (Agarwal et al., 2021), by
    ``scores`` (s, n)."""
    a, b = scores[:, None, :, None], scores[None, :, None, :]
    return np.mean((a > b) + 0.5 * (a == b), axis=(2, 3))


def mean_interval(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 95 % t interval of the mean over the first axis, (n, ...) to two arrays (...). NaN with fewer than
    `MIN_SEEDS`, and if the values do not differ: they say nothing of others."""
    n = len(values)
    if n < MIN_SEEDS:
        return np.full(values.shape[1:], NAN), np.full(values.shape[1:], NAN)
    spread = values.std(axis=0, ddof=1)
    half = np.where(spread > NO_SPREAD, stdtrit(n - 1, 1 - ALPHA / 2) * spread / np.sqrt(n), NAN)
    return values.mean(axis=0) - half, values.mean(axis=0) + half


@dataclass(frozen=True)
class Spread:
    """The variance of each pair's difference of means, and its degrees of freedom: two arrays (..., s, s). NaN if it
    is not known."""

    variance: np.ndarray
    df: np.ndarray


@dataclass(frozen=True)
class OverImages:
    """The variance that other images would add: arrays (..., s, s) from `image_spread`.

    ``spread``: of each pair's difference, by images drawn anew. ``shared``: the part of it that the spread over seeds
    holds too, as each seed is wrong on other images.
    """

    spread: Spread
    shared: np.ndarray

    def at(self, score: int | slice) -> "OverImages":
        """Of one score, or several, of the leading axis."""
        return OverImages(Spread(self.spread.variance[score], self.spread.df[score]), self.shared[score])


@dataclass(frozen=True)
class Pairs:
    """All pairs of s strategies, row minus column: arrays (..., s, s), NaN if there is no test.

    ``difference`` of means: NaN for strategies that do not compete with each other.

    ``error``, ``df``: the difference's standard error and its degrees of freedom; ``low``, ``high``: its interval at
    the level of each pair; ``p``: of the same test, times `ALPHA` over that level: at most `ALPHA` where the interval
    excludes 0; ``margin``: the true difference that this test finds with a chance of `POWER`.
    """

    difference: np.ndarray
    error: np.ndarray
    df: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray
    margin: np.ndarray

    @property
    def better(self) -> np.ndarray:
        """(..., s, s) bool: row is significantly better than column."""
        return self.low > 0

    @property
    def typical_margin(self) -> np.ndarray:
        """(...,): the root mean square of ``margin`` over the pairs, NaN without a test."""
        tested = np.isfinite(self.margin)
        total = np.where(tested, self.margin, 0) ** 2
        n = tested.sum((-2, -1))
        return np.where(n > 0, np.sqrt(total.sum((-2, -1)) / np.maximum(n, 1)), NAN)

    @property
    def ranks(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest rank (..., s) that the intervals leave to each strategy; 1 is the best. NaN for a strategy
        that no test compares with another."""
        compared = np.isfinite(self.difference).sum(-1)
        tested = np.isfinite(self.p).any(-1)
        low, high = 1 + self.better.sum(-2), compared - self.better.sum(-1)
        return np.where(tested, low, NAN), np.where(tested, high, NAN)


def all_pairs(
    scores: np.ndarray,
    level: float | None = None,
    images: OverImages | None = None,
    repeats: tuple[float, int] | None = None,
) -> Pairs:
    """The paired t test of each pair, by ``scores`` (..., s, n): s strategies in n seeds, paired by seed.

    ``level``: of each pair, by default `family_level` of these s strategies. ``images``: the variance that other images
    add. ``repeats``: the sample std of one score among identical runs, and its degrees of freedom; a difference that
    identical runs may have does not count. No test with fewer than `MIN_SEEDS`, nor between strategies with the same
    difference in every seed, unless there are ``images``. With too few seeds they speak of other images alone, for
    these seeds.
    """
    n_strategies, n_seeds = scores.shape[-2:]
    means = scores.mean(-1)
    difference = means[..., :, None] - means[..., None, :]
    if n_strategies < 2 or (n_seeds < MIN_SEEDS and images is None):
        none = np.full(difference.shape, NAN)
        return Pairs(difference, none, none, none, none, none, none)
    if images is None:
        spread = seed_spread(scores)
    else:
        spread = images.spread if n_seeds < MIN_SEEDS else _with_images(seed_spread(scores), images)
    tests = [spread]
    if repeats is not None and repeats[0] > 0:
        variance = np.where(np.isfinite(spread.variance), 2 * repeats[0] ** 2 / n_seeds, NAN)
        tests.append(Spread(variance, np.full(variance.shape, float(repeats[1]))))
    return from_spreads(difference, tests, family_level(n_pairs(n_strategies)) if level is None else level)


def from_spreads(difference: np.ndarray, tests: list[Spread], level: float) -> Pairs:
    """`Pairs` of a ``difference`` (..., s, s) that counts only if each of ``tests`` finds it at ``level``."""
    error = np.sqrt([test.variance for test in tests])
    df = np.array([test.df for test in tests])
    half = (stdtrit(df, 1 - level / 2) * error).max(axis=0)
    p = 2 * stdtr(df, -np.abs(difference) / error).max(axis=0)
    margin = (error * detectable(level, df)).max(axis=0)
    adjusted = np.minimum(p * (ALPHA / level), 1)
    return Pairs(difference, error[0], df[0], difference - half, difference + half, adjusted, margin)


def n_pairs(n_strategies: int) -> int:
    return n_strategies * (n_strategies - 1) // 2


def family_level(n_tests: int) -> float:
    """The level of each of ``n_tests`` for a chance of at most `ALPHA` of any false difference (Bonferroni)."""
    return ALPHA / max(n_tests, 1)


def discovery_level(p: np.ndarray) -> float:
    """The level of each test for a false discovery rate of at most `ALPHA`, by the unadjusted ``p`` (m,) of all tests
    (Benjamini and Hochberg, 1995): with R differences it is ``ALPHA``·R / m. NaN are no tests."""
    p = np.sort(p[np.isfinite(p)])
    found = np.flatnonzero(p <= ALPHA * np.arange(1, len(p) + 1) / max(len(p), 1))
    return ALPHA * (found[-1] + 1 if len(found) else 1) / max(len(p), 1)


def detectable(level: float, df: np.ndarray) -> np.ndarray:
    """The true difference, in standard errors, that a t test at ``level`` finds with the chance `POWER`; for each
    ``df``, NaN where that is NaN."""
    values, place = np.unique(df, return_inverse=True)
    return nctdtrinc(values, 1 - POWER, stdtrit(values, 1 - level / 2))[place].reshape(df.shape)


def seed_spread(scores: np.ndarray) -> Spread:
    """The spread over seeds of each pair's mean difference, by ``scores`` (..., s, n), on n - 1 degrees of freedom.

    NaN for pairs with the same difference in every seed, but for `TIES`.
    """
    n = scores.shape[-1]
    own = (scores[..., :, None, :] - scores[..., None, :, :]).var(-1, ddof=1)
    varies = own > TIES**2
    return Spread(np.where(varies, own / n, NAN), np.where(varies, float(n - 1), NAN))


def image_spread(influence: np.ndarray) -> OverImages:
    """The variance that other images would add, by ``influence`` (s, n, ..., N): of each image on each score
    (`bench.runs.confusions.Counts.influence`), strategies first, then seeds.

    The degrees of freedom fall if few images carry most of the influence: Var(Σx²) ≈ Σx⁴.
    """
    n = influence.shape[1]
    mean = influence.mean(1)
    square, cube, fourth = (_gram(mean**p, mean ** (4 - p)) for p in (2, 1, 0))
    spread = _distance(mean)
    fourths = 6 * square - 4 * (cube + np.swapaxes(cube, -1, -2)) + fourth + np.swapaxes(fourth, -1, -2)
    with np.errstate(divide="ignore", invalid="ignore"):
        df = np.where(fourths > 0, 2 * spread**2 / fourths, NAN)
    shared = sum(_distance(influence[:, seed] - mean) for seed in range(n)) / max(n * (n - 1), 1)
    spread = np.where(spread > NO_SPREAD**2, spread, NAN)
    return OverImages(Spread(spread, np.clip(df, 1, influence.shape[-1] - 1)), shared)


def _gram(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Σ a_i·b_j over the last axis, (s, ..., N) to (..., s, s)."""
    return np.einsum("i...n,j...n->...ij", a, b, optimize=True)


def _distance(x: np.ndarray) -> np.ndarray:
    """Σ (x_i - x_j)² over the last axis, (s, ..., N) to (..., s, s)."""
    gram = _gram(x, x)
    own = np.diagonal(gram, axis1=-2, axis2=-1)
    return np.maximum(own[..., :, None] + own[..., None, :] - 2 * gram, 0)


def _with_images(seeds: Spread, images: OverImages) -> Spread:
    """Spread over seeds and images: their common part counts once. Satterthwaite's degrees of freedom; for them, the
    seeds' part is as uncertain as their whole spread."""
    over_seeds = np.nan_to_num(seeds.variance)
    of_seeds = np.maximum(over_seeds - images.shared, 0)
    of_images, df_images = np.nan_to_num(images.spread.variance), np.nan_to_num(images.spread.df, nan=1)
    variance = of_seeds + of_images
    with np.errstate(divide="ignore", invalid="ignore"):
        uncertain = np.where(of_seeds > 0, over_seeds**2, 0) / np.nan_to_num(seeds.df, nan=1)
        df = variance**2 / (uncertain + of_images**2 / df_images)
    known = variance > NO_SPREAD**2
    return Spread(np.where(known, variance, NAN), np.where(known, df, NAN))
