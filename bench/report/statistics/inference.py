"""Statistics of budget curves: pure functions of NumPy arrays. One test, `all_pairs`, stands behind every claim.

The scores of s strategies in n seeds are taken as strategy + seed + noise, the noise normal. `all_pairs` compares all
pairs at once: under equal means, the chance of any false difference is `ALPHA`. Its two choices come from simulation
with 4, 12 and 37 strategies and 3, 5 and 10 seeds:

- One spread for all (Tukey) is exact where all strategies vary alike, and makes up to half of the pages wrong where one
  or two vary five times as much as the rest. A spread for each pair, with Bonferroni, holds everywhere and finds next
  to nothing with few seeds. So each pair's variance is shrunk towards the common one, by as much as the variances
  agree (empirical Bayes; Smyth, 2004): 3 to 6 % false pages where all vary alike; where they do not, at most 7 % with
  5 or more seeds, and at most 9 % with 3.
- No pair is taken to be surer than its noisier strategy alone: among many quiet strategies, a noisy one would otherwise
  get a share of their calm.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import polygamma, stdtrit

from bench.report.statistics import studentised

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
    """The costs that every curve covers: from the largest first one to the smallest last one."""
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
    holds too, as each seed errs on other images.
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

    ``error``, ``df``: the difference's standard error and its degrees of freedom; ``low``, ``high``: its simultaneous
    interval; ``p``: of the same test, adjusted for all pairs (and ``families``); ``margin``: the true difference that
    this test finds with a chance of `POWER`.
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
        """(..., s, s) bool: row is told apart from column, and above it."""
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
    families: int = 1,
    images: OverImages | None = None,
    repeats: tuple[float, int] | None = None,
) -> Pairs:
    """The test of all pairs by ``scores`` (..., s, n): s strategies in n seeds, paired by seed.

    ``families``: among how many such tests `ALPHA` is shared. ``images``: what other images add to the spread.
    ``repeats``: the sample std of one score among identical runs, and its degrees of freedom; no difference within
    their studentised range, q·std/√n, counts. No test with fewer than `MIN_SEEDS`, nor between strategies whose
    difference is the same in every seed, unless there are ``images``: with too few seeds they speak of other images
    alone, for these seeds.
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
    return from_spreads(difference, tests, n_strategies, families)


def from_spreads(difference: np.ndarray, tests: list[Spread], n_strategies: int, families: int = 1) -> Pairs:
    """`Pairs` of a ``difference`` (..., s, s) that counts only where each of ``tests`` finds it."""
    error = np.sqrt([test.variance for test in tests])
    df = np.array([test.df for test in tests])
    limit = studentised.critical(ALPHA / families, n_strategies, df) / np.sqrt(2)
    half = (limit * error).max(axis=0)
    p = studentised.survival(np.sqrt(2) * np.abs(difference) / error, n_strategies, df).max(axis=0)
    margin = (error * studentised.detectable(ALPHA / families, POWER, n_strategies, df)).max(axis=0)
    low, high = difference - half, difference + half
    return Pairs(difference, error[0], df[0], low, high, np.minimum(p * families, 1), margin)


def seed_spread(scores: np.ndarray) -> Spread:
    """The spread over seeds of each pair's mean difference, by ``scores`` (..., s, n): see the head of this module.

    NaN for pairs whose difference is the same in every seed, but for `TIES`.
    """
    s, n = scores.shape[-2:]
    d = n - 1
    own = (scores[..., :, None, :] - scores[..., None, :, :]).var(-1, ddof=1)
    varies = own > TIES**2
    residual = scores - scores.mean(-1, keepdims=True) - scores.mean(-2, keepdims=True)
    residual = residual + scores.mean((-2, -1), keepdims=True)
    noise = (residual**2).sum(-1) / d * s / (s - 1)
    # Strategies that never differ count once.
    first = ~np.tril(~varies, -1).any(-1)
    df_common = np.maximum(first.sum(-1) - 1, 1)[..., None, None] * d
    weight = varies.astype(float)
    total = np.maximum(weight.sum((-2, -1), keepdims=True), 1)
    common = (weight * own).sum((-2, -1), keepdims=True) / total
    prior = _prior_df(own, varies, d)
    variance = np.where(np.isinf(prior), common, (np.where(np.isinf(prior), 0, prior) * common + d * own) / (prior + d))
    variance = np.maximum(variance, np.maximum(noise[..., :, None], noise[..., None, :]))
    df = np.broadcast_to(np.minimum(prior + d, df_common), own.shape)
    return Spread(np.where(varies, variance / n, NAN), np.where(varies, df, NAN))


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


def _prior_df(own: np.ndarray, varies: np.ndarray, d: int) -> np.ndarray:
    """(..., 1, 1): how many degrees of freedom the common variance is worth against one of ``own`` (..., s, s) on
    ``d``, by how much more the logarithms of the variances scatter than chance would have it (Smyth, 2004, section
    6.2). Infinite if they do not."""
    upper = varies & np.triu(np.ones(own.shape[-2:], bool), 1)
    n = upper.sum((-2, -1))
    logs = np.where(upper, np.log(np.where(upper, own, 1)), 0)
    centre = logs.sum((-2, -1)) / np.maximum(n, 1)
    scatter = (np.where(upper, logs - centre[..., None, None], 0) ** 2).sum((-2, -1)) / np.maximum(n - 1, 1)
    excess = scatter - polygamma(1, d / 2)
    found = np.where((n > 1) & (excess > 1e-3), 2 * _inverse_trigamma(np.maximum(excess, 1e-3)), np.inf)
    return found[..., None, None]


def _inverse_trigamma(x: np.ndarray) -> np.ndarray:
    """y with trigamma(y) = ``x``, by Newton's method on 1 / trigamma, which is nearly straight (Smyth, 2004)."""
    y = 0.5 + 1 / x
    for _ in range(12):
        value = polygamma(1, y)
        y = y + value * (1 - value / x) / polygamma(2, y)
    return y
