from operator import itemgetter

from bench.adjudication import ASK, MOST_RATE, PRIORS, Adjudicator, SlipRate, posterior, prior
from bench.registry import number, one_of
from bench.types import VOID


class Posterior(Adjudicator):
    """Posterior: people are asked until one class has the probability `level`, by Bayes' rule from the model's.

    The classes are those that somebody named, and the label shown. If `most` people bring none of them to `level`, the
    likeliest is written. A first answer that names no class is final; later ones count, and void has an even share of
    the prior. `prior=classes`: the mean probabilities over the superpixel, which take a model. `prior=label`: the doubt
    about the label at the representative pixel, spread evenly over the other classes. A run without a model has this
    one alone. `rate`: the share of wrong answers, all wrong classes alike. `auto`: the `SlipRate` of the answers so
    far; for it, each tenth answer that contradicts the label goes to a second person in any case.
    """

    needs = (PRIORS["classes"],)
    kinds = ("correction", "classification", "dominant")
    source = "Bayes' rule; Dawid and Skene, Applied Statistics, 1979, with one rate for all people and classes"

    def __init__(self, level: float = 0.9, rate="auto", prior: str = "classes", most: int = 9):
        self.level = number("level", level, 0, 1)
        self.rate = rate if rate == "auto" else number("rate", rate, 0.0001, 0.5)
        self.prior, self.most = one_of(prior, PRIORS, "prior"), number("most", most, 1, whole=True)
        self.needs = (PRIORS[prior],)
        self.slips = SlipRate()

    def decide(self, case):
        if len(case.votes) == 1 and case.votes[0] in ((VOID,), ()):
            return case.answers[0].labels
        statistic, label = (case.statistics[name] for name in (*self.needs, "label"))
        before = prior(self.prior, statistic, label, case.size, case.question.n_classes)
        chances = posterior(before, case.counts, self.rate_now)
        known = sorted({vote for vote in (*case.votes, case.shown) if vote})
        chance, best = max(
            ((chances[min(vote[0], case.question.n_classes)], vote) for vote in known), key=itemgetter(0)
        )
        is_check = self.rate == "auto" and len(case.votes) == 1 and case.contradicts and self.slips.is_tenth
        if len(case.votes) < self.most and (is_check or chance < self.level):
            return ASK
        return case.labels_of(best)

    def learn(self, case, verdict):
        self.slips.learn(case)

    @property
    def rate_now(self) -> float:
        """The rate of wrong answers that the next decision assumes."""
        return min(self.slips.estimate, MOST_RATE) if self.rate == "auto" else self.rate
