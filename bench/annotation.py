"""What all oracles (simulated annotators) share."""

from abc import ABC, abstractmethod

import numpy as np

from bench.types import Answer, Question, Truth


class Oracle(ABC):
    """Base of a simulated annotator. A subclass writes ``answer``.

    ``kinds``: the questions it can answer. ``leaky``: true when it reads more of the truth than the question reveals
    to a human for its price; such an oracle is marked in every list, table and figure.
    """

    kinds: tuple[str, ...] = ("correction",)
    leaky = False

    @abstractmethod
    def answer(self, question: Question, truth: Truth, rng: np.random.Generator) -> Answer:
        """The answer to one question. ``rng`` is keyed by (seed, image, representative pixel), so the same
        question draws the same errors whatever else was asked."""
