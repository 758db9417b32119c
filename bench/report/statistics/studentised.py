"""The distribution of the studentised range, over whole arrays: `scipy.stats.studentized_range` is slow.

The range of k means, divided by an independent estimate of their standard error on ``df`` degrees of freedom. A table
for each k is computed once, by quadrature, and read by a spline.
"""

from functools import lru_cache

import numpy as np
from scipy.interpolate import CubicSpline, RectBivariateSpline
from scipy.special import chdtri, gammaln, log_ndtr, nctdtrinc, ndtr

DF = np.geomspace(1, 1e5, 48)
Q = np.geomspace(1e-2, 3e3, 600)
TAIL = 1e-13  # of the distributions that are integrated over


def survival(q: np.ndarray, k: int, df: np.ndarray) -> np.ndarray:
    """The chance of a studentised range of ``k`` groups above ``q``; ``q`` and ``df`` broadcast. NaN stays NaN."""
    q, df = np.broadcast_arrays(np.asarray(q, float), np.asarray(df, float))
    known = np.isfinite(q) & np.isfinite(df)
    found = np.full(q.shape, np.nan)
    at = np.log(np.clip(df[known], DF[0], DF[-1])), np.log(np.clip(q[known], Q[0], Q[-1]))
    found[known] = np.clip(np.exp(_table(k).ev(*at)), 0, 1)
    return found


def critical(alpha: float, k: int, df: np.ndarray) -> np.ndarray:
    """The value that a studentised range of ``k`` groups exceeds with the chance ``alpha``, for each ``df``."""
    return np.exp(_criticals(k, alpha)(np.log(np.clip(np.asarray(df, float), DF[0], DF[-1]))))


def detectable(alpha: float, power: float, k: int, df: np.ndarray) -> np.ndarray:
    """How many standard errors two means lie apart that differ by more than `critical` with the chance ``power``, for
    each ``df``."""
    return np.exp(_effects(k, alpha, power)(np.log(np.clip(np.asarray(df, float), DF[0], DF[-1]))))


@lru_cache(maxsize=64)
def _effects(k: int, alpha: float, power: float) -> CubicSpline:
    return CubicSpline(np.log(DF), np.log(nctdtrinc(DF, 1 - power, critical(alpha, k, DF) / np.sqrt(2))))


@lru_cache(maxsize=64)
def _criticals(k: int, alpha: float) -> CubicSpline:
    chances = _table(k)(np.log(DF), np.log(Q))
    return CubicSpline(np.log(DF), [np.interp(-np.log(alpha), -row, np.log(Q)) for row in chances])


@lru_cache(maxsize=64)
def _table(k: int) -> RectBivariateSpline:
    """The logarithm of `survival` over the logarithms of `DF` and `Q`."""
    nodes, weights = np.polynomial.legendre.leggauss(96)
    # The range of k normal variables exceeds r: the largest lies at z, and not all others within r below it.
    z, w = 8.5 * nodes, 8.5 * weights
    density = np.exp(-(z**2) / 2 + (k - 1) * log_ndtr(z)) * w * k / np.sqrt(2 * np.pi)
    r = np.geomspace(1e-4, 60, 1200)
    below = np.minimum(ndtr(z - r[:, None]) / ndtr(z), 1 - 1e-16)
    log_range = np.log(np.clip(-np.expm1((k - 1) * np.log1p(-below)) @ density, 1e-300, 1))
    # The estimated error is u times the true one: u² is chi-squared over its degrees of freedom.
    ends = np.log(np.sqrt(chdtri(DF[:, None], [1 - TAIL, TAIL]) / DF[:, None]))
    t = ends.mean(1, keepdims=True) + np.diff(ends) / 2 * nodes
    half = DF[:, None] / 2
    chance = np.exp(np.log(2) + half * np.log(half) - gammaln(half) + 2 * half * t - half * np.exp(2 * t))
    chance *= np.diff(ends) / 2 * weights
    tail = np.exp(np.interp(np.log(Q)[:, None, None] + t, np.log(r), log_range))
    found = np.clip((tail * chance).sum(-1), 1e-300, 1)
    return RectBivariateSpline(np.log(DF), np.log(Q), np.log(found).T)
