"""The human half of a cell: what has been asked, what was answered, and what that did to the labels."""

import copy

import numpy as np

from bench import metrics, registry, seeds
from bench.annotation import Oracle
from bench.experiment.journal import Journal
from bench.experiment.labels import LabelMaps, LabelQuality
from bench.experiment.problem import Problem
from bench.types import VOID, Answer, Candidates, Pool, Question, Truth

PLACE = ("image", "superpixel", "row", "column")
NEVER = -2  # in `Session.answered`: not asked so far


class Session:
    """One annotator at work on one cell's labels. Only here do oracles and label quality meet the truth."""

    def __init__(self, problem: Problem, oracle: str, seed: int, labels: LabelMaps):
        self.problem, self.seed, self.labels = problem, seed, labels
        self.oracle: Oracle = registry.load("oracles", oracle)
        self.oracle.prepare(problem.confusion.sum(0, dtype=np.int64)[:, :-1])
        self.quality = LabelQuality(problem.truth, problem.confusion)
        self.given: dict[tuple[int, int], int] = {}  # (image, superpixel) to the class that was given, -1 for none
        self._ties: np.ndarray | None = None

    def play_back(self, journal: Journal) -> None:
        """Bring labels, quality and the annotator's memory to where ``journal`` says they are."""
        again = self._ask_again if self.oracle.memory else None
        for step in journal.play_back(self.problem.pseudo, self.labels, again):
            self.quality.count(step.image, step.pixels, step.was, step.now)
            if step.asked:
                self._note(step.image, step.row["superpixel"], step.answer)

    def _ask_again(self, row: dict, image: int) -> None:
        place = image, row["superpixel"], row["row"], row["column"]
        self.answer(self.question(row["kind"], place, row["number"]))

    def pool(self, number: int, table: Candidates) -> Pool:
        """The candidates of round ``number`` with what has been asked of them."""
        answered = np.full(len(table), NEVER, np.int16)
        if self.given:
            rows = rows_of(table, np.array(list(self.given)))
            answered[rows] = list(self.given.values())
        return Pool(
            candidates=table,
            asked=answered != NEVER,
            ties=_ties(self.seed, self.problem.names, table),
            n_classes=self.problem.n_classes,
            answered=np.maximum(answered, -1),
            round=number,
            spend=len(self.given),
        )

    def question(self, kind: str, place: tuple[int, int, int, int], number: int) -> Question:
        """What the annotator is shown at a ``place`` (`PLACE`); ``number``: of questions before it in this run."""
        image, superpixel, row, column = place
        labels, pixels = self.labels(image), self.problem.pseudo.pixels(image, superpixel)
        shown = int(labels[row, column]), labels.ravel()[pixels]
        return Question(kind, *place, *shown, number, self.problem.n_classes)

    def answer(self, question: Question, oracle: Oracle | None = None) -> Answer:
        """What the annotator, or another ``oracle``, says. The same question of one seed meets the same errors."""
        name = self.problem.names[question.image]
        rng = seeds.generator(self.seed, "oracle", name, question.row, question.column)
        pixels = self.problem.pseudo.pixels(question.image, question.superpixel)
        return (oracle or self.oracle).answer(question, Truth(self.problem.truth(question.image), pixels), rng)

    def write(self, image: int, superpixel: int, answer: Answer, asked: bool = True) -> tuple[int, int, int]:
        """Spread an answer over its superpixel. Returns the harm (`bench.metrics.harm`)."""
        pixels = self.problem.pseudo.pixels(image, superpixel)
        if asked:
            self._note(image, superpixel, answer)
        return self.quality.count(image, pixels, *self.labels.write(image, pixels, answer))

    def mode(self, image: int, superpixel: int) -> int:
        """The label that most pixels of a superpixel have (tie: lowest)."""
        pixels = self.problem.pseudo.pixels(image, superpixel)
        return int(np.bincount(self.labels(image).ravel()[pixels]).argmax())

    def truth_columns(self, table: Candidates, kind: str) -> dict[str, np.ndarray]:
        """The statistics that read the truth, for a strategy that declares that it does; zeros where it was asked."""
        n, n_classes = len(table), self.problem.n_classes
        columns = {
            "truth_answer": np.full(n, -1, np.int16),
            "truth_histogram": np.zeros((n, n_classes + 1), np.int64),
            "truth_agree_histogram": np.zeros((n, n_classes), np.int64),
            "truth_label_histogram": np.zeros((n, n_classes), np.int64),
        }
        oracle = copy.deepcopy(self.oracle)  # looking ahead must not teach the one that is asked
        for i, place in enumerate(places(table)):
            if place[:2] in self.given:
                continue
            question = self.question(kind, place, len(self.given))
            answer = self.answer(question, oracle)
            if len(answer.labels) == 1:
                columns["truth_answer"][i] = answer.labels[0]
            truth = self.problem.truth(place[0]).ravel()[self.problem.pseudo.pixels(*place[:2])]
            matrix = metrics.confusion(truth, question.labels, n_classes)
            columns["truth_histogram"][i] = np.r_[matrix.sum(1), (truth == VOID).sum()]
            columns["truth_agree_histogram"][i] = np.diag(matrix)
            columns["truth_label_histogram"][i] = matrix[:, :n_classes].sum(0)
        whole = self.quality.by_image.sum(0, dtype=np.int64)
        totals = np.r_[np.diag(whole), whole.sum(1), whole[:, :n_classes].sum(0)]
        return columns | {"truth_totals": np.broadcast_to(totals, (n, 3 * n_classes))}

    def _note(self, image: int, superpixel: int, answer: Answer) -> None:
        single = len(answer.labels) == 1 and answer.labels[0] != VOID
        self.given[image, superpixel] = answer.labels[0] if single else -1


def places(table: Candidates) -> list[tuple[int, int, int, int]]:
    """`PLACE` of each row."""
    return list(zip(*(getattr(table, name).tolist() for name in PLACE), strict=True))


def rows_of(table: Candidates, wanted: np.ndarray) -> np.ndarray:
    """The rows of (image, superpixel) pairs (k, 2); a table has its rows in that order."""
    keys, found = (a.astype(np.int64) << 32 | b for a, b in ((table.image, table.superpixel), wanted.T))
    return np.searchsorted(keys, found)


def _ties(seed: int, names: tuple[str, ...], table: Candidates) -> np.ndarray:
    hashes = np.array([seeds.integer(seed, "tie", name) for name in names], np.uint64)
    return seeds.uniform(seed, "tie", hashes[table.image], table.superpixel)
