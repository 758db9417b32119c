"""``alc-bench export RUN --strategy S --seed K --to DIR``: the corrected train labels of one cell, in the dataset's
own layout or that of a tool (``--format``), as a dataset that ``--data-root DIR`` reads.

Label maps are rebuilt from the audit log, and the dataset writes them (`Dataset.write_labels`), or a `Layout` does.
Beside them lie the images and the val split, as links. In changes.csv, each answer that changed a label map and each
superpixel that a refiner relabelled has a row, in order. README.md says the source of the labels.
"""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from bench import files, folders
from bench.commands.report import FOLLOW
from bench.datasets import Dataset
from bench.datasets.files import below
from bench.datasets.layouts import LAYOUTS, Layout
from bench.report.results import CELL, read
from bench.runs import schema, source, specs
from bench.runs.journal import Journal, Step
from bench.runs.source import Source
from bench.types import InputError

NATIVE = "native"
EXAMPLES = (
    "alc-bench export RUN --strategy sim --seed 0 --to DIR",
    'alc-bench export RUN --strategy sim --seed 0 --oracle "noisy[rate=0.1]" --to DIR --copy',
    "alc-bench export RUN --strategy sim --seed 0 --format coco --to DIR",
)


def add_arguments(parser) -> None:
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a run")
    parser.add_argument("--strategy", required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--oracle", help="needed where the run has several")
    parser.add_argument(
        "--to", type=Path, required=True, metavar="DIR", help="a folder that does not exist yet, or is empty"
    )
    parser.add_argument(
        "--format",
        choices=(NATIVE, *LAYOUTS),
        default=NATIVE,
        help="the dataset's own layout, or that of a tool: COCO's JSON, CVAT's segmentation masks, labelme's JSON",
    )
    parser.add_argument("--copy", action="store_true", help="copy images and the val split instead of linking to them")
    parser.add_argument("--follow", action="store_true", help=FOLLOW)


def main(args) -> int:
    if args.follow:
        source.trust(specs.of_run(args.run / "spec.json"))
    n_images, n_changes = export(args.run, args.strategy, args.seed, args.to, args.oracle, args.copy, args.format)
    print(f"{args.to}: {n_images} label maps, {n_changes} changes in changes.csv; what they are is in README.md")
    return 0


def export(
    run: Path,
    strategy: str,
    seed: int,
    to: Path,
    oracle: str | None = None,
    copy: bool = False,
    format: str = NATIVE,
) -> tuple[int, int]:
    """Write the corrected labels of one cell to ``to``; returns how many label maps and how many changes.

    ``copy``: copy the images and the val split instead of linking to them. ``format``: `NATIVE`, or one of `LAYOUTS`.

    Raises InputError if there is no such cell, if its data is not there, or if ``to`` holds files already. A
    new folder appears when it is whole.
    """
    cell = _cell(run, strategy, seed, oracle)
    _refuse_filled(to)
    spec = specs.of_run(run / "spec.json")
    began = Source.of(run, spec)
    writer = began.dataset if format == NATIVE else LAYOUTS[format](began.dataset)
    try:
        with folders.writing(to) as work:
            _refuse_filled(to)  # by another command that ended just now
            n_changes = _write(work, cell, spec, began, writer, copy)
    except OSError as error:
        raise InputError(f"{to}: cannot write the dataset there: {error.strerror}") from error
    return len(began.pseudo.names), n_changes


def _refuse_filled(to: Path) -> None:
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise InputError(f"{to} holds something already; name a folder that does not exist yet")


def _write(work: Path, cell, spec: dict, began: Source, writer: Dataset | Layout, copy: bool) -> int:
    """Write the dataset into an empty folder; returns how many changes it has."""
    labels = began.label_maps()
    steps = Journal(Path(cell.folder)).play_back(began.pseudo, labels)
    changes = [_change(step) for step in steps if step.answer.labels]
    n_changed_px = n_px = 0
    for i, name in enumerate(began.pseudo.names):
        writer.write_labels(work, name, labels(i))
        n_changed_px, n_px = n_changed_px + int((labels(i) != began.pseudo.labels(i)).sum()), n_px + labels(i).size
    writer.write_rest(work)
    n_kept = _keep(writer, work, copy)
    (work / "README.md").write_text(_card(cell, spec, n_changed_px / n_px, len(changes), n_kept), encoding="utf-8")
    columns = ["number", "round", "image", "superpixel", "kind", "label_before", "answer", "actions"]
    files.write_csv(work / "changes.csv", pd.DataFrame(changes, columns=columns))
    return len(changes)


def _keep(writer: Dataset | Layout, to: Path, copy: bool) -> int:
    """Link or copy the dataset's files that stay as they are; returns how many."""
    n = 0
    for inner, path in writer.kept():
        place = below(to, *inner.parts)
        if copy:
            shutil.copyfile(path, place)
        else:
            place.symlink_to(path.resolve())
        n += 1
    return n


def _card(cell, spec: dict, changed: float, n_changes: int, n_kept: int) -> str:
    """A description of the exported labels, in Markdown."""
    rounds = schema.read(Path(cell.folder) / "rounds.csv")
    last = rounds.iloc[-1]
    measured = _measured(rounds) if last.notna()["data_miou"] else "| quality | not measured: train has no true masks |"
    why = "they were not where the run had them, or it was made elsewhere and `--follow` was not given"
    missing = "" if n_kept else f" Its images are not here: {why}.\n"
    return f"""# Corrected labels of {cell.dataset}

The train labels began as those of `{cell.foundation}`; {last.n_queries:,} questions of `{cell.strategy}` to the
annotator `{cell.oracle}` (seed {cell.seed}) and what came of them made {n_changes:,} changes, listed in `changes.csv`.
{missing}
| | |
|---|---|
| pixels whose label changed | {100 * changed:.2f} % |
{measured}
| protocol | {cell.protocol} |
| made by | alc-bench {spec.get("versions", {}).get("alc-bench", "?")}: `{spec.get("command", "?")}` |

The val split has its own truth. These labels are corrected in part: do not take them for ground truth. The data set
keeps its own terms.
"""


def _measured(rounds: pd.DataFrame) -> str:
    """The rows of the card that need truth."""
    last = rounds.iloc[-1]
    changed = f"{last.corrected_px:,}, {last.harmed_px:,} and {last.rewronged_px:,} px"
    return f"""| answers made right, wrong, otherwise wrong | {changed} |
| data mIoU before, after | {100 * rounds.data_miou.iloc[0]:.2f}, {100 * last.data_miou:.2f} |
| superpixels relabelled by a refiner | {last.refined_px:,} px, {last.refined_harmed_px:,} of them harmed |"""


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
    cell = next(found.itertuples())
    if not cell.folder:
        raise InputError(f"{run}: the folder of this cell is gone, with what was asked; run the same command again")
    return cell
