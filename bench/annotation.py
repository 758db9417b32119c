"""What all oracles (simulated annotators) share: what a person sees, how the person replies, and how a reply is heard."""

from abc import ABC, abstractmethod

import numpy as np

from bench.types import QUESTIONS, VOID, Answer, Question, Truth


class Oracle(ABC):
    """Base of a simulated annotator. A subclass writes ``answer``.

    ``kinds``: the questions it can answer. ``leaky``: true when it reads more of the truth than the question reveals
    to a human for its price; such an oracle is marked in every list, table and figure. ``memory``: true when an answer
    depends on earlier questions, so that a resumed run must ask those again, in order, before it goes on.
    """

    kinds: tuple[str, ...] = QUESTIONS
    leaky = False
    memory = False

    @abstractmethod
    def answer(self, question: Question, truth: Truth, rng: np.random.Generator) -> Answer:
        """The answer to one question. ``rng`` is keyed by (seed, image, representative pixel), so the same
        question draws the same errors whatever else was asked."""

    def prepare(self, confusion: np.ndarray) -> None:  # noqa: B027 - most oracles need nothing of the pool
        """Called once before the first question: (C, C) int64 pixels of the pool, rows truth, columns pseudo label."""


def look(question: Question, truth: Truth, dominant: bool = False) -> tuple[int, ...]:
    """The classes that a person without error sees, sorted; ``(VOID,)`` where the truth is not known.

    The truth at the representative pixel; for a dominant question, or with ``dominant``, the mode over the superpixel
    (``VOID`` counts as a class; tie: lowest); for a multiclass question every class in the superpixel but ``VOID``.
    """
    if question.kind == "multiclass":
        return tuple(c for c in np.unique(truth.region).tolist() if c != VOID) or (VOID,)
    if dominant or question.kind == "dominant":
        return (int(np.bincount(truth.region).argmax()),)
    return (int(truth.map[question.row, question.column]),)


def reply(question: Question, seen: tuple[int, ...], void: tuple[int, ...] = ()) -> Answer:
    """What a person says who sees the classes ``seen`` (``()``: cannot tell); ``void``: what ``(VOID,)`` writes.

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
