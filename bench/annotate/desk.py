"""The desk between the loop of a cell, which asks, and whoever answers: each answer is on disk before it counts.

``answers.jsonl``, beside the files of the cell, has a line of JSON for each answer and for each that was taken back.
The loop of a cell that was stopped in a round asks the round's questions again; the desk answers those that it has.
"""

import json
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench import files
from bench.annotation import Oracle, Retracted, reply
from bench.files import Unwritable
from bench.types import ACTIONS, VOID, Answer, InputError, Question, Region, Truth

FILE = "answers.jsonl"
KEPT = 8  # questions whose pictures may still be asked for
LONGEST_S = 3600.0  # an answer that took longer was interrupted


class Refused(Exception):
    """An answer that does not fit the question that waits."""


@dataclass(frozen=True, eq=False)
class Asked:
    """A question that waits: of an image called ``name``, of ``shape`` (H, W), about the superpixel at ``where``.

    ``labels`` (H, W) uint8: the image's labels before the answer.
    """

    question: Question
    name: str
    where: Region
    shape: tuple[int, int]
    labels: np.ndarray
    person: int

    @property
    def id(self) -> str:
        """Of this question to this person, the same after a restart."""
        q = self.question
        return files.digest([q.number, self.name, q.superpixel, q.row, q.column, self.person])[:16]

    @property
    def box(self) -> list[int]:
        """Of the superpixel: left, top, right and bottom, the last two exclusive."""
        rows, columns = np.divmod(self.where.pixels, self.shape[1])
        return [int(n) for n in (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)]


class Desk:
    """Holds the question that waits, and all answers of a cell in the order of their questions.

    ``rounds``: of the run. The loop calls `ask` from its thread, the server the other methods from others.
    """

    def __init__(self, rounds: int):
        self.path, self.round, self.rounds = Path(FILE), 0, rounds
        self.answers: list[dict[str, Any]] = []
        self.first = self._size = 0
        self.waiting: Asked | None = None
        self.kept: OrderedDict[str, Asked] = OrderedDict()
        self.outcome: str | None = None  # once the run has ended: nothing, or the error
        self.told = threading.Event()  # whether somebody has heard that
        self._retracted = False
        self._changed = threading.Condition()

    def open(self, folder: Path, n_answered: int, round: int) -> None:
        """Take up the answers of a cell, and the files of its folder. Raises InputError for one that is damaged.

        ``n_answered``: the answers of the rounds that it holds whole, which nobody can take back; ``round``: the round
        whose questions come.
        """
        self.path, self.first, self.round = folder / FILE, n_answered, round
        self.answers, self._size = _read(self.path)

    def ask(self, asked: Asked) -> Answer:
        """The answer to a question: from disk, or once somebody gives one. Raises `Retracted` where the answer to the
        question before it is taken back meanwhile."""
        number = asked.question.number
        with self._changed:
            if number > len(self.answers):
                raise InputError(f"{self.path}: holds {len(self.answers)} answers; the cell's queries.csv has {number}")
            if number == len(self.answers):
                self.waiting, self.kept[asked.id] = asked, asked
                while len(self.kept) > KEPT:
                    self.kept.popitem(last=False)
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._retracted or number < len(self.answers))
                self.waiting = None
                if self._retracted:
                    self._retracted = False
                    raise Retracted
            given = self.answers[number]
        if given["id"] != asked.id:
            raise InputError(f"{self.path}: answer {number} is about another question; remove its folder")
        return _answer(asked.question, given)

    def current(self, wait_s: float = 0.3) -> Asked | None:
        """The question that waits, for which this waits a moment."""
        with self._changed:
            self._changed.wait_for(lambda: self.waiting is not None or self.outcome is not None, wait_s)
            return self.waiting

    def answer(self, given: dict[str, Any]) -> None:
        """Take an answer down, and hand it to the loop. Raises `Refused` where it is not to the question that waits,
        InputError where it says nothing that an answer can say."""
        with self._changed:
            asked = self.waiting
            if asked is None or given.get("id") != asked.id:
                raise Refused("this question does not wait any more; get the next one")
            line = _checked(asked.question, given)
            self._write(line)
            self.answers.append(line)
            self.waiting = None
            self._changed.notify_all()

    def undo(self) -> None:
        """Take the last answer back. Raises `Refused` where there is none in this round."""
        with self._changed:
            self._changed.wait_for(lambda: self.waiting is not None or self.outcome is not None, 1)
            if self.waiting is None or len(self.answers) <= self.first:
                raise Refused("no answer to take back: those of earlier rounds have changed the model")
            self._write({"undo": self.answers[-1]["id"]})
            self.answers.pop()
            self._retracted, self.waiting = True, None
            self._changed.notify_all()

    def status(self) -> dict[str, Any]:
        """What is done."""
        with self._changed:
            of_round = self.answers[self.first :]
            seconds = [line["seconds"] for line in self.answers if line["seconds"] is not None]
            return {
                "round": self.round,
                "rounds": self.rounds,
                "answers": len(self.answers),
                "answers_of_round": len(of_round),
                "changed": sum(line["action"] in ("correct", "classify") for line in self.answers),
                "median_seconds": float(np.median(seconds)) if seconds else None,
                "waits": self.waiting is not None,
                "done": self.outcome is not None,
                "error": self.outcome or None,
            }

    def step(self, what: str, n: int) -> None:
        """Hear of the run's progress: what was answered before a round that is done stays."""
        if what == "round":
            with self._changed:
                self.round += n
                self.first = len(self.answers)

    def finish(self, error: str = "") -> None:
        """The run has ended."""
        with self._changed:
            self.outcome = error
            self._changed.notify_all()

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


class Person(Oracle):
    """Whoever sits at the page of ``alc-bench annotate``."""

    kinds = ("correction", "classification", "dominant")
    reads_truth = False

    def __init__(self, desk: Desk):
        self._desk = desk
        self._labels: Callable[[int], np.ndarray] | None = None

    def look(self, labels: Callable[[int], np.ndarray]) -> None:
        self._labels = labels

    def answer(self, question: Question, truth: Truth, rng: np.random.Generator) -> Answer:
        assert self._labels is not None  # the session lets him look before the first question
        height, width = truth.map.shape
        labels = self._labels(question.image)
        asked = Asked(question, truth.name, truth.where, (height, width), labels, truth.person)
        return self._desk.ask(asked)


def _checked(question: Question, given: dict[str, Any]) -> dict[str, Any]:
    """What is kept of an answer. Raises InputError."""
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
    if who is not None and not (isinstance(who, str) and len(who) <= 100):
        raise InputError("annotator must be a name of at most 100 characters")
    kept_s = float(seconds) if seconds is not None and seconds <= LONGEST_S else None
    return {"id": given["id"], "action": action, "label": label, "seconds": kept_s, "annotator": who}


def _answer(question: Question, line: dict[str, Any]) -> Answer:
    said = {"confirm": (question.label,), "void": (VOID,), "give_up": ()}
    return reply(question, said[line["action"]] if line["action"] in said else (line["label"],))


def _read(path: Path) -> tuple[list[dict[str, Any]], int]:
    """The answers that stand, and how many bytes the whole lines of the file have."""
    if not path.exists():
        return [], 0
    data = path.read_bytes()
    size = data.rfind(b"\n") + 1
    answers: list[dict[str, Any]] = []
    for number, text in enumerate(data[:size].splitlines(), 1):
        try:
            line = json.loads(text)
            if "undo" not in line:
                answers.append({name: line[name] for name in ("id", "action", "label", "seconds", "annotator")})
            elif answers.pop()["id"] != line["undo"]:
                raise ValueError("another answer is taken back than the last")
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise InputError(f"{path}, line {number}: not an answer as this writes them: {error}") from error
    return answers, size
