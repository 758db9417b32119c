"""Tables for a paper: values at budgets of your choice, differences from a baseline, and the IoU of each class."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from bench.files import replacing
from bench.report import cell_files, tables
from bench.report.results import SETTING
from bench.report.statistics import inference
from bench.report.study import Study
from bench.report.style import interval, p_value, percent, title
from bench.report.table import Cell, Table
from bench.types import InputError

AT = ["metric", "strategy", "cost", "budget", "mean", "std", "n_seeds"]
AGAINST = ["metric", "strategy", "baseline", "difference", "low", "high", "p"]
CLASSES = ["strategy", "class", "data_iou", "model_iou"]


def values(study: Study, budgets: Sequence[float]) -> pd.DataFrame:
    """Mean and sample std over the seeds of each strategy at each of ``budgets``, in the cost of ``study``: columns
    `SETTING` and `AT`, shares in [0, 1]. Between two rounds the curve is a straight line.

    Raises InputError for a budget that the curves of a setting do not cover.
    """
    rows = []
    for setting, verdicts in study.verdicts.items():
        for metric, verdict in verdicts.items():
            of = verdict.of
            if not of.seeds:
                continue
            low, high = of.span
            for budget in budgets:
                if not low <= budget <= high:
                    name = title(setting, False)
                    raise InputError(
                        f"--at {budget:g}: expected {low:g} to {high:g} {of.cost}, which all curves of {name} cover"
                    )
            for name in of.ranked:
                curves = [of.curves[name][seed] for seed in of.seeds]
                heights = [inference.value_weights(cost, np.array(budgets)) @ value for cost, value in curves]
                for budget, height in zip(budgets, np.array(heights).T, strict=True):
                    std = height.std(ddof=1) if len(height) > 1 else np.nan
                    rows.append((*setting, metric, name, of.cost, budget, height.mean(), std, len(height)))
    return pd.DataFrame(rows, columns=[*SETTING, *AT])


def against(study: Study, baseline: str) -> pd.DataFrame:
    """The difference in area of each strategy from ``baseline``, with the interval and the p of `claims.pairs`: columns
    `SETTING` and `AGAINST`. Raises InputError where no setting ranks the baseline."""
    rows, names = [], set()
    for setting, verdicts in study.verdicts.items():
        for metric, verdict in verdicts.items():
            ranked, test = verdict.of.ranked, verdict.pairs
            names |= set(ranked)
            if baseline not in ranked or not verdict.of.seeds:
                continue
            j = ranked.index(baseline)
            for i, name in enumerate(ranked):
                if i != j:
                    numbers = (part[i, j] for part in (test.difference, test.low, test.high, test.p))
                    rows.append((*setting, metric, name, baseline, *numbers))
    if baseline not in names:
        raise InputError(f"--against {baseline}: expected a ranked strategy; there are: {', '.join(sorted(names))}")
    return pd.DataFrame(rows, columns=[*SETTING, *AGAINST])


def classes(study: Study) -> pd.DataFrame:
    """The IoU of each class after the last round, the mean over the seeds that have it: columns `SETTING` and
    `CLASSES`. Empty without the cells' files."""
    found = []
    for setting, block in study.settings:
        table = cell_files.classes(block)
        if table.empty:
            continue
        last = table["round"].eq(table.groupby(["strategy", "seed", "run"])["round"].transform("max"))
        means = table[last].groupby(["strategy", "class"], sort=False)[["data_iou", "model_iou"]].mean().reset_index()
        found.append(means.assign(**dict(zip(SETTING, setting, strict=True))))
    return pd.concat(found)[[*SETTING, *CLASSES]] if found else pd.DataFrame(columns=[*SETTING, *CLASSES])


def tables_of(study: Study, at: Sequence[float] = (), baseline: str = "") -> dict[str, pd.DataFrame]:
    """`classes`, `values` (``at``) and `against`, those that are asked for and not empty. Raises InputError as they
    do."""
    found = {"classes": classes(study)}
    if at:
        found["at"] = values(study, at)
    if baseline:
        found["against"] = against(study, baseline)
    return {name: table for name, table in found.items() if not table.empty}


def write(found: dict[str, pd.DataFrame], folder: Path) -> list[Path]:
    """Each of `tables_of` as CSV with all numbers and as LaTeX in percent. Returns the files written."""
    layouts, written = {"classes": _classes, "at": _at, "against": _against}, []
    for name, table in found.items():
        tables.write_csv(folder / f"{name}.csv", table)
        blocks = table.groupby(SETTING, sort=False)
        shown = [one for setting, block in blocks for one in layouts[name](title(setting, False), block)]
        with replacing(folder / f"{name}.tex") as path:
            path.write_text("\n".join([tables.PREAMBLE, *(one.to_latex() for one in shown)]), encoding="utf-8")
        written += [folder / f"{name}.csv", folder / f"{name}.tex"]
    return written


def _at(name: str, block: pd.DataFrame) -> Iterator[Table]:
    for metric, rows in block.groupby("metric", sort=False):
        budgets = list(dict.fromkeys(rows.budget))
        by_name = {name: part.set_index("budget") for name, part in rows.groupby("strategy", sort=False)}
        lines = [[name, *(percent(part["mean"][b], part["std"][b]) for b in budgets)] for name, part in by_name.items()]
        headings = ["strategy", *(f"{b:g}" for b in budgets)]
        yield Table(headings, lines, f"{name}: {metric} mIoU at {rows.cost.iloc[0]}")


def _against(name: str, block: pd.DataFrame) -> Iterator[Table]:
    for metric, rows in block.groupby("metric", sort=False):
        lines = []
        for row in rows.itertuples():
            texts = [row.strategy, percent(row.difference), interval(row.low, row.high), p_value(row.p)]
            lines.append([Cell(text, bold=row.low > 0 or row.high < 0) for text in texts])
        headings = ["strategy", f"difference from {block.baseline.iloc[0]}", "95 % interval", "p"]
        yield Table(headings, lines, f"{name}: area of {metric} mIoU; bold: significantly different")


def _classes(name: str, block: pd.DataFrame) -> Iterator[Table]:
    for metric in ("data", "model"):
        wide = block.pivot(index="strategy", columns="class", values=f"{metric}_iou")
        wide = wide[list(dict.fromkeys(block["class"]))]
        if wide.notna().any(axis=None):
            lines = [[name, *map(percent, row)] for name, *row in wide.itertuples()]
            headings = ["strategy", *map(str, wide.columns)]
            yield Table(headings, lines, f"{name}: IoU of each class, {metric}, last round")
