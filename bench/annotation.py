"""The common part of all oracles (simulated annotators): views, replies, their meaning, and errors."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench import registry, seeds
from bench.types import QUESTIONS, VOID, Answer, InputError, Question, Region, Truth


class Retracted(Exception):
    """A person takes the answer before this question back: the questions of the round are asked again from the first,
    and he answers as before where he does not take anything back."""


class Coming(NamedTuple):
    """A question that comes, the place of its superpixel, and the values of the statistics that the oracle needs."""

    question: Question
    where: Region
    statistics: Mapping[str, np.ndarray]


class Oracle(ABC):
    """Base of a simulated annotator. A subclass writes ``answer``.

    ``kinds``: the questions it can answer. ``leaky``: true when it reads more of the truth than the question reveals to
    a human for its price. Such an oracle is marked in every list, table and figure. ``memory``: true when an answer
    depends on earlier questions, so that a resumed run must ask those again, in order, before it goes on.
    ``reads_truth``: false when it answers without the truth, which is then void for it everywhere. ``needs``: the
    statistics of a superpixel that are shown beside a question. ``reads``: files whose content decides answers.
    """

    kinds: tuple[str, ...] = tuple(QUESTIONS)
    leaky = False
    memory = False
    reads_truth = True
    needs: tuple[str, ...] = ()
    reads: Sequence[Path] = ()

    @abstractmethod
    def answer(self, question: Question, truth: Truth, rng: np.random.Generator) -> Answer:
        """The answer to one question.

        ``rng`` belongs to the superpixel: every question about it, at any of its pixels, meets the same error. So an
        oracle always draws the same count of numbers, with the same meaning, for any label shown and any truth.
        """

    def look(self, names: tuple[str, ...], labels: Callable[[int], np.ndarray]) -> None:  # noqa: B027 - as below
        """Called once before the first question: the ``names`` of the train images, and ``labels(i)``, the (H, W) uint8
        current labels of train image i."""

    def expect(self, n: int, coming: Iterator[Coming]) -> None:  # noqa: B027 - only a page shows what comes
        """Called before each superpixel: ``n`` are left in this round, and ``coming`` are the questions about them if
        none is asked again, made when they are looked at, before the answer to the first."""

    def prepare(self, confusion: np.ndarray) -> None:  # noqa: B027 - most oracles need nothing of the pool
        """Called once before the first question: (C, C) int64 pixels of the pool, rows truth, columns pseudo label."""


def true_classes(question: Question, truth: Truth, dominant: bool = False) -> tuple[int, ...]:
    """The classes that a person without error sees, sorted; ``(VOID,)`` if the truth is not known.

    The truth at the representative pixel. For a dominant question, or with ``dominant``, the mode over the superpixel
    (``VOID`` counts as a class; tie: lowest). For a multiclass question, every class in the superpixel but ``VOID``.
    """
    if question.kind == "multiclass":
        return tuple(c for c in np.unique(truth.region).tolist() if c != VOID) or (VOID,)
    if dominant or question.kind == "dominant":
        return (int(np.bincount(truth.region).argmax()),)
    return (int(truth.map[question.row, question.column]),)


def reply(question: Question, seen: tuple[int, ...], void: tuple[int, ...] = ()) -> Answer:
    """The answer of a person who sees the classes ``seen`` (``()``: cannot tell); ``void``: the labels that ``(VOID,)``
    writes.

    To a correction question: confirm if the label shown is the class seen, else correct it. To the others: a class
    each (``classify``).
    """
    if not seen:
        return Answer((), ("give_up",))
    if question.kind == "correction" and seen == (question.label,):
        return Answer((), ("confirm",))
    if seen == (VOID,):
        return Answer(void, ("void",))
    return Answer(seen, ("correct",) if question.kind == "correction" else ("classify",) * len(seen))


def classes_named(question: Question, answer: Answer) -> tuple[int, ...]:
    """The classes that an answer names, a confirmed label among them; the inverse of `reply`. ``()``: it named none."""
    if answer.labels and answer.labels != (VOID,):
        return answer.labels
    return {"confirm": (question.label,), "void": (VOID,)}.get(answer.actions[-1], ())


def outcome(question: Question, answer: Answer) -> tuple[int, str]:
    """An answer as `bench.types.Pool` has it: the class given or confirmed, -1 for none or several, and the action.

    The action, one of `bench.types.ACTIONS`, is that of the answer as a whole; in a crowd, each person's action may
    differ.
    """
    classes = classes_named(question, answer)
    one = len(classes) == 1 and classes != (VOID,)
    if answer.labels and answer.labels != (VOID,):  # the label shown may be given again: a gate of whole superpixels
        action = "correct" if question.kind == "correction" else "classify"
    else:
        (action,) = reply(question, classes).actions
    return classes[0] if one else -1, action


class Erring(Oracle):
    """Base of an error model round another annotator: ``of`` answers, and ``alter`` may change the classes it named.

    An altered answer replaces the last action, so that a crowd's payment stays. ``alter`` draws
    as often when it changes nothing: one seed then meets the same errors, and more of them, at a higher rate. It does
    not look at the representative pixel before it draws: a superpixel then meets the same error at all of its pixels.

    Notes
    -----
    Every error model takes the parameter ``shared`` in its brackets: how much of their errors people share, since some
    superpixels are hard for everybody. A person draws from the stream that the superpixel has for all people with
    probability √shared, and else from a stream of his own. Each is then wrong as often as without ``shared``, and the
    errors of two people have the correlation ``shared``. Two who draw from the common stream name the same class.
    """

    shared = 0.0  # a class attribute is the default of the parameter: `bench.registry.COMMON`

    def __init__(self, of="perfect"):
        self.of = registry.load("oracles", str(of))
        self.kinds, self.leaky, self.memory = self.of.kinds, self.of.leaky, self.of.memory
        self.depth: int = getattr(self.of, "depth", 0) + 1  # of error models within each other: each shares its own

    def prepare(self, confusion):
        self.of.prepare(confusion)

    def answer(self, question, truth, rng):
        answer = self.of.answer(question, truth, rng)
        seen = classes_named(question, answer)
        altered = self.alter(seen, question, truth, self._stream(truth, rng))
        if altered == seen:
            return answer
        new = reply(question, altered)
        return Answer(new.labels, answer.actions[: -max(len(seen), 1)] + new.actions)

    def _stream(self, truth: Truth, rng: np.random.Generator) -> np.random.Generator:
        """The stream of this person's error: the one of all people at the superpixel, or ``rng``, which is his own."""
        if not self.shared:  # without a draw: the numbers of people who share nothing stay
            return rng
        if truth.key is None:
            raise InputError(f"shared={self.shared} needs the key of the superpixel: Truth(..., key=NUMBER)")
        return seeds.generator(truth.key, "shared", self.depth) if rng.random() < self.shared**0.5 else rng

    @abstractmethod
    def alter(
        self, seen: tuple[int, ...], question: Question, truth: Truth, rng: np.random.Generator
    ) -> tuple[int, ...]:
        """The classes said instead of ``seen``, sorted; ``()``: cannot tell."""


def flip(seen: tuple[int, ...], rate: float, n_classes: int, rng: np.random.Generator) -> tuple[int, ...]:
    """Each class, with probability ``rate``, as another class, all of them as likely; ``VOID`` as any class.

    Draws two numbers a class of a multiclass answer, and two for any other answer, also for none.
    """
    flipped = set()
    for c, (lapse, which) in zip(seen, rng.random((max(len(seen), 1), 2)), strict=False):
        n_others = n_classes - (c != VOID)
        if lapse < rate and n_others:
            other = int(which * n_others)
            c = other + (other >= c)
        flipped.add(c)
    return tuple(sorted(flipped))
