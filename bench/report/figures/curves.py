"""Figures of a report, for print: PNG, PDF and SVG, drawn without a display."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from bench import costs
from bench.files import replacing
from bench.report.comparison import Comparison
from bench.report.results import COSTS, Results
from bench.report.statistics.inference import mean_interval
from bench.report.study import Study
from bench.report.style import Look, looks, title

AXES = {key: unit.axis for key, unit in zip(COSTS, costs.UNITS.values(), strict=True)}
NAMES = {"data": "data mIoU (%)", "model": "model mIoU (%)", "labelled": "data mIoU, labelled (%)"}
RC = {
    "text.parse_math": False,  # names are text, dollars and all
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
MANY_SEEDS = 5  # with fewer each is drawn, on the page (page.js) too
MOST_NAMED, NAME_HEIGHT = 8, 0.065  # lines that are named at their ends; of the axes' height


@rc_context(RC)
def curves(study: Study) -> Figure:
    """Each metric against cost, a row for each setting: data mIoU on the left; one panel without a model."""
    style = looks(study.results.rounds.strategy)
    settings = [(setting, block) for setting, block in study.settings if not block.rounds.empty]
    figure, parts = grid(study.results, style, 1.95, settings)
    for part, (setting, _) in zip(parts, settings, strict=True):
        found = [verdict.of for verdict in study.verdicts[setting].values()]
        comparisons = [of for of in found if of.curves] or [of for of in found if of.foreign]
        for axes, comparison in zip(np.ravel(part.subplots(1, len(comparisons))), comparisons, strict=True):
            draw(axes, comparison, style)
            axes.set_title(NAMES[comparison.metric], fontsize=7, loc="left", pad=3)
            axes.set_xlabel(AXES[study.cost], labelpad=1.5)
    return figure


def settings_of(results: Results) -> list:
    """The settings that have a done cell of a run to draw."""
    return [(setting, block) for setting, block in results.settings() if not block.rounds[~block.rounds.foreign].empty]


def grid(results: Results, style: dict[str, Look], height_in: float, settings: list | None = None):
    """A figure with the legend on top and a titled part of this height for each setting: the figure and the parts."""
    settings = settings_of(results) if settings is None else settings
    heights = [0.14 * legend(None, results, style) + 0.02] + [height_in] * len(settings)
    figure = new_figure(sum(heights))
    head, *parts = figure.subfigures(len(heights), 1, height_ratios=heights)
    legend(head, results, style)
    for part, (setting, block) in zip(parts, settings, strict=True):
        finish(part, setting, block)
    return figure, parts


def finish(part, setting: tuple[str, str, str], block: Results | None) -> None:
    """The part's title: its setting, and whether its oracle is leaky."""
    leaky = block is not None and bool(block.cells.leaky.any())
    part.suptitle(textwrap.fill(title(setting, leaky), 66), fontsize=7)


def draw(axes, comparison: Comparison, style: dict[str, Look], ticks: int = 4, named: bool = True) -> None:
    """Mean over the common seeds in bold; each seed thin beside it, or from `MANY_SEEDS` on the 95 % interval of the
    mean. Bounds are dashed; foreign results dotted, with a band of their sample std. ``named``: names at the lines'
    ends.
    """
    ends = {}
    for strategy, by_seed in comparison.curves.items():
        look, bound = style[strategy], strategy in comparison.bounds
        shown = {seed: by_seed[seed] for seed in comparison.seeds if seed in by_seed}
        if not shown:
            continue
        if len(shown) >= MANY_SEEDS and not bound:
            cost, low, high = interval(list(shown.values()))
            axes.fill_between(cost, 100 * low, 100 * high, color=look.color, alpha=0.18, linewidth=0)
        elif len(shown) > 1 and not bound:
            for cost, value in shown.values():
                axes.plot(cost, 100 * value, color=look.color, linewidth=0.5, alpha=0.35, zorder=1)
        cost, value = mean_curve(list(shown.values()))
        ends[strategy] = 100 * value[-1]
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
        look, value, std = style[strategy], 100 * table.value, 100 * table["std"]
        ends[strategy] = value.iloc[-1]
        axes.plot(table.cost, value, color=look.color, linestyle=":", marker=look.marker, markersize=2.5)
        axes.fill_between(table.cost, value - std, value + std, color=look.color, alpha=0.15, linewidth=0)
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    axes.xaxis.set_major_locator(MaxNLocator(ticks, steps=STEPS))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=STEPS))
    axes.xaxis.set_major_formatter(FuncFormatter(_short))
    axes.tick_params(length=2, width=0.5, pad=1.5)
    if named:
        name_ends(axes, ends, style)


def name_ends(axes, ends: dict[str, float], style: dict[str, Look]) -> None:
    """Each line's name at the right, as high as its end, or so far from there that names do not overlap. If there are
    more lines than the eye can follow, the legend alone names them."""
    if len(ends) > MOST_NAMED:
        return
    names = sorted(ends, key=ends.__getitem__)
    low, high = axes.get_ylim()
    height, steps = np.array([ends[name] for name in names]), NAME_HEIGHT * (high - low) * np.arange(len(names))
    places = np.maximum.accumulate(height - steps) + steps
    places -= (places - height).mean()
    for name, place in zip(names, places, strict=True):
        short, right = name if len(name) <= 16 else f"{name[:15]}…", axes.get_yaxis_transform()
        axes.text(1.03, place, short, transform=right, color=style[name].color, va="center", fontsize=5.5)


def mean_curve(curves: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Mean of cost and of value round by round, over the rounds that all curves have."""
    n = min(len(cost) for cost, _ in curves)
    return np.mean([cost[:n] for cost, _ in curves], axis=0), np.mean([value[:n] for _, value in curves], axis=0)


def interval(curves: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean cost of each round and the 95 % interval of the mean value there (`statistics.mean_interval`)."""
    n = min(len(cost) for cost, _ in curves)
    return mean_curve(curves)[0], *mean_interval(np.array([value[:n] for _, value in curves]))


def legend(figure, results: Results, style: dict[str, Look]) -> int:
    """One legend for all panels; bounds and foreign results are marked as such. Returns its number of rows, and only
    that without a figure."""
    n_columns = max(1, min(len(style), 4, 62 // (max(map(len, style)) + 6)))
    n_rows = -(-len(style) // n_columns)
    if figure is None:
        return n_rows
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
        ncols=n_columns,
        frameon=False,
        handlelength=2.2,
        columnspacing=1.2,
        borderpad=0,
        labelspacing=0.3,
    )
    return n_rows


def new_figure(height_in: float, width_in: float = WIDTH_IN) -> Figure:
    """An empty figure as wide as one column of a paper."""
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


@rc_context(RC)
def save(figure: Figure, folder: Path, name: str, suffixes: Sequence[str]) -> None:
    """``name``.png, .pdf or .svg in ``folder``; without dates, so that the same figure gives the same bytes."""
    dates = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # once is enough: all files share the layout
    _round_places(figure)
    for suffix in suffixes:
        with replacing(folder / f"{name}.{suffix}") as path:
            figure.savefig(path, dpi=300, metadata=dates[suffix])


def _round_places(figure: Figure) -> None:
    """The layout's solver leaves the last digits of a place to chance, and SVG names its clip paths by all of them."""
    for part in figure.subfigs:
        part.bbox_relative.set_points(part.bbox_relative.get_points().round(6))
    for axes in figure.axes:
        axes.set_position(np.round(axes.get_position(original=True).bounds, 6))


def _short(value: float, _position=None) -> str:
    return f"{value / 1000:g}k" if abs(value) >= 1000 else f"{value:g}"
