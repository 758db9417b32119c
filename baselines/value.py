"""One queue of new questions and second opinions: the expected gain of one more answer, in pixels."""

import numpy as np

from baselines.net_gain import calibrated, first_seen
from bench.acquisition import Strategy
from bench.adjudication import MOST_RATE, PRIORS, posterior, prior
from bench.registry import number, one_of
from bench.types import Query


def gain(chances, rate):
    """(n,): the expected share of pixels that are right once a person has answered and the likeliest class is written.

    ``chances`` (n, C + 1): of the classes and of void; pixels of void are never right.
    """
    n_classes = chances.shape[1] - 1
    likely = chances[:, :n_classes]
    first = likely.max(1)
    is_first = np.arange(n_classes) == likely.argmax(1)[:, None]
    second = np.where(is_first, 0, likely).max(1)
    others = rate / n_classes * np.where(is_first, second[:, None], first[:, None])
    return np.maximum((1 - rate) * likely, others).sum(1) + rate / n_classes * first  # the last: the answer is void


class Value(Strategy):
    """Value: the pixels that one more answer is expected to mend, less those that it breaks, new or asked before.

    With π the probabilities of the classes after all answers so far, and e the rate of wrong answers, an answer c and a
    class j have the joint probability (1 - e) π_c, or e / C π_j. The score is the sum over all answers of the highest
    one, less π of the label that is there, times the pixels. A superpixel is asked about again, in a later round, where
    that is worth more than a new question. Nothing is asked that is worth nothing.

    `prior` and `rate` as of the rule `posterior`; `rate=auto` is that of the second answers of the run so far
    (`bench.types.Pool.slip_rate`). The formula is that of `value+posterior[level=0]`, which writes the likeliest class
    after each answer. `calibrate=false` takes the prior as it is; by default, the first answers so far correct it.
    """

    needs = (PRIORS["classes"],)
    source = "this suite; the expected value of sample information of Raiffa and Schlaifer, 1961"
    may_stop = True
    reasks = True
    stateless = False

    def __init__(self, rate="auto", prior: str = "classes", calibrate: bool = True):
        self.rate = rate if rate == "auto" else number("rate", rate, 0.0001, 0.5)
        self.prior = one_of(prior, PRIORS, "prior")
        self.needs = (PRIORS[prior],)
        self.reads_slips = rate == "auto"
        self.calibrate = calibrate
        self._before = np.zeros(0)  # the prior of each row, as long as nobody was asked about it
        self._label = np.zeros(0, np.uint8)  # and its label then

    def score(self, pool):
        c, n = pool.candidates, pool.n_classes
        rate = min(pool.slip_rate, MOST_RATE) if self.reads_slips else self.rate
        self._before = first_seen(prior(self.prior, getattr(c, self.needs[0]), c.label, c.size, n), self._before, pool)
        self._label = first_seen(c.label, self._label, pool)
        before = self._calibrated(pool, rate) if self.calibrate else self._before
        label = np.where(pool.answered >= 0, pool.answered, c.label)  # the one that is there
        chances = posterior(before, pool.votes, rate)
        return c.size * (gain(chances, rate) - of_label(chances, label)).round(12)  # what is worth nothing: 0, exactly

    def acquire(self, pool, budget, rng):
        scores = self.scores(pool)
        rows = super().acquire(pool, budget, rng).rows
        return Query(rows[scores[rows] > 0], self.question)

    def _calibrated(self, pool, rate):
        """The prior, with the probability of the label that the first person is shown as the answers say."""
        n = pool.n_classes
        share = of_label(self._before, self._label) * (n + 1) / n  # without void
        new = np.where(self._label < n, 1 - calibrated(1 - share, pool, rate), share)
        classes = np.arange(n + 1)
        of_rest = ((1 - new) / np.maximum(1 - share, 1e-12))[:, None]
        scale = np.where(classes == self._label[:, None], (new / np.maximum(share, 1e-12))[:, None], of_rest)
        return self._before * np.where(classes == n, 1, scale)


def of_label(chances, label):
    """(n,): of the ``chances`` (n, C + 1) that of the ``label`` (n,); 0 for void."""
    n_classes = chances.shape[1] - 1
    return np.where(label < n_classes, chances[np.arange(len(label)), np.minimum(label, n_classes)], 0)
