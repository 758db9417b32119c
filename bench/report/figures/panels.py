"""The figures beside the curves: costs, classes, penalties, time, label against model quality, and noise."""

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bench.report import cell_files, claims
from bench.report.comparison import Comparison
from bench.report.figures.curves import (
    AXES,
    DASHED,
    NAMES,
    RC,
    draw,
    finish,
    grid,
    legend,
    mean_curve,
    name_ends,
    new_figure,
    settings_of,
)
from bench.report.results import COSTS, METRICS, TIMES, Results
from bench.report.study import Study
from bench.report.style import PALETTE, looks


@rc_context(RC)
def costs(results: Results) -> Figure | None:
    """Data mIoU against clicks, bits and seconds. None if nothing of a run is there."""
    if not settings_of(results):
        return None
    style = looks(results.rounds.strategy)
    figure, parts = grid(results, style, 1.75)
    for part, (setting, block) in zip(parts, settings_of(results), strict=True):
        row = part.subplots(1, len(COSTS) - 1, sharey=True)
        for axes, cost in zip(row, list(COSTS)[1:], strict=True):
            last = axes is row[-1]  # labels end alike over any cost
            draw(axes, Comparison(setting, block, "data", cost), style, ticks=3, named=last)
            axes.set_xlabel(AXES[cost] if cost != "seconds" else "seconds", labelpad=1.5)
        row[0].set_ylabel(NAMES["data"])
    return figure


@rc_context(RC)
def classes(results: Results) -> Figure | None:
    """IoU of each class after the last round, mean over the common seeds, and before the first (grey bar), rarest
    last."""
    tables = [cell_files.classes(block) for _, block in settings_of(results)]
    if all(table.empty for table in tables):
        return None
    style = looks(name for table in tables for name in table.strategy)
    n_classes = max(table["class"].nunique() for table in tables)
    figure, parts = grid(results, style, 0.6 + 0.13 * n_classes)
    for part, (setting, block), table in zip(parts, settings_of(results), tables, strict=True):
        found = [Comparison(setting, block, metric) for metric in METRICS]
        found = [c for c in found if c.curves]
        for axes, comparison in zip(np.ravel(part.subplots(1, len(found), sharey=True)), found, strict=True):
            _classes(axes, comparison, table, style)
    return figure


def _classes(axes, comparison: Comparison, table, style) -> None:
    column = f"{comparison.metric}_iou"
    table = table[table.seed.isin(comparison.seeds)]
    ends = {
        key: group.groupby("class", sort=False)[column].mean() for key, group in table.groupby(["strategy", "round"])
    }
    last = table.groupby("strategy")["round"].max()
    names = list(dict.fromkeys(table["class"]))[::-1]
    place = {name: i for i, name in enumerate(names)}
    start = table[table["round"].eq(0)].groupby("class")[column].mean()
    axes.barh([place[n] for n in start.index], 100 * start, color="#dddddd", height=0.7, zorder=0)
    for strategy in last.index:
        values = ends[strategy, last[strategy]]
        look, rows = style[strategy], [place[n] for n in values.index]
        marker = dict(marker="|", lw=1) if strategy in comparison.bounds else dict(marker=look.marker, lw=0)
        axes.scatter(100 * values, rows, s=9, color=look.color, zorder=2, **marker)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlim(0, 100)
    axes.set_title(NAMES[comparison.metric].replace("mIoU", "IoU"), fontsize=7, loc="left", pad=3)
    axes.tick_params(length=2, width=0.5, pad=1.5)


@rc_context(RC)
def penalty(study: Study) -> Figure | None:
    """Share of budgets at which row beats column; None if no setting is tested."""
    found = [verdicts["data"] for verdicts in study.verdicts.values()]
    found = [verdict for verdict in found if np.isfinite(verdict.pairs.p).any()]
    if not found:
        return None
    sides = [0.9 + 0.24 * len(verdict.of.ranked) for verdict in found]
    figure = new_figure(sum(sides))
    parts = np.ravel(figure.subfigures(len(found), 1, height_ratios=sides))
    for part, verdict in zip(parts, found, strict=True):
        wins, names = claims.penalties(verdict), verdict.of.ranked
        order = np.argsort(np.nansum(wins, axis=0), kind="stable")
        axes = part.subplots()
        axes.imshow(wins[order][:, order], cmap="Blues", vmin=0, vmax=1.4)
        for i, j in np.ndindex(wins.shape):
            if np.isfinite(wins[order[i], order[j]]):
                axes.text(j, i, f"{wins[order[i], order[j]]:.2g}", ha="center", va="center", fontsize=6)
        names = [names[i] for i in order]
        axes.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(names)), names)
        axes.tick_params(length=0)
        finish(part, verdict.of.setting, verdict.of.results)
        axes.set_title(
            "share of budgets at which row beats column\n(corrected for pairs and budgets)", fontsize=7, pad=3
        )
    return figure


@rc_context(RC)
def time(results: Results) -> Figure | None:
    """The parts of a round's time: mean seconds of each step over rounds and cells. None without a run."""
    settings = settings_of(results)
    if not settings:
        return None
    heights = [0.7 + 0.15 * block.rounds[~block.rounds.foreign].strategy.nunique() for _, block in settings]
    figure = new_figure(sum(heights) + 0.2)
    parts = np.ravel(figure.subfigures(len(settings), 1, height_ratios=heights))
    for part, (setting, block) in zip(parts, settings, strict=True):
        own = block.rounds[~block.rounds.foreign & block.rounds["round"].gt(0)]
        mean = own.groupby("strategy")[TIMES].mean()[::-1]
        axes, left = part.subplots(), np.zeros(len(mean))
        for step, color in zip(TIMES, PALETTE, strict=False):
            axes.barh(mean.index, mean[step], left=left, color=color, height=0.7, label=step.removesuffix("_s"))
            left = left + mean[step].to_numpy()
        axes.set_xlabel("seconds a round", labelpad=1.5)
        axes.tick_params(length=2, width=0.5, pad=1.5)
        finish(part, setting, block)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=5, frameon=False, handlelength=1)
    return figure


@rc_context(RC)
def detection(results: Results) -> Figure | None:
    """How well strategies find wrong labels, round by round: average precision of their ranking, and the share of wrong
    labels among their questions. None if no run measured it."""
    settings = [(s, b) for s, b in settings_of(results) if b.rounds.precision.notna().any()]
    if not settings:
        return None
    style = looks(results.rounds.strategy)
    figure, parts = grid(results, style, 1.95, settings)
    titles = {"auprc": "AUPRC of the ranking (%)", "precision": "wrong among the asked (%)"}
    for part, (_, block) in zip(parts, settings, strict=True):
        own = block.rounds[~block.rounds.foreign & block.rounds["round"].gt(0)]
        bounds = set(own.strategy[own.bound])
        for axes, (column, name) in zip(part.subplots(1, 2), titles.items(), strict=True):
            for strategy, mean in own.groupby(["strategy", "round"])[column].mean().groupby("strategy"):
                line = (
                    dict(linestyle=DASHED) if strategy in bounds else dict(marker=style[strategy].marker, markersize=3)
                )
                rounds = mean.index.get_level_values("round")
                axes.plot(rounds, 100 * mean, color=style[strategy].color, lw=0.9, **line)
            axes.set_title(name, fontsize=7, loc="left", pad=3)
            axes.set_xlabel("round", labelpad=1.5)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.tick_params(length=2, width=0.5, pad=1.5)
            axes.grid(axis="y")
    return figure


@rc_context(RC)
def quality(results: Results) -> Figure | None:
    """Model mIoU against data mIoU, round by round: the worth of better labels. None without a model, or a truth."""
    both = ("data", "model")
    settings = [(s, b) for s, b in settings_of(results) if all(Comparison(s, b, of).curves for of in both)]
    if not settings:
        return None
    style = looks(results.rounds.strategy)
    figure, parts = grid(results, style, 2.4, settings)
    for part, (setting, block) in zip(parts, settings, strict=True):
        axes = part.subplots()
        data, model = Comparison(setting, block, "data"), Comparison(setting, block, "model")
        for name in model.curves:
            x, y = ([c.curves[name][s] for s in model.seeds if s in c.curves[name]] for c in (data, model))
            if x and y:
                look = style[name]
                x, y = 100 * mean_curve(x)[1], 100 * mean_curve(y)[1]
                line = dict(linestyle=DASHED) if name in model.bounds else dict(marker=look.marker, markersize=3)
                axes.plot(x, y, color=look.color, lw=0.9, **line)
        axes.set(xlabel=NAMES["data"], ylabel=NAMES["model"])
        axes.tick_params(length=2, width=0.5, pad=1.5)
        axes.grid()
    return figure


@rc_context(RC)
def robustness(study: Study) -> Figure | None:
    """Area under the data-mIoU curve against an oracle's noise. A ring if the test finds that a strategy has changed
    places with another since the least noise. None if no parameter of an oracle varies."""
    results, table = study.results, claims.robustness(study)
    groups = list(table.groupby(["dataset", "foundation", "family"]))
    if not groups:
        return None
    style = looks(table.strategy)
    heights = [0.14 * legend(None, results, style) + 0.02] + [2.0] * len(groups)
    figure = new_figure(sum(heights))
    head, *parts = figure.subfigures(len(heights), 1, height_ratios=heights)
    legend(head, results, style)
    for part, ((dataset, foundation, family), group) in zip(parts, groups, strict=True):
        axes, ends = part.subplots(), {}
        for name, line in group.groupby("strategy"):
            look, ends[name] = style[name], 100 * line.area.iloc[-1]
            axes.plot(line["value"], 100 * line.area, color=look.color, marker=look.marker, markersize=3)
            moved = line[line.changed]
            axes.scatter(
                moved["value"], 100 * moved.area, s=45, facecolors="none", edgecolors="black", lw=0.6, zorder=3
            )
        name_ends(axes, ends, style)
        parameter = family[: family.index("=*")].rpartition("[")[2].rpartition(",")[2]
        axes.set(xlabel=f"{parameter} of the oracle", ylabel="area under data mIoU (%)")
        axes.tick_params(length=2, width=0.5, pad=1.5)
        axes.grid(axis="y")
        finish(part, (dataset, foundation, family), None)
    return figure
