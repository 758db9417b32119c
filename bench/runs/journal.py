"""The files of a cell's folder: their one writer, one reader and one replay, for the run, the report and the export.

A round leaves its files in three steps, and a stopped cell goes on after the last of them: the answers
(``queries.csv``, ``refined.csv``, ``detection.csv``, and last ``running.json``, its seconds so far), the model
(``model-<round>.pth``), the measures (``timings.csv``, ``classes.csv``, ``images.npz``, and last a row of
``rounds.csv``). The lengths and checksums of the files are recorded in ``sums.json`` after each step: `check` names
a file that was damaged.
A row becomes text once, but its file is written whole each round, so that no reader sees half of one.
"""

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bench import files, metrics
from bench.adjudication import ASK, LEAVE, Verdict
from bench.foundation.pseudo import PseudoLabels
from bench.labels import LabelMaps, LabelQuality
from bench.runs import confusions, schema
from bench.runs.checksums import anew, check
from bench.runs.confusions import Images
from bench.runs.schema import CLASSES, TIMINGS, names
from bench.runs.tally import HARM, REFINED_PX, Tally
from bench.types import VOID, Answer, InputError, Question, Region

RUNNING = "running.json"  # the row of timings.csv of a round whose answers are there and whose measures are not


@dataclass(frozen=True)
class Step:
    """One change of the labels, made again: its ``row`` of queries.csv or refined.csv, the ``answer`` that was written,
    the index of its train ``image``, the superpixel's place in it, ``where``, and its labels before, ``was`` (m,)
    uint8. ``asked``: it answers a question; else a refiner did it."""

    row: dict
    answer: Answer
    asked: bool
    image: int
    where: Region
    was: np.ndarray


def forget(folder: Path) -> None:
    """Remove all that a cell's rounds left in ``folder``; its spec.json and logs stay."""
    names = (*schema.FILES, confusions.FILE, files.SUMS, RUNNING)
    for path in (*(folder / name for name in names), *folder.glob("model-*.pth")):
        path.unlink(missing_ok=True)


class Journal:
    """Rows of the files of ``folder``, as far as they are whole, and additions to them.

    ``timings`` has one row more than ``rounds`` while a round's answers are there and its measures are not. Raises
    InputError for a file that is missing or broken.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.rounds: list[dict] = []
        self.queries: list[dict] = []
        self.refined: list[dict] = []
        self.classes: list[dict] = []
        self.timings: list[dict] = []
        self.detected: list[dict] = []
        self.images: Images | None = None
        self._texts = _Texts(folder)
        self._tally: Tally | None = None
        check(folder)
        if (folder / "rounds.csv").exists():
            self._read()

    @property
    def n_measured(self) -> int:
        """How many rounds are done, round 0 among them."""
        return len(self.rounds)

    @property
    def n_asked(self) -> int:
        return len(self.queries)

    def has_answers(self, number: int) -> bool:
        """Whether the questions of a round have been answered."""
        return number < len(self.timings)

    def seconds(self, number: int) -> dict:
        """The row of timings.csv of a round, to be added to."""
        if number == len(self.timings):
            self.timings.append(dict.fromkeys(names(TIMINGS), 0.0) | {"round": number})
        return self.timings[number]

    def play_back(
        self,
        pseudo: PseudoLabels,
        labels: LabelMaps,
        ask_again: Callable[[dict, int, Region], object] | None = None,
        only: Container[str] | None = None,
    ) -> Iterator[Step]:
        """Every change of the labels, made again in ``labels``, which begin as ``pseudo``: a round's answers first.

        ``ask_again(row, image, where)`` is called before an answer is written, for annotators that remember. ``only``:
        names of the images, to replay their changes only. Raises InputError for an unknown image or superpixel.
        """
        for asked, row, answer in _changes(self.queries, self.refined):
            if only is not None and row["image"] not in only:
                continue
            if row["image"] not in pseudo.index:
                raise InputError(f"{self.folder}: no train image is called {row['image']!r}")
            image = pseudo.index[row["image"]]
            where = pseudo.region(image, row["superpixel"])
            if asked and ask_again is not None:
                ask_again(row, image, where)
            was = labels.at(image, where)
            labels.write(image, where, was, answer)
            yield Step(row, answer, asked, image, where, was)

    def add_question(
        self, number: int, name: str, question: Question, answer: Answer, opinion: int, verdict: Verdict, harm: tuple
    ) -> None:
        """``name``: of the image; ``harm``: of the labels written (`bench.kernels.pixels.relabel`), if known."""
        told = _told(question, answer, opinion, verdict)
        self.queries.append({"round": number, "image": name, **told, **_named(HARM, harm)})

    def add_refinement(self, number: int, name: str, superpixel: int, label: int, harm: tuple) -> None:
        row = {"round": number, "image": name, "superpixel": superpixel, "label": label}
        self.refined.append(row | _named(REFINED_PX, (None, None) if None in harm else (sum(harm), harm[1])))

    def add_round(
        self,
        keys: dict,
        classes: tuple[str, ...],
        quality: LabelQuality,
        model: np.ndarray | None,
        seconds: dict[str, float],
    ) -> None:
        """Measure a round: ``keys`` are the first columns of its row. ``quality`` is that of the labels, ``model`` the
        confusion matrices of the model on the val images, (M, C, C + 1). ``seconds`` those of an action."""
        found = [row for row in self.detected if row["round"] == keys["round"]]
        self._tally = self._tally or Tally(len(classes), seconds)
        row = keys | self.timings[-1] | self._tally.upto(self.queries, self.refined) | (found[0] if found else {})
        row |= {} if quality.is_known else dict.fromkeys([*HARM, *REFINED_PX])
        matrices = {"data": quality.by_image, "model": model}
        known = {of: by_image for of, by_image in matrices.items() if by_image is not None and by_image.any()}
        row |= {m.column: m.formula(known[m.of]) if m.of in known else None for m in metrics.MEASURES}
        self.rounds.append(row)
        self.images = confusions.with_round(self.images, quality.by_image, quality.touched, model)
        quality.touched.clear()
        ious = [np.full(len(classes), np.nan) if m is None else metrics.iou(m.sum(0)) for m in matrices.values()]
        for values in zip(classes, *ious, strict=True):
            self.classes.append({"round": row["round"]} | _named(names(CLASSES)[1:], values))

    def add_detection(self, number: int, found: dict[str, float]) -> None:
        self.detected.append({"round": number} | found)

    def write_answers(self) -> None:
        files.record(self.folder, self._write_answers())
        self.write_seconds()

    def write_seconds(self) -> None:
        """Those of a round that is not measured yet will change."""
        files.write_spec(self.folder / RUNNING, self.timings[-1])

    def write_round(self) -> None:
        sums = self._write_answers()
        files.record(self.folder, sums)  # no cell has a rounds.csv without checksums
        sums |= self._texts.write("timings.csv", self.timings) | self._texts.write("classes.csv", self.classes)
        assert self.images is not None  # `add_round` came before
        confusions.write(path := self.folder / confusions.FILE, self.images)
        sums |= {path.name: files.checksum(path.read_bytes())} | self._texts.write("rounds.csv", self.rounds)
        files.record(self.folder, sums)
        (self.folder / RUNNING).unlink(missing_ok=True)

    def _write_answers(self) -> dict[str, list]:
        sums = self._texts.write("refined.csv", self.refined) if self.refined else {}
        return sums | self._texts.write("detection.csv", self.detected) | self._texts.write("queries.csv", self.queries)

    def _read(self) -> None:
        self.rounds = read_rounds([self.folder / "rounds.csv"]).to_dict("records")
        n_rounds = len(self.rounds)
        self.timings = self._rows("timings.csv", n_rounds - 1) + _running(self.folder, n_rounds)
        self.queries = self._rows("queries.csv", n_answered := len(self.timings) - 1)
        if (self.folder / "refined.csv").exists():
            self.refined = self._rows("refined.csv", n_answered)
        self.classes = self._rows("classes.csv", n_rounds - 1)
        if (self.folder / "detection.csv").exists():  # since format 2
            self.detected = self._rows("detection.csv", n_answered)
        if (self.folder / confusions.FILE).exists():  # likewise
            kept = confusions.read(self.folder / confusions.FILE)
            self.images = Images(kept.data.until(n_rounds - 1), kept.model and kept.model.until(n_rounds - 1))

    def _rows(self, name: str, last: int) -> list[dict]:
        return [row for row in schema.read(self.folder / name).to_dict("records") if row["round"] <= last]


class _Texts:
    """The text of each file of ``folder`` to which rows are only added: a row is encoded once."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._known: dict[str, tuple[int, bytearray]] = {}  # by file: how many rows are text already, and the text

    def write(self, name: str, rows: list[dict]) -> dict[str, list]:
        """Write a file anew with all its ``rows``; returns its checksum by its name."""
        n, text = self._known.get(name, (0, bytearray()))
        text += schema.encode(name, rows[n:], head=not text)
        self._known[name] = len(rows), text
        data = bytes(text)
        files.write_bytes(self._folder / name, data)
        return {name: files.checksum(data)}


def _running(folder: Path, number: int) -> list[dict]:
    """The row of timings.csv of round ``number``, if its answers are there."""
    try:
        found = files.read_json(folder / RUNNING, summed=True) if (folder / RUNNING).exists() else {}
    except InputError as error:
        raise InputError(f"{error}; {anew(folder)}") from error
    return [found] if found.get("round") == number else []


def _changes(queries: list[dict], refined: list[dict]) -> list[tuple[bool, dict, Answer]]:
    """(whether it was asked, row, answer) of each change of the labels: round by round, answers first."""
    events = [(True, row, Answer(verdict_of(row) or (), answer_of(row).actions)) for row in queries]
    events += [(False, row, Answer((row["label"],), ("correct",))) for row in refined]
    return sorted(events, key=lambda event: (event[1]["round"], not event[0]))


def read_rounds(paths: list[Path]) -> pd.DataFrame:
    """The rounds.csv of cells, below each other. Raises InputError unless each counts the rounds of one seed."""
    return _rounds(paths).drop(columns="file")


def count_rounds(paths: list[Path]) -> list[int]:
    """How many rounds each rounds.csv of cells holds, round 0 among them. Raises InputError as `read_rounds` does."""
    return np.bincount(_rounds(paths).file, minlength=len(paths)).tolist() if paths else []


def _rounds(paths: list[Path]) -> pd.DataFrame:
    frame = schema.read_all(paths)
    cells = frame.groupby("file")
    wrong = frame[(cells.cumcount() != frame["round"]) | (cells.seed.transform("nunique") > 1)]
    if len(wrong):
        path = paths[wrong.file.iloc[0]]
        raise InputError(f"{path}: expected the rounds 0, 1, ... of a seed; remove {path.parent} to run the cell anew")
    return frame


def answer_of(row: dict) -> Answer:
    """The answer in a row of ``queries.csv``."""
    return Answer(_classes(row, row["answer"]), tuple(row["actions"].split()))


def verdict_of(row: dict) -> Verdict:
    """The decision after the answer in a row of ``queries.csv``; before format 3, every answer was written."""
    words = {"": answer_of(row).labels, "leave": LEAVE, "ask": ASK}
    return words[row["decided"]] if row["decided"] in words else _classes(row, row["decided"])


def _classes(row: dict, text: str) -> tuple[int, ...]:
    labels = text.split()
    if not all(label.isdecimal() and len(label) < 4 and int(label) <= VOID for label in labels):
        raise InputError(f"question {row['number']}: the answer must be class ids, got {text!r}")
    return tuple(map(int, labels))


def _told(question: Question, answer: Answer, opinion: int, verdict: Verdict) -> dict:
    """The row of queries.csv for a question, its ``opinion``-th answer, and the decision."""
    return {
        "number": question.number,
        "superpixel": question.superpixel,
        "row": question.row,
        "column": question.column,
        "size": len(question.labels),
        "kind": question.kind,
        "label_before": question.label,
        "opinion": opinion,
        "answer": " ".join(map(str, answer.labels)),
        "actions": " ".join(answer.actions),
        "decided": "ask" if verdict is None else " ".join(map(str, verdict)) or "leave",
    }


def _named(keys, values) -> dict:
    return dict(zip(keys, values, strict=True))
