"""Tables of a report: on the screen, and as CSV."""

import numpy as np
import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.report.compare import Comparison
from bench.report.results import METRICS, SETTING, Results
from bench.report.style import title


def summarise(results: Results, cost: str = "queries") -> pd.DataFrame:
    """One row per setting and strategy: mean and sample std over the common seeds of the last round and of the area
    under the curve, for both metrics. Shares in [0, 1]; empty where there is no such number. Foreign results have no
    area: they share no seed with ours."""
    rows = []
    for setting, block in results.settings():
        leaky = bool(block.cells.leaky.any())
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
            for strategy, rounds in comparison.foreign.items():
                row = found.setdefault(strategy, dict(kind="published"))
                row[f"{metric}_last_mean"], row[f"{metric}_last_std"] = rounds["value"].iloc[-1], rounds["std"].iloc[-1]
        for strategy, row in sorted(found.items()):
            rows.append(dict(zip(SETTING, setting, strict=True), leaky=leaky, strategy=strategy, cost=cost, **row))
    numbers = [f"{m}_{name}_{part}" for m in METRICS for name in ("last", "area") for part in ("mean", "std")]
    return pd.DataFrame(rows, columns=[*SETTING, "leaky", "strategy", "kind", "cost", "n_seeds", *numbers])


def show(summary: pd.DataFrame, console: Console) -> None:
    """One table per setting, best first by the area under the data-mIoU curve; bold is the best ranked of a column."""
    for setting, block in summary.groupby(SETTING):
        metrics = [m for m in METRICS if block[f"{m}_last_mean"].notna().any()]
        columns = [(m, name) for m in metrics for name in ("last", "area")]
        n_seeds = block.n_seeds.max()
        table = Table()
        table.add_column("strategy", no_wrap=True)
        for metric, name in columns:
            heading = f"{metric} mIoU\n{'last round' if name == 'last' else 'area'}"
            table.add_column(heading, justify="right", no_wrap=True)
        order = ["ranked", "bound", "published"]
        block = block.assign(order=block.kind.map(order.index)).sort_values(
            ["order", "data_area_mean", "strategy"], ascending=[True, False, True]
        )
        best = block[block.kind.eq("ranked")].max(numeric_only=True)
        for row in block.itertuples():
            cells = []
            for metric, name in columns:
                mean, std = getattr(row, f"{metric}_{name}_mean"), getattr(row, f"{metric}_{name}_std")
                text = percent(mean, std)
                is_best = row.kind == "ranked" and mean == best.get(f"{metric}_{name}_mean")
                cells.append(f"[bold]{text}[/bold]" if is_best else text)
            note = "" if row.kind == "ranked" else f" [dim]({row.kind})[/dim]"
            table.add_row(escape(row.strategy) + note, *cells)
        seeds = f"mean ± sample std over {n_seeds:g} seeds" if n_seeds > 1 else "one seed"
        console.print(f"\n[bold]{escape(title(setting, block.leaky.any()))}[/bold]", highlight=False)
        console.print(table)
        console.print(f"[dim]percent, {seeds}; area under the curve over {block.cost.iloc[0]}[/dim]", highlight=False)


def percent(mean: float, std: float = float("nan")) -> str:
    """``68.42±0.87`` from shares; ``–`` where there is no number."""
    if not np.isfinite(mean):
        return "–"
    return f"{100 * mean:.2f}" + (f"±{100 * std:.2f}" if np.isfinite(std) else "")
