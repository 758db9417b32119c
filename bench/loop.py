"""One cell of the grid: rounds of acquire, ask, correct, fit, measure, record.

A cell's folder holds what it has done: ``rounds.csv`` grows by a row when a round is whole. The queries say everything
about the labels, so a stopped cell goes on by playing them back.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bench import correction, costs, metrics, registry, seeds, store
from bench.timing import Stopwatch
from bench.types import VOID, Answer, Candidates, InputError, Pool, Query, Question, Truth
from bench.workbench import Workbench

COUNTS = ("n_queries", "n_confirmed", "n_corrected", "n_void")
COSTS = ("cost_clicks", "cost_bits", "cost_s")
HARM = ("corrected_px", "harmed_px", "rewronged_px")
ROUND_COLUMNS = [
    *("dataset", "foundation", "strategy", "oracle", "seed", "round"),
    *(*COUNTS, *COSTS, "data_miou", "data_miou_labelled", "data_accuracy", "model_miou", *HARM, *store.TIMINGS),
]
QUERY_COLUMNS = [
    *("round", "number", "image", "superpixel", "row", "column", "size", "kind", "label_before", "answer", "actions", *HARM),
]
CLASS_COLUMNS = ["round", "class", "data_iou", "model_iou"]


@dataclass(frozen=True)
class Start:
    """Round 0 of a seed, the same for all strategies and oracles: the first pool, the model on val, and the time it took."""

    candidates: Candidates
    confusion: np.ndarray | None
    model: Path | None
    timings: dict[str, float]


class Cell:
    """One strategy, one oracle, one seed. ``run`` goes on from wherever ``folder`` says the cell is."""

    def __init__(self, bench: Workbench, strategy: str, oracle: str, seed: int, folder: Path, start: Start):
        self.bench, self.seed, self.folder, self.first = bench, seed, folder, start
        self.names = {"strategy": strategy, "oracle": oracle, "seed": seed}
        self.strategy = registry.load("strategies", strategy)
        self.oracle = registry.load("oracles", oracle)
        if self.strategy.question not in self.oracle.kinds:
            raise InputError(f"{strategy} asks {self.strategy.question!r}; {oracle} answers {', '.join(self.oracle.kinds)}")
        self.oracle.prepare(bench.confusion[:, :-1])
        self.matrix = bench.confusion.copy()
        self.changed: dict[int, np.ndarray] = {}
        self.answers: dict[tuple[int, int], int] = {}
        self.rounds: list[dict] = []
        self.queries: list[dict] = []
        self.per_class: list[dict] = []
        self.model = None

    def run(self, on_round: Callable[[], None] = lambda: None) -> None:
        self._resume()
        on_round()
        for number in range(len(self.rounds), self.bench.settings.rounds + 1):
            timings = dict.fromkeys(store.TIMINGS, 0.0)
            if number == 0:
                confusion = self.first.confusion
                timings["fit_s"] = self.first.timings.get("fit_s", 0.0)
            else:
                table = self._table(number, timings)
                self._ask(number, table, self._acquire(number, table, timings), timings)
                confusion = self._fit(number, timings)
            self._record(number, confusion, timings)
            on_round()
        for leftover in self.folder.glob("model-*.pth"):
            leftover.unlink()

    def labels(self, index: int) -> np.ndarray:
        """(H, W) uint8: the current labels of a train image."""
        return self.changed.get(index, None) if index in self.changed else self.bench.pseudo.labels(index)

    def _table(self, number: int, timings: dict) -> Candidates:
        if number == 1 or self.bench.trainer is None:
            timings.update({k: v for k, v in self.first.timings.items() if number == 1 and k != "fit_s"})
            return self.first.candidates
        if self.model is None:
            self.model = self.bench.trainer.load(self._model_path(number - 1))
        table, spent = self.bench.acquire_table(self.model, self.labels, self.strategy.needs, self.seed)
        timings.update(spent)
        return table

    def _acquire(self, number: int, table: Candidates, timings: dict) -> Query:
        names = self.bench.names
        keys = list(zip(table.image.tolist(), table.superpixel.tolist(), strict=True))
        answered = np.array([self.answers.get(key, -2) for key in keys], np.int16)
        pool = Pool(
            candidates=table,
            asked=answered != -2,
            ties=_ties(self.seed, names, table),
            n_classes=self.bench.n_classes,
            answered=np.maximum(answered, -1),
            round=number,
            spend=len(self.queries),
        )
        budget, unit = self.bench.budget or (math.ceil(len(table) / 20), "questions")
        if unit != "questions":  # no action is cheaper than the cheapest; `_ask` stops where the money does
            cheapest = min(self.bench.seconds.values()) if unit == "seconds" else 1
            budget = min(len(table), budget / cheapest if cheapest else len(table))
        with Stopwatch() as watch:
            query = self.strategy.acquire(pool, int(budget), seeds.generator(self.seed, "acquire", number))
        timings["acquire_s"] += watch.total_s
        if pool.asked[query.rows].any():
            raise InputError(f"{self.names['strategy']} asks a superpixel again; asked ones are banned")
        return query

    def _ask(self, number: int, table: Candidates, query: Query, timings: dict) -> None:
        answer_watch, correct_watch = Stopwatch(), Stopwatch()
        places = {name: getattr(table, name)[query.rows].tolist() for name in ("image", "superpixel", "row", "column")}
        budget, unit = self.bench.budget or (math.inf, "questions")
        for image, superpixel, row, column in zip(*places.values(), strict=True):
            pixels = np.flatnonzero(self.bench.pseudo.superpixels(image).ravel() == superpixel)
            with answer_watch:
                question, answer = self._answer(query.kind, image, superpixel, row, column, pixels)
            actions = " ".join(answer.actions)
            budget -= costs.price([query.kind], [actions], self.bench.n_classes, unit, self.bench.seconds)[0]
            if budget < 0:
                break
            with correct_watch:
                harm = self._correct(image, superpixel, pixels, answer)
            self.queries.append(
                {
                    "round": number,
                    "number": question.number,
                    "image": self.bench.names[image],
                    "superpixel": superpixel,
                    "row": row,
                    "column": column,
                    "size": len(pixels),
                    "kind": query.kind,
                    "label_before": question.label,
                    "answer": " ".join(map(str, answer.labels)),
                    "actions": actions,
                    **dict(zip(HARM, harm, strict=True)),
                }
            )
        timings.update(answer_s=answer_watch.total_s, correct_s=correct_watch.total_s)

    def _answer(self, kind, image, superpixel, row, column, pixels) -> tuple[Question, Answer]:
        labels = self.labels(image)
        shown = labels.ravel()[pixels]
        number = len(self.queries)
        question = Question(kind, image, superpixel, row, column, int(labels[row, column]), shown, number, self.bench.n_classes)
        rng = seeds.generator(self.seed, "oracle", self.bench.names[image], row, column)
        return question, self.oracle.answer(question, Truth(self.bench.truth(image), pixels), rng)

    def _correct(self, image: int, superpixel: int, pixels: np.ndarray, answer: Answer) -> tuple[int, int, int]:
        before = self.labels(image)
        after = correction.apply(before, pixels, answer)
        single = len(answer.labels) == 1 and answer.labels[0] != VOID
        self.answers[image, superpixel] = answer.labels[0] if single else -1
        if after is before:
            return 0, 0, 0
        self.changed[image] = after
        truth, was, now = self.bench.truth(image).ravel()[pixels], before.ravel()[pixels], after.ravel()[pixels]
        n = self.bench.n_classes
        self.matrix += metrics.confusion(truth, now, n) - metrics.confusion(truth, was, n)
        return metrics.harm(truth, was, now)

    def _fit(self, number: int, timings: dict) -> np.ndarray | None:
        if self.bench.trainer is None:
            return None
        with Stopwatch(self.bench.trainer.device) as watch:
            warm = (self.model or self.bench.trainer.load(self._model_path(number - 1))) if self.bench.settings.start == "warm" else None
            self.model = self.bench.fit(self.labels, self.seed, number, self.folder / "logs", warm)
        timings["fit_s"] = watch.total_s
        with store.replacing(self.folder / f"model-{number}.pth") as path:
            self.bench.trainer.save(self.model, path)
        return self.bench.evaluate(self.model)

    def _record(self, number: int, confusion: np.ndarray | None, timings: dict) -> None:
        asked = pd.DataFrame(self.queries, columns=QUERY_COLUMNS)
        trained = confusion is not None
        row = {"dataset": self.bench.settings.dataset, "foundation": self.bench.settings.foundation, **self.names, "round": number}
        row |= _counts(asked) | _spent(asked, self.bench) | {name: int(asked[name].sum()) for name in HARM}
        row |= {
            "data_miou": metrics.miou(self.matrix),
            "data_miou_labelled": metrics.miou(self.matrix, void_counts=False),
            "data_accuracy": metrics.accuracy(self.matrix),
            "model_miou": metrics.miou(confusion) if trained else None,
        }
        self.rounds.append(row | timings)
        model_iou = metrics.iou(confusion) if trained else np.full(self.bench.n_classes, np.nan)
        for name, data, model in zip(self.bench.classes, metrics.iou(self.matrix), model_iou, strict=True):
            self.per_class.append({"round": number, "class": name, "data_iou": data, "model_iou": model})
        store.write_csv(self.folder / "queries.csv", self.queries, QUERY_COLUMNS)
        store.write_csv(self.folder / "classes.csv", self.per_class, CLASS_COLUMNS)
        store.write_csv(self.folder / "timings.csv", self.rounds, ["round", *store.TIMINGS])
        store.write_csv(self.folder / "rounds.csv", self.rounds, ROUND_COLUMNS)  # last: with it the round is whole
        for stale in self.folder.glob("model-*.pth"):
            if stale != self._model_path(number):
                stale.unlink()

    def _model_path(self, number: int) -> Path:
        return self.first.model if number == 0 else self.folder / f"model-{number}.pth"

    def _resume(self) -> None:
        if not (self.folder / "rounds.csv").exists():
            return
        self.rounds = _rows(store.read_csv(self.folder / "rounds.csv", tuple(ROUND_COLUMNS)))
        done = len(self.rounds) - 1
        texts = {"image": str, "answer": str, "actions": str}
        queries = store.read_csv(self.folder / "queries.csv", tuple(QUERY_COLUMNS), dtype=texts, keep_default_na=False)
        classes = store.read_csv(self.folder / "classes.csv", tuple(CLASS_COLUMNS), keep_default_na=False, na_values={"data_iou": "", "model_iou": ""})
        queries, classes = queries[queries["round"] <= done], classes[classes["round"] <= done]
        self.per_class = _rows(classes)
        index = {name: i for i, name in enumerate(self.bench.names)}
        for row in _rows(queries):
            image, superpixel = index[row["image"]], row["superpixel"]
            pixels = np.flatnonzero(self.bench.pseudo.superpixels(image).ravel() == superpixel)
            if self.oracle.memory:
                self._answer(row["kind"], image, superpixel, row["row"], row["column"], pixels)
            answer = Answer(tuple(map(int, row["answer"].split())), tuple(row["actions"].split()))
            self._correct(image, superpixel, pixels, answer)
            self.queries.append(row)


def check(strategy: str, oracle: str, bench: Workbench) -> None:
    """Raise InputError, before any work, for a cell that could not run: unknown names, statistics that are not there."""
    available = None if bench.trainer else bench.label_only.columns
    chosen, annotator = registry.load("strategies", strategy), registry.load("oracles", oracle)
    if chosen.question not in annotator.kinds:
        raise InputError(f"{strategy} asks {chosen.question!r} questions; {oracle} answers {', '.join(annotator.kinds)}")
    missing = [n for n in chosen.needs if available is not None and n not in available]
    if missing:
        raise InputError(f"strategy {strategy!r} needs the statistics {', '.join(missing)}, which a run without a model has from --scores alone")


def _ties(seed: int, names: tuple[str, ...], table: Candidates) -> np.ndarray:
    hashes = np.array([seeds.integer(seed, "tie", name) for name in names], np.uint64)
    return seeds.uniform(seed, "tie", hashes[table.image], table.superpixel)


def _counts(asked: pd.DataFrame) -> dict[str, int]:
    """What came of the questions: the label was confirmed, another class was given, or no class was."""
    same = asked.answer == asked.label_before.astype(str)
    confirmed = same | ((asked.answer == "") & asked.actions.str.contains("confirm"))
    void = ~confirmed & asked.answer.isin(("", str(VOID)))
    corrected = ~confirmed & ~void
    return dict(zip(COUNTS, map(int, (len(asked), confirmed.sum(), corrected.sum(), void.sum())), strict=True))


def _spent(asked: pd.DataFrame, bench: Workbench) -> dict[str, float]:
    return {
        column: float(costs.price(asked.kind, asked.actions, bench.n_classes, unit, bench.seconds).sum())
        for column, unit in zip(COSTS, ("clicks", "bits", "seconds"), strict=True)
    }


def _rows(frame: pd.DataFrame) -> list[dict]:
    return frame.to_dict("records")
