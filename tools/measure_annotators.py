"""Measure annotators on all superpixels of a run: the share of wrong answers, and how much the errors of two correlate.

``python tools/measure_annotators.py RUN ORACLE [ORACLE ...] [--people N] [--out FILE.csv]`` asks N people of each
oracle a correction question about each superpixel, with the labels that the run began with.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from bench import files, metrics, registry, seeds
from bench.annotation import Oracle, classes_named
from bench.commands import Parser, exit_code
from bench.experiment.candidates import geometry
from bench.runs import specs
from bench.runs.source import Source
from bench.types import VOID, InputError, Question, Truth


def ask(source: Source, oracle: Oracle, people: int) -> pd.DataFrame:
    """The answers of people to one question each about every superpixel.

    Returns a row a superpixel of which the representative pixel has a true class: ``wrong`` (bool), whether the label
    shown is; ``pure`` (bool), whether the superpixel has one true class; and for each person, from 1, ``said<k>``, the
    class that he named, -1 for none, and ``errs<k>`` (bool), whether that is not the true one.
    """
    rows: list[dict[str, int | bool]] = []
    n_classes = len(source.dataset.classes)
    oracle.prepare(_pixels(source, n_classes))
    for image, name in enumerate(source.pseudo.names):
        truth, labels = source.truth(name), source.pseudo.labels(image)
        places = geometry(labels, source.pseudo.regions(image))
        for superpixel, row, column in zip(places["superpixel"], places["row"], places["column"], strict=True):
            true, shown = int(truth[row, column]), int(labels[row, column])
            if true == VOID:
                continue
            where = source.pseudo.region(image, int(superpixel))
            inside = truth.ravel()[where.pixels]
            asked = labels.ravel()[where.pixels], len(rows), n_classes
            question = Question("correction", image, int(superpixel), int(row), int(column), shown, *asked)
            found: dict[str, int | bool] = {"wrong": shown != true, "pure": len(np.unique(inside[inside != VOID])) == 1}
            key = seeds.integer(0, "measure", name, int(superpixel))
            for person in range(1, people + 1):
                seen = Truth(truth, where, name, person, key)
                answer = oracle.answer(question, seen, seeds.generator(key, "person", person))
                classes = classes_named(question, answer)
                found[f"said{person}"] = classes[0] if len(classes) == 1 else -1
                found[f"errs{person}"] = classes != (true,)
            rows.append(found | {"shown": shown})
    if not rows:
        raise InputError("no superpixel has a true class at its representative pixel: nothing to measure")
    return pd.DataFrame(rows)


def _pixels(source: Source, n_classes: int) -> np.ndarray:
    """(C, C) int64 pixels of the pool, rows truth, columns label."""
    maps = enumerate(source.pseudo.names)
    counts = [metrics.confusion(source.truth(name), source.pseudo.labels(i), n_classes) for i, name in maps]
    return np.sum(counts, axis=0)[:, :-1]


def summary(answers: pd.DataFrame) -> dict[str, float]:
    """Shares of the answers of `ask`, means over people, and over pairs of people.

    ``errs``: wrong answers; ``pure`` and ``mixed``: of those to superpixels with one true class, and with several.
    ``accepts``: confirmed wrong labels; ``rejects``: right labels that were not confirmed. ``correlation``: of the
    errors of two people; ``again``: second people who are wrong where the first
    one is. NaN if there is nothing to share.
    """
    people = [name for name in answers if str(name).startswith("errs")]
    errs = answers[people].to_numpy(bool)
    said = answers[[str(name).replace("errs", "said") for name in people]].to_numpy()
    wrong, pure = answers.wrong.to_numpy(bool), answers.pure.to_numpy(bool)
    confirmed = said == answers.shown.to_numpy()[:, None]
    both = [(a, b) for a in range(len(people)) for b in range(len(people)) if a != b]
    together = [_share(errs[errs[:, a], b]) for a, b in both]
    return {
        "people": len(people),
        "superpixels": len(answers),
        "errs": _share(errs),
        "pure": _share(errs[pure]),
        "mixed": _share(errs[~pure]),
        "accepts": _share(confirmed[wrong]),
        "rejects": _share(~confirmed[~wrong]),
        "correlation": float(np.mean([_correlation(errs[:, a], errs[:, b]) for a, b in both])) if both else np.nan,
        "again": float(np.mean(together)) if both else np.nan,
    }


def _share(of: np.ndarray) -> float:
    return float(of.mean()) if of.size else np.nan


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    spread = a.std() * b.std()
    return float(((a & b).mean() - a.mean() * b.mean()) / spread) if spread else np.nan


def arguments(argv: list[str]) -> argparse.Namespace:
    parser = Parser(
        prog="measure_annotators.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of a run")
    parser.add_argument("oracles", nargs="+", metavar="ORACLE", help="such as noisy[rate=0.1,shared=0.5]")
    parser.add_argument("--people", type=int, default=2, metavar="N", help="how many are asked; default: 2")
    parser.add_argument("--out", type=Path, metavar="FILE.csv", help="the table as a file, too")
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    args = arguments(argv)
    registry.number("--people", args.people, 1, whole=True)
    source = Source.of(args.run, specs.of_run(args.run / "spec.json"))
    annotators = {spec: registry.load("oracles", spec) for spec in args.oracles}  # a wrong name, before the work
    for spec, oracle in annotators.items():
        if "correction" not in oracle.kinds:
            raise InputError(f"{spec} answers no correction questions")
    measured = {spec: summary(ask(source, oracle, args.people)) for spec, oracle in annotators.items()}
    table = pd.DataFrame([{"oracle": spec} | row for spec, row in measured.items()])
    if args.out:
        files.write_csv(args.out, table)
    print(table.round(3).to_string(index=False))
    return 0


if __name__ == "__main__":
    sys.exit(exit_code(lambda: main(sys.argv[1:])))
