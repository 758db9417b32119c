"""A board as one offline page and as Markdown: both are made of the same tables."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from bench.report import budgets, claims, detection, layout, tables
from bench.report.board import chooser, datasets
from bench.report.board.committed import (
    OPENING,
    PERFECT,
    Board,
    Result,
    Setting,
    best,
    least_seeds,
    n_seeds,
    perfect_first,
    short_name,
)
from bench.report.page.document import as_json, render, rounded, source
from bench.report.results import METRICS, SETTING, Results
from bench.report.statistics.inference import Pairs, mean_interval
from bench.report.study import Verdict
from bench.report.style import NAMES, interval, p_value, percent, rank, title
from bench.report.table import Cell, Table

NOTE = (
    "Area is the mean height of the curve over the questions that all strategies of a table cover, in percent. Bold, "
    "and a rank that begins at 1: tied with the best. A top group has the strategies that no run of the dataset puts "
    "significantly below another one. The largest deficit is that of all intervals of those runs, in points. Ask "
    "nobody: the labels before any question. Each pair of strategies has a paired t test over seeds, on the spread of "
    "its own differences. At most 5 % of the differences that are shown are expected to be false (Benjamini and "
    "Hochberg, 1995), and p and intervals are adjusted for that. Other images are not tested. The report of one run "
    "holds its claims to a stricter rule, and may count images as well, so its intervals differ. –: not tested, as "
    "there are too few seeds, or the difference is the same in every seed."
)


def write(board: Board, sections: list[dict], path: Path) -> None:
    """The page: it opens from disk, asks the network for nothing and holds all that it shows."""
    data = as_json(rounded(chooser.data(board)))
    values = dict(
        headline=datasets.headline(board),
        opening=opening(board),
        note=f"{NOTE} {board.evidence}",
        data=data,
        overview=overview(board),
        over=over_datasets(board),
    )
    values |= dict(sections=sections, files=files(board), skipped=datasets.skipped(board))
    render(
        path,
        "board.html",
        scripts=[source("common.js") + source("board.js", "board")],
        title="alc-bench: the board",
        **values,
    )


def opening(board: Board) -> Table:
    """A row a dataset: the labels if nobody is asked, then for each annotator of `OPENING` the top group with the
    largest deficit that the intervals leave each strategy, and how far it is above random."""
    by_oracle = {oracle: {d.name: d for d in datasets.datasets(board, oracle)} for oracle in OPENING}
    rows = []
    for name in dict.fromkeys(name for of in by_oracle.values() for name in of):
        found = [of.get(name) for of in by_oracle.values()]
        row = [name, percent(next(dataset.start for dataset in found if dataset))]
        for dataset in found:
            row += [_top(dataset), _lead(dataset.verdict, list(dataset.top))] if dataset else ["not tested", "–"]
        rows.append(row)
    headings = ["dataset", "ask nobody"]
    for oracle in OPENING:
        who = datasets.ANNOTATORS[oracle]
        headings += [f"{who}: top group by data mIoU (largest deficit)", f"{who}: above random (95 %)"]
    return Table(headings, rows, "Top groups by dataset", words=True)


def _top(dataset: datasets.Dataset) -> str:
    if not dataset.verdict.pairs.better.any():
        return "the data does not say"
    worse = {True: ", worse than asking nobody", False: ""}
    shown = [f"{s} ({100 * dataset.deficit(s):.1f}{worse[s in dataset.worse]})" for s in dataset.top]
    return ", ".join(shown) or "none: runs differ"


def overview(board: Board) -> Table:
    """A row a setting: who is among the best by labels and by the model, the first one's lead, and who finds errors."""
    rows = []
    for result, setting, block in board.settings():
        verdicts = result.study.verdicts[setting]
        data, found = verdicts["data"], detection.summarise(block)
        ranked = found[found.strategy.isin(data.of.ranked)]
        finder = f"{ranked.strategy.iloc[0]}, {percent(ranked.auprc_mean.iloc[0])}" if len(ranked) else "–"
        groups = [_group(verdicts[metric]) for metric in METRICS]
        extent = f"{len(data.of.ranked)} strategies, {n_seeds(data)}"
        rows.append([_title(setting, block), extent, groups[0], _lead(data), groups[1], finder])
    headings = ["dataset, labels from, annotator", "of", "among the best by data mIoU"]
    headings += [
        "first significantly above random, else the first (95 %)",
        "among the best by model mIoU",
        "finds wrong labels best (AUPRC)",
    ]
    return Table(headings, rows, "Rank groups", words=True)


def over_datasets(board: Board, oracles: Collection[str] | None = None) -> list[Table]:
    """Mean ranks and areas over the datasets, a table for each annotator, by default all, and metric."""
    shown = []
    for (oracle, metric), across in board.shared.items():
        if oracles is not None and oracle not in oracles:
            continue
        found = claims.over({metric: verdict} for verdict in across)
        rows: list[list[Cell | str]] = [
            [
                Cell(row.strategy, bold=row.rank_low == 1),
                f"{row.mean_rank:.1f} ({row.mean_rank_low:.1f} to {row.mean_rank_high:.1f})",
                rank(row.rank_low, row.rank_high),
                percent(row.area),
                percent(row.behind),
                interval(row.behind_low, row.behind_high),
            ]
            for row in found.sort_values(["area", "strategy"], ascending=[False, True]).itertuples()
        ]
        start = float(np.mean([datasets.at_start(verdict.of) for verdict in across]))
        rows.append([datasets.NOBODY, "–", "–", percent(start), percent(start - found.area.max()), "–"])
        headings = ["strategy", "mean rank (95 %)", "rank by mean area", "mean area", "behind", "95 % interval"]
        names = ", ".join(short_name(verdict.of.setting[0]) for verdict in across)
        shown.append(Table(headings, rows, f"{NAMES[metric]} over {names}, annotator {oracle}: {least_seeds(across)}"))
    return shown


def section(result: Result) -> dict:
    """All tables of a result, for `write`."""
    summary, settings = tables.summarise(result.study), []
    for setting, block in result.settings:
        rows = summary[summary[SETTING].eq(setting).all(axis=1)]
        shown = layout.summary(result.study, setting, block, rows)
        settings.append(dict(quality=_quality(result, setting, block, shown), against=_against(result, setting, block)))
    return dict(heading=", ".join(result.files), settings=settings, robustness=list(_robustness(result)))


def _quality(result: Result, setting: Setting, block: Results, summary: Table) -> Table:
    """The summary of a setting with the costs to reach the targets, the detection and the time of the acquisition."""
    verdicts = result.study.verdicts[setting]
    own = block.rounds[~block.rounds.foreign & block.rounds["round"].gt(0)]
    found = detection.summarise(block).set_index("strategy").auprc_mean
    seconds = own.groupby("strategy").acquire_s.mean()
    columns: list[tuple[str, dict]] = []
    for metric, verdict in verdicts.items():
        if metric in METRICS and verdict.of.curves:
            reached = claims.reach(verdict, _target(result, verdict)[0])
            for share in (90, 95):
                costs = reached[f"cost_to_{share}"]
                words = {name: "never" if np.isinf(cost) else "at the start" for name, cost in costs.items()}
                shown = words | {name: f"{cost:,.0f}" for name, cost in costs.items() if np.isfinite(cost)}
                columns.append((f"{metric}: questions to {share} %", shown))
    columns.append(("AUPRC", {name: percent(value) for name, value in found.items()}))
    columns.append(("acquisition, s a round", {name: f"{value:.3f}" for name, value in seconds.round(9).items()}))
    names = [row[0].text.removesuffix(" (bound)").removesuffix(" (published)") for row in summary.cells]
    rows: list[list[Cell | str]] = [
        [*row, *(shown.get(name, "–") for _, shown in columns)] for name, row in zip(names, summary.cells, strict=True)
    ]
    rows.append([*_nobody(verdicts, summary.headings), *("–" for _ in columns)])
    headings = [*summary.headings, *(heading for heading, _ in columns)]
    caption, notes = f"{_title(setting, block)}: {n_seeds(verdicts['data'])}", _targets(result, verdicts)
    return Table(headings, rows, caption, [*summary.notes, *notes])


def _nobody(verdicts: dict[str, Verdict], headings: Sequence[str]) -> list[str]:
    """The row of the labels and the model before any question."""
    starts = {NAMES[m]: percent(datasets.at_start(of.of)) for m, of in verdicts.items() if m in METRICS}
    shown = [next((text for name, text in starts.items() if heading.startswith(name)), "–") for heading in headings]
    return [datasets.NOBODY, *shown[1:]]


def _target(result: Result, verdict: Verdict) -> tuple[float, str]:
    """What 90 % and 95 % are of: the model trained on the truth, else the highest mean at the end, bounds too."""
    if verdict.of.metric == "model" and verdict.of.setting[0] in result.reference:
        return result.reference[verdict.of.setting[0]], "training on the truth"
    ends = verdict.of.end.mean(axis=1)
    return float(ends.max()), f"what {ends.idxmax()} reaches at the end"


def _targets(result: Result, verdicts: dict[str, Verdict]) -> Iterator[str]:
    for metric, verdict in verdicts.items():
        if metric in METRICS and verdict.of.seeds:
            value, what = _target(result, verdict)
            yield f"questions to 90 % and 95 % of {percent(value)} ({metric}), {what}: median over the seeds"


def _against(result: Result, setting: Setting, block: Results) -> Table | None:
    """Each strategy's difference to random in labels, detection and model; None without random, or a test."""
    verdicts = result.study.verdicts[setting]
    tests: list[tuple[str, list[str], Pairs]] = [
        (f"{NAMES[metric]}, area", verdicts[metric].of.ranked, verdicts[metric].pairs) for metric in METRICS
    ]
    if len(scores := result.detected(setting)):
        tests.insert(1, ("AUPRC", list(scores.index), result.detection_pairs(setting)))
    tests = [test for test in tests if "random" in test[1] and np.isfinite(test[2].p).any()]
    if not tests:
        return None
    _, first, pairs = tests[0]
    order = sorted(range(len(first)), key=lambda i: -np.nan_to_num(pairs.difference[i, first.index("random")]))
    rows: list[list] = []
    for name in (first[i] for i in order if first[i] != "random"):
        row: list = [name]
        for _, names, test in tests:
            i, j = (names.index(n) if n in names else -1 for n in (name, "random"))
            parts = (test.difference, test.low, test.high, test.p)
            difference, low, high, p = (part[i, j] if i >= 0 else np.nan for part in parts)
            told = bool(low > 0 or high < 0)
            row += [Cell(percent(difference), bold=told), interval(low, high), p_value(p)]
        rows.append(row)
    headings = ["strategy", *(h for what, *_ in tests for h in (f"{what} less random's", "95 % interval", "p"))]
    return Table(headings, rows, f"Against random: {_title(setting, block)}: {n_seeds(verdicts['data'])}")


def _robustness(result: Result) -> Iterator[Table]:
    """For each dataset and foundation with several annotators, the area by annotator, and its change from `PERFECT`
    with the 95 % interval of the mean over the seeds: a table for labels, and one for models if there are any."""
    groups: dict[tuple[str, str, str], dict[str, Verdict]] = {}
    for setting, verdicts in result.study.verdicts.items():
        for metric in METRICS:
            if metric in verdicts and verdicts[metric].of.ranked:
                groups.setdefault((*setting[:2], metric), {})[setting[2]] = verdicts[metric]
    for (dataset, foundation, metric), found in groups.items():
        if len(found) < 2:
            continue
        oracles = sorted(found, key=perfect_first)
        areas = {oracle: found[oracle].of.areas.loc[found[oracle].of.ranked] for oracle in oracles}
        means = pd.DataFrame({oracle: area.mean(axis=1) for oracle, area in areas.items()})
        firsts = {oracle: best(found[oracle]) for oracle in oracles}
        rows = [
            [name, *(Cell(_changed(areas, name, oracle), bold=name in firsts[oracle]) for oracle in oracles)]
            for name in means.sort_values(oracles, ascending=False).index
        ]
        what = f"Area of {NAMES[metric]} by annotator, and its change (95 %, one mean each)"
        caption = f"{what}: {title((dataset, foundation, ''), False)}: {least_seeds(found.values())}"
        yield Table(["strategy", *oracles], rows, caption)


def _changed(areas: dict[str, pd.DataFrame], name: str, oracle: str) -> str:
    """``83.02 (-1.35, -1.90 to -0.80)``: a strategy's area with an annotator, and how far that is from `PERFECT`."""
    by_seed = {o: areas[o].loc[name] for o in (oracle, PERFECT) if o in areas and name in areas[o].index}
    if oracle not in by_seed:
        return "–"
    text = percent(by_seed[oracle].mean())
    if oracle == PERFECT or PERFECT not in by_seed:
        return text
    change = (by_seed[oracle] - by_seed[PERFECT]).dropna().to_numpy()
    within = interval(*map(float, mean_interval(change)))
    return f"{text} ({100 * change.mean():+.2f}{'' if within == '–' else f', {within}'})"


def files(board: Board) -> Table:
    """A row for each file of the board, with its record."""
    rows = [
        [name, of.title or "–", of.protocol or "–", of.commit or "–", str(of.date or "–"), of.command or "not recorded"]
        for result in board.results
        for name, of in result.files.items()
    ]
    return Table(["file", "title", "protocol", "commit", "date", "command"], rows, "Files", words=True)


def _title(setting: Setting, block: Results) -> str:
    return title(setting, bool(block.cells.leaky.any()))


def _group(verdict: Verdict) -> str:
    names = best(verdict)
    if not names:
        return "not tested" if verdict.of.curves else "no model"
    if not verdict.pairs.better.any():
        return "the data does not say"
    more = f" and {len(names) - budgets.MOST_NAMES} more" if len(names) > budgets.MOST_NAMES else ""
    return ", ".join(names[: budgets.MOST_NAMES]) + more


def _lead(verdict: Verdict, group: list[str] | None = None) -> str:
    """Of the first in the group, by default `best`, that is significantly above ``random``, else of the first."""
    names, pairs, group = verdict.of.ranked, verdict.pairs, best(verdict) if group is None else group
    if not group or "random" not in names:
        return "–"
    j = names.index("random")
    i = next((i for i in map(names.index, group) if pairs.better[i, j]), names.index(group[0]))
    if i == j:
        return "–"
    within = interval(pairs.low[i, j], pairs.high[i, j])
    return f"{names[i]}: {percent(pairs.difference[i, j])} ({within}), p {p_value(pairs.p[i, j])}"
