"""A score that expects wrong answers: what an answer mends, less what it breaks."""

import numpy as np
from sklearn.isotonic import IsotonicRegression
from sklearn.model_selection import KFold, cross_val_predict

from bench.acquisition import Strategy
from bench.registry import one_of, probability
from bench.types import Query

DOUBTS = {"sim": "sim", "cil": "cil_sum", "cil_area": "cil"}  # and the statistic that each one is made from
ENOUGH = 50  # first answers, before a doubt is calibrated on them


def calibrated(doubt, pool, rate):
    """(n,): the doubt about labels, from 0 to 1, as the first answers so far say: isotonic, and slips taken out.

    ``doubt`` (n,): of the rows asked, as it was before anybody was asked. A label of doubt D is contradicted with
    probability D (1 - e) + (1 - D) e, up to the few who name another wrong class. The rows asked get theirs out of
    fold.
    """
    rows = np.flatnonzero(pool.contradicted >= 0)
    if len(rows) < ENOUGH:
        return doubt
    rows = rows[np.argsort(pool.ties[rows])]  # folds hang on the seed, not on the order of the table
    x, y = doubt[rows], pool.contradicted[rows].astype(np.float64)
    curve = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
    found = curve.fit(x, y).predict(doubt)
    found[rows] = cross_val_predict(curve, x, y, cv=KFold(5))
    return np.clip((found - rate) / max(1 - 2 * rate, 0.1), 0.001, 0.999)


class NetGain(Strategy):
    """Net gain: pixels x (doubt - rate of wrong answers), and nothing is asked where that is not above 0.

    An answer mends a superpixel whose label is wrong, and breaks one whose label is right if the answer is wrong. The
    doubt about a pixel's label, from 0 to 1, is that of the strategy `of` for a pixel: `sim` and `cil` over the
    superpixel, `cil_area` at the representative pixel, the only one in a run without a model. `rate`: the share of
    wrong answers; `auto`: as second answers of the run say so far (`bench.types.Pool.slip_rate`), which takes a rule
    that asks for them, as in `net_gain+adaptive`. The formula is that of a first answer that is written at
    once. `calibrate=true`: the doubt is corrected by the first answers so far, for a model is too sure of the labels
    that it was trained on.
    """

    needs = ("sim",)
    source = "this suite: |S| (D - e), the expected net gain of one answer about a homogeneous superpixel"
    may_stop = True

    def __init__(self, of: str = "sim", rate="auto", calibrate: bool = False):
        self.of = one_of(of, DOUBTS, "doubt")
        self.needs = (DOUBTS[of],)
        self.rate = rate if rate == "auto" else probability("rate", rate)
        self.reads_slips = rate == "auto"
        self.calibrate, self.stateless = calibrate, not calibrate
        self._before = np.zeros(0)  # the doubt of each row, as long as nobody was asked about it

    def score(self, pool):
        c, rate = pool.candidates, pool.slip_rate if self.reads_slips else self.rate
        doubt = getattr(c, self.needs[0]) / (1 if self.of == "cil_area" else c.size)
        if self.calibrate:
            self._before = first_seen(doubt, self._before, pool)
            doubt = calibrated(self._before, pool, rate)
        return c.size * (doubt - rate)

    def acquire(self, pool, budget, rng):
        scores = self.scores(pool)
        rows = super().acquire(pool, budget, rng).rows
        return Query(rows[scores[rows] > 0], self.question)


def first_seen(now, before, pool):
    """The values ``now`` (n, ...) of the rows never asked, and those ``before`` the first question of the others."""
    asked = pool.asked.reshape(-1, *[1] * (now.ndim - 1))
    return np.where(asked, before, now) if len(before) == len(now) else now
