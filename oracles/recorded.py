import glob
import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.annotation import Oracle, classes_named, reply, true_classes
from bench.cache import Cache
from bench.datasets.files import class_ids, read_png
from bench.runs import schema
from bench.types import Answer, InputError, Question, Truth

MEMORY_BYTES = 2**26  # of label maps that an annotator keeps


class Recorded(Oracle):
    """Real people: answers from the label maps that they drew, a folder of `maps` each, or from their `answers`.

    ``maps``: a folder of label maps, <image name>.png of class ids (255: none of the classes); several people are
    several folders, joined by colons or found by a pattern: ``recorded[maps=people/*]``. People are asked in the order
    of the folders' names, pattern by pattern: the first opinion on a superpixel is the first person's, and after the
    last person the first one is asked again, with the same answer.

    A person says what his map has where a person without error looks: at the representative pixel, or, for a dominant
    or multiclass question, over the superpixel. Nothing is simulated, so that seeds differ by their questions alone. It
    reads no truth.

    ``answers``: the queries.csv of a cell that people answered. It plays them back on every strategy that asks the
    same: the same kind of question about the same pixel, to the same person. Where another label is shown, the class
    that they named stays. A question that nobody was asked ends the run with a line.
    """

    reads_truth = False

    def __init__(self, maps: str = "", answers: str = ""):
        if bool(maps) == bool(answers):
            raise InputError("recorded takes either maps=DIR, a folder a person, or answers=QUERIES.csv")
        self.path = Path(answers)
        self.answers = _read(self.path) if answers else {}
        found = [sorted(filter(os.path.isdir, glob.glob(part))) for part in maps.split(os.pathsep) if maps]
        if not all(found):
            raise InputError(f"recorded: maps={maps} finds no folder; it takes a folder a person, or a pattern of them")
        self.folders = [Path(folder) for person in found for folder in person]
        self._kept = Cache(MEMORY_BYTES)
        self.reads = [self.path] if answers else [p for folder in self.folders for p in sorted(folder.glob("*.png"))]

    def answer(self, question, truth, rng):
        if not self.folders:
            return self._played(question, truth)
        path = self.folders[(truth.person - 1) % len(self.folders)] / f"{truth.name}.png"
        drawn = self._kept.get(path, lambda: class_ids(read_png(path), question.n_classes, path))
        if drawn.shape != truth.map.shape:
            sizes = ("{} x {}".format(*shape) for shape in (drawn.shape, truth.map.shape))
            raise InputError("{}: a label map of {} pixels; the image has {}".format(path, *sizes))
        return reply(question, true_classes(question, replace(truth, map=np.ascontiguousarray(drawn))))

    def _played(self, question: Question, truth: Truth) -> Answer:
        key = truth.name, truth.person, question.kind, question.row, question.column
        if key not in self.answers:
            raise InputError(
                f"{self.path}: nobody answered this {question.kind} question about pixel ({question.row}, "
                f"{question.column}) of {truth.name} as person {truth.person}; it plays back on the same questions only"
            )
        shown, answer = self.answers[key]
        if shown == question.label:
            return answer
        return reply(question, classes_named(replace(question, label=shown), answer), answer.labels)


def _read(path: Path) -> dict[tuple, tuple[int, Answer]]:
    """The label shown and the answer, by image, person, kind, row and column."""
    table = schema.parse(path, schema.QUERIES)
    table["opinion"] = table["opinion"].fillna(1).astype(int)
    found = {}
    for row in table.itertuples():
        labels, actions = tuple(map(int, row.answer.split())), tuple(row.actions.split())
        found[row.image, row.opinion, row.kind, row.row, row.column] = row.label_before, Answer(labels, actions)
    return found
