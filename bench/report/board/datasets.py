"""Each dataset of a board under one annotator: the top group, its largest deficits, and what asking nobody leaves."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from bench.report import budgets
from bench.report.board.committed import (
    ENOUGH_SEEDS,
    NOISY,
    OPENING,
    PERFECT,
    Board,
    best,
    is_tested,
    least_seeds,
    short_name,
)
from bench.report.comparison import Comparison
from bench.report.study import Verdict

NOBODY = "ask nobody"  # the row and the line of the labels before any question
ANNOTATORS = {PERFECT: "noise-free", NOISY: "10 % label noise"}
_OPENERS = {PERFECT: "With a noise-free annotator", NOISY: "With 10 % label noise"}


@dataclass(frozen=True)
class Dataset:
    """``verdict``: of the main run (`Board.across`). ``top``: among the best there, and significantly below another
    strategy in no run of the dataset. ``start``: the metric if nobody is asked, a share."""

    name: str
    verdict: Verdict
    runs: tuple[Verdict, ...]
    top: tuple[str, ...]
    start: float

    @property
    def worse(self) -> frozenset[str]:
        """The strategies of the main run with a mean at its end below ``start``."""
        return worse_than_nobody(self.verdict.of)

    def deficit(self, strategy: str) -> float:
        """The largest deficit in area, a share, that the intervals of all runs leave a strategy."""
        found = [0.0]
        for run in self.runs:
            if strategy in run.of.ranked:
                high = run.pairs.high[:, run.of.ranked.index(strategy)]
                found += list(high[np.isfinite(high)])
        return max(found)


def at_start(of: Comparison) -> float:
    """The metric before any question, mean over the common seeds of the ranked strategies; NaN without a seed."""
    return float(np.mean([of.curves[name][seed][1][0] for name in of.ranked for seed in of.seeds] or [np.nan]))


def worse_than_nobody(of: Comparison) -> frozenset[str]:
    """The ranked strategies with a mean at the end that is below the metric before any question."""
    ends, start = of.end.mean(axis=1), at_start(of)
    return frozenset(name for name in of.ranked if ends[name] < start - 1e-9)


def datasets(board: Board, oracle: str) -> list[Dataset]:
    """The datasets of a board that are tested under an annotator, by data mIoU."""
    found = []
    for _, verdict in board.across(oracle, "data"):
        name = short_name(verdict.of.setting[0])
        runs = tuple(
            result.study.verdicts[setting]["data"]
            for result, setting, _ in board.settings()
            if short_name(setting[0]) == name and setting[2] == oracle
            if is_tested(result.study.verdicts[setting]["data"].of)
        )
        below = {s for run in runs for s in run.of.ranked if s not in best(run)}
        top = tuple(s for s in best(verdict) if s not in below)
        found.append(Dataset(name, verdict, runs, top, at_start(verdict.of)))
    return found


def headline(board: Board) -> str:
    """The strategies among the best by label quality, a sentence or more for each annotator of `OPENING`: on how many
    datasets, the largest deficit, and the datasets on which asking nobody is better. Names stand between backticks."""
    parts = [part for oracle in OPENING if (part := _of_annotator(datasets(board, oracle), _OPENERS[oracle]))]
    return " ".join(parts) or "Which labels should a person check first? The data does not say."


def _of_annotator(tested: list[Dataset], opener: str) -> str:
    found = [dataset for dataset in tested if dataset.verdict.pairs.better.any()]
    common = set.intersection(*(set(dataset.verdict.of.ranked) for dataset in found)) if found else set()
    counts = {name: sum(name in dataset.top for dataset in found) for name in common}
    most = max(counts.values(), default=0)
    if not most:
        return ""
    area = {name: np.mean([d.verdict.of.areas.loc[name].mean() for d in found]) for name in common}
    names = sorted((name for name in common if counts[name] == most), key=lambda name: (-area[name], name))
    on = f"{most} of {len(found)} datasets" if len(found) > 1 else "the one dataset that was tested"
    text = (
        f"{opener}, {budgets.listed(names)} {'are' if len(names) > 1 else 'is'} among the best by label quality on {on}"
    )
    if "random" in counts and "random" not in names:
        text += f", `random` on {counts['random'] or 'none'}"
    if min(len(dataset.verdict.of.seeds) for dataset in found) < ENOUGH_SEEDS:
        text += f" ({least_seeds(dataset.verdict for dataset in found)})"
    deficit = max(dataset.deficit(name) for dataset in found for name in names if name in dataset.top)
    text += f"; there, the intervals leave a deficit of at most {100 * deficit:.1f} points."
    if rest := len(tested) - len(found):
        text += f" On {rest} more the data does not say."
    return f"{text} {_beside_nobody(tested, names)}"


def _beside_nobody(tested: list[Dataset], names: Iterable[str]) -> str:
    worse = {d.name: [name for name in names if name in d.worse] for d in tested}
    worse = {name: of for name, of in worse.items() if of}
    if not worse:
        return "Asking nobody is worse on each."
    parts = [f"on {name} with {budgets.listed(of)}" for name, of in worse.items()]
    return f"The labels become worse than the pseudo labels {', '.join(parts)}: there, ask nobody."


def skipped(board: Board) -> list[str]:
    """Sentences on the files that take no part in the tests."""
    said = []
    if board.published:
        said.append(f"Published by others, drawn dotted and never ranked: {', '.join(board.published)}.")
    if board.aside:
        said.append(f"Kept off the board by their experiment files, and not tested here: {', '.join(board.aside)}.")
    if board.skipped:
        said.append(f"No results, as they lack columns of rounds.csv: {', '.join(board.skipped)}.")
    return said
