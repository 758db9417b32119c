"""A page over many runs: each one's name, its progress, the leading strategies, and a link to its own report."""

import os
from pathlib import Path

import pandas as pd

from bench.report.page.document import render
from bench.report.results import SETTING, Results
from bench.report.style import title
from bench.report.table import Cell, Table


def write(results: Results, summary: pd.DataFrame, path: Path, home: Path) -> None:
    """``path``: the index of all runs of ``results``, for the folder ``home``; a run is linked if it has a report."""
    rows: list[list[Cell | str]] = []
    for run, spec in sorted(results.specs.items()):
        cells = results.cells[results.cells.run.eq(str(run)) & ~results.cells.foreign]
        page = run / "report" / "report.html"
        link = Path(os.path.relpath(page.resolve(), home.resolve())).as_posix() if page.exists() else ""
        for setting, block in cells.groupby(SETTING):
            best = summary[summary[SETTING].eq(setting).all(axis=1) & summary.data_rank_low.eq(1)]
            done = f"{block.status.eq('done').sum()} of {len(block)}"
            leads = ", ".join(best.strategy) or "not tested"
            texts = (title(setting, block.leaky.any()), done, leads, str(spec.get("protocol_hash", ""))[:8])
            rows.append([Cell(str(run), link=link), *texts])
    headings = ["run", "setting", "cells done", "tied with the best (area, data mIoU)", "protocol"]
    own = (path.parent / "report.html").exists()
    render(path, "index.html", title="alc-bench: runs", own=own, runs=Table(headings, rows, words=True))
