"""Score for money: another strategy's score, divided by the expected cost of the answer."""

import numpy as np

from bench import costs
from bench.acquisition import Strategy, scored
from bench.costs.seconds import read as read_seconds
from bench.types import VOID, InputError


class Priced(Strategy):
    """Priced: another strategy's superpixel score, divided by the expected cost of its answer in ``unit``.

    If a label is shown, it is confirmed with the probability that the model gives it at the representative pixel,
    1 - CIL, and corrected otherwise. Void is always corrected. An answer that names all classes of a superpixel costs a
    click, or its bits or seconds, for each class that is predicted in it. The other kinds cost the same everywhere,
    which leaves the order as it is. Void and giving up are not foreseen.
    ``unit``: bits, seconds, clicks or questions (`bench.costs`); ``seconds``: measured or a file, as for a run.
    """

    source = "Haertel et al., NIPS 2008 workshop on cost-sensitive learning (return on investment); prices: bench.costs"

    def __init__(self, of="sim", unit="seconds", seconds=None):
        self.inner, self.unit = scored(of), costs.unit_of(unit)
        self.seconds = read_seconds(seconds or "assumed").mean
        self.question, self.reads_truth = self.inner.question, self.inner.reads_truth

    @property
    def needs(self):  # type: ignore[override]  # it follows the question, and nobody sets it
        of_cost = {"correction": "cil", "multiclass": "prediction_histogram"}.get(self.question)
        return tuple(dict.fromkeys((*self.inner.needs, *([of_cost] if of_cost else []))))

    def score(self, pool):
        scores = np.asarray(self.inner.score(pool), dtype=np.float64)
        if (scores < 0).any():
            raise InputError(f"priced needs scores of 0 or more, got {scores.min():.3g}: a high price would raise them")
        cost = self.expected_cost(pool)
        if not (cost > 0).all():
            raise InputError("priced needs answers that cost something; give seconds above 0")
        return scores / cost

    def expected_cost(self, pool):
        """(n,) float64: the mean price of the answer to a question on each row."""
        confirm, correct, classify = costs.price(
            ["correction", "correction", self.question],
            ["confirm", "correct", "classify"],
            pool.n_classes,
            self.unit,
            self.seconds,
        )
        c = pool.candidates
        if self.question == "correction":
            return confirm + np.where(c.label == VOID, 1, c.cil) * (correct - confirm)
        if self.question == "multiclass" and self.unit != "questions":
            return classify * (c.prediction_histogram > 0).sum(1)
        return np.full(len(c), classify)
