"""Run folders to tables, figures and one offline page. Imports no torch."""

from pathlib import Path

from rich.console import Console

from bench.report import figures, tables
from bench.report.results import COSTS, read
from bench.types import InputError


def write(
    outs: list[Path],
    *,
    to: Path | None = None,
    cost: str = "queries",
    mixed: bool = False,
    console: Console | None = None,
) -> Path:
    """The report of these run folders and foreign rounds.csv files, in ``to``: the only run's own folder by default.

    ``cost``: the axis, a key of `COSTS`. ``mixed``: compare runs of different protocols. Returns the folder.
    Raises InputError for runs that cannot be read or compared; then nothing is written.
    """
    if cost not in COSTS:
        raise InputError(f"unknown cost {cost!r}; there are: {', '.join(COSTS)}")
    results = read(outs, mixed)
    if to is None and sum(Path(out).is_dir() for out in outs) != 1:
        raise InputError("a report over several runs needs a folder of its own: name it with --out")
    to = next(Path(out) for out in outs if Path(out).is_dir()) if to is None else Path(to)
    summary = tables.summarise(results, cost)
    console = console or Console()
    tables.show(summary, console)
    to.mkdir(parents=True, exist_ok=True)
    summary.to_csv(to / "summary.csv", index=False, float_format="%.6f")
    figures.save(figures.curves(results, cost), to, "curves")
    console.print(f"curves: {to / 'curves.png'}", soft_wrap=True)
    return to
