"""One cell of the grid: rounds of acquire, ask, correct, fit, measure, record.

The answers say everything about the labels, so a stopped cell goes on by playing them back (`bench.history`).
"""

import copy
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench import costs, metrics, registry, seeds, store
from bench.history import ROUND_COLUMNS, History, answer_of  # noqa: F401  the columns are part of this door
from bench.kernels.statistics import OF_TRUTH
from bench.labels import LabelMaps
from bench.timing import Stopwatch
from bench.types import VOID, Answer, Candidates, InputError, Pool, Query, Question, Truth
from bench.workbench import MEMORY_BYTES, Workbench


@dataclass(frozen=True)
class Start:
    """Round 0 of a seed, the same in all its cells: the first pool, the model on val, and the seconds it took."""

    candidates: Candidates
    confusion: np.ndarray | None
    model: Path | None
    timings: dict[str, float]


class Cell:
    """One strategy, one oracle, one seed. ``run`` goes on from wherever ``folder`` says the cell is."""

    def __init__(
        self,
        bench: Workbench,
        strategy: str,
        oracle: str,
        seed: int,
        folder: Path,
        start: Start,
        memory_bytes: int = MEMORY_BYTES,
    ):
        self.bench, self.seed, self.folder, self.first = bench, seed, folder, start
        self.names = {"strategy": strategy, "oracle": oracle, "seed": seed}
        self.strategy, self.refiner = registry.load_strategy(strategy)
        self.needs = needs(strategy)
        self.oracle = registry.load("oracles", oracle)
        self.oracle.prepare(bench.confusion[:, :-1])
        self.labels = LabelMaps(bench.pseudo.labels, bench.truth, bench.confusion, folder / "scratch", memory_bytes)
        self.answers: dict[tuple[int, int], int] = {}
        self.history = History(folder)
        self.model = None

    def run(self) -> None:
        self.resume()
        for number in range(len(self.history.rounds), self.bench.settings.rounds + 1):
            if number == len(self.history.timings):
                self._question(number)
            confusion = self.first.confusion if number == 0 else self._fit(number)
            self._record(number, confusion)
            self.bench.on_step("round", 1)
        for leftover in self.folder.glob("model-*.pth"):
            leftover.unlink()
        self.labels.clear()

    def resume(self) -> None:
        """Play back what the folder says was answered."""
        self.labels.clear()
        self.history.read()
        played = [(row["round"], self._play_answer, row) for row in self.history.queries]
        played += [(row["round"], self._play_refinement, row) for row in self.history.refined]
        for _, play, row in sorted(played, key=lambda event: event[0]):  # stable: a round's answers come first
            play(row, self.bench.index[row["image"]], row["superpixel"])

    def _play_answer(self, row: dict, image: int, superpixel: int) -> None:
        pixels = self._pixels(image, superpixel)
        if self.oracle.memory:
            self._answer(row["kind"], image, superpixel, row["row"], row["column"], pixels, row["number"])
        self._heard(image, superpixel, pixels, answer_of(row))

    def _play_refinement(self, row: dict, image: int, superpixel: int) -> None:
        self.labels.write(image, self._pixels(image, superpixel), Answer((row["label"],), ("correct",)))

    def _question(self, number: int) -> None:
        """The first half of a round: whom to ask, the answers, and the labels after them."""
        timings = dict.fromkeys(store.TIMINGS, 0.0) | {"round": number, "evaluate_s": 0.0}
        self.history.timings.append(timings)
        if number == 0:
            timings |= {k: v for k, v in self.first.timings.items() if k in ("fit_s", "evaluate_s")}
            return
        table = self._table(number, timings)
        query = self._acquire(number, table, timings)
        self._ask(number, table, query, timings)
        self._refine(number, table, query)
        if self.bench.trainer is not None:
            self.history.write_answers()  # a fit takes long, and may be interrupted

    def _table(self, number: int, timings: dict) -> Candidates:
        if number == 1 or self.bench.trainer is None:
            table = self.first.candidates
            timings |= {k: v for k, v in self.first.timings.items() if number == 1 and k in ("predict_s", "acquire_s")}
        else:
            if self.model is None:
                self.model = self.bench.trainer.load(self._model_path(number - 1))
            seen = tuple(n for n in self.needs if n not in OF_TRUTH)
            table, spent = self.bench.acquire_table(self.model, self.labels, seen)
            timings |= spent
        if self.strategy.reads_truth:
            table = Candidates(dict(table.columns) | self._truth_columns(table))
        return table

    def _truth_columns(self, table: Candidates) -> dict[str, np.ndarray]:
        """The statistics that read the truth, for a strategy that declares that it does."""
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
            n_asked = len(self.history.queries)
            question, answer = self._answer(self.strategy.question, *place, pixels, n_asked, oracle)
            if len(answer.labels) == 1:
                columns["truth_answer"][i] = answer.labels[0]
            truth = self.bench.truth(place[0]).ravel()[pixels]
            matrix = metrics.confusion(truth, question.labels, n_classes)
            columns["truth_histogram"][i] = np.r_[matrix.sum(1), (truth == VOID).sum()]
            columns["truth_agree_histogram"][i] = np.diag(matrix)
            columns["truth_label_histogram"][i] = matrix[:, :n_classes].sum(0)
        whole = self.labels.matrix
        totals = np.r_[np.diag(whole), whole.sum(1), whole[:, :n_classes].sum(0)]
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
            spend=len(self.history.queries),
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
            harm = self.labels.write(image, self._pixels(image, superpixel), Answer((label,), ("correct",)))
            place = {"round": number, "image": self.bench.names[image], "superpixel": superpixel}
            self.history.add_refinement(place, label, harm)

    def _region(self, table: Candidates, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Flat pixels (m,) of a row's superpixel, and their current labels (m,)."""
        pixels = self._pixels(int(table.image[row]), int(table.superpixel[row]))
        return pixels, self.labels(int(table.image[row])).ravel()[pixels]

    def _pixels(self, image: int, superpixel: int) -> np.ndarray:
        """(m,) flat indices of a superpixel's pixels, row-major."""
        return self.bench.pseudo.pixels(image, superpixel)

    def _ask(self, number: int, table: Candidates, query: Query, timings: dict) -> None:
        answer_watch, correct_watch = Stopwatch(), Stopwatch()
        places = {name: getattr(table, name)[query.rows].tolist() for name in ("image", "superpixel", "row", "column")}
        budget, unit = self.bench.budget or (math.inf, "questions")
        for image, superpixel, row, column in zip(*places.values(), strict=True):
            if budget <= 0:  # the last answer may pass a budget that is not in questions: its price is known once given
                break
            n_asked = len(self.history.queries)
            pixels = self._pixels(image, superpixel)
            with answer_watch:
                question, answer = self._answer(query.kind, image, superpixel, row, column, pixels, n_asked)
            actions = " ".join(answer.actions)
            budget -= costs.price([query.kind], [actions], self.bench.n_classes, unit, self.bench.seconds)[0]
            with correct_watch:
                harm = self._heard(image, superpixel, pixels, answer)
            place = {"round": number, "number": n_asked, "image": self.bench.names[image], "superpixel": superpixel}
            place |= {"row": row, "column": column, "size": len(pixels)}
            self.history.add_question(place, query.kind, question.label, answer, harm)
        timings.update(answer_s=answer_watch.total_s, correct_s=correct_watch.total_s)

    def _answer(self, kind, image, superpixel, row, column, pixels, number, oracle=None) -> tuple[Question, Answer]:
        labels = self.labels(image)
        shown, label = labels.ravel()[pixels], int(labels[row, column])
        question = Question(kind, image, superpixel, row, column, label, shown, number, self.bench.n_classes)
        rng = seeds.generator(self.seed, "oracle", self.bench.names[image], row, column)
        return question, (oracle or self.oracle).answer(question, Truth(self.bench.truth(image), pixels), rng)

    def _heard(self, image: int, superpixel: int, pixels: np.ndarray, answer: Answer) -> tuple[int, int, int]:
        single = len(answer.labels) == 1 and answer.labels[0] != VOID
        self.answers[image, superpixel] = answer.labels[0] if single else -1
        return self.labels.write(image, pixels, answer)

    def _fit(self, number: int) -> np.ndarray | None:
        """Train on the current labels. Returns the model's confusion on val."""
        if (trainer := self.bench.trainer) is None:
            return None
        timings, path = self.history.timings[-1], self._model_path(number)
        if path.exists():  # the run was stopped between this round's fit and its record
            self.model = trainer.load(path)
        else:
            with Stopwatch(trainer.device) as watch:
                warm = None
                if self.bench.settings.start == "warm":
                    warm = self.model or trainer.load(self._model_path(number - 1))
                self.model = self.bench.fit(self.labels, self.seed, number, self.folder / "logs", warm)
            timings["fit_s"] = watch.total_s
            self.history.write_timings()
            self.bench.save(self.model, path)
        with Stopwatch(trainer.device) as watch:
            confusion = self.bench.evaluate(self.model)
        timings["evaluate_s"] = watch.total_s
        return confusion

    def _record(self, number: int, confusion: np.ndarray | None) -> None:
        bench = self.bench
        keys = {"dataset": bench.settings.dataset, "foundation": bench.settings.foundation, **self.names}
        keys["round"] = number
        self.history.add_round(keys, bench.classes, self.labels.matrix, confusion, bench.seconds)
        self.history.write_round()
        for stale in self.folder.glob("model-*.pth"):
            if stale != self._model_path(number):
                stale.unlink()

    def _model_path(self, number: int) -> Path:
        return self.first.model if number == 0 else self.folder / f"model-{number}.pth"


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
    missing = [n for n in needs(strategy) if available is not None and n not in (*available, *OF_TRUTH)]
    if missing:
        lacking = f"strategy {strategy!r} needs the statistics {', '.join(missing)}"
        raise InputError(f"{lacking}; a run without a model has those of --scores alone")


def _ties(seed: int, names: tuple[str, ...], table: Candidates) -> np.ndarray:
    hashes = np.array([seeds.integer(seed, "tie", name) for name in names], np.uint64)
    return seeds.uniform(seed, "tie", hashes[table.image], table.superpixel)
