"""The rules of every plug-in, as checks that its author calls from a test: the suite's own plug-ins pass them too.

    check_strategy("my_score")

Each takes a plug-in as it is named on a command line, or a callable that makes one, and raises AssertionError with a
sentence for the first thing that does not hold. `pool` and `random_columns` make tables for tests of one's own.
"""

import inspect
import io
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench import registry, seeds
from bench.acquisition import Refiner, Strategy
from bench.adjudication import ASK, Adjudicator, Case, Verdict
from bench.annotation import Oracle
from bench.datasets import Dataset
from bench.foundation import Foundation, check_maps
from bench.foundation.superpixels import Superpixels
from bench.kernels.statistics import reads, statistic
from bench.learners import Learner
from bench.registry import parse
from bench.testing.tables import permuted, pool, random_columns
from bench.types import QUESTIONS, VOID, Answer, InputError, Pool, Question, Region, Truth

Plugin = str | Callable[[], Any]
N, N_CLASSES = 60, 5
MOST_PEOPLE = 100  # of whom a rule of adjudication may ask about one superpixel


def check_strategy(plugin: Plugin) -> None:
    """It declares its needs and its question. It asks the budget (or less: ``may_stop``), nothing twice, for any order
    of the table and any kind of question. It draws from the generator alone, and names a missing statistic.
    """
    strategy = _made("strategies", plugin, Strategy)
    _expect(strategy.question in QUESTIONS, f"question must be one of {', '.join(QUESTIONS)}: {strategy.question!r}")
    _expect(bool(inspect.getdoc(type(strategy))) and bool(strategy.source), "it has no docstring or no source")
    told = "truth" in reads(strategy.needs)  # which refuses a name that is no statistic
    _expect(strategy.reads_truth == told, f"reads_truth is {strategy.reads_truth}, but needs are {strategy.needs}")
    _expect(not (strategy.reasks and strategy.stateless), "it asks again, so that its cell must begin again: stateless")
    columns = random_columns(strategy.needs, N)

    def ask(p: Pool, budget: int, seed: int = 1) -> np.ndarray:
        return _made("strategies", plugin, Strategy).acquire(p, budget, np.random.default_rng(seed)).rows

    def ids(p: Pool, rows: np.ndarray) -> list[int]:
        return p.candidates.superpixel[rows].tolist()

    p = pool(columns, N_CLASSES, range(0, 30, 5))
    for budget in (0, 1, 7, N - 6, N, 3 * N):
        rows = ask(p, budget)
        n = min(budget, N if strategy.reasks else N - 6)
        n = min(n, len(rows)) if strategy.may_stop else n
        _expect(len(rows) == len(set(rows.tolist())) == n, f"asked {len(rows)} for a budget of {budget}: expected {n}")
        _expect(rows.dtype.kind == "i", "rows are not whole numbers")
        _expect(strategy.reasks or not p.asked[rows].any(), "it asked a row again: reasks = False")
    for asked in ([], [3, 17, 40]):
        p = pool(columns, N_CLASSES, asked)
        other = permuted(p, np.random.default_rng(5).permutation(N))
        _expect(ids(p, ask(p, 20)) == ids(other, ask(other, 20)), "its choice changes with the order of the table")
    _check_state(plugin, p)
    _expect(ask(p, 20).tolist() == ask(p, 20).tolist(), "one generator gave two choices: draw from rng alone")
    for kind in QUESTIONS:
        asking = _made("strategies", plugin, Strategy)
        asking.question = kind
        table = pool(random_columns(asking.needs, N), N_CLASSES)  # what it needs may hang on what it asks
        found = asking.acquire(table, 3, np.random.default_rng(1)).kind
        _expect(found == kind, f"told to ask {kind!r} questions (question={kind}), it asked {found!r}")
    one = random_columns(strategy.needs, 1)
    for asked, expected in (([], [0]), ([0], [])):
        found = ask(pool(one, N_CLASSES, asked), 5).tolist()
        fits = found == expected or (strategy.may_stop and not found) or (strategy.reasks and found == [0])
        _expect(fits, f"of a pool of one superpixel it asked {found}, expected {expected}")
    for need in strategy.needs:
        rest = {name: column for name, column in columns.items() if name != need}
        said = _refusal(ask, pool(rest, N_CLASSES), 3)
        _expect(parse(need)[0] in said, f"without the statistic {need!r} it did not refuse with its name: {said!r}")
    _expect("budget" in _refusal(ask, p, -1), "a budget of -1 was not refused")


def _check_state(plugin: Plugin, first: Pool) -> None:
    """An object that has seen a round asks in the next one as a new object does, unless the class says otherwise."""
    old, new = (_made("strategies", plugin, Strategy) for _ in range(2))
    if not old.stateless:
        return
    rows = old.acquire(first, 10, np.random.default_rng(1)).rows
    asked = np.union1d(np.flatnonzero(first.asked), rows).tolist()
    second = pool(dict(first.candidates.columns), N_CLASSES, asked, first.round + 1)
    one, other = (strategy.acquire(second, 10, np.random.default_rng(2)).rows.tolist() for strategy in (old, new))
    _expect(one == other, "what it asks depends on rounds before, which a run that goes on lacks: stateless = False")


def check_adjudicator(plugin: Plugin) -> None:
    """It needs no statistic that reads the truth, comes to a decision, and writes only classes that somebody named. It
    changes in ``learn`` alone: a stopped run learns again from its answers, and then decides as if it had never
    stopped."""
    rule = _made("adjudicators", plugin, Adjudicator)
    _expect(bool(inspect.getdoc(type(rule))) and bool(rule.source), "it has no docstring or no source")
    _expect(set(rule.kinds) <= set(QUESTIONS), f"kinds must be among {', '.join(QUESTIONS)}: {rule.kinds!r}")
    _expect("truth" not in reads(rule.needs), f"a rule sees no truth, but it needs {rule.needs}")
    rng, learned = np.random.default_rng(0), _made("adjudicators", plugin, Adjudicator)
    columns = random_columns(rule.needs, N, N_CLASSES)
    for row in range(N):
        labels = np.full(int(columns["size"][row]), columns["label"][row], np.uint8)
        question = Question("correction", 0, 0, 0, 0, int(labels[0]), labels, row, N_CLASSES)
        statistics = {name: columns[name][row] for name in (*rule.needs, "label")}
        votes: tuple[tuple[int, ...], ...] = ()
        verdict: Verdict = ASK
        while verdict is ASK:
            _expect(len(votes) < MOST_PEOPLE, f"it asked {MOST_PEOPLE} people and did not decide")
            votes += (((int(rng.integers(N_CLASSES)),), (VOID,), ())[rng.choice(3, p=(0.9, 0.05, 0.05))],)
            answers = tuple(_answer(vote, question.label) for vote in votes)
            case = Case(question, answers, votes, 1.0, statistics)
            verdict = rule.decide(case)
            known = {label for answer in answers for label in answer.labels}
            _expect(verdict is ASK or set(verdict) <= known, f"it writes {verdict}; people named {sorted(known)}")
            again = rule.decide(case), learned.decide(case)
            _expect(again == (verdict, verdict), f"it decided otherwise when asked again: {verdict}, then {again}")
            rule.learn(case, verdict)
            learned.learn(replace(case, statistics={}), verdict)


def _answer(vote: tuple[int, ...], shown: int) -> Answer:
    """The effect of a person's ``vote`` on the label ``shown``."""
    if vote == (shown,):
        return Answer((), ("confirm",))
    return Answer((), ("give_up",)) if not vote else Answer(vote, ("void" if vote == (VOID,) else "correct",))


def check_refiner(plugin: Plugin) -> None:
    """It relabels rows that nobody was asked about, once each, with classes, and draws from the generator alone."""
    now = np.arange(5, 20)  # the rows of this round; 0 to 4 were asked before

    def refine(asked: Iterable[int], rows: np.ndarray) -> tuple[Pool, np.ndarray, np.ndarray]:
        refiner = _made("refiners", plugin, Refiner)
        p = pool(random_columns(refiner.needs, N, N_CLASSES), N_CLASSES, asked, round=2)
        before = {name: column.copy() for name, column in p.candidates.columns.items()}
        labels = (np.arange(len(rows)) % N_CLASSES).astype(np.uint8)
        found = refiner.refine(p, rows, labels, np.random.default_rng(1))
        same = all(np.array_equal(before[name], column) for name, column in p.candidates.columns.items())
        _expect(same, "it changed the pool that it was given")
        return p, *found

    refiner = _made("refiners", plugin, Refiner)
    _expect(bool(inspect.getdoc(type(refiner))) and bool(refiner.source), "it has no docstring or no source")
    for need in refiner.needs:
        statistic(need)
    for asked, rows in ((range(20), now), (range(5), now[:0]), (range(N), now)):
        p, changed, labels = refine(asked, rows)
        _expect(changed.shape == labels.shape and labels.dtype == np.uint8, "rows and labels (uint8) must go in pairs")
        _expect(changed.dtype.kind == "i" or not len(changed), "rows must be whole numbers")
        _expect(len(np.unique(changed)) == len(changed) and not p.asked[changed].any(), "a row twice, or one asked")
        _expect(bool((labels < N_CLASSES).all()), "labels must be classes")
    again = refine(range(20), now)[1:], refine(range(20), now)[1:]
    _expect(all(np.array_equal(a, b) for a, b in zip(*again, strict=True)), "one generator gave two results")


def check_oracle(plugin: Plugin, n: int = 40) -> None:
    """Its answers are classes and actions that go with the question; it changes nothing. Its answer on a superpixel
    depends on that and on the generator, not on the order of questions (unless it declares ``memory``)."""
    oracle = _made("oracles", plugin, Oracle)
    _expect(bool(oracle.kinds) and set(oracle.kinds) <= set(QUESTIONS), f"kinds must be of {', '.join(QUESTIONS)}")

    def answers(kind: str, order: Iterable[int]) -> dict[int, Answer]:
        oracle = _made("oracles", plugin, Oracle)
        oracle.prepare(np.full((N_CLASSES, N_CLASSES), 7) + 20 * np.eye(N_CLASSES, dtype=np.int64))
        found = {}
        for i in order:
            question, truth = _question(kind, i)
            before = truth.map.copy(), question.labels.copy()
            answer = found[i] = oracle.answer(question, truth, seeds.generator(4, "oracle", i, 1))
            kept = np.array_equal(truth.map, before[0]) and np.array_equal(question.labels, before[1])
            _expect(kept, "it changed the truth or the question")
            _expect(isinstance(answer, Answer), f"an answer is a bench.Answer, got {type(answer).__name__}")
            classes = all(type(c) is int and (0 <= c < N_CLASSES or c == VOID) for c in answer.labels)
            _expect(classes, f"labels must be class ids (int) or {VOID}: {answer.labels}")
            _expect(kind == "multiclass" or len(answer.labels) <= 1, f"several labels to a {kind} question")
            wrong = {"classify"} if kind == "correction" else {"confirm", "correct"}
            _expect(not wrong & set(answer.actions), f"actions {answer.actions} to a {kind} question")
        return found

    for kind in oracle.kinds:
        first = answers(kind, range(n))
        again = answers(kind, range(n) if oracle.memory else range(n - 1, -1, -1))
        _expect(again == first, "its answers change with when it is asked: draw from rng, or declare memory = True")


def _question(kind: str, number: int) -> tuple[Question, Truth]:
    """A superpixel, the inner square of an image, with half of its labels right and a partly void truth."""
    rng = seeds.generator(7, "case", number)
    truth = rng.integers(N_CLASSES, size=(8, 8)).astype(np.uint8)
    truth[rng.random(truth.shape) < 0.1] = VOID
    shown = np.where(rng.random(truth.shape) < 0.5, truth, rng.integers(N_CLASSES, size=truth.shape)).astype(np.uint8)
    pixels = np.arange(64).reshape(8, 8)[1:-1, 1:-1].ravel()
    row, column = divmod(int(rng.choice(pixels)), 8)
    told = (row, column, int(shown[row, column]), shown.ravel()[pixels], number, N_CLASSES)
    seen = Truth(truth, Region.of(pixels), f"case{number}", key=seeds.integer(4, number))
    return Question(kind, number, 1, *told), seen


def check_dataset(plugin: Plugin) -> None:
    """Names, images, truths, sizes, palette and objects fit each other in both splits."""
    data = _made("datasets", plugin, Dataset)
    n = len(data.classes)
    _expect(data.palette.shape == (n, 3) and data.palette.dtype == np.uint8, f"palette must be ({n}, 3) uint8")
    known = data.background == VOID or 0 <= data.background < n
    _expect(known, f"background must be a class id or {VOID}: {data.background}")
    for split in ("train", "val"):
        names = data.names(split)
        _expect(bool(names) and list(names) == sorted(set(names)), f"names of {split}: none, or not sorted and unique")
        _expect(not any("/" in name for name in names), "names must do as file names")
        data.check(split)
        for name in names[:3]:
            image, truth, objects = data.image(split, name), data.truth(split, name), data.objects(split, name)
            _expect(image.dtype == np.uint8 and image.shape == (*truth.shape, 3), f"{name}: no (H, W, 3) uint8 image")
            _expect(truth.dtype == np.uint8 and data.size(split, name) == truth.shape, f"{name}: truth or size is off")
            outside = (truth == VOID) | (truth == data.background)
            _expect(np.array_equal(objects == 0, outside), f"{name}: objects must be 0 in background and void alone")


def check_foundation(plugin: Plugin, dataset: str = "shapes[train=3,val=1,size=48]") -> None:
    """It makes, for each train image in order, a label map and superpixels that fit, the same each time."""
    data, found = registry.load("datasets", dataset), []
    for _ in range(2):
        made = list(_made("foundations", plugin, Foundation).generate(data))
        _expect(tuple(name for name, *_ in made) == data.names("train"), "one result for each train image, in order")
        for name, labels, superpixels in made:
            _expect(labels.dtype == np.uint8 and superpixels.dtype == np.int32, "labels are uint8, superpixels int32")
            check_maps(labels, superpixels, data, name, name)
            _expect(superpixels.min() >= 0, "superpixel ids are from 1, 0 is outside")
        found.append(made)
    same = all(np.array_equal(x, y) for a, b in zip(*found, strict=True) for x, y in zip(a[1:], b[1:], strict=True))
    _expect(same, "two calls gave two results: draw from bench.generator")


def check_superpixels(plugin: Plugin, dataset: str = "shapes[train=3,val=1,size=48]") -> None:
    """It cuts each train image into areas with ids from 1, the same each time."""
    data = registry.load("datasets", dataset)
    for name in data.names("train"):
        one, other = (_made("superpixels", plugin, Superpixels).segment(data, name) for _ in range(2))
        fits = one.dtype == np.int32 and one.shape == data.size("train", name) and one.min() >= 0 and one.any()
        _expect(bool(fits), f"{name}: expected int32 ids from 1, (H, W); got {one.shape} {one.dtype}")
        _expect(np.array_equal(one, other), "two calls gave two results")


def check_learner(plugin: Plugin, dataset: str = "shapes[train=4,val=1,size=48]") -> None:
    """It learns from pairs, predicts finite logits for each image, and predicts the same once saved and loaded."""
    data = registry.load("datasets", dataset)
    n, names = len(data.classes), data.names("train")
    given = {"n_classes": n, "dataset": parse(dataset)[0], "device": "cpu", "preset": "smoke", "options": {}}
    learner = _made("learners", plugin, Learner, **given)
    samples = [(data.image("train", name), data.truth("train", name)) for name in names]
    images = [image for image, _ in samples]
    _expect(isinstance(learner.recipe(), dict), "recipe must be a dictionary")
    with tempfile.TemporaryDirectory(prefix="alc-bench-") as folder:
        model, file = learner.fit(samples, 3, Path(folder) / "logs"), io.BytesIO()
        learner.save(model, file)
        (Path(folder) / "model").write_bytes(file.getvalue())
        found = [list(learner.predict(m, images)) for m in (model, learner.load(Path(folder) / "model"))]
    _expect(len(found[0]) == len(images), "one prediction for each image")
    for one, other in zip(*found, strict=True):
        _expect(one.logits.ndim == 3 and len(one.logits) == n, f"logits must be (C, h, w) with C = {n}")
        _expect(bool(one.logits.isfinite().all()), "logits must be finite")
        _expect(bool((one.logits == other.logits).all()), "the model that was loaded predicts otherwise")


def _made(kind: str, plugin: Plugin, base: type, **given: Any) -> Any:
    made = registry.load(kind, plugin, **given) if isinstance(plugin, str) else plugin()
    _expect(isinstance(made, base), f"{made!r} is no {base.__name__}: derive it from bench.{base.__name__}")
    return made


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)


def _refusal(call: Callable[..., object], *arguments: Any) -> str:
    """The line with which a call refuses; nothing if it does not."""
    try:
        call(*arguments)
    except InputError as error:
        return str(error)
    return ""
