"""``alc-bench run``: a grid of strategies, oracles and seeds."""

import argparse
import dataclasses
import json
import re
import shlex
import sys
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from bench import files, registry, report
from bench.commands import experiment, progress, subset
from bench.experiment.grid import Grid
from bench.experiment.problem import Setup
from bench.experiment.settings import Settings
from bench.experiment.workers import local, ray, torchrun
from bench.runs import bundle, source, specs
from bench.runs.folder import add_to_spec, claimed, environment, remember
from bench.runs.specs import MOST_CELLS
from bench.types import InputError

STRATEGIES, ORACLES = ["random", "entropy", "cil_pixel", "sim"], ["perfect"]
EXAMPLES = (
    "alc-bench run --strategy random --strategy sim --seeds 3 --out runs/first",
    'alc-bench run --dataset kvasir --data-root DIR --foundation "weak[n=40]" --strategy sim --budget 600s',
)


def add_arguments(parser) -> None:
    """The options of the grid, of `Settings`, and of how the grid is worked through."""
    parser.add_argument("--strategy", action="append", help=f"repeatable; default: {', '.join(STRATEGIES)}")
    parser.add_argument("--oracle", action="append", help=f"repeatable; default: {', '.join(ORACLES)}")
    parser.add_argument("--seeds", default="2", metavar="N", help="how many, from 0 on; or which: 2,3 or 0-4")
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
    reuse = not getattr(args, "repeat", 0)  # or a repeated run would be read from the first one's fits
    return Settings(**given, cfg_options=parse_options(getattr(args, "cfg_options", [])), reuse=reuse)


def run(*, report: bool = True, jobs: int = 1, **options) -> Path:
    """``alc-bench run`` from Python: returns the folder of the run, for `bench.load_results` and `bench.compare`.

    ``options``: those of the command line, with underscores; ``strategy`` and ``oracle`` take a name or a list,
    ``seeds`` a number or the seeds, ``cfg_options`` a dictionary. ``report``: write tables, figures and the page, too.
    With ``jobs`` above 1, a script must guard its main part (``if __name__ == "__main__"``), as for any processes.
    Raises InputError for what cannot be done, RuntimeError where a cell failed; the others are done then.
    """
    from bench.commands import parser

    words = experiment.arguments(options, experiment.known(parser(["run"]).parse_args(["run"])))
    words = ["run", *words, f"--jobs={jobs}"]
    args = parser(words).parse_args(words)
    args.command, args.argv = shlex.join(["alc-bench", *words]), words[1:]
    out, failed = work(args, report)
    if failed:
        raise RuntimeError(f"failed: {', '.join(folder.name for folder in failed)}; see spec.json there, in {out}")
    return out


def main(args) -> int:
    failed = work(args)[1]
    for folder in failed:
        print(f"failed: {folder.name}; the traceback is in {folder / 'spec.json'}", file=sys.stderr)
    return 1 if failed else 0


def work(args, report_too: bool = True) -> tuple[Path, list[Path]]:
    """Do what the arguments ask for; returns the run's folder and those of the cells that failed."""
    args = experiment.completed(args)
    if args.launcher:
        args.device, args.jobs = torchrun.join(args.device), 1
    with progress.bar() as bar:
        grid = grid_of(args)
        grid.out = torchrun.place(grid.out)
        failed = _run(args, grid, bar)
    if report_too and (grid.out / "rounds.csv").exists() and torchrun.is_first():
        report.write([grid.out])
    return grid.out, failed


def _run(args, grid: Grid, bar: progress.Bar) -> list[Path]:
    """Work through the grid, and again as often as --repeat says. Returns the folders of cells that failed."""
    setup, out, protocol = grid.setup, grid.out, grid.setup.protocol()
    record = {
        "command": args.command,
        "data_root": str(Path(args.data_root).resolve()) if args.data_root else None,
        **{"strategies": grid.strategies, "oracles": grid.oracles, "seeds": grid.seeds},
        **{"foundation": setup.settings.foundation, "rounds": setup.settings.rounds},
        **environment(),
    }
    n_images, by = len(setup.dataset.names("train")), ("fit",) if setup.learner else ("round",)
    with claimed(out, protocol, record):
        bar.begin("making and reading labels", 2 * n_images)
        problem = setup.read(bar.step)
        add_to_spec(out, pseudo_labels=str(problem.pseudo.folder.resolve()))
        with suppress(files.Unwritable):  # then report and export ask for --follow
            source.trust(specs.of_run(out / "spec.json"))
        remember(out, args.command)
        keep = bundle.size(problem.pseudo) < bundle.LIMIT_BYTES if args.bundle is None else args.bundle
        if keep and torchrun.is_first():
            bundle.write(problem.dataset, problem.pseudo, out)
        workers = _workers(args, setup, problem, bar.step)
        bar.begin("cells", grid.n_steps(), by)
        if args.reference:
            grid.reference(workers)
        failed = [cell.folder(out) for cell in grid.run(workers)]
        for k in range(1, args.repeat + 1):
            again = Grid(setup, grid.strategies, grid.oracles, grid.seeds, out / f"repeat{k}")
            with claimed(again.out, protocol, record):
                bar.begin(f"cells again ({k} of {args.repeat})", again.n_steps(), by)
                failed += [cell.folder(again.out) for cell in again.run(workers)]
    return failed


def grid_of(args, check: bool = True) -> Grid:
    """The grid that the arguments ask for; ``check``: read all of the data first."""
    for flag, least in (("jobs", 1), ("repeat", 0)):
        if getattr(args, flag) is not None and getattr(args, flag) < least:
            raise InputError(f"--{flag} must be {least} or more, got {getattr(args, flag)}")
    if args.launcher and (args.ray or args.model == "none"):
        raise InputError("--launcher trains one cell on many GPUs; it goes with neither --ray nor --model none")
    if args.reference and args.model == "none":
        raise InputError("--reference full trains a model; it does not go with --model none")
    seeds = parse_seeds(args.seeds)
    setup = Setup.of(settings_of(args), check)
    if torchrun.is_first():
        subset.tell(setup.dataset, args.strict, ("train", "val") if setup.learner else ("train",))
    name = setup.dataset.name or registry.parse(args.dataset)[0]
    out = args.out or Path("results/runs") / f"{files.slug(name)}-{files.digest(setup.protocol())[:8]}"
    grid = Grid(setup, args.strategy or STRATEGIES, args.oracle or ORACLES, seeds, out)
    if torchrun.is_first():
        subset.tell_classes(setup.dataset.classes, setup.pixels)
    return grid


def _workers(args, setup, problem, on_step):
    """Opens what runs the tasks: see `bench.experiment.workers`."""
    if args.ray:
        return lambda: ray.nodes(setup, problem, args.ray, on_step)
    jobs = args.jobs or local.default_jobs(setup)
    if jobs == 1:
        return lambda: local.here(setup, problem, on_step)
    return lambda: local.processes(setup, problem, jobs, on_step)


def parse_seeds(text: str) -> Sequence[int]:
    """``3`` is seeds 0, 1 and 2; ``2,3``, ``0-4`` and ``0-2,7`` name them, ``5,`` a single one."""
    if re.fullmatch(r"-?\d+", text := text.strip()):
        if int(text) < 1:
            raise InputError(f"--seeds must be 1 or more, got {text}")
        return range(int(text))
    found: list[int] = []
    for part in text.removesuffix(",").split(","):
        ends = re.fullmatch(r"(\d+)(?:-(\d+))?", part.strip())
        if not ends or int(ends[2] or ends[1]) < int(ends[1]):
            raise InputError(f"--seeds: expected how many, or which as in 2,3 or 0-4; got {text!r}")
        found += range(int(ends[1]), min(int(ends[2] or ends[1]), int(ends[1]) + MOST_CELLS) + 1)  # the grid refuses
    return found


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
