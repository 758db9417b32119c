"""What the cells' own files add to the rounds: another price from the audit log, classes, and the reference model."""

from pathlib import Path

import pandas as pd

from bench import costs
from bench.report.results import CELL, Results, read_csv, to_numbers
from bench.types import InputError

QUERY_COLUMNS = [
    "round",
    "number",
    "image",
    "superpixel",
    "row",
    "column",
    "size",
    "kind",
    "label_before",
    "answer",
    "actions",
]


def queries(folder: Path) -> pd.DataFrame:
    """queries.csv of a cell, in asking order; numbers as int64, ``image``, ``answer`` and ``actions`` as text."""
    file = Path(folder) / "queries.csv"
    table = read_csv(file)
    if missing := [name for name in QUERY_COLUMNS if name not in table]:
        raise InputError(f"{file}: no column {', '.join(missing)}; there are: {', '.join(table)}")
    whole = ["round", "number", "superpixel", "row", "column", "size", "label_before"]
    harm = [name for name in ("corrected_px", "harmed_px", "rewronged_px") if name in table]
    return to_numbers(table, whole + harm, file).astype(dict.fromkeys(whole + harm, int))


def changes(folder: Path) -> pd.DataFrame:
    """`queries` of a cell, and after each round's the superpixels that a refiner relabelled then (refined.csv, if there
    is one): rows of kind ``refined`` and number -1, which nobody was asked."""
    asked, file = queries(folder), Path(folder) / "refined.csv"
    if not file.exists():
        return asked
    found = to_numbers(read_csv(file), ["round", "superpixel", "label"], file)
    answers = found.label.astype(int).astype(str)
    found = found.assign(kind="refined", number=-1, answer=answers, actions="correct", row=-1, column=-1, size=0)
    found = found.assign(label_before=-1, corrected_px=0, harmed_px=0)[list(asked.columns.intersection(found.columns))]
    both = pd.concat([asked, found.astype({"round": int, "superpixel": int})], ignore_index=True)
    return both.sort_values("round", kind="stable", ignore_index=True)


def reprice(results: Results, seconds: dict[str, float]) -> Results:
    """``results`` with ``cost_s`` priced anew from each cell's queries.csv, with these seconds per action.

    Raises InputError where a cell has no queries.csv. Foreign results lose theirs: nobody knows what was done.
    """
    rounds = results.rounds.copy()
    rounds.loc[rounds.foreign, "cost_s"] = float("nan")
    for cell in results.cells[results.cells.status.eq("done") & ~results.cells.foreign].itertuples():
        asked = queries(cell.folder)
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
        file = Path(cell.folder) / "classes.csv"
        table = to_numbers(read_csv(file), ["round", "data_iou", "model_iou"], file, optional=["data_iou", "model_iou"])
        tables.append(table.assign(strategy=cell.strategy, seed=cell.seed, run=cell.run))
    columns = ["round", "class", "data_iou", "model_iou", "strategy", "seed", "run"]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def references(results: Results) -> dict[str, float]:
    """mIoU of the fully supervised model by dataset: the mean of column ``model_miou`` of the runs' reference.csv."""
    found: dict[str, list[float]] = {}
    for run in results.specs:
        file = run / "reference.csv"
        if file.exists():
            values = to_numbers(read_csv(file), ["model_miou"], file).model_miou
            for dataset in results.cells.dataset[results.cells.run.eq(str(run))].unique():
                found.setdefault(dataset, []).extend(values)
    return {dataset: sum(values) / len(values) for dataset, values in found.items()}
