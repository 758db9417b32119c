"""Statistics of budget curves: pure functions of NumPy arrays. Differences are paired by seed."""

import numpy as np

from bench.metrics import area_under_curve


def area(cost: np.ndarray, value: np.ndarray, span: tuple[float, float]) -> float:
    """Area under a curve over ``span``, divided by its width: a mean height.

    ``cost`` (r,) ascending, ``value`` (r,). Between two rounds the curve is a straight line; after the last it keeps
    its value. NaN for a span without width.
    """
    low, high = span
    at = np.concatenate([[low], cost[(cost > low) & (cost < high)], [high]])
    return area_under_curve(at, np.interp(at, cost, value)) if high > low else float("nan")


def common_span(costs: list[np.ndarray]) -> tuple[float, float]:
    """The costs that every curve covers: from the largest first one to the smallest last one."""
    return max(c[0] for c in costs), min(c[-1] for c in costs)
