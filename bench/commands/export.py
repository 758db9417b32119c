"""``alc-bench export RUN --strategy S --seed K --to DIR``: the corrected train labels of one cell, in the dataset's
own layout.

Label maps are rebuilt from the audit log, and the dataset writes them (`Dataset.write_labels`). changes.csv beside
them has, in order, a row for each answer that changed a label map and for each superpixel that a refiner relabelled.
"""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from bench import store
from bench.experiment.journal import Journal, Step
from bench.report.results import CELL, read
from bench.report.source import Source
from bench.types import InputError

EXAMPLES = (
    "alc-bench export RUN --strategy sim --seed 0 --to DIR",
    'alc-bench export RUN --strategy sim --seed 0 --oracle "noisy[rate=0.1]" --to DIR --copy',
)


def add_arguments(parser) -> None:
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a run")
    parser.add_argument("--strategy", required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--oracle", help="needed where the run has several")
    parser.add_argument(
        "--to", type=Path, required=True, metavar="DIR", help="a folder that does not exist yet, or is empty"
    )


def main(args) -> int:
    n_images, n_changes = export(args.run, args.strategy, args.seed, args.to, args.oracle)
    print(f"{args.to}: {n_images} label maps, {n_changes} changes in changes.csv")
    return 0


def export(run: Path, strategy: str, seed: int, to: Path, oracle: str | None = None) -> tuple[int, int]:
    """Write the corrected labels of one cell to ``to``; returns how many label maps and how many changes.

    Raises InputError where there is no such cell, where its data is not there, or where ``to`` holds files already. The
    folder appears when it is whole.
    """
    cell = _cell(run, strategy, seed, oracle)
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise InputError(f"{to} holds something already; name a folder that does not exist yet")
    source = Source.of(run, store.read_json(run / "spec.json"))
    work = to.with_name(f".{to.name}-unfinished")
    try:
        shutil.rmtree(work, ignore_errors=True)
        labels = source.label_maps(work / "scratch")
        steps = Journal(Path(cell.folder)).play_back(source.pseudo, labels)
        changes = [_change(step) for step in steps if step.answer.labels]
        for i, name in enumerate(source.pseudo.names):
            source.dataset.write_labels(work, name, labels(i))
        source.dataset.write_rest(work)
        labels.clear()
        columns = ["number", "round", "image", "superpixel", "kind", "label_before", "answer", "actions"]
        store.write_csv(work / "changes.csv", pd.DataFrame(changes, columns=columns))
        if to.exists():
            to.rmdir()
        to.parent.mkdir(parents=True, exist_ok=True)
        work.rename(to)
    except OSError as error:
        raise InputError(f"{to}: cannot write the dataset there: {error.strerror}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return len(source.pseudo.names), len(changes)


def _change(step: Step) -> dict:
    """A row of changes.csv; a refiner's has the kind ``refined`` and the number -1, because nobody was asked."""
    told = step.row if step.asked else {"number": -1, "kind": "refined", "actions": "correct"}
    answer, before = (" ".join(map(str, ids)) for ids in (step.answer.labels, np.unique(step.was)))
    place = {name: step.row[name] for name in ("round", "image", "superpixel")}
    told = {name: told[name] for name in ("number", "kind", "actions")}
    return place | told | dict(label_before=before, answer=answer)


def _cell(run: Path, strategy: str, seed: int, oracle: str | None):
    cells = read([run]).cells
    cells = cells[cells.status.eq("done") & cells.run.eq(str(run))]
    found = cells[cells.strategy.eq(strategy) & cells.seed.eq(seed) & (cells.oracle.eq(oracle) if oracle else True)]
    if len(found) > 1:
        raise InputError(
            f"{run}: {strategy}, seed {seed}, has several oracles; say --oracle: {', '.join(found.oracle)}"
        )
    if found.empty:
        known = ", ".join(sorted({f"{c.strategy} seed {c.seed} {c.oracle}" for c in cells[CELL].itertuples()}))
        raise InputError(
            f"{run}: no done cell of {strategy}, seed {seed}, {oracle or 'any oracle'}; there are: {known}"
        )
    return next(found.itertuples())
