"""Tables of a report: on the screen, and as CSV, Markdown and LaTeX (booktabs)."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.report import judge
from bench.report.compare import Comparison
from bench.report.results import METRICS, SETTING, Results
from bench.report.style import title
from bench.store import replacing

KINDS = ["ranked", "bound", "published"]
MARKS = {"done": "done", "running": "running", "failed": "FAILED", "missing": "–"}


def coverage(results: Results) -> pd.DataFrame:
    """strategy × seed within each setting: the status of each cell that was asked for; the worst where it was run
    twice."""
    own = results.cells[~results.cells.foreign]
    order = list(MARKS)
    table = own.assign(place=own.status.map(order.index)).groupby([*SETTING, "strategy", "seed"]).place.min()
    return table.map(order.__getitem__).unstack("seed", fill_value="missing").reset_index()


def summarise(results: Results, cost: str = "queries", reference: dict[str, float] | None = None) -> pd.DataFrame:
    """One row per setting and strategy: mean and sample std over the common seeds of the last round and of the area
    under the curve, rank with its range and interquartile mean of the area, for both metrics, and the cost to reach
    90 % and 95 % of the fully supervised model, where ``reference`` has its mIoU by dataset. Shares in [0, 1]; empty
    where there is no such number."""
    rows = []
    for setting, block in results.settings():
        found: dict[str, dict] = {}
        for metric in METRICS:
            comparison = Comparison(setting, block, metric, cost)
            for strategy in comparison.areas.index:
                row = found.setdefault(strategy, dict(kind="bound" if strategy in comparison.bounds else "ranked"))
                row["n_seeds"] = len(comparison.seeds)
                for name, table in (("last", comparison.last), ("area", comparison.areas)):
                    values = table.loc[strategy].dropna().to_numpy()
                    row[f"{metric}_{name}_mean"] = values.mean() if len(values) else np.nan
                    row[f"{metric}_{name}_std"] = values.std(ddof=1) if len(values) > 1 else np.nan
            for strategy, row in judge.ranking(comparison).add_prefix(f"{metric}_").iterrows():
                found[strategy] |= row
            if metric == "model" and setting[0] in (reference or {}):
                for strategy, row in judge.reach(comparison, reference[setting[0]]).iterrows():
                    found[strategy] |= row
            for strategy, rounds in comparison.foreign.items():
                row = found.setdefault(strategy, dict(kind="published"))
                row[f"{metric}_last_mean"], row[f"{metric}_last_std"] = rounds["value"].iloc[-1], rounds["std"].iloc[-1]
                row[f"{metric}_area_mean"] = comparison.area_of(rounds)
        leaky = bool(block.cells.leaky.any())
        for strategy, row in sorted(found.items()):
            rows.append(dict(zip(SETTING, setting, strict=True), leaky=leaky, strategy=strategy, cost=cost, **row))
    pairs = [f"{name}_{part}" for name in ("last", "area") for part in ("mean", "std")]
    numbers = [
        f"{m}_{n}" for m in METRICS for n in [*pairs, "rank", "rank_best", "rank_worst", "iqm", "iqm_low", "iqm_high"]
    ]
    reached = [f"{name}_{percent}" for percent in (90, 95) for name in ("cost_to", "n_reached")]
    return pd.DataFrame(rows, columns=[*SETTING, "leaky", "strategy", "kind", "cost", "n_seeds", *numbers, *reached])


def pairs(results: Results, cost: str) -> pd.DataFrame:
    """`judge.pairs` of every setting and metric."""
    found = []
    for setting, block in results.settings():
        for metric in METRICS:
            comparison = Comparison(setting, block, metric, cost)
            if comparison.seeds:
                found.append(judge.pairs(comparison).assign(**dict(zip(SETTING, setting, strict=True)), metric=metric))
    if not found:  # no cell is done
        found.append(judge.pairs(comparison).assign(**dict.fromkeys([*SETTING, "metric"], "")))
    table = pd.concat(found, ignore_index=True)
    return table[[*SETTING, "metric", *table.columns.difference([*SETTING, "metric"], sort=False)]]


def layout(block: pd.DataFrame) -> tuple[list[str], list[list[tuple[str, bool]]]]:
    """A setting's rows of the summary as text: headings, and rows of (text, is best of the ranked), best area first."""
    metrics = [m for m in METRICS if block[f"{m}_last_mean"].notna().any()]
    headings, columns = ["strategy"], []
    for metric in metrics:
        columns += [f"{metric}_last", f"{metric}_area"]
        headings += [f"{metric} mIoU last round", f"{metric} mIoU area"]
    key = f"{metrics[0]}_area_mean" if metrics else "strategy"
    block = block.assign(order=block.kind.map(KINDS.index)).sort_values(
        ["order", key, "strategy"], ascending=[True, False, True]
    )
    best = block[block.kind.eq("ranked")].max(numeric_only=True)
    rows = []
    for row in block.to_dict("records"):
        cells = [(row["strategy"] + ("" if row["kind"] == "ranked" else f" ({row['kind']})"), False)]
        for name in columns:
            text = percent(row[f"{name}_mean"], row[f"{name}_std"])
            cells.append((text, row["kind"] == "ranked" and row[f"{name}_mean"] == best[f"{name}_mean"]))
        for metric in metrics[:1]:
            cells.append((_rank(row, metric), False))
        rows.append(cells)
    return [*headings, "rank"], rows


def show(results: Results, summary: pd.DataFrame, console: Console) -> None:
    """Coverage first, then one table per setting with what may be said of it."""
    status = coverage(results)
    seeds = [c for c in status if c not in (*SETTING, "strategy")]
    if (status[seeds] == "done").all(axis=None):
        console.print(f"coverage: all {status[seeds].size} cells are done", highlight=False)
    else:
        grid = Table("strategy", *(f"seed {seed}" for seed in seeds), box=box.SIMPLE, pad_edge=False)
        console.print("[bold]coverage[/bold]")
        for row in status.to_dict("records"):
            name = " · ".join([row["strategy"], *(row[axis] for axis in SETTING if status[axis].nunique() > 1)])
            grid.add_row(escape(name), *(MARKS[row[seed]] for seed in seeds))
        console.print(grid)
    for setting, block in results.settings():
        rows = summary[summary[SETTING].eq(setting).all(axis=1)]
        if rows.empty:
            console.print(f"{title(setting, False)}: no cell is done", markup=False)
            continue
        headings, lines = layout(rows)
        table = Table(box=box.SIMPLE, pad_edge=False)
        table.add_column(headings[0], overflow="fold")
        for heading in headings[1:]:
            table.add_column(heading.replace(" mIoU ", " mIoU\n"), justify="right", no_wrap=True)
        for line in lines:
            table.add_row(*(f"[bold]{escape(text)}[/bold]" if best else escape(text) for text, best in line))
        console.print(f"\n[bold]{escape(title(setting, block.cells.leaky.any()))}[/bold]", highlight=False)
        console.print(table)
        for sentence in remarks(setting, block, rows):
            console.print(f"[dim]{escape(sentence)}[/dim]", highlight=False, soft_wrap=True)


def remarks(setting: tuple[str, str, str], block: Results, rows: pd.DataFrame) -> list[str]:
    """What the numbers of a setting are, and what may be said of them."""
    n_seeds, cost = rows.n_seeds.max(), rows.cost.iloc[0]
    what = f"mean±sample std over {n_seeds:g} seeds" if n_seeds > 1 else "one seed"
    comparisons = [Comparison(setting, block, metric, cost) for metric in METRICS]
    return [
        f"percent, {what}; area: under the curve over {cost}; rank: by it, and its range when a seed is left out",
        *judge.sentences([c for c in comparisons if c.curves]),
    ]


def write_summary(results: Results, summary: pd.DataFrame, folder: Path) -> None:
    """summary.csv with every number; summary.md and summary.tex with what the screen shows."""
    write_csv(folder / "summary.csv", summary)
    markdown, latex = [], [r"% needs \usepackage{booktabs}"]
    for setting, block in results.settings():
        rows = summary[summary[SETTING].eq(setting).all(axis=1)]
        if rows.empty:
            continue
        headings, lines = layout(rows)
        name, said = title(setting, block.cells.leaky.any()), remarks(setting, block, rows)
        markdown += [f"## {name}", "", _markdown(headings, lines), "", *(f"- {sentence}" for sentence in said), ""]
        latex += [f"% {name}", *(f"% {sentence}" for sentence in said), _latex(headings, lines), ""]
    for suffix, text in (("md", markdown), ("tex", latex)):
        with replacing(folder / f"summary.{suffix}") as path:
            path.write_text("\n".join(text), encoding="utf-8")


def write_csv(path: Path, table: pd.DataFrame) -> None:
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g")


def percent(mean: float, std: float = float("nan")) -> str:
    """``68.42±0.87`` from shares; ``–`` where there is no number."""
    if not np.isfinite(mean):
        return "–"
    return f"{100 * mean:.2f}" + (f"±{100 * std:.2f}" if np.isfinite(std) else "")


def _rank(row: dict, metric: str) -> str:
    rank, best, worst = (row[f"{metric}_rank{part}"] for part in ("", "_best", "_worst"))
    if row["kind"] != "ranked" or not np.isfinite(rank):
        return "–"
    return f"{rank:.0f}" + (f" ({best:.0f}–{worst:.0f})" if best != worst else "")


def _markdown(headings: list[str], lines: list[list[tuple[str, bool]]]) -> str:
    rows = [[f"**{text}**" if best else text.replace("|", r"\|") for text, best in line] for line in lines]
    rule = ["---"] + ["---:"] * (len(headings) - 1)
    return "\n".join(f"| {' | '.join(row)} |" for row in [headings, rule, *rows])


def _latex(headings: list[str], lines: list[list[tuple[str, bool]]]) -> str:
    def cell(text, best):
        text = re.sub(r"([&%$#_{}])", r"\\\1", text).replace("±", r"\,$\pm$\,").replace("–", "--")
        return rf"\textbf{{{text}}}" if best else text

    rows = [" & ".join(cell(*part) for part in line) + r" \\" for line in lines]
    head = " & ".join(cell(heading, False) for heading in headings) + r" \\"
    top = rf"\begin{{tabular}}{{l{'r' * (len(headings) - 1)}}}"
    return "\n".join([top, r"\toprule", head, r"\midrule", *rows, r"\bottomrule", r"\end{tabular}"])
