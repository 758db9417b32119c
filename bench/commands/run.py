"""``alc-bench run``: a grid of strategies, oracles and seeds."""

import argparse
import dataclasses
import json
import shlex
import sys
from collections.abc import Collection
from pathlib import Path

from bench import report
from bench.commands import experiment, progress
from bench.experiment.run import ORACLES, SEEDS, STRATEGIES, Request, carry_out
from bench.experiment.settings import Settings
from bench.experiment.workers import torchrun
from bench.types import InputError

EXAMPLES = (
    "alc-bench run --strategy random --strategy sim --seeds 3 --out runs/first",
    'alc-bench run --dataset kvasir --data-root DIR --foundation "weak[n=40]" --strategy sim --budget 600s',
)


def add_arguments(parser) -> None:
    """The options of the grid, of `Settings`, and of how the grid is worked through."""
    parser.add_argument("--strategy", action="append", help=f"repeatable; default: {', '.join(STRATEGIES)}")
    parser.add_argument("--oracle", action="append", help=f"repeatable; default: {', '.join(ORACLES)}")
    parser.add_argument("--seeds", default=str(SEEDS), metavar="N", help="how many, from 0 on; or which: 2,3 or 0-4")
    add_settings(parser)
    experiment.add_arguments(parser)
    parser.add_argument("--jobs", type=int, help="cells at a time; default: one for each GPU or core")
    parser.add_argument(
        "--ray", metavar="ADDRESS", help="run on a Ray cluster: auto, HOST:PORT, or local to start one here"
    )
    parser.add_argument("--launcher", choices=["pytorch"], help="train each cell on all processes of a torchrun")
    parser.add_argument("--reference", choices=["full"], help="full: also train once a seed on the whole truth")
    parser.add_argument(
        "--repeat", type=int, default=0, metavar="N", help="run all cells N more times, to see how equal runs differ"
    )
    parser.add_argument(
        "--bundle",
        action=argparse.BooleanOptionalAction,
        help="keep label maps, superpixels and small images in the run, so that it can be moved; default: below 200 MB",
    )
    parser.add_argument(
        "--again",
        action="append",
        metavar="NAME",
        help="remove the cells of this strategy or oracle, or all, and make them again; repeatable",
    )
    parser.add_argument("--strict", action="store_true", help="refuse a dataset of which images are missing")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: results/runs/<dataset>-<protocol>")


def add_settings(parser, names: Collection[str] | None = None) -> None:
    """An option for each field of `Settings` that has a text, with its default; ``names``: for these fields alone."""
    for field in dataclasses.fields(Settings):
        if field.metadata and (names is None or field.name in names):
            kind = int if field.type is int else str
            name = f"--{field.name.replace('_', '-')}"
            parser.add_argument(name, default=field.default, type=kind, **field.metadata)
    if names is None:
        parser.add_argument("--cfg-options", nargs="+", default=[], metavar="KEY=VALUE", help="changes to the preset")


def settings_of(args) -> Settings:
    """The settings that the options of `add_settings` give."""
    given = {f.name: getattr(args, f.name) for f in dataclasses.fields(Settings) if f.metadata and f.name in args}
    return Settings(**given, cfg_options=parse_options(getattr(args, "cfg_options", [])))


def request_of(args) -> Request:
    """The request of a command line's arguments, and of the files that they name."""
    args = experiment.completed(args)
    options = {name: getattr(args, name) for name in experiment.known(args)}
    return Request.of(options | {"cfg_options": parse_options(args.cfg_options)}, args.command)


def run(*, report: bool = True, jobs: int = 1, **options) -> Path:
    """Run a grid of strategies, annotators and seeds: ``alc-bench run`` from Python.

    Parameters
    ----------
    report
        Write tables, figures and the page, too.
    jobs
        Cells at a time. Above 1, a script must guard its main part (``if __name__ == "__main__"``).
    options
        Those of the command line, with underscores. ``strategy`` and ``oracle`` take a name or a list, ``seeds`` a
        number or the seeds, ``cfg_options`` a dictionary.

    Returns
    -------
    Path
        The folder of the run, for `bench.load_results` and `bench.compare`.

    Raises
    ------
    InputError
        If the request cannot be done.
    RuntimeError
        If a cell failed; the others are done then.
    """
    command = shlex.join(["alc-bench", "run", *experiment.arguments(options, list(options)), f"--jobs={jobs}"])
    out, failed = _work(Request.of(options | {"jobs": jobs}, command), report)
    if failed:
        raise RuntimeError(f"failed: {', '.join(folder.name for folder in failed)}; see spec.json there, in {out}")
    return out


def main(args) -> int:
    failed = work(args)[1]
    for folder in failed:
        print(f"failed: {folder.name}; the traceback is in {folder / 'spec.json'}", file=sys.stderr)
    return 1 if failed else 0


def work(args, report_too: bool = True) -> tuple[Path, list[Path]]:
    """Carry out the arguments' request; returns the run's folder and those of the cells that failed."""
    return _work(request_of(args), report_too)


def _work(request: Request, report_too: bool) -> tuple[Path, list[Path]]:
    with progress.bar() as bar:
        out, failed = carry_out(request, bar)
    if report_too and (out / "rounds.csv").exists() and torchrun.is_first():
        report.write([out])
    return out, failed


def parse_options(pairs: list[str]) -> dict:
    """``KEY=VALUE`` pairs as a dictionary; a value is JSON, or else text."""
    options = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise InputError(f"--cfg-options: expected KEY=VALUE, got {pair!r}")
        try:
            options[key] = json.loads(value)
        except json.JSONDecodeError:
            options[key] = value
    return options
