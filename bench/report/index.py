"""A page over many runs: what each one is, how far it is, who leads, and a link to its own report."""

import os
from html import escape
from pathlib import Path

import pandas as pd

from bench.report.page import read_part, table
from bench.report.results import SETTING, Results
from bench.report.style import title
from bench.store import replacing


def write(results: Results, summary: pd.DataFrame, path: Path) -> None:
    """``path``: the index of all runs of ``results``; a run is linked where it has a report.html of its own."""
    rows = []
    for run, spec in sorted(results.specs.items()):
        cells = results.cells[results.cells.run.eq(str(run)) & ~results.cells.foreign]
        page = run / "report.html"
        link = os.path.relpath(page.resolve(), path.resolve().parent)
        name = (
            f'<a href="{escape(Path(link).as_posix())}">{escape(str(run))}</a>' if page.exists() else escape(str(run))
        )
        for setting, block in cells.groupby(SETTING):
            best = summary[summary[SETTING].eq(setting).all(axis=1) & summary.data_rank_low.eq(1)]
            done = f"{block.status.eq('done').sum()} of {len(block)}"
            leads = ", ".join(best.strategy) or "not tested"
            texts = (title(setting, block.leaky.any()), done, leads, str(spec.get("protocol_hash", ""))[:8])
            rows.append([f'<th scope="row">{name}</th>', *(f"<td>{escape(text)}</td>" for text in texts)])
    headings = ["run", "setting", "cells done", "not told from the best (area, data mIoU)", "protocol"]
    own = (
        '<p><a href="report.html">The report over all of them</a></p>' if (path.parent / "report.html").exists() else ""
    )
    text = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>alc-bench: runs</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<style>{read_part('page.css')}</style></head><body><header><h1>alc-bench: runs</h1></header><main>{own}"
        f"{table(headings, rows, words=True)}</main></body></html>\n"
    )
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
