"""The additions of the cells' own files to the rounds: another price of the answers, classes, and the reference
model."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from bench import costs
from bench.report.results import CELL, Results
from bench.runs import schema


def reprice(results: Results, seconds: Mapping[str, float]) -> Results:
    """``results`` with ``cost_s`` priced anew from each cell's queries.csv, with these seconds per action.

    Raises InputError if a cell has no queries.csv. Foreign results lose theirs: their actions are unknown.
    """
    rounds = results.rounds.copy()
    rounds.loc[rounds.foreign, "cost_s"] = float("nan")
    cells = results.cells[results.cells.status.eq("done") & ~results.cells.foreign]
    if cells.empty:
        return Results(rounds, results.cells, results.specs)
    asked = schema.read_all([Path(folder) / "queries.csv" for folder in cells.folder])
    # seconds do not depend on the classes
    asked = asked.assign(spent=costs.price(asked.kind, asked.actions, 2, "seconds", seconds))
    by_cell = dict(list(asked.groupby("file")))
    place = {key: i for i, key in enumerate(cells[[*CELL, "run"]].itertuples(index=False, name=None))}
    for key, rows in rounds[~rounds.foreign].groupby([*CELL, "run"]).groups.items():
        by_round = by_cell[place[key]].groupby("round").spent.sum() if place[key] in by_cell else pd.Series(dtype=float)
        rounds.loc[rows, "cost_s"] = [by_round[by_round.index <= r].sum() for r in rounds.loc[rows, "round"]]
    return Results(rounds, results.cells, results.specs)


def classes(results: Results) -> pd.DataFrame:
    """classes.csv of all done cells, with strategy, seed and run: round, class, data_iou, model_iou (NaN if
    absent)."""
    cells = results.cells[results.cells.status.eq("done") & results.cells.folder.ne("")]
    names = ["strategy", "seed", "run"]
    if cells.empty:
        return pd.DataFrame(columns=[*schema.names(schema.CLASSES), *names])
    table = schema.read_all([Path(folder) / "classes.csv" for folder in cells.folder])
    return table.assign(**{name: cells[name].to_numpy()[table.file] for name in names})


def references(results: Results) -> dict[str, float]:
    """mIoU of the fully supervised model by dataset: the mean of column ``model_miou`` of the runs' reference.csv."""
    found: dict[str, list[float]] = {}
    for run in results.specs:
        file = run / "reference.csv"
        if file.exists():
            values = schema.read(file).model_miou
            for dataset in results.cells.dataset[results.cells.run.eq(str(run))].unique():
                found.setdefault(dataset, []).extend(values)
    return {dataset: sum(values) / len(values) for dataset, values in found.items()}
