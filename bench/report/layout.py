"""The tables of a report as they are shown: on the screen, as Markdown and LaTeX, on the page, and as CSV."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console

from bench import files
from bench.costs import seconds
from bench.costs.seconds import Times
from bench.report import cell_files, claims, detection, prices, tables
from bench.report.comparison import METRICS
from bench.report.results import SETTING, Results
from bench.report.study import Study, Verdict
from bench.report.style import NAMES, interval, p_value, percent, rank, title
from bench.report.table import Cell, Table

TABLES = "tables"  # in the folder of a report
KINDS = ["ranked", "bound", "published"]


@dataclass(frozen=True)
class Section:
    """The tables of a setting: its summary, the pairs of strategies by metric, and how well wrong labels are found."""

    summary: Table
    pairs: tuple[Table, ...]
    detected: tuple[Table, ...]


@dataclass(frozen=True)
class Layout:
    """All tables of a report. ``times``: of the answers, by default the measured ones."""

    study: Study
    times: Times = field(default_factory=partial(seconds.read, "measured"))

    @cached_property
    def numbers(self) -> pd.DataFrame:
        """Those of the summary."""
        return tables.summarise(self.study, cell_files.references(self.study.results))

    @cached_property
    def priced(self) -> pd.DataFrame:
        return prices.table(self.study.results, self.times)

    @property
    def prices(self) -> list[Table]:
        return prices.tables(self.priced, self.times)

    @cached_property
    def sections(self) -> list[Section]:
        return [
            Section(
                summary(self.study, setting, block, rows),
                tuple(pairs(self.study.verdicts[setting])),
                tuple(detection.tables(block)),
            )
            for setting, block in self.study.settings
            if len(rows := self.numbers[self.numbers[SETTING].eq(setting).all(axis=1)])
        ]

    @cached_property
    def everywhere(self) -> list[Table]:
        """Those over several settings."""
        return [*aggregate(claims.aggregate(self.study)), *robustness(claims.robustness(self.study))]

    @cached_property
    def coverage(self) -> list[Table]:
        return list(coverage(self.study.results))

    @property
    def statuses(self) -> list[str]:
        """Those of all cells."""
        return [cell.kind for table in self.coverage for row in table.cells for cell in row[1:]]

    @property
    def for_print(self) -> list[Table]:
        """Those of summary.md and summary.tex."""
        return [table for section in self.sections for table in (section.summary, *section.detected)]

    @property
    def all(self) -> list[Table]:
        """In the order of the page."""
        sections = [(section.summary, *section.pairs, *section.detected) for section in self.sections]
        return [*(table for section in sections for table in section), *self.everywhere, *self.prices, *self.coverage]


def show(layout: Layout, console: Console) -> None:
    """Coverage first, then a table for each setting with its claims, and the prices."""
    statuses = layout.statuses
    if set(statuses) == {"done"}:
        console.print(f"coverage: all {len(statuses)} cells are done", highlight=False)
    else:
        for table in layout.coverage:
            table.show(console)
    for setting, block in layout.study.settings:
        if not layout.numbers[SETTING].eq(setting).all(axis=1).any():
            why = "no cell is done" if block.rounds.empty else "nothing is measured: there is no truth"
            console.print(f"{title(setting, False)}: {why}", markup=False)
    for table in (*layout.for_print, *layout.prices):
        console.print()
        table.show(console)


def write(layout: Layout, folder: Path) -> None:
    """summary.md and summary.tex, and in ``folder``/tables each table of the page as CSV, numbered in its order."""
    for suffix, text in (
        ("md", [table.to_markdown() for table in layout.for_print]),
        ("tex", [tables.PREAMBLE, *(table.to_latex() for table in layout.for_print)]),
    ):
        files.write_bytes(folder / f"summary.{suffix}", "\n".join(text).encode())
    (folder / TABLES).mkdir(exist_ok=True)
    for number, table in enumerate(layout.all, 1):
        name = re.sub("[^a-z0-9]+", "-", table.caption.lower()).strip("-")[:80]
        files.write_bytes(folder / TABLES / f"{number:02d}-{name}.csv", table.to_csv().encode())
    files.write_csv(folder / TABLES / "curves.csv", layout.study.results.rounds)


def coverage(results: Results) -> Iterator[Table]:
    """strategy × seed, a table for each setting."""
    status = tables.coverage(results)
    seeds = [c for c in status if c not in (*SETTING, "strategy")]
    for setting, block in status.groupby(SETTING):
        rows = [[row["strategy"], *(Cell(row[s], kind=row[s]) for s in seeds)] for row in block.to_dict("records")]
        yield Table(["strategy", *(f"seed {s}" for s in seeds)], rows, f"Coverage: {title(setting, False)}")


def summary(study: Study, setting: tuple[str, str, str], block: Results, numbers: pd.DataFrame) -> Table:
    """A setting's rows of `tables.summarise`, best area first. Bold areas are tied with the best of their kind of
    question."""
    metrics = [m for m in METRICS if numbers[f"{m}_end_mean"].notna().any()]
    questions = numbers.question[numbers.kind.eq("ranked")].nunique() > 1
    end = "last round" if (numbers.end_share.dropna() > 1 - 1e-9).all() else "end"
    headings = ["strategy", *(["question"] if questions else [])]
    for metric in metrics:
        name = NAMES[metric] + ("," if "," in NAMES[metric] else "")
        headings += ["rank", f"{name} {end}", f"{name} area"]
    key = f"{metrics[0]}_area_mean" if metrics else "strategy"
    numbers = numbers.assign(order=numbers.kind.map(KINDS.index)).sort_values(
        ["order", "question", key, "strategy"], ascending=[True, True, False, True]
    )
    rows: list[list[Cell | str]] = []
    for of in numbers.to_dict("records"):
        row: list[Cell | str] = [of["strategy"] + ("" if of["kind"] == "ranked" else f" ({of['kind']})")]
        row += [of["question"] or "–"] if questions else []
        for metric in metrics:
            ended, area = (percent(of[f"{metric}_{name}_mean"], of[f"{metric}_{name}_std"]) for name in ("end", "area"))
            low, high = of[f"{metric}_rank_low"], of[f"{metric}_rank_high"]
            row += [rank(low, high), ended, Cell(area, bold=low == 1)]
        rows.append(row)
    caption, notes = title(setting, bool(block.cells.leaky.any())), tables.remarks(study.verdicts[setting], numbers)
    return Table(headings, rows, caption, notes)


def pairs(verdicts: dict[str, Verdict]) -> Iterator[Table]:
    """Each pair of strategies once, the better one first."""
    headings = ["more", "less", "difference in area", "95 % interval", "p", "found with 80 % power", "budgets won"]
    for metric, verdict in verdicts.items():
        found = claims.pairs(verdict)
        found = found[found.difference.gt(0) | (found.difference.eq(0) & found.a.lt(found.b))]
        rows = []
        for row in found.sort_values("difference", ascending=False).itertuples():
            texts = [row.a, row.b, percent(row.difference, row.std), interval(row.low, row.high), p_value(row.p)]
            texts += [percent(row.margin), f"{row.wins:.2g}" if np.isfinite(row.wins) else "–"]
            rows.append([Cell(text, bold=row.low > 0) for text in texts])
        if rows:
            yield Table(headings, rows, f"{NAMES[metric]}: differences paired by seed; bold: significant")


def aggregate(found: pd.DataFrame) -> Iterator[Table]:
    """The table of `claims.aggregate`, if there are several settings."""
    rows = [
        [
            row.strategy,
            rank(row.rank_low, row.rank_high),
            NAMES[row.metric],
            percent(row.area),
            percent(row.behind),
            interval(row.behind_low, row.behind_high),
        ]
        for row in found.sort_values(["metric", "area"], ascending=[True, False]).itertuples()
    ]
    if rows:
        headings = ["strategy", "rank", "metric", "area", "difference from the first", "95 % interval"]
        yield Table(headings, rows, "Mean over all settings")


def robustness(found: pd.DataFrame) -> Iterator[Table]:
    """The table of `claims.robustness`, if settings differ in an oracle's noise."""
    rows = [
        [
            row.strategy,
            rank(row.rank_low, row.rank_high) + (" (changed)" if row.changed else ""),
            row.family,
            f"{row.value:g}",
            percent(row.area),
        ]
        for row in found.itertuples()
    ]
    if rows:
        headings = ["strategy", "rank", "oracle", "noise", "area"]
        yield Table(headings, rows, "Data mIoU against the oracle's noise")
