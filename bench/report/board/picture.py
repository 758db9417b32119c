"""board.png: each strategy's area above that of random, a row for each annotator and a column for each dataset."""

import textwrap

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure

from bench.report.board.committed import OPENING, Board
from bench.report.board.datasets import ANNOTATORS, Dataset, datasets
from bench.report.figures.curves import DASHED, RC, WIDTH_IN, new_figure
from bench.report.style import looks

MOST_ROWS = 16  # strategies


@rc_context(RC)
def draw(board: Board) -> Figure | None:
    """Area of data mIoU above random's with its simultaneous interval; filled: the top group. None if no strategy is
    tested beside random."""
    rows = {
        oracle: {d.name: d for d in datasets(board, oracle) if "random" in d.verdict.of.ranked} for oracle in OPENING
    }
    rows = {oracle: found for oracle, found in rows.items() if found}
    if not rows:
        return None
    order = strategies(next(iter(rows.values())).values())
    columns = list(dict.fromkeys(name for found in rows.values() for name in found))
    height = len(rows) * max(0.55 + 0.14 * len(order), 1.3) + 0.5
    figure = new_figure(height, max(1.4 + 1.35 * len(columns), WIDTH_IN))
    grid = figure.subplots(len(rows), len(columns), sharey=True, sharex="col", squeeze=False)
    for line, (oracle, found) in zip(grid, rows.items(), strict=True):
        for axes, name in zip(line, columns, strict=True):
            if name not in found:
                axes.set_visible(False)
                continue
            _panel(axes, found[name], order)
            axes.set_title(f"{name}, {ANNOTATORS[oracle]}", fontsize=7)
    for axes in grid[-1]:
        axes.set_xlabel("points above random", labelpad=1.5)
    text = "Area of data mIoU. Filled: top group. Dotted line: ask nobody. Dashed: bounds."
    figure.suptitle(textwrap.fill(text, int(18 * figure.get_figwidth())), fontsize=7)
    return figure


def strategies(found) -> list[str]:
    """At most `MOST_ROWS` strategies, the last on top: those on most datasets, then those with the best mean rank."""
    ranks = []
    for dataset in found:
        of = dataset.verdict.of
        asked = next(names for names in of.kinds.values() if "random" in names)
        ranks.append(of.areas.loc[asked].mean(axis=1).rank(ascending=False) / len(asked))
    table = pd.concat(ranks, axis=1).drop("random")
    keys = pd.DataFrame(dict(n=table.notna().sum(axis=1), rank=-table.mean(axis=1)))
    return list(keys.sort_values(["n", "rank"], kind="stable").index[-MOST_ROWS:])


def _panel(axes, dataset: Dataset, order: list[str]) -> None:
    of, pairs = dataset.verdict.of, dataset.verdict.pairs
    means, random, style = of.areas.mean(axis=1), of.ranked.index("random"), looks(order)
    zero = means["random"]
    for y, name in enumerate(order):
        i = of.ranked.index(name) if name in of.ranked else -1
        if i < 0 or np.isnan(pairs.difference[i, random]):
            continue
        color = style[name].color
        axes.plot([100 * pairs.low[i, random], 100 * pairs.high[i, random]], [y, y], color=color, lw=1, zorder=1)
        face = color if name in dataset.top else "white"
        axes.scatter(100 * (means[name] - zero), y, s=18, color=face, edgecolors=color, linewidths=0.9, zorder=2)
    for name in of.bounds:
        if name in means and means[name] > zero:
            axes.axvline(100 * (means[name] - zero), color="#767676", lw=0.8, linestyle=DASHED)
    axes.axvline(0, color="#444444", lw=0.6)
    axes.axvline(100 * (dataset.start - zero), color="#444444", lw=1, linestyle=":")
    axes.set_yticks(range(len(order)), order)
    axes.tick_params(length=2, width=0.5, pad=1.5)
    axes.grid(axis="x")
    axes.set_axisbelow(True)
