"""``alc-bench annotate``: a person answers the questions of one strategy, on a page in the browser or by a script."""

import sys
from pathlib import Path

from bench import registry, report
from bench.annotate import lists
from bench.annotate.answers import identity
from bench.annotate.desk import CHANCES, Desk, Training
from bench.commands import progress
from bench.commands.people import serving
from bench.commands.run import add_settings, settings_of
from bench.experiment.run import Request, grid_of, work_through
from bench.runs.journal import Journal
from bench.types import InputError

EXAMPLES = (
    "alc-bench annotate --strategy cil_pixel --out runs/by-hand",
    'alc-bench annotate --dataset "folder[name=streets]" --data-root streets --foundation "files[root=labels]" '
    "--strategy cil_pixel --budget 200 --out runs/streets",
)


def add_arguments(parser) -> None:
    parser.add_argument("--strategy", default="cil_pixel", help="one; with its rule and its refiner, if it has them")
    parser.add_argument("--seed", type=int, default=0)
    add_settings(parser)
    parser.add_argument("--strict", action="store_true", help="refuse a dataset of which images or masks are missing")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: results/runs/<dataset>-<protocol>")
    parser.add_argument(
        "--repeat-share", type=float, default=0.0, metavar="P", help="of the questions, asked twice: do people agree?"
    )
    parser.add_argument("--answers", type=Path, metavar="FILE", help="a list of rank with answers; the rest is asked")
    serving.add_arguments(parser)


def main(args) -> int:
    if not registry.load_strategy(args.strategy).strategy.stateless:
        raise InputError(f"{args.strategy} keeps something from round to round, so that no stopped session could go on")
    if not 0 <= args.repeat_share <= 1:
        raise InputError(f"--repeat-share must be between 0 and 1, got {args.repeat_share}")
    request = Request(
        settings_of(args),
        strategies=[args.strategy],
        oracles=["person"],
        seeds=[args.seed],
        out=args.out,
        command=args.command,
        jobs=1,
        strict=args.strict,
    )
    desk = Desk(request.settings.rounds, args.repeat_share)
    with serving.answering(desk, CHANCES if request.settings.model != "none" else ()):
        failed = _served(request, desk, args)
    if unasked := desk.listed.keys() - desk.answers.lines.keys():
        text = f"{args.answers}: {len(unasked)} answers are to no question of this run"
        print(f"{text}: other labels, strategy, seed or budget", file=sys.stderr)
    return 1 if failed else 0


def _served(request: Request, desk: Desk, args) -> list[Path]:
    """Serve the page until all questions are answered. Returns the folders of the cells that failed."""
    grid = grid_of(request)
    if args.answers:
        desk.listed = lists.read(args.answers, len(grid.setup.dataset.classes))
    desk.training = Training(grid.setup.learner.n_steps if grid.setup.learner else 0)
    cell = grid.cells[0].folder(grid.out)
    journal = Journal(cell)
    desk.open(cell, map(_id, journal.queries), journal.n_measured)
    failed: list[Path] = []

    def work() -> str:
        with progress.bar() as bar:
            failed.extend(work_through(grid, request, _Heard(bar, desk)))
        return f"a round failed; see {failed[0] / 'spec.json'}" if failed else ""

    serving.serve(desk, grid.setup.dataset, args.host, args.port, work)
    if (grid.out / "rounds.csv").exists():
        report.write([grid.out])
    options = f"--strategy {request.strategies[0]} --seed {request.seeds[0]} --to DIR"
    print(f"corrected labels: alc-bench export {grid.out} {options}")
    for folder in failed:
        print(f"failed: {folder.name}; the traceback is in {folder / 'spec.json'}", file=sys.stderr)
    return failed


def _id(row: dict) -> str:
    """The id of the question of a row of queries.csv."""
    names = ("kind", "image", "superpixel", "row", "column", "label_before", "opinion")
    return identity(*(row[name] for name in names))


class _Heard:
    """A bar whose steps the desk hears, too."""

    def __init__(self, bar: progress.Bar, desk: Desk):
        self.begin, self.bar, self.desk = bar.begin, bar, desk

    def step(self, what: str, n: int) -> None:
        self.bar.step(what, n)
        self.desk.step(what, n)
