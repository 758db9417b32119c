"""The human half of a cell: the questions, the answers, and the changes of the labels."""

from collections.abc import Mapping

import numpy as np

from bench import costs, metrics, registry, seeds
from bench.adjudication import Adjudicator, Case, Opinions, SlipRate, Verdict
from bench.annotation import Oracle, classes_named, outcome
from bench.experiment.problem import Problem
from bench.labels import LabelMaps, LabelQuality
from bench.runs.journal import Journal, answer_of, verdict_of
from bench.types import ACTIONS, Answer, Candidates, Pool, Question, Region, Truth, unknown

PLACE = ("image", "superpixel", "row", "column")


class Session:
    """One annotator at work on one cell's labels. Only here do oracles and label quality meet the truth."""

    def __init__(self, problem: Problem, oracle: str, seed: int, labels: LabelMaps, rule: Adjudicator | None = None):
        self.problem, self.seed, self.labels = problem, seed, labels
        self.rule: Adjudicator = rule or registry.load("adjudicators", "first")
        self.oracle: Oracle = registry.load("oracles", oracle)
        self.oracle.look(problem.names, labels)
        self.oracle.prepare(problem.measured.confusion.sum()[:, :-1])
        self.quality = LabelQuality(problem.truth, problem.measured.confusion)
        self.shown = problem.measured.shown.copy()  # the label that most pixels of each superpixel have now
        self.given: dict[tuple[int, int], tuple[int, int]] = {}  # what `Pool` says of each (image, superpixel) asked
        self.slips = SlipRate()
        self.spent = 0.0
        self.n_answers = 0
        self.opinions = Opinions()
        self._prices: dict[tuple, float] = {}  # of a kind of question and the actions of its answer: there are few
        self._streams = seeds.Streams()

    def play_back(self, journal: Journal) -> None:
        """Bring labels, quality and the annotator's memory to the state that ``journal`` records."""
        for step in journal.play_back(self.problem.pseudo, self.labels, self._ask_again):
            self._see(step.image, step.row["superpixel"], step.where, step.was, step.answer)

    def _ask_again(self, row: dict, image: int, where: Region) -> None:
        place = image, row["superpixel"], row["row"], row["column"]
        question = self.question(row["kind"], place, where, row["number"])
        if self.oracle.memory:
            self.answer(question, where, row["opinion"])
        case = self._case(question, answer_of(row), {})
        self._take_in(question, case, verdict_of(row))

    def drawn_order(self, table: Candidates) -> Candidates:
        """The rows of each image in the order of a draw, because the maker of superpixels may have sorted their ids."""
        return table.take(np.lexsort((self._ties(table), table.image)))

    def pool(self, number: int, table: Candidates) -> Pool:
        """The candidates that a strategy may see in round ``number``: row numbers in the place of superpixel ids."""
        answered, action = np.full(len(table), -1, np.int16), np.full(len(table), -1, np.int8)
        rows = np.zeros(0, int)
        if self.given:
            rows = rows_of(table, np.array(list(self.given)))
            answered[rows], action[rows] = np.array(list(self.given.values())).T
        return Pool(
            candidates=Candidates(dict(table.columns) | {"superpixel": np.arange(len(table))}),
            asked=action >= 0,
            ties=self._ties(table),
            n_classes=self.problem.n_classes,
            answered=answered,
            action=action,
            round=number,
            spend=self.spent,
            slip_rate=self.slips.estimate,
            **self.opinions.columns(self.given, rows, len(table), self.problem.n_classes),
        )

    def question(self, kind: str, place: tuple[int, int, int, int], where: Region, number: int) -> Question:
        """The question for the annotator at a ``place`` (`PLACE`) of the superpixel at ``where``; ``number``: of
        questions before it in this run."""
        image, superpixel, row, column = place
        labels, width = self.labels.at(image, where), self.problem.pseudo.regions(image).shape[1]
        shown = int(labels[where.place(row * width + column)])
        return Question(kind, image, superpixel, row, column, shown, labels, number, self.problem.n_classes)

    def answer(self, question: Question, where: Region, opinion: int = 1, oracle: Oracle | None = None) -> Answer:
        """The answer of person number ``opinion`` about this superpixel, or of another ``oracle``. One opinion on one
        superpixel of one seed meets one error, at any pixel."""
        name = self.problem.names[question.image]
        key = self.seed, "oracle", name, question.superpixel
        rng = self._streams(*key, *([opinion] if opinion > 1 else []))
        oracle, shape = oracle or self.oracle, self.problem.pseudo.regions(question.image).shape
        true = self.problem.truth(question.image) if oracle.reads_truth else unknown(shape)
        return oracle.answer(question, Truth(true, where, name, opinion, seeds.integer(*key, "shared")), rng)

    def judge(self, question: Question, answer: Answer, statistics: Mapping[str, np.ndarray] | None = None) -> Verdict:
        """The rule's decision after an answer; ``statistics``: those of the superpixel that the rule needs."""
        case = self._case(question, answer, statistics or {})
        verdict = self.rule.decide(case)
        self._take_in(question, case, verdict)
        return verdict

    def hear(self, question: Question, where: Region, answer: Answer, verdict: Verdict) -> tuple[int, int, int]:
        """Spread the decision over the superpixel. Returns the harm (`bench.kernels.pixels.relabel`)."""
        written = Answer(verdict or (), answer.actions)
        return self._write(question.image, question.superpixel, where, question.labels, written)

    def write(self, image: int, superpixel: int, where: Region, answer: Answer) -> tuple[int, int, int]:
        """Spread an answer over a superpixel. Returns the harm (`bench.kernels.pixels.relabel`)."""
        return self._write(image, superpixel, where, self.labels.at(image, where), answer)

    def mode(self, image: int, superpixel: int) -> int:
        """The label that most pixels of a superpixel have (tie: lowest)."""
        return int(self.shown[self.problem.place(image, superpixel)])

    def detection(
        self, scores: np.ndarray, wrong: np.ndarray, table: Candidates, pool: Pool, rows: np.ndarray
    ) -> dict[str, float]:
        """How well a strategy's ``scores`` and the ``rows`` asked find wrong labels (`bench.runs.schema.DETECTION`).

        ``wrong``: the value of `wrong` before any answer. Counted are superpixels never asked before, with a known true
        pixel.
        """
        known = self.problem.measured.true[pool_places(table)] >= 0
        open_rows, asked = np.flatnonzero(~pool.asked & known), rows[known[rows]]
        return metrics.detection(wrong[open_rows], scores[open_rows], table.size[open_rows]) | metrics.precision(
            wrong[asked], table.size[asked]
        )

    def wrong(self, table: Candidates) -> np.ndarray:
        """(n,) bool: whether the label that most pixels of a row's superpixel have is not their most frequent class."""
        places = pool_places(table)
        return self.problem.measured.true[places] != self.shown[places]

    def _case(self, question: Question, answer: Answer, statistics: Mapping[str, np.ndarray]) -> Case:
        """The rule's view after an answer, which is recorded and paid."""
        price = self._pay(question, answer)
        return self.opinions.add(question, answer, classes_named(question, answer), price, statistics)

    def _take_in(self, question: Question, case: Case, verdict: Verdict) -> None:
        self.rule.learn(case, verdict)
        self.slips.learn(case)
        given, action = outcome(question, upheld(case, verdict))
        self.given[question.image, question.superpixel] = given, ACTIONS.index(action)

    def _pay(self, question: Question, answer: Answer) -> float:
        done = question.kind, answer.actions
        if done not in self._prices:
            self._prices[done] = _price(self.problem, *done)
        self.spent += self._prices[done]
        self.n_answers += 1
        return self._prices[done]

    def _write(self, image: int, superpixel: int, where: Region, was: np.ndarray, answer: Answer) -> tuple:
        self.labels.write(image, where, was, answer)
        return self._see(image, superpixel, where, was, answer)

    def _see(self, image: int, superpixel: int, where: Region, was: np.ndarray, answer: Answer) -> tuple:
        """Take in an answer to a superpixel that had the labels ``was``. Returns the harm."""
        if answer.labels:
            one = len(answer.labels) == 1
            mode = answer.labels[0] if one else np.bincount(self.labels.at(image, where)).argmax()
            self.shown[self.problem.place(image, superpixel)] = mode
        if not self.problem.has_truth(image):
            return None, None, None
        return self.quality.count(image, where, was, answer)

    def _ties(self, table: Candidates) -> np.ndarray:
        hashes = np.array([seeds.integer(self.seed, "tie", name) for name in self.problem.names], np.uint64)
        return seeds.uniform(self.seed, "tie", hashes[table.image], table.superpixel)


def _price(problem: Problem, kind: str, actions: tuple[str, ...]) -> float:
    """The price of an answer, in the unit of the budget."""
    unit = problem.budget.unit if problem.budget else "questions"
    return float(costs.price([kind], [" ".join(actions)], problem.n_classes, unit, problem.seconds)[0])


def upheld(case: Case, verdict: Verdict) -> Answer:
    """The answer that a verdict upholds: the last one that would write the same. An open doubt upholds none."""
    if verdict is None:
        return Answer((), ("give_up",))
    said = [answer for answer in case.answers if answer.labels == verdict]
    if said:
        return said[-1]
    if case.question.kind == "correction":
        return Answer(verdict, ("correct",) if verdict else ("confirm",))
    return Answer(verdict, ("classify",) * len(verdict) or ("give_up",))


def places(table: Candidates) -> list[tuple[int, int, int, int]]:
    """`PLACE` of each row."""
    return list(zip(*(getattr(table, name).tolist() for name in PLACE), strict=True))


def _keys(image: np.ndarray, superpixel: np.ndarray) -> np.ndarray:
    """A number for each (image, superpixel) that sorts as the pair does."""
    return image.astype(np.int64) << 32 | superpixel.astype(np.int64)


def rows_of(table: Candidates, wanted: np.ndarray) -> np.ndarray:
    """The rows of (image, superpixel) pairs (k, 2)."""
    keys = _keys(table.image, table.superpixel)
    order = np.argsort(keys)
    return order[np.searchsorted(keys, _keys(*wanted.T), sorter=order)]


def pool_places(table: Candidates) -> np.ndarray:
    """The place of each row in the pool (`bench.experiment.measured.Measured`); the table has every superpixel."""
    places = np.empty(len(table), np.int64)
    places[np.argsort(_keys(table.image, table.superpixel))] = np.arange(len(table))
    return places
