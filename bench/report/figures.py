"""Figures of a report, for print: PNG, PDF and SVG, drawn without a display."""

import textwrap
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from bench.report.compare import Comparison
from bench.report.results import Results
from bench.report.style import Look, looks, title

AXES = {"queries": "questions asked", "clicks": "clicks", "bits": "bits", "seconds": "seconds of annotation"}
NAMES = {"data": "data mIoU (%)", "model": "model mIoU (%)"}
RC = {
    "font.size": 7,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.linewidth": 0.4,
    "grid.color": "#dddddd",
    "lines.linewidth": 1.2,
    "svg.hashsalt": "alc-bench",
    "pdf.fonttype": 42,
}
WIDTH_IN = 3.5
STEPS = (1, 2, 2.5, 5, 10)
DASHED = (0, (4, 2))


@rc_context(RC)
def curves(results: Results, cost: str = "queries") -> Figure:
    """Data mIoU (left) and model mIoU (right) against cost, a row for each setting; one panel without a model."""
    settings = list(results.settings())
    style = looks(results.rounds.strategy)
    figure = new_figure(1.95 * len(settings) + 0.14 * legend_rows(style) + 0.1)
    parts = figure.subfigures(
        len(settings) + 1, 1, height_ratios=[0.14 * legend_rows(style) + 0.1] + [1.95] * len(settings)
    )
    legend(parts[0], results, style)
    for part, (setting, block) in zip(parts[1:], settings, strict=True):
        part.suptitle(textwrap.fill(title(setting, block.cells.leaky.any()), 62), fontsize=7, fontweight="bold")
        comparisons = [Comparison(setting, block, metric, cost) for metric in NAMES]
        comparisons = [c for c in comparisons if c.curves]
        for axes, comparison in zip(part.subplots(1, len(comparisons), squeeze=False)[0], comparisons, strict=True):
            draw(axes, comparison, style)
            axes.set_title(NAMES[comparison.metric], fontsize=7, loc="left", pad=3)
            axes.set_xlabel(AXES[cost], labelpad=1.5)
    return figure


def draw(axes, comparison: Comparison, style: dict[str, Look]) -> None:
    """Mean over the common seeds in bold, each seed thin beside it; bounds dashed; foreign results dotted, in a
    band."""
    for strategy, by_seed in comparison.curves.items():
        look, bound = style[strategy], strategy in comparison.bounds
        shown = {seed: by_seed[seed] for seed in comparison.seeds if seed in by_seed}
        if not shown:
            continue
        if len(shown) > 1 and not bound:
            for cost, value in shown.values():
                axes.plot(cost, 100 * value, color=look.color, linewidth=0.5, alpha=0.35, zorder=1)
        cost, value = mean_curve(list(shown.values()))
        axes.plot(
            cost,
            100 * value,
            color=look.color,
            linestyle=DASHED if bound else "-",
            marker=None if bound else look.marker,
            markersize=3,
            markeredgewidth=0.4,
            markeredgecolor="white",
            zorder=2,
        )
    for strategy, table in comparison.foreign.items():
        color = style[strategy].color
        axes.plot(
            table.cost, 100 * table.value, color=color, linestyle=":", marker=style[strategy].marker, markersize=2.5
        )
        axes.fill_between(
            table.cost,
            100 * (table.value - table["std"]),
            100 * (table.value + table["std"]),
            color=color,
            alpha=0.15,
            lw=0,
        )
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=STEPS))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=STEPS))
    axes.xaxis.set_major_formatter(FuncFormatter(_short))
    axes.tick_params(length=2, width=0.5, pad=1.5)


def mean_curve(curves: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Mean of cost and of value round by round, over the rounds that all curves have."""
    n = min(len(cost) for cost, _ in curves)
    return np.mean([cost[:n] for cost, _ in curves], axis=0), np.mean([value[:n] for _, value in curves], axis=0)


def legend_rows(style: dict[str, Look]) -> int:
    return -(-len(style) // _legend_columns(style))


def _legend_columns(style: dict[str, Look]) -> int:
    """As many as fit beside each other in one column of a paper."""
    return max(1, min(len(style), 4, 62 // (max(map(len, style)) + 6)))


def legend(figure, results: Results, style: dict[str, Look]) -> None:
    """One legend for all panels; bounds and foreign results say what they are."""
    flags = results.rounds.groupby("strategy")[["bound", "foreign"]].any()
    handles = []
    for name, look in style.items():
        bound, foreign = flags.loc[name]
        handles.append(
            Line2D(
                [],
                [],
                color=look.color,
                marker=None if bound else look.marker,
                linestyle=DASHED if bound else ":" if foreign else "-",
                markersize=3.5,
                markeredgewidth=0.4,
                markeredgecolor="white",
                label=f"{name} (bound)" if bound else f"{name} (published)" if foreign else name,
            )
        )
    figure.legend(
        handles=handles,
        loc="center",
        ncols=_legend_columns(style),
        frameon=False,
        handlelength=2.2,
        columnspacing=1.2,
        borderpad=0,
        labelspacing=0.3,
    )


def new_figure(height_in: float, width_in: float = WIDTH_IN) -> Figure:
    """An empty figure as wide as one column of a paper."""
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


@rc_context(RC)
def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """``name``.png, .pdf and .svg in ``folder``; without dates, so that the same figure gives the same bytes."""
    dates = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}
    for suffix, metadata in dates.items():
        figure.savefig(folder / f"{name}.{suffix}", dpi=300, metadata=metadata)
    return [folder / f"{name}.{suffix}" for suffix in dates]


def _short(value: float, _position=None) -> str:
    return f"{value / 1000:g}k" if abs(value) >= 1000 else f"{value:g}"
