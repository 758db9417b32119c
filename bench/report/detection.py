"""How well the questions of each strategy find wrong labels, apart from the labels' effect on a model."""

import pandas as pd

from bench.report.results import SETTING, Results
from bench.report.style import percent
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


def layout(rows: pd.DataFrame) -> tuple[list[str], list[list[tuple[str, bool]]]]:
    """A setting's rows as text: headings, and rows of (text, False), for nothing is bold if nothing is tested."""
    columns = {c.name: c.title for c in schema.DETECTION}
    lines = [
        [(row["strategy"], False)] + [(percent(row[f"{c}_mean"]), False) for c in columns]
        for row in rows.to_dict("records")
    ]
    return ["strategy", *columns.values()], lines
