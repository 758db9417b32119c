"""The answers of people, in ``answers.jsonl`` beside the files of a cell: a line of JSON for each answer, and for each
that was taken back. A line is on disk before anybody hears of it."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench import files
from bench.annotation import reply
from bench.files import Unwritable
from bench.types import ACTIONS, VOID, Answer, InputError, Question, Region

FILE = "answers.jsonl"
LONGEST_S = 3600.0  # an answer that took longer was interrupted
SAID = ("id", "image", "superpixel", "kind", "shown", "opinion", "action", "label", "seconds", "annotator")


@dataclass(frozen=True, eq=False)
class Asked:
    """A question for a person: of an image called ``name``, of ``shape`` (H, W), about the superpixel at ``where``.

    ``labels`` (H, W) uint8: the image's labels before the answer. ``person``: the number of the opinion, from 1; 0 for
    a question that is repeated to see whether people agree. ``chances`` (C,): the classes' probabilities, of a model.
    """

    question: Question
    name: str
    where: Region
    shape: tuple[int, int]
    labels: np.ndarray
    person: int
    chances: np.ndarray | None = None

    @property
    def id(self) -> str:
        """Of this question and opinion, the same after a restart."""
        q = self.question
        return identity(q.kind, self.name, q.superpixel, q.row, q.column, q.label, self.person)

    @property
    def place(self) -> tuple[str, int]:
        return self.name, self.question.superpixel

    @property
    def box(self) -> list[int]:
        """Of the superpixel: left, top, right and bottom, the last two exclusive."""
        rows, columns = np.divmod(self.where.pixels, self.shape[1])
        return [int(n) for n in (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)]


def identity(kind: str, image: str, superpixel: int, row: int, column: int, shown: int, opinion: int) -> str:
    """The id of a question; ``shown``: the label in it, ``opinion``: the number of the person."""
    return files.digest([kind, image, superpixel, row, column, shown, opinion])[:16]


class Answers:
    """The answers of a folder that stand, by the ids of their questions, in the order in which they were given.

    Raises InputError for a file that is damaged.
    """

    def __init__(self, folder: Path):
        self.path = folder / FILE
        self.lines: dict[str, dict[str, Any]] = {}
        self._size = 0  # bytes of whole lines
        if self.path.exists():
            self._read()

    def add(self, line: dict[str, Any]) -> None:
        self._write(line)
        self.lines[line["id"]] = line

    def remove(self, id: str) -> None:
        """Take an answer back."""
        self._write({"undo": id})
        del self.lines[id]

    def _write(self, line: dict[str, Any]) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "ab") as file:
                file.truncate(self._size)  # of half a line of a server that was killed, nobody has heard
                file.write(json.dumps(line).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
                self._size = file.tell()
        except OSError as error:
            raise Unwritable(f"{self.path}: {error.strerror}") from error

    def _read(self) -> None:
        data = self.path.read_bytes()
        self._size = data.rfind(b"\n") + 1
        for number, text in enumerate(data[: self._size].splitlines(), 1):
            try:
                line = json.loads(text)
                if "undo" in line:
                    del self.lines[line["undo"]]
                else:
                    self.lines[line["id"]] = {name: line[name] for name in SAID}
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(f"{self.path}, line {number}: not an answer as this writes them: {error!r}") from error


def checked(asked: Asked, given: dict[str, Any]) -> dict[str, Any]:
    """The line that is kept of an answer. Raises InputError for one that says nothing that an answer can say."""
    question = asked.question
    action, label, seconds, who = (given.get(name) for name in ("action", "label", "seconds", "annotator"))
    names = question.kind == "correction"
    allowed = [a for a in ACTIONS if a != ("classify" if names else "correct") and (names or a != "confirm")]
    if action not in allowed:
        raise InputError(f"action must be one of {', '.join(allowed)}; got {files.short(action)}")
    if action in ("correct", "classify"):
        if type(label) is not int or not 0 <= label < question.n_classes:
            raise InputError(f"label must be a class id from 0 to {question.n_classes - 1}; got {files.short(label)}")
    else:
        label = None
    is_number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if seconds is not None and not (is_number and 0 <= seconds < float("inf")):
        raise InputError(f"seconds must be a number of 0 or more; got {files.short(seconds)}")
    about = asked.id, asked.name, question.superpixel, question.kind, question.label, asked.person
    kept_s = float(seconds) if seconds is not None and seconds <= LONGEST_S else None
    return dict(zip(SAID, (*about, action, label, kept_s, named(who)), strict=True))


def named(who: Any) -> str | None:
    """The name of a person. Raises InputError."""
    if who is not None and not (isinstance(who, str) and len(who) <= 100):
        raise InputError("annotator must be a name of at most 100 characters")
    return who or None


def answer_of(question: Question, line: dict[str, Any]) -> Answer:
    said = {"confirm": (question.label,), "void": (VOID,), "give_up": ()}
    return reply(question, said[line["action"]] if line["action"] in said else (line["label"],))
