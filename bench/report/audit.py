"""What the cells' own files add to the rounds: another price of the answers, classes, and the reference model."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from bench import costs, runfiles
from bench.report.results import CELL, Results


def reprice(results: Results, seconds: Mapping[str, float]) -> Results:
    """``results`` with ``cost_s`` priced anew from each cell's queries.csv, with these seconds per action.

    Raises InputError where a cell has no queries.csv. Foreign results lose theirs: nobody knows what was done.
    """
    rounds = results.rounds.copy()
    rounds.loc[rounds.foreign, "cost_s"] = float("nan")
    for cell in results.cells[results.cells.status.eq("done") & ~results.cells.foreign].itertuples():
        asked = runfiles.read(Path(cell.folder) / "queries.csv")
        spent = costs.price(asked.kind, asked.actions, 2, "seconds", seconds)  # seconds do not depend on the classes
        by_round = pd.Series(spent).groupby(asked["round"]).sum()
        rows = (rounds[CELL] == [getattr(cell, name) for name in CELL]).all(axis=1) & rounds.run.eq(cell.run)
        rounds.loc[rows, "cost_s"] = [by_round[by_round.index <= r].sum() for r in rounds.loc[rows, "round"]]
    return Results(rounds, results.cells, results.specs)


def classes(results: Results) -> pd.DataFrame:
    """classes.csv of all done cells, with strategy, seed and run: round, class, data_iou, model_iou (NaN where
    absent)."""
    tables = []
    for cell in results.cells[results.cells.status.eq("done") & results.cells.folder.ne("")].itertuples():
        table = runfiles.read(Path(cell.folder) / "classes.csv")
        tables.append(table.assign(strategy=cell.strategy, seed=cell.seed, run=cell.run))
    columns = [*runfiles.names(runfiles.CLASSES), "strategy", "seed", "run"]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def references(results: Results) -> dict[str, float]:
    """mIoU of the fully supervised model by dataset: the mean of column ``model_miou`` of the runs' reference.csv."""
    found: dict[str, list[float]] = {}
    for run in results.specs:
        file = run / "reference.csv"
        if file.exists():
            values = runfiles.read(file).model_miou
            for dataset in results.cells.dataset[results.cells.run.eq(str(run))].unique():
                found.setdefault(dataset, []).extend(values)
    return {dataset: sum(values) / len(values) for dataset, values in found.items()}
