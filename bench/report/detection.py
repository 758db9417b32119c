"""How well the questions of each strategy find wrong labels, apart from the labels' effect on a model."""

from collections.abc import Iterator

import pandas as pd

from bench.report.results import SETTING, Results
from bench.report.style import percent
from bench.report.table import Table
from bench.runs import schema

COLUMNS = schema.names(schema.DETECTION)
NOTE = (
    "percent, mean over rounds and seeds, among superpixels never asked before (spread: detection.csv); a label is "
    "wrong where its superpixel's dominant true class is another; px: weighted by pixels; not tested"
)


def summarise(results: Results) -> pd.DataFrame:
    """A row for each setting and strategy, the best average precision first: ``<column>_mean`` and ``<column>_std``
    over the seeds, for each of `bench.runs.schema.DETECTION`. Empty if no run measured it."""
    own = results.rounds[~results.rounds.foreign]
    by_seed = own.groupby([*SETTING, "strategy", "seed"])[COLUMNS].mean()
    groups = by_seed.dropna(how="all").groupby([*SETTING, "strategy"])
    table = (
        groups.mean().add_suffix("_mean").join(groups.std().add_suffix("_std")).join(groups.size().rename("n_seeds"))
    )
    order = ["n_seeds", *(f"{name}_{part}" for name in COLUMNS for part in ("mean", "std"))]
    table = table[order].reset_index()
    return table.sort_values(
        [*SETTING, "auprc_mean", "strategy"], ascending=[True] * 3 + [False, True], ignore_index=True
    )


def by_seed(results: Results, column: str) -> pd.DataFrame:
    """strategy × seed: the mean over the rounds of a ``column`` of `bench.runs.schema.DETECTION`, of one setting."""
    own = results.rounds[~results.rounds.foreign]
    return own.groupby(["strategy", "seed"])[column].mean().unstack("seed")


def tables(block: Results) -> Iterator[Table]:
    """The table of a setting, if a run measured it. Nothing is bold, for nothing is tested."""
    if len(found := summarise(block)):
        columns = {c.name: c.title for c in schema.DETECTION}
        rows = [[row["strategy"], *(percent(row[f"{c}_mean"]) for c in columns)] for row in found.to_dict("records")]
        yield Table(["strategy", *columns.values()], rows, "Wrong labels found", [NOTE])
