"""The seconds of all answers of a strategy, with the interval that the spread of people's times gives."""

from pathlib import Path

import pandas as pd
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.costs.seconds import Times
from bench.report.results import SETTING, Results
from bench.runs import schema

COLUMNS = [*SETTING, "strategy", "n_queries", "seconds", "low", "high"]
HEADINGS = ("strategy", "questions", "hours", "95 % interval")


def table(results: Results, times: Times) -> pd.DataFrame:
    """A row a setting and strategy: the questions of a run and the seconds that its answers take, each the mean over
    the cells that are done, and the middle 95 % of such a run's seconds. Cells without queries.csv are left out.
    """
    done = results.cells[results.cells.status.eq("done") & results.cells.folder.ne("")]
    done = done[[(Path(folder) / "queries.csv").is_file() for folder in done.folder]].reset_index(drop=True)
    if done.empty:
        return pd.DataFrame(columns=COLUMNS)
    asked = schema.read_all([Path(folder) / "queries.csv" for folder in done.folder])
    actions = asked.groupby("file").actions.apply(list).reindex(done.index)
    totals = [(len(a), *times.total(" ".join(a).split())) for a in (a if isinstance(a, list) else [] for a in actions)]
    done = done.assign(**dict(zip(COLUMNS[-4:], zip(*totals, strict=True), strict=True)))
    return done.groupby([*SETTING, "strategy"])[COLUMNS[-4:]].mean().reset_index()[COLUMNS]


def remark(times: Times) -> str:
    return (
        f"seconds {times.name}: {times.source}; the interval is of one run's total, every time an independent draw: "
        "people who are slower or faster throughout would widen it"
    )


def lines(prices: pd.DataFrame) -> list[tuple[str, ...]]:
    """The rows of a setting as text, under `HEADINGS`."""
    hours = prices.assign(**{name: prices[name] / 3600 for name in ("seconds", "low", "high")})
    return [
        (row.strategy, f"{row.n_queries:g}", f"{row.seconds:.2f}", f"{row.low:.2f} to {row.high:.2f}")
        for row in hours.sort_values(["seconds", "strategy"]).itertuples()
    ]


def show(prices: pd.DataFrame, times: Times, console: Console) -> None:
    for setting, block in prices.groupby(SETTING):
        shown = Table(box=box.SIMPLE, pad_edge=False)
        for heading in HEADINGS:
            shown.add_column(heading, justify="left" if heading == "strategy" else "right")
        for line in lines(block):
            shown.add_row(*map(escape, line))
        console.print(f"[bold]what the answers cost: {escape(' · '.join(setting))}[/bold]", highlight=False)
        console.print(shown)
    if len(prices):
        console.print(f"[dim]{escape(remark(times))}[/dim]", highlight=False, soft_wrap=True)
