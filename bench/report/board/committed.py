"""The committed results of a folder and of its direct subfolders, all tested at one level together.

A CSV file with the columns of rounds.csv is a *result*; ``X@NAME.csv`` joins ``X.csv`` and shares its protocol and
seeds. A file with the columns of `results.FOREIGN_COLUMNS` alone, a file named ``published-``, and a file in a folder
``published`` are *published*: drawn dotted, never ranked. ``X-reference.csv`` has the model mIoU of training on the
truth. The board names all other CSV files as skipped. The table ``[result]`` of ``X.toml`` describes ``X.csv``.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from bench import registry
from bench.acquisition import Strategy
from bench.report import claims, detection, results
from bench.report.board.record import Record, read_record
from bench.report.comparison import Comparison
from bench.report.results import CELL, FOREIGN_COLUMNS, FOREIGN_VALUES, METRICS, Results
from bench.report.statistics import inference
from bench.report.statistics.inference import MIN_SEEDS, Pairs
from bench.report.study import Study, Verdict
from bench.runs import schema
from bench.types import InputError

Setting = tuple[str, str, str]
PERFECT, NOISY = OPENING = ("perfect", "noisy[rate=0.1]")  # the annotators that a board opens with
ENOUGH_SEEDS = 5  # with fewer, a table says so


@dataclass(frozen=True)
class Result:
    """A result with the files that join it: ``files`` has a record for each, by its path in the folder."""

    name: str
    files: dict[str, Record]
    study: Study
    reference: dict[str, float]

    @property
    def title(self) -> str:
        return next(iter(self.files.values())).title

    @cached_property
    def settings(self) -> list[tuple[Setting, Results]]:
        """Those of the study, by dataset and foundation, the noise-free annotator first."""
        return sorted(self.study.settings, key=lambda item: (item[0][:2], perfect_first(item[0][2])))

    def detected(self, setting: Setting) -> pd.DataFrame:
        """strategy × seed: the mean AUPRC of each ranked strategy that has one; empty where that is nothing to test."""
        of = self.study.comparisons[setting][0]
        scores = detection.by_seed(of.results, "auprc").reindex(index=of.ranked, columns=of.seeds).dropna()
        return scores if len(scores) > 1 and len(of.seeds) >= MIN_SEEDS else scores[:0]

    def detection_pairs(self, setting: Setting) -> Pairs:
        """The test of all pairs of `detected`."""
        level = self.study.verdicts[setting]["data"].pair_level
        return inference.all_pairs(self.detected(setting).to_numpy(), level)


@dataclass(frozen=True)
class Board:
    """``aside``: results that their records keep off the board. ``skipped``: CSV files of another kind. ``p``: the
    unadjusted p of each pair that the tables test; `inference.discovery_level` of them is the level of every pair."""

    results: tuple[Result, ...]
    published: tuple[str, ...] = ()
    aside: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    p: np.ndarray = field(default_factory=lambda: np.zeros(0), repr=False, compare=False)

    @property
    def evidence(self) -> str:
        """How many pairs differ significantly, and how many of these differences are expected to be false."""
        level, n = inference.discovery_level(self.p), len(self.p)
        claimed = int((self.p <= level).sum())
        if not claimed:
            return f"Of {n:,} pairs that the tables test, none differs significantly."
        return (
            f"Of {n:,} pairs that the tables test, {claimed:,} differ significantly. Of these differences, "
            f"{max(level * n, 1):,.0f} or fewer are expected to be false."
        )

    def settings(self) -> Iterator[tuple[Result, Setting, Results]]:
        for result in self.results:
            for setting, block in result.settings:
                yield result, setting, block

    def across(self, oracle: str, metric: str) -> list[tuple[Result, Verdict]]:
        """The tested verdict of each dataset: of a run with models, in which all strategies can take part, before one
        without; then of the run with most strategies, then seeds."""
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


def best(verdict: Verdict) -> list[str]:
    """The strategies that are not significantly below another one by area, the highest first; none without a test."""
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
    """The board of a folder. Raises InputError if it has no result, if a file that joins another one repeats a cell,
    and if a record is broken."""
    kinds: dict[str, list[Path]] = {"result": [], "aside": [], "published": [], "reference": [], "": []}
    for path in sorted([*folder.glob("*.csv"), *folder.glob("*/*.csv")]):
        kinds[_kind(path)].append(path)
    if not kinds["result"]:
        raise InputError(f"{folder}: expected CSV files with the columns of rounds.csv; there is none")
    groups: dict[Path, list[Path]] = {}
    for path in kinds["result"]:
        joined = path.with_name(f"{path.stem.partition('@')[0]}.csv")
        groups.setdefault(joined if joined in kinds["result"] else path, []).append(path)
    found = [_result(folder, first, paths, kinds) for first, paths in sorted(groups.items())]
    names = {kind: tuple(_name(folder, path) for path in paths) for kind, paths in kinds.items()}
    board = Board(tuple(found), names["published"], names["aside"], names[""])
    p = _p_values(board)
    level = inference.discovery_level(p)
    shared = (replace(result, study=replace(result.study, level=level)) for result in found)
    return replace(board, results=tuple(shared), p=p)


def _result(folder: Path, first: Path, paths: list[Path], kinds: dict[str, list[Path]]) -> Result:
    rows = _read(paths, kinds["published"])
    references: dict[str, float] = {}
    if (path := first.with_name(f"{first.stem}-reference.csv")) in kinds["reference"]:
        mean = float(schema.parse(path, schema.REFERENCE).model_miou.mean())
        references = dict.fromkeys(rows.cells.dataset.unique(), mean)
    files = {_name(folder, path): read_record(path) for path in paths}
    return Result(_name(folder, first).removesuffix(".csv"), files, Study(rows, level=inference.ALPHA), references)


def _name(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()


def _p_values(board: Board) -> np.ndarray:
    """(m,): of all pairs by label quality, model quality and detection in each setting, and over the datasets. Expects
    studies at the level `inference.ALPHA`, which leaves p as it is."""
    tests = [
        verdict.pairs
        for result in board.results
        for verdicts in result.study.verdicts.values()
        for verdict in verdicts.values()
        if is_tested(verdict.of)
    ]
    tests += [r.detection_pairs(setting) for r, setting, _ in board.settings() if len(r.detected(setting))]
    for across in board.shared.values():
        names = sorted(set.intersection(*(set(verdict.of.ranked) for verdict in across)))
        tests.append(claims.over_settings(across, names))
    found = [test.p[np.triu_indices(len(test.p), 1)] for test in tests]
    return np.concatenate([p[np.isfinite(p)] for p in found]) if found else np.zeros(0)


def _kind(path: Path) -> str:
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        columns = set(next(csv.reader([file.readline().replace("\0", "")]), []))
    published = path.name.startswith("published-") or path.parent.name == "published"
    if columns >= {c.name for c in schema.ROUNDS if c.since == 1} and not published:
        return "result" if read_record(path).board else "aside"
    if columns == set(schema.names(schema.REFERENCE)):
        return "reference"
    return "published" if columns >= set(FOREIGN_COLUMNS) and columns & set(FOREIGN_VALUES) else ""


def _read(paths: list[Path], published: list[Path]) -> Results:
    """The results of these files, with the published ones of their datasets beside them.

    Files before format 4 do not say kinds of question and leaky annotators: the installed classes do. A strategy that
    is not installed gets the usual question.
    """
    datasets = {name for path in paths for name in pd.read_csv(path, usecols=["dataset"]).dataset}
    beside = [path for path in published if _belongs(path, datasets, read_record(paths[0]).images)]
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
    # Published numbers name no annotator: they stand beside the noise-free one.
    rounds, cells = (
        table.assign(oracle=table.oracle.mask(table.foreign & table.oracle.eq(""), PERFECT))
        for table in (found.rounds, cells)
    )
    return Results(rounds, cells, found.specs)


def _belongs(published: Path, datasets: set[str], n_images: int) -> bool:
    """Whether published numbers are of one of these datasets and, by their column n_images, of as many images."""
    table = pd.read_csv(published)
    said = set(table["n_images"].dropna()) if "n_images" in table else set()
    return bool(datasets & set(table.dataset)) and (not said or said == {n_images})


@cache
def _declared(kind: str, name: str):
    """The plug-in, or None if it is not installed."""
    try:
        return registry.load(kind, name)
    except InputError:
        return None
