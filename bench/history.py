"""What a cell has done, in memory and in its folder.

A round leaves its files in three steps, and a stopped cell goes on after the last of them: the answers
(``queries.csv``, ``refined.csv``, and last a row of ``timings.csv``), the model (``model-<round>.pth``), the measures
(``classes.csv``, and last a row of ``rounds.csv``).
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from bench import costs, metrics, store
from bench.types import VOID, Answer, InputError

COUNTS = ("n_queries", "n_confirmed", "n_corrected", "n_void")
COSTS = ("cost_clicks", "cost_bits", "cost_s")
HARM = ("corrected_px", "harmed_px", "rewronged_px")
REFINED = ("refined_px", "refined_harmed_px")
MEASURES = ("data_miou", "data_miou_labelled", "data_accuracy", "model_miou")
TEXTS = ("dataset", "foundation", "strategy", "oracle")
KEYS = (*TEXTS, "seed", "round")
ROUND_COLUMNS = [*KEYS, *COUNTS, *COSTS, *MEASURES, *HARM, *REFINED, *store.TIMINGS]
PLACE = ("round", "number", "image", "superpixel", "row", "column", "size")
QUERY_COLUMNS = [*PLACE, "kind", "label_before", "answer", "actions", *HARM]
REFINED_COLUMNS = ["round", "image", "superpixel", "label", *REFINED]
CLASS_COLUMNS = ["round", "class", "data_iou", "model_iou"]
TIMING_COLUMNS = ["round", *store.TIMINGS, "evaluate_s"]


@dataclass
class History:
    """Rows of the files of ``folder``; ``read`` fills them, the ``write_`` functions leave them on disk.

    ``timings`` has one row more than ``rounds`` while a round's answers are there and its measures are not.
    """

    folder: Path
    rounds: list[dict] = field(default_factory=list)
    queries: list[dict] = field(default_factory=list)
    refined: list[dict] = field(default_factory=list)
    classes: list[dict] = field(default_factory=list)
    timings: list[dict] = field(default_factory=list)

    def read(self) -> None:
        """What is whole. Raises InputError for a file that is missing or broken."""
        if not (self.folder / "rounds.csv").exists():
            return
        self.rounds = read_rounds(self.folder / "rounds.csv").to_dict("records")
        n_rounds = len(self.rounds)
        self.timings = self._rows("timings.csv", TIMING_COLUMNS, n_rounds)
        last = len(self.timings) - 1
        texts = {"image": str, "answer": str, "actions": str}
        self.queries = self._rows("queries.csv", QUERY_COLUMNS, last, dtype=texts, keep_default_na=False)
        if (self.folder / "refined.csv").exists():
            self.refined = self._rows("refined.csv", REFINED_COLUMNS, last, dtype={"image": str}, keep_default_na=False)
        empty = {"data_iou": "", "model_iou": ""}
        self.classes = self._rows("classes.csv", CLASS_COLUMNS, n_rounds - 1, keep_default_na=False, na_values=empty)

    def write_answers(self) -> None:
        if self.refined:
            store.write_csv(self.folder / "refined.csv", self.refined, REFINED_COLUMNS)
        store.write_csv(self.folder / "queries.csv", self.queries, QUERY_COLUMNS)
        self.write_timings()

    def write_timings(self) -> None:
        store.write_csv(self.folder / "timings.csv", self.timings, TIMING_COLUMNS)

    def write_round(self) -> None:
        self.write_answers()
        store.write_csv(self.folder / "classes.csv", self.classes, CLASS_COLUMNS)
        store.write_csv(self.folder / "rounds.csv", self.rounds, ROUND_COLUMNS)

    def add_question(self, place: dict, kind: str, label: int, answer: Answer, harm: tuple[int, int, int]) -> None:
        """``place``: the columns `PLACE`; ``label``: the one shown; ``harm``: of writing the answer."""
        said = {"answer": " ".join(map(str, answer.labels)), "actions": " ".join(answer.actions)}
        self.queries.append({**place, "kind": kind, "label_before": label, **said, **_named(HARM, harm)})

    def add_refinement(self, place: dict, label: int, harm: tuple[int, int, int]) -> None:
        self.refined.append({**place, "label": label, **_named(REFINED, (sum(harm), harm[1]))})

    def add_round(
        self, keys: dict, classes: tuple[str, ...], data: np.ndarray, model: np.ndarray | None, seconds: dict
    ) -> None:
        """``data``, ``model``: confusion matrices (C, C + 1) of the labels and, of the model on val."""
        asked = pd.DataFrame(self.queries, columns=QUERY_COLUMNS)
        row = keys | self.timings[-1] | _counts(asked) | _spent(asked, len(classes), seconds)
        row |= {name: int(asked[name].sum()) for name in HARM}
        row |= {name: sum(r[name] for r in self.refined) for name in REFINED}
        miou = None if model is None else metrics.miou(model)
        quality = metrics.miou(data), metrics.miou(data, void_counts=False), metrics.accuracy(data), miou
        self.rounds.append(row | _named(MEASURES, quality))
        model_iou = np.full(len(classes), np.nan) if model is None else metrics.iou(model)
        for values in zip(classes, metrics.iou(data), model_iou, strict=True):
            self.classes.append({"round": row["round"]} | _named(CLASS_COLUMNS[1:], values))

    def _rows(self, name: str, columns: list[str], last: int, **options) -> list[dict]:
        frame = store.read_csv(self.folder / name, tuple(columns), **options)
        return frame[frame["round"] <= last].to_dict("records")


def read_rounds(path: Path) -> pd.DataFrame:
    """A cell's rounds.csv. Raises InputError unless it counts the rounds of one seed."""
    options = dict(dtype=dict.fromkeys(TEXTS, str), keep_default_na=False, na_values={"model_miou": ""})
    frame = store.read_csv(path, tuple(ROUND_COLUMNS), **options)
    numbers = frame[ROUND_COLUMNS[len(TEXTS) :]].dtypes
    counted = frame["round"].tolist() == list(range(len(frame))) and frame["seed"].dtype.kind in "iu"
    if not counted or any(kind.kind not in "iuf" for kind in numbers):
        raise InputError(
            f"{path}: expected numbers, for the rounds 0, 1, ... of a seed; remove {path.parent} to run the cell anew"
        )
    return frame


def answer_of(row: dict) -> Answer:
    """The answer in a row of ``queries.csv``."""
    return Answer(tuple(map(int, row["answer"].split())), tuple(row["actions"].split()))


def _named(names, values) -> dict:
    return dict(zip(names, values, strict=True))


def _counts(asked: pd.DataFrame) -> dict[str, int]:
    """What came of the questions: the label was confirmed, another class was given, or no class was."""
    same = asked.answer == asked.label_before.astype(str)
    confirmed = same | ((asked.answer == "") & asked.actions.str.endswith("confirm"))
    void = ~confirmed & asked.answer.isin(("", str(VOID)))
    corrected = ~confirmed & ~void
    return _named(COUNTS, map(int, (len(asked), confirmed.sum(), corrected.sum(), void.sum())))


def _spent(asked: pd.DataFrame, n_classes: int, seconds: dict) -> dict[str, float]:
    units = ("clicks", "bits", "seconds")
    return _named(COSTS, [float(costs.price(asked.kind, asked.actions, n_classes, u, seconds).sum()) for u in units])
