"""Rules of adjudication: after each answer they write it, leave the label, or ask another person. They see no truth."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from bench.types import QUESTIONS, VOID, Answer, Question

# What a rule decides: class ids to write over the superpixel, `LEAVE` its labels, or `ASK` another person.
Verdict = tuple[int, ...] | None
ASK: Verdict = None
LEAVE: tuple[int, ...] = ()


@dataclass(frozen=True)
class Case:
    """All that a rule may see of one superpixel. There is no truth in it.

    ``question``: as the last person is shown it, without the id of the superpixel, which may tell. ``answers``: those
    of all people asked so far, of earlier rounds, too, in the order in which they were asked. ``votes``: the classes
    that each of them named: ``(c,)``; ``(VOID,)`` for none of the classes; ``()`` for "cannot tell"; several for a
    multiclass question. ``price``: the cost of the last answer, in the unit of the budget. ``statistics``: the values
    of this superpixel that the rule ``needs``, and ``label``, the one that they are about, when the first person was
    asked; empty when a stopped run is played back. ``first_label``: the label that the first person was shown; None if
    it is still shown.
    """

    question: Question
    answers: tuple[Answer, ...]
    votes: tuple[tuple[int, ...], ...]
    price: float = 1.0
    statistics: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False)
    first_label: int | None = None

    @property
    def size(self) -> int:
        """Pixels of the superpixel."""
        return len(self.question.labels)

    @property
    def shown(self) -> tuple[int, ...]:
        """The label that the first person was shown, as a vote."""
        return (self.question.label if self.first_label is None else self.first_label,)

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

    @property
    def counts(self) -> np.ndarray:
        """(C + 1,) int64: the number of people who named each class, and void."""
        n_classes = self.question.n_classes
        return np.bincount([min(c, n_classes) for vote in self.votes for c in vote], minlength=n_classes + 1)

    def labels_of(self, vote: tuple[int, ...]) -> tuple[int, ...]:
        """The labels that the last person with this ``vote`` would write; `LEAVE` if they are there already.

        A class that was confirmed, and replaced by a later answer, is written again.
        """
        said = [answer.labels for answer, own in zip(self.answers, self.votes, strict=True) if own == vote]
        was_replaced = len(vote) == 1 and vote not in ((self.question.label,), (VOID,))
        return (said[-1] if said else LEAVE) or (vote if was_replaced else LEAVE)


class Opinions:
    """All answers of a cell, by superpixel."""

    def __init__(self) -> None:
        self._cases: dict[tuple[int, int], Case] = {}  # the last one of each (image, superpixel), without its labels

    def n(self, image: int, superpixel: int) -> int:
        """The number of people asked about a superpixel so far."""
        return len(self._cases[image, superpixel].votes) if (image, superpixel) in self._cases else 0

    def add(self, question: Question, answer: Answer, vote: tuple[int, ...], price: float, statistics: Mapping) -> Case:
        """The case after one more answer, with the classes that it names, ``vote``."""
        key = question.image, question.superpixel
        before = self._cases.get(key, Case(question, (), (), price, statistics, question.label))
        asked, answers, votes = replace(question, superpixel=0), (*before.answers, answer), (*before.votes, vote)
        case = replace(before, question=asked, price=price, answers=answers, votes=votes)
        self._cases[key] = replace(case, question=replace(case.question, labels=question.labels[:0]))
        return case

    def columns(self, keys: Iterable, rows: np.ndarray, n: int, n_classes: int) -> dict[str, np.ndarray]:
        """``votes`` and ``contradicted`` (`bench.types.Pool`) of ``n`` rows; ``keys`` have the ``rows`` (k,)."""
        votes, contradicted = np.zeros((n, n_classes + 1), np.uint16), np.full(n, -1, np.int8)
        cases = [self._cases[key] for key in keys]
        named = np.array([c for case in cases for vote in case.votes for c in vote], int)
        np.add.at(
            votes, (np.repeat(rows, [sum(map(len, case.votes)) for case in cases]), np.minimum(named, n_classes)), 1
        )
        contradicted[rows] = [-1 if case.votes[0] in ((VOID,), ()) else case.contradicts for case in cases]
        return {"votes": votes, "contradicted": contradicted}


class Adjudicator(ABC):
    """Base of a rule, which comes behind a strategy and a plus: ``sim+confirmed``. A subclass writes ``decide``.

    ``needs`` and ``source`` as of a `Strategy`; no rule may need a statistic that reads the truth. ``kinds``: the
    questions that it can judge. ``asks_again``: false for a rule that never asks a second person. ``later``: it leaves
    its doubts open, so that the strategy decides in later rounds whether to ask the next person; every rule takes it in
    its brackets, as in ``value+confirmed[later=true]``.

    Notes
    -----
    One rule serves one cell. It changes its memory in ``learn`` alone. A stopped run plays its answers back through
    ``learn``, and then decides as if it had never stopped.
    """

    needs: tuple[str, ...] = ()
    source = ""
    kinds: tuple[str, ...] = tuple(QUESTIONS)
    asks_again = True
    later = False

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


PRIORS = {"classes": "probability_sum", "label": "cil"}  # of the classes, and the statistic that each one needs
MOST_RATE = 0.45  # of wrong answers, by estimate: of two classes, one half would make answers worth nothing
FLOOR = 0.001  # of the prior is spread evenly: no class is impossible, however sure the model is


def prior(of: str, statistic: np.ndarray, label: np.ndarray, size: np.ndarray, n_classes: int) -> np.ndarray:
    """(..., C + 1) float64: the probability of each class, and of void, before anybody was asked.

    ``of``, one of `PRIORS`: ``classes``, the mean probabilities over the superpixel; ``label``, the doubt about the
    ``label`` at the representative pixel, spread evenly over the other classes. ``statistic``: its values, (..., C) or
    (...); ``label`` and ``size`` in pixels: (...). Void has an even share. So have all classes where the label is void,
    of whose pixels the doubt says nothing.
    """
    statistic, label, size = np.asarray(statistic), np.asarray(label)[..., None], np.asarray(size)[..., None]
    if of == "classes":
        found = statistic / size
    else:
        doubt = statistic[..., None]
        of_class = np.where(label == np.arange(n_classes), 1 - doubt, doubt / max(n_classes - 1, 1))
        found = np.where((label < n_classes) & (n_classes > 1), of_class, 1 / n_classes)
    found = (1 - FLOOR) * found + FLOOR / n_classes
    void = np.ones((*found.shape[:-1], 1))
    return np.concatenate([found * n_classes, void], -1) / (n_classes + 1)


def posterior(prior: np.ndarray, counts: np.ndarray, rate: float) -> np.ndarray:
    """(..., C + 1) float64: the probabilities of the classes and of void after the votes of people with independent
    errors; ``counts`` (..., C + 1): of each class, and of void.

    ``prior`` (..., C + 1): those before. An answer is right with probability 1 - ``rate``, and names each of the other
    C equally often. Bayes' rule.
    """
    odds = (1 - rate) * (prior.shape[-1] - 1) / rate  # by which a vote lifts its class above the others
    counts = np.asarray(counts, np.float64)
    chances = prior * odds ** (counts - counts.max(-1, keepdims=True))
    return chances / chances.sum(-1, keepdims=True)


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
