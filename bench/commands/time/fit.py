"""``alc-bench time fit``: how well presets learn from the truth and from pseudo labels, and in how many seconds."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd
from rich.console import Console

from bench import files
from bench.commands import progress, run
from bench.experiment import window
from bench.experiment.problem import Setup
from bench.experiment.settings import Settings
from bench.report.table import Table
from bench.types import InputError

N_SEEDS = 3
EXAMPLES = (
    "alc-bench time fit --preset cpu --preset quick --seeds 1",
    "alc-bench time fit --dataset kvasir --data-root DIR --foundation 'weak[n=40]' --steps 100,400 --out fit.csv",
)


def add_arguments(parser) -> None:
    parser.add_argument("--preset", action="append", help="repeatable; default: cpu")
    parser.add_argument("--steps", help="iterations of a fit, with commas (default: the preset's)")
    parser.add_argument("--seeds", type=int, default=N_SEEDS, metavar="N", help="default: %(default)s")
    run.add_settings(parser, ("dataset", "data_root", "foundation", "device"))


def measured(args) -> tuple[int, pd.DataFrame, Callable[[Path], None]]:
    """Print the table. Returns the exit code, a row for each fit, and the function that draws mIoU against seconds."""
    if args.seeds < 1:
        raise InputError(f"--seeds must be 1 or more, got {args.seeds}")
    setups = [
        (Path(preset).stem, Setup.of(_settings(args, preset, n)))
        for preset in args.preset or ["cpu"]
        for n in _steps(args.steps)
    ]
    with progress.bar() as bar:
        bar.begin("making and reading labels", 2 * len(setups) * len(setups[0][1].dataset.names("train")))
        problems = {(name, setup.learner): setup.read(bar.step) for name, setup in setups if setup.learner}
        n_steps = sum(learner.n_steps for _, learner in problems)
        bar.begin("fits", 2 * args.seeds * n_steps, by=("fit",))
        table = pd.DataFrame(list(window.rows(problems, args.seeds, bar.step)))
    found = window.summary(table)
    show(found, f"{args.dataset}: val mIoU of models, in %; seeds: {args.seeds}, device: {args.device}")
    return 0, table, partial(draw, found)


def _settings(args, preset: str, n_steps: int | None) -> Settings:
    options = {} if n_steps is None else {"max_iters": n_steps}
    return replace(run.settings_of(args), preset=preset, cfg_options=options)


def _steps(text: str | None) -> list[int | None]:
    if text is None:
        return [None]
    try:
        return [int(n) for n in text.split(",")]
    except ValueError as error:
        raise InputError(f"--steps takes numbers of iterations with commas between them, got {text!r}") from error


def show(found: pd.DataFrame, title: str) -> None:
    """`bench.experiment.window.summary` as a table on standard output."""
    headings = ["preset", "steps", "truth", "pseudo", "gap", "± seeds", "gap / ±", "s a fit", "CPU s a fit"]
    rows = [
        [
            row.preset,
            str(row.n_steps),
            *(f"{100 * x:.1f}" for x in (row.truth, row.pseudo, row.window, row.spread)),
            *(f"{x:.1f}" for x in (row.ratio, row.fit_s, row.fit_cpu_s)),
        ]
        for row in found.itertuples()
    ]
    Table(headings, rows, title).show(Console())


def draw(found: pd.DataFrame, path: Path) -> None:
    """Val mIoU on the truth (full) and on the pseudo labels (hollow, dashed) against seconds of a fit, by preset."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.5, 4), layout="constrained")
    axes = figure.subplots()
    for number, (preset, part) in enumerate(found.groupby("preset", sort=False)):
        part = part.sort_values("fit_cpu_s")
        color = f"C{number}"
        for labels, dashes, fill in (("truth", "-", color), ("pseudo", "--", "none")):
            x, y = part["fit_cpu_s"], 100 * part[labels]
            axes.plot(x, y, dashes, color=color, marker="o", markersize=4, markerfacecolor=fill)
        axes.plot([], [], color=color, label=preset)
    axes.set(xlabel="CPU seconds of a fit", ylabel="val mIoU, %\nfull: on the truth; hollow: on pseudo labels")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    with files.replacing(path) as temporary:
        figure.savefig(temporary, dpi=150)
