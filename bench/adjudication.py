"""Rules of adjudication: after each answer they write it, leave the label, or ask another person. They see no truth."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from bench.types import QUESTIONS, VOID, Answer, Question

# What a rule decides: class ids to write over the superpixel, `LEAVE` its labels, or `ASK` another person.
Verdict = tuple[int, ...] | None
ASK: Verdict = None
LEAVE: tuple[int, ...] = ()


@dataclass(frozen=True)
class Case:
    """All that a rule may see of one superpixel. There is no truth in it.

    ``question``: as each person is shown it, without the id of the superpixel, which may tell. ``answers``: those of
    all people asked so far, in the order in which they were asked. ``votes``: the classes that each of them named:
    ``(c,)``; ``(VOID,)`` for none of the classes; ``()`` for "cannot tell"; several for a multiclass question.
    ``price``: the cost of the last answer, in the unit of the budget. ``statistics``: the values of this superpixel
    that the rule ``needs``; empty when a stopped run is played back.
    """

    question: Question
    answers: tuple[Answer, ...]
    votes: tuple[tuple[int, ...], ...]
    price: float = 1.0
    statistics: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False)

    @property
    def size(self) -> int:
        """Pixels of the superpixel."""
        return len(self.question.labels)

    @property
    def shown(self) -> tuple[int, ...]:
        """The label shown, as a vote."""
        return (self.question.label,)

    @property
    def contradicts(self) -> bool:
        """Whether the first person named another class than the label shown."""
        return self.votes[0] not in (self.shown, (VOID,), ())

    def tally(self, label_votes: int = 0) -> Counter:
        """The number of people who named each vote; ``label_votes`` more for the label shown. "Cannot tell" is no
        vote."""
        counts = Counter(vote for vote in self.votes if vote)
        if label_votes:
            counts[self.shown] += label_votes
        return counts

    def labels_of(self, vote: tuple[int, ...]) -> tuple[int, ...]:
        """The labels that the last person with this ``vote`` would write; `LEAVE` if nobody gave it."""
        said = [answer.labels for answer, own in zip(self.answers, self.votes, strict=True) if own == vote]
        return said[-1] if said else LEAVE


class Adjudicator(ABC):
    """Base of a rule, which comes behind a strategy and a plus: ``sim+confirmed``. A subclass writes ``decide``.

    ``needs`` and ``source`` as of a `Strategy`; no rule may need a statistic that reads the truth. ``kinds``: the
    questions that it can judge. ``asks_again``: false for a rule that never asks a second person.

    Notes ----- One rule serves one cell. It changes its memory in ``learn`` alone. A stopped run plays its answers back
    through ``learn``, and then decides as if it had never stopped.
    """

    needs: tuple[str, ...] = ()
    source = ""
    kinds: tuple[str, ...] = tuple(QUESTIONS)
    asks_again = True

    @abstractmethod
    def decide(self, case: Case) -> Verdict:
        """Judge one superpixel after an answer.

        Parameters
        ----------
        case : Case
            The question and all answers to it so far, at least one.

        Returns
        -------
        tuple of int or None
            Class ids to write over the superpixel, `LEAVE` (an empty tuple), or `ASK` (None).
        """

    def learn(self, case: Case, verdict: Verdict) -> None:  # noqa: B027 - most rules learn nothing
        """Learn the decision after the last answer of ``case``; its ``statistics`` may be empty."""


def posterior(prior: np.ndarray, votes: Iterable[tuple[int, ...]], rate: float) -> np.ndarray:
    """(C + 1,) float64: the probabilities of the classes and of void after ``votes`` of people with independent errors.

    ``prior`` (C + 1,): those before. A vote is right with probability 1 - ``rate``, and names each of the other C
    equally often. Who cannot tell says nothing. Bayes' rule.
    """
    n_classes = len(prior) - 1
    named = [min(vote[0], n_classes) for vote in votes if vote]
    odds = (1 - rate) * n_classes / rate  # by which a vote lifts its class above the others
    chances = prior * odds ** np.bincount(named, minlength=n_classes + 1)
    return chances / chances.sum()


class SlipRate:
    """The rate of wrong answers, from how often the second person to correct a label names another class.

    Two people with independent errors of the rate ε differ in about 2ε of the cases. With D second answers, d of which
    differ, the estimate is (d + 1) / (2 (D + 2)).
    """

    def __init__(self) -> None:
        self.n_second = self.n_differ = self.n_contradictions = 0

    def learn(self, case: Case) -> None:
        if not case.contradicts:
            return
        self.n_contradictions += len(case.votes) == 1
        if len(case.votes) == 2 and case.votes[1]:
            self.n_second += 1
            self.n_differ += case.votes[1] != case.votes[0]

    @property
    def is_tenth(self) -> bool:
        """Whether the contradiction at hand, not yet learned, is the tenth, the twentieth, and so on."""
        return self.n_contradictions % 10 == 9

    @property
    def estimate(self) -> float:
        return (self.n_differ + 1) / (2 * (self.n_second + 2))
