"""The command line: ``alc-bench list | run | report | time``.

Exit code 0: everything asked for was done; 1: a cell failed, the others are done; 2: what was asked for cannot be done.
"""

import argparse
import importlib
import json
import os
import shlex
import signal
import sys
from pathlib import Path

from rich.console import Console

from bench import __version__, registry
from bench.types import InputError

# The modules of the other commands: each has add_arguments(parser) and main(args) -> exit code.
COMMANDS = {
    "prepare": ("bench.prepare", "pseudo labels and superpixels of foundation models in files; a fit of simulated"),
    "quality": ("bench.quality", "what labels and superpixels are worth against the truth, and their ceiling"),
    "report": ("bench.report.command", "tables, curves and a page from the folders of runs"),
    "export": ("bench.export", "the corrected dataset, in its own layout"),
    "time": ("bench.time", "the acquisition kernels, checked for equality and then timed"),
}
SETTINGS = ("dataset", "data_root", "rounds", "budget", "seconds", "preset", "model", "scores", "start", "device")
FOUNDATIONS = {"shapes": "simulated"}  # by dataset; the others have no default


def main(argv: list[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    try:
        args = _parser(argv).parse_args(argv)
        return args.main(args)
    except InputError as error:
        print("alc-bench:", " ".join(str(error).splitlines()), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("alc-bench: stopped; the same command goes on from here", file=sys.stderr)
        return 130


class Parser(argparse.ArgumentParser):
    """Says in one line, like everything else, what is wrong with a command line."""

    def error(self, message: str):
        raise InputError(f"{message}; see {self.prog} --help")


def _parser(argv: list[str]) -> argparse.ArgumentParser:
    parser = Parser(prog="alc-bench", description="A benchmark for active label correction.")
    parser.add_argument("--version", action="version", version=f"alc-bench {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")
    _list_arguments(commands.add_parser("list", help="strategies, oracles, datasets and foundations"))
    _run_arguments(commands.add_parser("run", help="a grid of strategies, oracles and seeds"), run)
    what = "what run would do: cells, what is there already, time, memory and disk"
    _run_arguments(commands.add_parser("plan", help=what), plan)
    for name, (module, what) in COMMANDS.items():
        command = commands.add_parser(name, help=what, description=what)
        if name in argv[:1]:  # the others are not even imported
            module = importlib.import_module(module)
            module.add_arguments(command)
            command.set_defaults(main=module.main)
    return parser


def _list_arguments(parser):
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(main=list_plugins)


def list_plugins(args) -> int:
    described = {kind: registry.describe(kind) for kind in registry.FOLDERS}
    if args.json:
        print(json.dumps(described, indent=2))
        return 0
    console = Console(soft_wrap=True, highlight=False)
    for kind, entries in described.items():
        console.print(f"[bold]{kind}[/bold]")
        for entry in entries:
            parameters = f"[{','.join(entry['parameters'])}]" if entry["parameters"] else ""
            console.print(
                f"  {entry['name']}{parameters}", style="red" if entry.get("broken") else "cyan", markup=False, end=""
            )
            console.print(f"  {entry['caption']}", markup=False)
            if notes := _notes(entry):
                console.print(f"      {notes}", style="dim", markup=False)
    return 0


def _notes(entry: dict) -> str:
    notes = [
        f"asks: {entry['question']}" if "question" in entry else "",
        f"needs: {', '.join(entry['needs'])}" if entry.get("needs") else "",
        f"source: {entry['source']}" if entry.get("source") else "",
        f"answers: {', '.join(entry['kinds'])}" if entry.get("kinds") else "",
        "reads the truth: a reference line, never ranked" if entry.get("reads_truth") else "",
        "leaky: reads more truth than its price covers" if entry.get("leaky") else "",
        "broken: does not import" if entry.get("broken") else "",
    ]
    return "; ".join(note for note in notes if note)


def _run_arguments(parser, main):
    parser.add_argument("--dataset", default="shapes")
    parser.add_argument("--data-root", help="the dataset's folder")
    parser.add_argument("--foundation", help="where labels and superpixels come from (shapes: simulated)")
    parser.add_argument("--strategy", action="append", help="repeatable; default: random, entropy, cil_pixel, sim")
    parser.add_argument("--oracle", action="append", help="repeatable; default: perfect")
    parser.add_argument("--seeds", type=int, default=2, metavar="N", help="seeds 0 to N-1")
    parser.add_argument("--rounds", type=int, default=4, help="rounds of questions after round 0")
    parser.add_argument(
        "--budget", help="a round's questions, or 600s, 500clicks, 2000bits; default: a twentieth of the pool"
    )
    parser.add_argument("--seconds", metavar="FILE", help="CSV of action,seconds that replaces the assumed ones")
    parser.add_argument("--preset", default="cpu", help="smoke, cpu, paper, or the path of an mmengine config")
    parser.add_argument("--model", default="preset", help="preset, or none: labels only, no training")
    parser.add_argument("--scores", help="CSV of statistics for --model none")
    parser.add_argument("--start", default="cold", help="cold (a new network each round) or warm")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1")
    parser.add_argument("--cfg-options", nargs="+", default=[], metavar="KEY=VALUE", help="changes to the preset")
    parser.add_argument("--jobs", type=int, help="cells at a time; default: one for each GPU or core")
    parser.add_argument(
        "--ray", metavar="ADDRESS", help="run on a Ray cluster: auto, HOST:PORT, or local to start one here"
    )
    parser.add_argument("--launcher", choices=["pytorch"], help="train each cell on all processes of a torchrun")
    parser.add_argument("--reference", choices=["full"], help="full: also train once a seed on the whole truth")
    parser.add_argument(
        "--repeat", type=int, default=0, metavar="N", help="run all cells N more times: equal runs differ by?"
    )
    parser.add_argument("--out", type=Path, help="default: results/runs/<dataset>-<protocol>")
    parser.set_defaults(main=main)


def run(args) -> int:
    from bench import grid, progress, ranks, report, store

    if args.launcher:
        args.device, args.jobs = ranks.join(args.device), 1
    with progress.bar() as bar:
        cells = _grid(args)
        cells.out = ranks.place(cells.out)
        bench, out, protocol = cells.bench, cells.out, cells.bench.protocol()
        strategies, oracles = cells.strategies, cells.oracles
        record = {
            "command": shlex.join(["alc-bench", *sys.argv[1:]]),
            "data_root": str(Path(args.data_root).resolve()) if args.data_root else None,
            **{"strategies": strategies, "oracles": oracles, "seeds": args.seeds},
            **store.environment(),
        }
        with store.claimed(out, protocol, record):
            bar.begin("making labels", len(bench.names))
            bench.on_step = bar.step
            bench.pseudo  # noqa: B018  made once, before any process needs them
            bar.begin("reading labels", len(bench.names))
            bench.confusion  # noqa: B018  likewise
            store.add_to_spec(out, pseudo_labels=str(bench.pseudo.folder.resolve()))
            by = ("fit",) if bench.trainer else ("round",)
            bar.begin("cells", cells.n_steps(), by)
            workers = _workers(args, bench, bar.step)
            if args.reference:
                cells.reference(workers)
            failed = [cell.folder(out) for cell in cells.run(workers)]
            for k in range(1, args.repeat + 1):
                again = grid.Grid(bench, strategies, oracles, args.seeds, out / f"repeat{k}")
                with store.claimed(again.out, protocol, record):
                    bar.begin(f"cells again ({k} of {args.repeat})", again.n_steps(), by)
                    failed += [cell.folder(again.out) for cell in again.run(workers)]
    if (out / "rounds.csv").exists() and ranks.is_first():
        report.write([out])
    for folder in failed:
        print(f"failed: {folder.name}; the traceback is in {folder / 'spec.json'}", file=sys.stderr)
    return 1 if failed else 0


def plan(args) -> int:
    from bench import plan, workers

    cells = _grid(args, check=False)
    for heading, text in plan.plan(cells, args.jobs or workers.default_jobs(cells.bench)).items():
        print(f"{heading:8}{text}")
    return 0


def _grid(args, check: bool = True):
    """The grid that the arguments ask for; ``check``: read all of the data first."""
    from bench import grid, store
    from bench.workbench import Settings, Workbench

    name = registry.parse(args.dataset)[0]
    foundation = args.foundation or FOUNDATIONS.get(name)
    if foundation is None:
        registry.load("datasets", args.dataset, root=args.data_root)  # a wrong dataset is said first
        raise InputError(f"--foundation is needed for the dataset {name!r}: where do its pseudo labels come from?")
    for flag, least in (("jobs", 1), ("repeat", 0)):
        if getattr(args, flag) is not None and getattr(args, flag) < least:
            raise InputError(f"--{flag} must be {least} or more, got {getattr(args, flag)}")
    if args.launcher and (args.ray or args.model == "none"):
        raise InputError("--launcher trains one cell on many GPUs; it goes with neither --ray nor --model none")
    if args.reference and args.model == "none":
        raise InputError("--reference full trains a model; it does not go with --model none")
    settings = Settings(
        **{k: getattr(args, k) for k in SETTINGS},
        foundation=foundation,
        cfg_options=_options(args.cfg_options),
        cache=os.environ.get("ALC_BENCH_CACHE", str(Path.home() / ".cache" / "alc-bench")),
    )
    bench = Workbench(settings, check)
    out = args.out or Path("results/runs") / f"{name}-{store.digest(bench.protocol())[:8]}"
    strategies, oracles = args.strategy or ["random", "entropy", "cil_pixel", "sim"], args.oracle or ["perfect"]
    return grid.Grid(bench, strategies, oracles, args.seeds, out)


def _workers(args, bench, on_step):
    """Opens what runs the tasks: see `bench.workers` and `bench.cluster`."""
    from bench import cluster, workers

    if args.ray:
        return lambda: cluster.nodes(bench, args.ray, on_step)
    jobs = args.jobs or workers.default_jobs(bench)
    if jobs == 1:
        return lambda: workers.here(bench, on_step)
    return lambda: workers.processes(bench, jobs, on_step)


def _options(pairs: list[str]) -> dict:
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
