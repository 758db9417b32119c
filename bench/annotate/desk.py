"""The desk between the loop of a cell, which asks, and the people who answer: each answer is on disk before it counts.

The loop asks one question after another, and waits for each. Several people need several questions at a time, and a
page draws the next one before it is due. So the loop also says which questions come, and people may answer those ahead.
A cell that was stopped asks the questions of its round again; the desk answers those that it has.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.annotate.answers import Answers, Asked, answer_of, checked, named
from bench.annotate.offers import Offers
from bench.annotation import Coming, Oracle, Retracted
from bench.types import Answer, InputError, Question, Region, Truth

CHANCES = ("probability_sum",)  # the statistic that gives the classes their probabilities


class Refused(Exception):
    """An answer that does not fit the questions that wait."""


class Training:
    """The training that people wait for, of ``n_steps``."""

    def __init__(self, n_steps: int):
        self.n_steps, self.done, self.began = n_steps, 0, time.monotonic()

    def step(self, n: int) -> None:
        self.began = self.began if self.done else time.monotonic()
        self.done += n

    @property
    def left(self) -> dict[str, float]:
        """The share that is done, and the seconds of the rest; nothing where no training goes on."""
        if not 0 < self.done < self.n_steps:
            return {}
        return {
            "share": self.done / self.n_steps,
            "left": (time.monotonic() - self.began) * (self.n_steps / self.done - 1),
        }


class Desk:
    """Holds the questions that wait, and all answers of a cell.

    ``rounds``: of the run. ``repeat_share``: of the questions, asked twice to see how far people agree. The loop calls
    `ask` and `expect` from its thread, the server the other methods from others.
    """

    def __init__(self, rounds: int, repeat_share: float = 0.0):
        self.round, self.rounds, self.repeat_share = 0, rounds, repeat_share
        self.fixed: set[str] = set()  # answers that have gone into rounds that are done
        self.used: set[str] = set()  # answers that the loop has taken in this round
        self.outcome: str | None = None  # once the run has ended: nothing, or the error
        self.told = threading.Event()  # whether somebody has heard that
        self.listed: dict[str, dict[str, Any]] = {}  # answers from a list, by question, that nobody was asked yet
        self.left = 0  # superpixels of the round, that at hand among them
        self.training = Training(0)
        self._retracted = False
        self._changed = threading.Condition()
        self._take_up(Path())

    def _take_up(self, folder: Path) -> None:
        self.answers = Answers(folder)
        self.offers = Offers(self.answers.lines, self.repeat_share)

    def open(self, folder: Path, fixed: Iterable[str], round: int) -> None:
        """Take up the answers of a cell, and the files of its folder. Raises InputError for one that is damaged.

        ``fixed``: the answers in its queries.csv, which nobody can take back; ``round``: that of the questions to come.
        """
        self._take_up(folder)
        self.fixed, self.round = set(fixed), round
        if missing := self.fixed - self.answers.lines.keys():
            raise InputError(f"{self.answers.path}: lacks {len(missing)} answers that are in queries.csv")

    def expect(self, n: int, coming: Iterator[Asked]) -> None:
        """``n`` superpixels are left in this round; ``coming``: the questions about all but the first of them."""
        with self._changed:
            self.left = n
            self.offers.expect(one for one in coming if one.id not in self.listed)

    def ask(self, asked: Asked) -> Answer:
        """The answer to a question: from disk, or once somebody gives one. Raises `Retracted` where an answer that was
        taken in this round is taken back."""
        with self._changed:
            if asked.id not in self.answers.lines and asked.id in self.listed:
                self.answers.add(checked(asked, self.listed.pop(asked.id)))
            if asked.id not in self.answers.lines and not self._retracted:
                self.offers.waiting = self.offers.keep(asked)
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._retracted or asked.id in self.answers.lines)
                self.offers.waiting = None
            if self._retracted:
                self._retracted = False
                self.used.clear()
                raise Retracted
            self.used.add(asked.id)
            self.offers.repeat(asked)
            return answer_of(asked.question, self.answers.lines[asked.id])

    def current(self, who: str | None = None, wait_s: float = 0.3) -> Asked | None:
        """The question for a person, who has it from now on; this waits a moment for one."""
        with self._changed:
            self.offers.seen[who] = time.monotonic()
            self._await(wait_s)
            asked = self.offers.next(who)
            if asked is not None:
                self.offers.hold(asked, who)
            return asked

    def after(self, id: str, who: str | None = None) -> Asked | None:
        """The question that this person is probably asked after the question ``id``."""
        with self._changed:
            return self.offers.next(who, but=id)

    def answer(self, given: dict[str, Any]) -> None:
        """Take an answer down, and hand it to the loop. Raises `Refused` where its question does not wait, InputError
        where it says nothing that an answer can say."""
        with self._changed:
            asked = self._open(given)
            self.answers.add(checked(asked, given))
            self.offers.answered(asked.id)
            if self.offers.waiting is not None and self.offers.waiting.id == asked.id:
                self.offers.waiting = None
            self._changed.notify_all()

    def skip(self, given: dict[str, Any]) -> None:
        """Ask somebody else, or later. Raises `Refused` where the question does not wait."""
        with self._changed:
            self.offers.skip(self._open(given), named(given.get("annotator")))

    def undo(self, who: str | None = None) -> None:
        """Take the last answer of a person back, or of anybody. Raises `Refused` where there is none in this round."""
        with self._changed:
            self._await(1)
            of_round = [line for id, line in self.answers.lines.items() if id not in self.fixed]
            mine = [line["id"] for line in of_round if who is None or line["annotator"] == who]
            if self.offers.waiting is None or not mine:
                raise Refused("no answer to take back: those of earlier rounds have changed the model")
            self.answers.remove(mine[-1])
            if mine[-1] in self.used:
                self._retracted, self.offers.waiting = True, None
                self._changed.notify_all()

    def status(self) -> dict[str, Any]:
        """What is done, and how long the rest takes."""
        with self._changed:
            lines, waits = self.answers.lines.values(), self.offers.waiting is not None
            seconds = [line["seconds"] for line in lines if line["seconds"] is not None]
            median = float(np.median(seconds)) if seconds else None
            return {
                "round": self.round,
                "rounds": self.rounds,
                "answers": len(lines),
                "answers_of_round": len(self.answers.lines.keys() - self.fixed),
                "left_of_round": self.left if waits else 0,
                "changed": sum(line["action"] in ("correct", "classify") for line in lines),
                "median_seconds": median,
                "seconds_left": median * self.left if median is not None and waits else None,
                "waits": waits,
                "done": self.outcome is not None,
                "error": self.outcome or None,
            }

    def step(self, what: str, n: int) -> None:
        """Hear of the run's progress: the answers of a round that is done stay."""
        with self._changed:
            if what == "fit":
                self.training.step(n)
            elif what == "round":
                self.training = Training(self.training.n_steps)
                self.round += n
                self.fixed |= self.used
                self.used.clear()
                self.offers.clear()

    def finish(self, error: str = "") -> None:
        """The run has ended."""
        with self._changed:
            self.outcome = error
            self._changed.notify_all()

    def _await(self, wait_s: float) -> None:
        self._changed.wait_for(lambda: self.offers.waiting is not None or self.outcome is not None, wait_s)

    def _open(self, given: dict[str, Any]) -> Asked:
        id = given.get("id")
        asked = self.offers.kept.get(id) if isinstance(id, str) else None
        if asked is None or asked.id in self.answers.lines:
            raise Refused("this question does not wait any more; get the next one")
        return asked


class Person(Oracle):
    """Whoever sits at the page of ``alc-bench annotate``."""

    kinds = ("correction", "classification", "dominant")
    reads_truth = False

    def __init__(self, desk: Desk, needs: tuple[str, ...] = ()):
        self._desk, self.needs = desk, needs
        self._labels: Callable[[int], np.ndarray] | None = None
        self._names: tuple[str, ...] = ()
        self._chances: np.ndarray | None = None

    def look(self, names: tuple[str, ...], labels: Callable[[int], np.ndarray]) -> None:
        self._names, self._labels = names, labels

    def expect(self, n: int, coming: Iterator[Coming]) -> None:
        first = next(coming)
        self._chances = _chances(first)
        self._desk.expect(n, (self._asked(one.question, one.where, 1, _chances(one)) for one in coming))

    def answer(self, question: Question, truth: Truth, rng: np.random.Generator) -> Answer:
        return self._desk.ask(self._asked(question, truth.where, truth.person, self._chances))

    def _asked(self, question: Question, where: Region, person: int, chances: np.ndarray | None) -> Asked:
        assert self._labels is not None  # the session lets him look before the first question
        labels = self._labels(question.image)
        return Asked(question, self._names[question.image], where, labels.shape, labels, person, chances)


def _chances(coming: Coming) -> np.ndarray | None:
    """(C,) float64: the mean probability of each class over the superpixel, where a model says it."""
    total = coming.statistics.get(*CHANCES)
    return None if total is None else total / coming.where.size
