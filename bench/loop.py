"""One cell of the grid: rounds of acquire, ask, correct, fit, measure, record.

A cell's folder holds what it has done: ``rounds.csv`` grows by a row when a round is whole. The queries say everything
about the labels, so a stopped cell goes on by playing them back.
"""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bench import correction, costs, metrics, registry, seeds, store
from bench.acquisition import TRUTH_COLUMNS
from bench.timing import Stopwatch
from bench.types import VOID, Answer, Candidates, InputError, Pool, Query, Question, Truth
from bench.workbench import Workbench

COUNTS = ("n_queries", "n_confirmed", "n_corrected", "n_void")
COSTS = ("cost_clicks", "cost_bits", "cost_s")
HARM = ("corrected_px", "harmed_px", "rewronged_px")
REFINED = ("refined_px", "refined_harmed_px")
ROUND_COLUMNS = [
    *("dataset", "foundation", "strategy", "oracle", "seed", "round"),
    *(
        *COUNTS,
        *COSTS,
        "data_miou",
        "data_miou_labelled",
        "data_accuracy",
        "model_miou",
        *HARM,
        *REFINED,
        *store.TIMINGS,
    ),
]
QUERY_COLUMNS = [
    *(
        "round",
        "number",
        "image",
        "superpixel",
        "row",
        "column",
        "size",
        "kind",
        "label_before",
        "answer",
        "actions",
        *HARM,
    ),
]
REFINED_COLUMNS = ["round", "image", "superpixel", "label", *REFINED]
CLASS_COLUMNS = ["round", "class", "data_iou", "model_iou"]


@dataclass(frozen=True)
class Start:
    """Round 0 of a seed, the same in all its cells: the first pool, the model on val, and the seconds it took."""

    candidates: Candidates
    confusion: np.ndarray | None
    model: Path | None
    timings: dict[str, float]


class Cell:
    """One strategy, one oracle, one seed. ``run`` goes on from wherever ``folder`` says the cell is."""

    def __init__(self, bench: Workbench, strategy: str, oracle: str, seed: int, folder: Path, start: Start):
        self.bench, self.seed, self.folder, self.first = bench, seed, folder, start
        self.names = {"strategy": strategy, "oracle": oracle, "seed": seed}
        self.strategy, self.refiner = registry.load_strategy(strategy)
        self.needs = needs(strategy)
        self.oracle = registry.load("oracles", oracle)
        self.oracle.prepare(bench.confusion[:, :-1])
        self.matrix = bench.confusion.copy()
        self.changed: dict[int, np.ndarray] = {}
        self.answers: dict[tuple[int, int], int] = {}
        self.rounds: list[dict] = []
        self.queries: list[dict] = []
        self.refined: list[dict] = []
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
                query = self._acquire(number, table, timings)
                self._ask(number, table, query, timings)
                self._refine(number, table, query)
                confusion = self._fit(number, timings)
            self._record(number, confusion, timings)
            on_round()
        for leftover in self.folder.glob("model-*.pth"):
            leftover.unlink()

    def labels(self, index: int) -> np.ndarray:
        """(H, W) uint8: the current labels of a train image."""
        return self.changed[index] if index in self.changed else self.bench.pseudo.labels(index)

    def _table(self, number: int, timings: dict) -> Candidates:
        if number == 1 or self.bench.trainer is None:
            table = self.first.candidates
            timings.update({k: v for k, v in self.first.timings.items() if number == 1 and k != "fit_s"})
        else:
            if self.model is None:
                self.model = self.bench.trainer.load(self._model_path(number - 1))
            seen = tuple(n for n in self.needs if n not in TRUTH_COLUMNS)
            table, spent = self.bench.acquire_table(self.model, self.labels, seen)
            timings.update(spent)
        if self.strategy.reads_truth:
            table = Candidates(dict(table.columns) | self._truth_columns(table))
        return table

    def _truth_columns(self, table: Candidates) -> dict[str, np.ndarray]:
        """What `bench.acquisition.TRUTH_COLUMNS` says, for a strategy that declares that it reads the truth."""
        n, n_classes = len(table), self.bench.n_classes
        columns = {
            "truth_answer": np.full(n, -1, np.int16),
            "truth_histogram": np.zeros((n, n_classes + 1), np.int64),
            "truth_agree_histogram": np.zeros((n, n_classes), np.int64),
            "truth_label_histogram": np.zeros((n, n_classes), np.int64),
        }
        oracle = copy.deepcopy(self.oracle)  # looking ahead must not teach the one that is asked
        places = zip(*(getattr(table, c).tolist() for c in ("image", "superpixel", "row", "column")), strict=True)
        for i, place in enumerate(places):
            if (place[0], place[1]) in self.answers:
                continue
            pixels = self._pixels(*place[:2])
            question, answer = self._answer(self.strategy.question, *place, pixels, oracle)
            if len(answer.labels) == 1:
                columns["truth_answer"][i] = answer.labels[0]
            truth = self.bench.truth(place[0]).ravel()[pixels]
            matrix = metrics.confusion(truth, question.labels, n_classes)
            columns["truth_histogram"][i] = np.r_[matrix.sum(1), (truth == VOID).sum()]
            columns["truth_agree_histogram"][i] = np.diag(matrix)
            columns["truth_label_histogram"][i] = matrix[:, :n_classes].sum(0)
        totals = np.r_[np.diag(self.matrix), self.matrix.sum(1), self.matrix[:, :n_classes].sum(0)]
        return columns | {"truth_totals": np.broadcast_to(totals, (n, 3 * n_classes))}

    def _pool(self, number: int, table: Candidates) -> Pool:
        keys = zip(table.image.tolist(), table.superpixel.tolist(), strict=True)
        answered = np.array([self.answers.get(key, -2) for key in keys], np.int16)
        return Pool(
            candidates=table,
            asked=answered != -2,
            ties=_ties(self.seed, self.bench.names, table),
            n_classes=self.bench.n_classes,
            answered=np.maximum(answered, -1),
            round=number,
            spend=len(self.queries),
        )

    def _acquire(self, number: int, table: Candidates, timings: dict) -> Query:
        pool = self._pool(number, table)
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

    def _refine(self, number: int, table: Candidates, query: Query) -> None:
        """Let the refiner relabel superpixels nobody was asked about."""
        if self.refiner is None:
            return
        pool = self._pool(number, table)
        asked = query.rows[pool.asked[query.rows]]  # a budget in seconds may have ended before the query
        modes = [np.bincount(self._region(table, row)[1]).argmax() for row in asked]
        rng = seeds.generator(self.seed, "refine", number)
        rows, labels = self.refiner.refine(pool, asked, np.array(modes, np.uint8), rng)
        for row, label in zip(rows.tolist(), labels.tolist(), strict=True):
            image, superpixel = int(table.image[row]), int(table.superpixel[row])
            harm = self._write(image, self._pixels(image, superpixel), Answer((label,), ("correct",)))
            place = {"round": number, "image": self.bench.names[image], "superpixel": superpixel, "label": label}
            self.refined.append(place | dict(zip(REFINED, (sum(harm), harm[1]), strict=True)))

    def _region(self, table: Candidates, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Flat pixels (m,) of a row's superpixel, and their current labels (m,)."""
        pixels = self._pixels(int(table.image[row]), int(table.superpixel[row]))
        return pixels, self.labels(int(table.image[row])).ravel()[pixels]

    def _pixels(self, image: int, superpixel: int) -> np.ndarray:
        """(m,) flat indices of a superpixel's pixels, row-major."""
        return np.flatnonzero(self.bench.pseudo.superpixels(image).ravel() == superpixel)

    def _ask(self, number: int, table: Candidates, query: Query, timings: dict) -> None:
        answer_watch, correct_watch = Stopwatch(), Stopwatch()
        places = {name: getattr(table, name)[query.rows].tolist() for name in ("image", "superpixel", "row", "column")}
        budget, unit = self.bench.budget or (math.inf, "questions")
        for image, superpixel, row, column in zip(*places.values(), strict=True):
            if (
                budget <= 0
            ):  # so the last answer may pass a budget that is not in questions: its price is known once given
                break
            pixels = self._pixels(image, superpixel)
            with answer_watch:
                question, answer = self._answer(query.kind, image, superpixel, row, column, pixels)
            actions = " ".join(answer.actions)
            budget -= costs.price([query.kind], [actions], self.bench.n_classes, unit, self.bench.seconds)[0]
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

    def _answer(self, kind, image, superpixel, row, column, pixels, oracle=None) -> tuple[Question, Answer]:
        labels = self.labels(image)
        shown = labels.ravel()[pixels]
        number = len(self.queries)
        question = Question(
            kind, image, superpixel, row, column, int(labels[row, column]), shown, number, self.bench.n_classes
        )
        rng = seeds.generator(self.seed, "oracle", self.bench.names[image], row, column)
        return question, (oracle or self.oracle).answer(question, Truth(self.bench.truth(image), pixels), rng)

    def _correct(self, image: int, superpixel: int, pixels: np.ndarray, answer: Answer) -> tuple[int, int, int]:
        single = len(answer.labels) == 1 and answer.labels[0] != VOID
        self.answers[image, superpixel] = answer.labels[0] if single else -1
        return self._write(image, pixels, answer)

    def _write(self, image: int, pixels: np.ndarray, answer: Answer) -> tuple[int, int, int]:
        """Apply an answer and keep the confusion matrix in step: a round costs what changed. Returns the harm."""
        before = self.labels(image)
        after = correction.apply(before, pixels, answer)
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
            warm = (
                (self.model or self.bench.trainer.load(self._model_path(number - 1)))
                if self.bench.settings.start == "warm"
                else None
            )
            self.model = self.bench.fit(self.labels, self.seed, number, self.folder / "logs", warm)
        timings["fit_s"] = watch.total_s
        with store.replacing(self.folder / f"model-{number}.pth") as path:
            self.bench.trainer.save(self.model, path)
        return self.bench.evaluate(self.model)

    def _record(self, number: int, confusion: np.ndarray | None, timings: dict) -> None:
        asked = pd.DataFrame(self.queries, columns=QUERY_COLUMNS)
        trained = confusion is not None
        row = {
            "dataset": self.bench.settings.dataset,
            "foundation": self.bench.settings.foundation,
            **self.names,
            "round": number,
        }
        row |= _counts(asked) | _spent(asked, self.bench) | {name: int(asked[name].sum()) for name in HARM}
        row |= {name: sum(r[name] for r in self.refined) for name in REFINED}
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
        if self.refiner is not None:
            store.write_csv(self.folder / "refined.csv", self.refined, REFINED_COLUMNS)
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
        self.rounds = store.read_csv(self.folder / "rounds.csv", tuple(ROUND_COLUMNS)).to_dict("records")
        done = len(self.rounds) - 1
        texts = {"image": str, "answer": str, "actions": str}
        queries = self._read("queries.csv", QUERY_COLUMNS, done, dtype=texts, keep_default_na=False)
        refined = self._read("refined.csv", REFINED_COLUMNS, done, dtype=texts) if self.refiner is not None else []
        empty = {"data_iou": "", "model_iou": ""}
        self.per_class = self._read("classes.csv", CLASS_COLUMNS, done, keep_default_na=False, na_values=empty)
        index = {name: i for i, name in enumerate(self.bench.names)}
        for number in range(1, done + 1):
            for row in (q for q in queries if q["round"] == number):
                place = index[row["image"]], row["superpixel"]
                pixels = self._pixels(*place)
                if self.oracle.memory:
                    self._answer(row["kind"], *place, row["row"], row["column"], pixels)
                self._correct(
                    *place, pixels, Answer(tuple(map(int, row["answer"].split())), tuple(row["actions"].split()))
                )
                self.queries.append(row)
            for row in (r for r in refined if r["round"] == number):
                image = index[row["image"]]
                self._write(image, self._pixels(image, row["superpixel"]), Answer((row["label"],), ("correct",)))
                self.refined.append(row)

    def _read(self, name: str, columns: list[str], done: int, **options) -> list[dict]:
        frame = store.read_csv(self.folder / name, tuple(columns), **options)
        return frame[frame["round"] <= done].to_dict("records")


def needs(strategy: str) -> tuple[str, ...]:
    """The statistics that a strategy and its refiner read."""
    chosen, refiner = registry.load_strategy(strategy)
    return tuple(dict.fromkeys((*chosen.needs, *(refiner.needs if refiner else ()))))


def check(strategy: str, oracle: str, bench: Workbench) -> None:
    """Raise InputError, before any work, for a cell that could not run: unknown names, missing statistics."""
    available = None if bench.trainer else bench.label_only.columns
    chosen, annotator = registry.load_strategy(strategy)[0], registry.load("oracles", oracle)
    if chosen.question not in annotator.kinds:
        raise InputError(
            f"{strategy} asks {chosen.question!r} questions; {oracle} answers {', '.join(annotator.kinds)}"
        )
    missing = [n for n in needs(strategy) if available is not None and n not in (*available, *TRUTH_COLUMNS)]
    if missing:
        lacking = f"strategy {strategy!r} needs the statistics {', '.join(missing)}"
        raise InputError(f"{lacking}; a run without a model has those of --scores alone")


def _ties(seed: int, names: tuple[str, ...], table: Candidates) -> np.ndarray:
    hashes = np.array([seeds.integer(seed, "tie", name) for name in names], np.uint64)
    return seeds.uniform(seed, "tie", hashes[table.image], table.superpixel)


def _counts(asked: pd.DataFrame) -> dict[str, int]:
    """What came of the questions: the label was confirmed, another class was given, or no class was."""
    same = asked.answer == asked.label_before.astype(str)
    confirmed = same | ((asked.answer == "") & asked.actions.str.endswith("confirm"))
    void = ~confirmed & asked.answer.isin(("", str(VOID)))
    corrected = ~confirmed & ~void
    return dict(zip(COUNTS, map(int, (len(asked), confirmed.sum(), corrected.sum(), void.sum())), strict=True))


def _spent(asked: pd.DataFrame, bench: Workbench) -> dict[str, float]:
    return {
        column: float(costs.price(asked.kind, asked.actions, bench.n_classes, unit, bench.seconds).sum())
        for column, unit in zip(COSTS, ("clicks", "bits", "seconds"), strict=True)
    }
