"""A score that expects wrong answers: what an answer mends, less what it breaks."""

from bench.acquisition import Strategy
from bench.registry import one_of, probability
from bench.types import Query

DOUBTS = {"sim": "sim", "cil": "cil_sum", "cil_area": "cil"}  # and the statistic that each one is made from


class NetGain(Strategy):
    """Net gain: pixels x (doubt - rate of wrong answers), and nothing is asked where that is not above 0.

    An answer mends a superpixel whose label is wrong, and breaks one whose label is right if the answer is wrong. The
    doubt about a pixel's label, from 0 to 1, is that of the strategy `of` for a pixel: `sim` and `cil` over the
    superpixel, `cil_area` at the representative pixel, the only one in a run without a model. `rate`: the share of
    wrong answers; `auto`: as second answers of the run say so far (`bench.types.Pool.slip_rate`), which takes a rule
    that asks for them, as in `net_gain+adaptive`. The formula is that of a first answer that is written at once.
    """

    needs = ("sim",)
    source = "this suite: |S| (D - e), the expected net gain of one answer about a homogeneous superpixel"
    may_stop = True

    def __init__(self, of: str = "sim", rate="auto"):
        self.of = one_of(of, DOUBTS, "doubt")
        self.needs = (DOUBTS[of],)
        self.rate = rate if rate == "auto" else probability("rate", rate)
        self.reads_slips = rate == "auto"

    def score(self, pool):
        c = pool.candidates
        pixels = c.cil * c.size if self.of == "cil_area" else getattr(c, self.needs[0])
        return pixels - c.size * (pool.slip_rate if self.reads_slips else self.rate)

    def acquire(self, pool, budget, rng):
        scores = self.scores(pool)
        rows = super().acquire(pool, budget, rng).rows
        return Query(rows[scores[rows] > 0], self.question)
