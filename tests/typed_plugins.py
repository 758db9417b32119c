"""What a plug-in's author gets from `from bench import ...`, for mypy to read: nothing here is run.

Each ``type: ignore`` marks what mypy must refuse; where it does not, mypy says that the comment is not needed.
"""

from collections.abc import Iterator
from typing import assert_type

import numpy as np

from bench import (
    Answer,
    Candidates,
    Dataset,
    Foundation,
    Oracle,
    Pool,
    Query,
    Question,
    Refiner,
    Strategy,
    Truth,
    compare,
    generator,
    highest,
    load_results,
)


class Surest(Strategy):
    needs = ("top1_sum",)

    def score(self, pool: Pool) -> np.ndarray:
        assert_type(pool.candidates, Candidates)
        assert_type(pool.round, int)
        return pool.candidates.top1_sum / pool.candidates.size

    def acquire(self, pool: Pool, budget: int, rng: np.random.Generator) -> Query:
        return Query(highest(self.score(pool), pool, budget))


class SeesTheTruth(Strategy):
    def score(self, pool: Truth) -> np.ndarray:  # type: ignore[override]
        return pool.map


class Sure(Oracle):
    def answer(self, question: Question, truth: Truth, rng: np.random.Generator) -> Answer:
        return Answer((int(truth.region[0]),), ("correct",))


class SaysAClass(Oracle):
    def answer(self, question: Question, truth: Truth, rng: np.random.Generator) -> int:  # type: ignore[override]
        return question.label


class NoRefiner(Refiner):
    pass


class Empty(Foundation):
    def generate(self, dataset: Dataset, train_and_predict=None) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        for name in dataset.names("train"):
            labels = np.zeros(dataset.size("train", name), np.uint8)
            yield name, labels, labels.astype(np.int32)


def notebook() -> None:
    NoRefiner()  # type: ignore[abstract]
    load_results("runs/one").groupby("strategy")
    compare(["runs/one", "runs/two"], cost="clicks")["summary"]
    compare(3)  # type: ignore[arg-type]
    assert_type(generator(0, "mine"), np.random.Generator)
