"""The committed results of a folder, all tested at one level together: what a board may say of them.

A CSV file with the columns of rounds.csv is a *result*; ``X@NAME.csv`` joins ``X.csv``, whose protocol and seeds it
shares. One that has only what `results.FOREIGN_COLUMNS` asks for, or is called ``published-``, is *published*: drawn
dotted, never ranked.
``X-reference.csv`` has the model mIoU of training on the truth. What else lies there is skipped, and named.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from bench import registry
from bench.acquisition import Strategy
from bench.report import budgets, claims, detection, results
from bench.report.comparison import Comparison
from bench.report.results import CELL, FOREIGN_COLUMNS, FOREIGN_VALUES, METRICS, Results
from bench.report.statistics import inference
from bench.report.statistics.inference import MIN_SEEDS, Pairs
from bench.report.study import Study, Verdict
from bench.runs import schema
from bench.types import InputError

Setting = tuple[str, str, str]
PERFECT = "perfect"  # the annotator of the headline
ENOUGH_SEEDS = 5  # with fewer, a table says so


@dataclass(frozen=True)
class Result:
    """A result with those that joined it: ``files`` to the commands that made them, "" where none is recorded.
    ``about``: the heading of its section in the folder's README.md, if it has one."""

    name: str
    about: str
    files: dict[str, str]
    study: Study
    reference: dict[str, float]

    @cached_property
    def settings(self) -> list[tuple[Setting, Results]]:
        """Those of the study, by dataset and foundation, the annotator who does not err first."""
        return sorted(self.study.settings, key=lambda item: (item[0][:2], perfect_first(item[0][2])))

    def detected(self, setting: Setting) -> pd.DataFrame:
        """strategy × seed: the mean AUPRC of each ranked strategy that has one; empty where that is nothing to test."""
        of = self.study.comparisons[setting][0]
        scores = detection.by_seed(of.results, "auprc").reindex(index=of.ranked, columns=of.seeds).dropna()
        return scores if len(scores) > 1 and len(of.seeds) >= MIN_SEEDS else scores[:0]

    def detection_pairs(self, setting: Setting) -> Pairs:
        """The test of all pairs of `detected`."""
        families = self.study.verdicts[setting]["data"].families
        return inference.all_pairs(self.detected(setting).to_numpy(), families)


@dataclass(frozen=True)
class Board:
    """``skipped``: the CSV files that are no results. All tests of ``results`` share one level."""

    results: tuple[Result, ...]
    published: tuple[str, ...]
    skipped: tuple[str, ...]

    def settings(self) -> Iterator[tuple[Result, Setting, Results]]:
        for result in self.results:
            for setting, block in result.settings:
                yield result, setting, block

    def across(self, oracle: str, metric: str) -> list[tuple[Result, Verdict]]:
        """The tested verdict of each dataset, whatever part of it was taken: that of a run with models, in which all
        strategies can take part, before one without; then that with most strategies, then seeds."""
        found: dict[str, tuple[tuple, Result, Verdict]] = {}
        for result, setting, _ in self.settings():
            verdicts = result.study.verdicts[setting]
            verdict = verdicts.get(metric)
            if setting[2] == oracle and verdict and is_tested(verdict.of):
                with_models = "model" in verdicts and bool(verdicts["model"].of.ranked)
                extent, name = (with_models, *_extent(verdict.of)), short_name(setting[0])
                if name not in found or extent > found[name][0]:
                    found[name] = extent, result, verdict
        return [(result, verdict) for _, result, verdict in found.values()]

    @cached_property
    def shared(self) -> dict[tuple[str, str], list[Verdict]]:
        """(annotator, metric) -> `across`, where several datasets have several strategies in common."""
        oracles = sorted({setting[2] for _, setting, _ in self.settings()}, key=perfect_first)
        found = {(oracle, m): [v for _, v in self.across(oracle, m)] for oracle in oracles for m in METRICS}
        found = {key: across for key, across in found.items() if len(across) > 1}
        return {key: a for key, a in found.items() if len(set.intersection(*(set(v.of.ranked) for v in a))) > 1}

    @cached_property
    def headline(self) -> str:
        """The answer in one sentence: which strategies are among the best by label quality where nobody errs, on how
        many of the datasets on which any two are told apart. Names stand between backticks."""
        across = [verdict for _, verdict in self.across(PERFECT, "data")]
        found = [verdict for verdict in across if verdict.pairs.better.any()]
        common = set.intersection(*(set(verdict.of.ranked) for verdict in found)) if found else set()
        counts = {name: sum(name in best(verdict) for verdict in found) for name in common}
        if not any(counts.values()):
            return "Which labels should a person check first? The data does not say."
        area = {name: np.mean([v.of.areas.loc[name].mean() for v in found]) for name in common}
        top = max(counts.values())
        names = sorted((name for name in common if counts[name] == top), key=lambda name: (-area[name], name))
        on = f"{top} of {len(found)} datasets" if len(found) > 1 else "the one dataset that was tested"
        text = f"With an annotator who does not err, {budgets.listed(names)} {'are' if len(names) > 1 else 'is'}"
        text += f" among the best by label quality on {on}"
        if "random" in counts and "random" not in names:
            text += f", `random` on {counts['random'] or 'none'}"
        if min(len(verdict.of.seeds) for verdict in found) < ENOUGH_SEEDS:
            text += f" ({least_seeds(found)})"
        rest = len(across) - len(found)
        return f"{text}; {rest} more {'does' if rest == 1 else 'do'} not say." if rest else f"{text}."


def best(verdict: Verdict) -> list[str]:
    """The strategies that the test by area cannot tell from the best, the highest first; none without a test."""
    ranks = claims.ranking(verdict)
    means = verdict.of.areas.mean(axis=1)
    return sorted(ranks.index[ranks.rank_low.eq(1)], key=lambda name: (-means[name], name))


def short_name(dataset: str) -> str:
    """``shapes`` of ``shapes[train=40]``, ``camvid`` of ``folder[name=camvid]``."""
    name, _, parameters = dataset.partition("[")
    given = re.search(r"(?:^|,)name=([^],]+)", parameters)
    return given[1] if given else name


def perfect_first(oracle: str) -> tuple[bool, str]:
    """A key to sort annotators by."""
    return oracle != PERFECT, oracle


def is_tested(of: Comparison) -> bool:
    return len(of.ranked) > 1 and len(of.seeds) >= MIN_SEEDS


def n_seeds(verdict: Verdict) -> str:
    return of_seeds(len(verdict.of.seeds))


def of_seeds(n: int) -> str:
    """``10 seeds``; where they are few, it says so."""
    text = "1 seed" if n == 1 else f"{n} seeds"
    return text if n >= ENOUGH_SEEDS else f"{text}, fewer than {ENOUGH_SEEDS}"


def least_seeds(verdicts: Iterable[Verdict]) -> str:
    """Of a table over several settings: ``5 seeds``, or ``5 seeds or more``."""
    found = {len(verdict.of.seeds) for verdict in verdicts}
    few = f", in some fewer than {ENOUGH_SEEDS}" if min(found) < ENOUGH_SEEDS else ""
    return of_seeds(min(found)) if len(found) == 1 else f"{min(found)} seeds or more{few}"


def _extent(of: Comparison) -> tuple[int, int]:
    return len(of.ranked), len(of.seeds)


def read(folder: Path) -> Board:
    """The board of a folder. Raises InputError where it has no result, and where a file that joins another one has a
    cell that is there already."""
    kinds: dict[str, list[Path]] = {"result": [], "published": [], "reference": [], "": []}
    for path in sorted(folder.glob("*.csv")):
        kinds[_kind(path)].append(path)
    if not kinds["result"]:
        raise InputError(f"{folder}: expected CSV files with the columns of rounds.csv; there is none")
    stems = {path.stem for path in kinds["result"]}
    groups: dict[str, list[Path]] = {}
    for path in kinds["result"]:
        base = path.stem.partition("@")[0]
        groups.setdefault(base if base in stems else path.stem, []).append(path)
    told = _told(folder)
    found = []
    for name, paths in sorted(groups.items()):
        read_there = _read(paths, kinds["published"])
        of = [p for p in kinds["reference"] if p.name == f"{name}-reference.csv"]
        reference = schema.parse(of[0], schema.REFERENCE).model_miou.mean() if of else None
        references = {} if reference is None else dict.fromkeys(read_there.cells.dataset.unique(), float(reference))
        files = {path.name: told.get(path.name, ("", ""))[1] or _of_config(path) for path in paths}
        about = told.get(paths[0].name, ("", ""))[0]
        found.append(Result(name, about, files, Study(read_there), references))
    board = Board(tuple(found), *(tuple(path.name for path in kinds[kind]) for kind in ("published", "")))
    families = max(_n_tests(board), 1)
    shared = (replace(result, study=replace(result.study, families=families)) for result in found)
    return replace(board, results=tuple(shared))


def _n_tests(board: Board) -> int:
    """Of label quality, model quality and detection in each setting, and over the datasets."""
    tested = [of for result in board.results for of in result.study.tested if is_tested(of)]
    detected = [setting for result, setting, _ in board.settings() if len(result.detected(setting))]
    return len(tested) + len(detected) + len(board.shared)


def _kind(path: Path) -> str:
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        columns = set(next(csv.reader([file.readline().replace("\0", "")]), []))
    if columns >= {c.name for c in schema.ROUNDS if c.since == 1} and not path.name.startswith("published-"):
        return "result"
    if columns == set(schema.names(schema.REFERENCE)):
        return "reference"
    return "published" if columns >= set(FOREIGN_COLUMNS) and columns & set(FOREIGN_VALUES) else ""


def _read(paths: list[Path], published: list[Path]) -> Results:
    """The results of these files, with the published ones of their datasets beside them.

    Before format 4 a file does not say what its strategies ask, nor which annotators are leaky: their classes do; one
    that is not installed asks what most do.
    """
    datasets = {name for path in paths for name in pd.read_csv(path, usecols=["dataset"]).dataset}
    beside = [p for p in published if datasets & set(pd.read_csv(p, usecols=["dataset"]).dataset)]
    found = results.read([*paths, *beside], mixed=True, published=beside)
    own = found.cells[~found.cells.foreign]
    if (twice := own[own.duplicated(CELL)]).any(axis=None):
        row = twice.iloc[0]
        raise InputError(
            f"{row.run}: {row.strategy}, seed {row.seed}, is in {paths[0].name} already; call the strategy otherwise"
        )
    silent = own[own.question.eq("")]
    asked = silent.strategy.map(lambda name: _declared("strategies", name.partition(" @ ")[0].partition("+")[0]))
    said = silent.oracle.map(lambda name: _declared("oracles", name))
    cells = found.cells.copy()
    cells.loc[silent.index, "question"] = [getattr(plugin, "question", Strategy.question) for plugin in asked]
    cells.loc[silent.index, "leaky"] = [bool(getattr(plugin, "leaky", False)) for plugin in said]
    # What was published names no annotator: it stands beside the one who does not err.
    rounds, cells = (
        table.assign(oracle=table.oracle.mask(table.foreign & table.oracle.eq(""), PERFECT))
        for table in (found.rounds, cells)
    )
    return Results(rounds, cells, found.specs)


@cache
def _declared(kind: str, name: str):
    """The plug-in, which says what a bare rounds.csv does not; None where it is not installed."""
    try:
        return registry.load(kind, name)
    except InputError:
        return None


def _told(folder: Path) -> dict[str, tuple[str, str]]:
    """file -> the heading of its section of README.md, and the command that made it: the first block of code after its
    name there."""
    file = folder / "README.md"
    found: dict[str, tuple[str, str]] = {}
    for section in re.split("^## ", file.read_text(encoding="utf-8") if file.is_file() else "", flags=re.MULTILINE):
        for name in re.findall(r"`([^`\s]+\.csv)`", section):
            block = re.search(r"(?:^    .*\n?)+", section.partition(f"`{name}`")[2], re.MULTILINE)
            if block:
                lines = block[0].replace("\\\n", " ").splitlines()
                command = "; ".join(" ".join(line.split()) for line in lines)
                found.setdefault(name, (section.partition("\n")[0].strip(), command))
    return found


def _of_config(path: Path) -> str:
    config = path.with_suffix(".toml")
    return f"alc-bench run --config {config.parent.name}/{config.name}" if config.is_file() else ""
