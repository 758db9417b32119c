"""``alc-bench audit``: how good are the labels? Answers about random pixels say so, without true masks."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from bench import acquisition, metrics, registry, seeds
from bench.annotate.audit import LEVEL, Interval, Strata, estimate, estimate_simply
from bench.annotate.desk import Desk
from bench.annotation import Coming, Oracle, Retracted, classes_named
from bench.commands import progress
from bench.commands.people import serving
from bench.commands.run import add_settings, settings_of
from bench.datasets import coverage
from bench.experiment.problem import Problem, Setup
from bench.experiment.ranking import first_pool
from bench.experiment.session import pool_places
from bench.report.table import Table
from bench.types import InputError, Question, Region, Truth, unknown

SETTINGS = ("dataset", "data_root", "foundation", "learner", "preset", "model", "scores", "device")
EXAMPLES = (
    'alc-bench audit --dataset "folder[name=streets]" --data-root streets --foundation "files[root=labels]" '
    "--out runs/audit",
    "alc-bench audit --dataset shapes --oracle perfect",
)
AROUND = 0.02  # the square about a pixel that the page outlines: so far from it, of the root of the image's area
FEWEST = 20  # questions; fewer say next to nothing


def add_arguments(parser) -> None:
    parser.add_argument("--questions", type=int, default=200, metavar="N")
    parser.add_argument(
        "--strategy", default="area", help="pixels are grouped by its scores, too; one that needs a model trains it"
    )
    parser.add_argument("--seed", type=int, default=0)
    add_settings(parser, SETTINGS)
    parser.add_argument("--strict", action="store_true", help="refuse a dataset of which images are missing")
    parser.add_argument("--out", type=Path, default=Path("results/runs/audit"), metavar="DIR", help="keeps the answers")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--oracle", help="of data with true masks: who answers, to see how often the intervals hold")
    parser.add_argument("--samples", type=int, default=200, metavar="N", help="that --oracle answers")
    serving.add_arguments(parser)


def main(args) -> int:
    for name, least in (("questions", FEWEST), ("samples", 1)):
        if getattr(args, name) < least:
            raise InputError(f"--{name} must be {least} or more, got {getattr(args, name)}")
    desk, settings = Desk(1), settings_of(args)
    if not acquisition.scored(args.strategy).needs:
        settings = replace(settings, model="none")
    with serving.answering(desk):
        problem, strata = _read(Setup.of(settings), args)
        if args.oracle:
            return _simulate(problem, strata, args)
        return _hear(desk, problem, strata, args)


def _read(setup: Setup, args) -> tuple[Problem, Strata]:
    """The data, and its pixels by stratum: a superpixel's group goes by its score, low or high; 0 is outside of all."""
    with progress.bar() as bar:
        coverage.tell(setup.dataset, args.strict)
        coverage.tell_classes(setup.dataset.classes, setup.pixels)
        n_images = len(setup.dataset.names("train"))
        bar.begin("making and reading labels", 3 * n_images)
        problem = setup.read(bar.step)
        table, pool = first_pool(setup, problem, args.strategy, args.oracle or "person", args.out, args.seed, bar.step)
        score = acquisition.scored(args.strategy).scores(pool)
        order = np.argsort(score, kind="stable")
        middle = score[order[np.searchsorted(np.cumsum(table.size[order]), table.size.sum() / 2)]]
        group = np.zeros(len(table), np.int64)
        group[pool_places(table)] = 1 + (score > middle)

        def groups(i: int) -> np.ndarray:
            regions = problem.pseudo.regions(i)
            flat = np.zeros(regions.shape[0] * regions.shape[1], np.int64)
            flat[regions.all_pixels()] = group[problem.first[i] + regions.numbers()]
            return flat.reshape(regions.shape)

        read = partial(bar.step, "read", 1)
        return problem, Strata.of(problem.pseudo.labels, groups, n_images, problem.n_classes, 3, read)


def _hear(desk: Desk, problem: Problem, strata: Strata, args) -> int:
    """Ask whoever sits at the page, and show the estimate."""
    desk.open(args.out, (), 1)
    drawn = strata.draw(args.questions, args.seed)
    pixels, answers = strata.locate(drawn), []

    def work() -> str:
        with progress.bar() as bar:
            bar.begin("questions", args.questions)
            answers.extend(ask(problem, registry.load("oracles", "person"), drawn[:, 0], pixels, args.seed))
        return ""

    serving.serve(desk, problem.dataset, args.host, args.port, work)
    counts = strata.counts(drawn[:, 1], np.array(answers))
    found = estimate(strata, counts)
    n_told, absent = int(counts.sum()), np.flatnonzero(~strata.present(counts))
    if args.json:
        values = {name: value._asdict() for name, value in found._asdict().items()}
        print(json.dumps({**values, "answers": n_told, "level": LEVEL}, indent=2))
        return 0
    notes = [
        f"{n_told} answers about random pixels; {len(answers) - n_told} could not be told, and are left out.",
        f"About {3 * n_told} more questions halve the interval: --questions {4 * args.questions}.",
    ]
    if len(absent):
        notes.append(f"Classes that neither labels nor answers have are left out: {_named(problem, absent)}.")
    rows = [[TITLES[name], _percent(value.mean), _range(value)] for name, value in found._asdict().items()]
    Table(["labels", "estimate", f"{LEVEL:.0%} interval"], rows, notes=notes).show(Console())
    return 0


def _simulate(problem: Problem, strata: Strata, args) -> int:
    """Let the oracle answer many samples, and show how often the intervals hold the truth."""
    n, oracle, n_samples = args.questions, registry.load("oracles", args.oracle), args.samples
    oracle.prepare(problem.measured.confusion.sum()[:, :-1])
    seeds_of = [seeds.integer(args.seed, "audit sample", k) for k in range(n_samples)]
    drawn = [draw(n, seed) for draw in (strata.draw, strata.draw_simply) for seed in seeds_of]
    together = np.concatenate(drawn)
    by_image = np.argsort(together[:, 0], kind="stable")  # every image is read once
    answers = np.empty(len(together), np.int64)
    pixels = strata.locate(together)
    with progress.bar() as bar:
        bar.begin("answers", len(together))
        answers[by_image] = ask(problem, oracle, together[by_image, 0], pixels[by_image], args.seed)
        bar.begin("estimates", 2 * n_samples, by=("sample",))
        found = []
        for k, answered in enumerate(np.split(answers, 2 * n_samples)):
            counts = strata.counts(drawn[k][:, 1], answered)
            rng = seeds.generator(seeds_of[k % n_samples], "audit bootstrap")
            found.append(estimate(strata, counts) if k < n_samples else estimate_simply(strata, counts, rng))
            bar.step("sample", 1)
    matrix = problem.measured.confusion.sum()
    values: list[dict[str, Any]] = []
    for name, true in (("miou", metrics.miou(matrix)), ("accuracy", metrics.accuracy(matrix))):
        for how, part in (("stratified", found[:n_samples]), ("simple random", found[n_samples:])):
            intervals = np.array([getattr(one, name) for one in part])
            values.append({"measure": name, "sample": how} | _coverage(intervals, true))
    if args.json:
        print(json.dumps({"questions": n, "samples": n_samples, "oracle": args.oracle, "found": values}, indent=2))
        return 0
    headings = ["sample", "true", "covered", "width", "bias", "RMSE"]
    rows = [[f"{TITLES[v['measure']]}, {v['sample']}", *(_percent(v[x]) for x in ("true", *COVERAGE))] for v in values]
    notes = [f"{n_samples} samples of {n} questions each, answered by {args.oracle}; all numbers in percent."]
    Table(headings, rows, notes=notes).show(Console())
    return 0


COVERAGE = ("true", "covered", "width", "bias", "rmse")
TITLES = {"accuracy": "pixel accuracy", "miou": "mIoU"}


def _coverage(intervals: np.ndarray, true: float) -> dict[str, float]:
    """Of ``intervals`` (k, 3), mean and ends of each: the values that `COVERAGE` names."""
    mean, low, high = intervals.T
    covered, error = (low <= true) & (true <= high), mean - true
    values = true, covered.mean(), (high - low).mean(), error.mean(), (error**2).mean() ** 0.5
    return dict(zip(COVERAGE, map(float, values), strict=True))


def ask(problem: Problem, oracle: Oracle, images: np.ndarray, pixels: np.ndarray, seed: int) -> list[int]:
    """The class that the oracle says of each of the flat ``pixels`` (n,) of the ``images`` (n,): `VOID` for none of
    the classes, -1 for "can't tell"."""
    oracle.look(problem.names, problem.pseudo.labels)
    while True:
        try:
            return [_answer(problem, oracle, images, pixels, k, seed) for k in range(len(pixels))]
        except Retracted:  # those before are on disk, and are not asked again
            continue


def _answer(problem: Problem, oracle: Oracle, images: np.ndarray, pixels: np.ndarray, k: int, seed: int) -> int:
    oracle.expect(len(pixels) - k, (_question(problem, images, pixels, j) for j in range(k, len(pixels))))
    question, where, _ = _question(problem, images, pixels, k)
    key = seed, "audit oracle", problem.names[question.image], int(pixels[k])
    true = problem.truth(question.image) if oracle.reads_truth else unknown(problem.pseudo.labels(question.image).shape)
    truth = Truth(true, where, problem.names[question.image], key=seeds.integer(*key, "shared"))
    named = classes_named(question, oracle.answer(question, truth, seeds.generator(*key)))
    return named[0] if named else -1


def _question(problem: Problem, images: np.ndarray, pixels: np.ndarray, k: int) -> Coming:
    """Is the label of a pixel right? The square about it is what the page shows."""
    image = int(images[k])
    labels = problem.pseudo.labels(image)
    (height, width), around = labels.shape, max(2, round(AROUND * labels.size**0.5))
    row, column = divmod(int(pixels[k]), width)
    rows = np.arange(max(row - around, 0), min(row + around + 1, height))
    columns = np.arange(max(column - around, 0), min(column + around + 1, width))
    where = Region.of((rows[:, None] * width + columns).ravel())
    shown = labels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].ravel()
    question = Question("correction", image, 0, row, column, int(labels[row, column]), shown, k, problem.n_classes)
    return Coming(question, where, {})


def _named(problem: Problem, classes: np.ndarray) -> str:
    return ", ".join(problem.classes[c] for c in classes.tolist())


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _range(interval: Interval) -> str:
    return f"{100 * interval.low:.1f} to {100 * interval.high:.1f}"
