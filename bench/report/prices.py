"""The seconds of all answers of a strategy, with the interval that the spread of people's times gives."""

from pathlib import Path

import pandas as pd

from bench.costs.seconds import Times
from bench.report.results import SETTING, Results
from bench.report.style import title
from bench.report.table import Table
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


def tables(prices: pd.DataFrame, times: Times) -> list[Table]:
    """A table for each setting, in hours."""
    hours = prices.assign(**{name: prices[name] / 3600 for name in ("seconds", "low", "high")})
    found = []
    for setting, block in hours.groupby(SETTING):
        rows = [
            [row.strategy, f"{row.n_queries:g}", f"{row.seconds:.2f}", f"{row.low:.2f} to {row.high:.2f}"]
            for row in block.sort_values(["seconds", "strategy"]).itertuples()
        ]
        found.append(Table(HEADINGS, rows, f"Prices of the answers: {title(setting, False)}", [remark(times)]))
    return found
