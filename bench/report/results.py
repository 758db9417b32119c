"""Run folders and foreign rounds.csv files to one checked table.

A *cell* is one (dataset, foundation, strategy, oracle, seed). A *setting* is one (dataset, foundation, oracle):
strategies are compared within a setting only, seed by seed. A *foreign* result is a CSV file with the columns of
rounds.csv, without a run around it: it needs ``FOREIGN_COLUMNS`` and one of the mIoU columns. An empty foundation or
oracle means that it is drawn in every setting of its dataset. An empty seed means that the row is a mean, with
``data_miou_std`` and ``model_miou_std`` beside it.
"""

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from bench import costs, metrics
from bench.files import digest
from bench.runs import checksums, identity, schema, specs
from bench.runs.folder import FORMER
from bench.runs.specs import MOST_CELLS
from bench.types import InputError, printable

SETTING = ["dataset", "foundation", "oracle"]
CELL = ["dataset", "foundation", "strategy", "oracle", "seed"]
COSTS = {"queries" if name == "questions" else name: unit.column for name, unit in costs.UNITS.items()}
METRICS = {measure.of: measure.column for measure in metrics.MEASURES if measure.ranked}
TIMES = schema.names(schema.ROUNDS, "time")
FOREIGN_VALUES = (*METRICS.values(), "data_miou_labelled")  # what others publish, at least one of them
STDS = tuple(schema.Column(f"{column}_std", "share", "of a foreign mean", empty=True) for column in FOREIGN_VALUES)
STATUSES = ("done", "running", "failed", "missing")
ABOUT = schema.names(schema.ROUNDS, "about")  # a file says them from format 4 on
PLAIN = dict(status="done", leaky=False, bound=False, protocol="", folder="", question="")
PLAIN |= dict(method_code="", oracle_code="")
BOUNDS = "clairvoyant"  # how the names of the suite's bounds begin
FOREIGN_COLUMNS = ["dataset", "strategy", "round", "n_queries"]


@dataclass(frozen=True)
class Results:
    """``rounds``: one row per cell and round, of done cells and foreign ones. ``cells``: one row per cell that was
    asked for, with its ``status`` (done, running, failed, missing), ``run`` (its folder or file), ``foreign``,
    ``leaky``, ``bound`` and ``protocol``. ``specs``: the settings of each run by its folder. Sorted by content: the
    order of files and rows changes nothing."""

    rounds: pd.DataFrame
    cells: pd.DataFrame
    specs: dict[Path, dict]

    def settings(self) -> Iterator[tuple[tuple[str, str, str], "Results"]]:
        """Each setting that a run has cells in, with its cells and the foreign results that belong beside them. Without
        a run, each setting of the foreign results."""
        own = self.cells[~self.cells.foreign]
        for setting in (self.cells if own.empty else own)[SETTING].drop_duplicates().itertuples(index=False, name=None):
            yield setting, Results(_within(self.rounds, setting), _within(self.cells, setting), self.specs)


def read(paths: list[Path], mixed: bool = False, published: Collection[Path] = ()) -> Results:
    """The results of these run folders and foreign CSV files.

    Raises InputError for a missing or broken file, for the same round twice in one file, and, unless ``mixed``, if
    cells of one setting have different protocols or code. With ``mixed``, or of one file alone, foreign rows that
    have a seed count as cells like any other. A name stands for one strategy of one source. A foreign strategy that is
    called like another one, and with ``mixed`` those that several protocols share, are distinguished by the name of
    their file or run, ``area @ friend``. ``published``: the paths with rows that are foreign in any case.
    """
    if not paths:
        raise InputError("nothing to report: name at least one run folder or rounds.csv file")
    rounds, cells, said = [], [], {}
    protocols: dict[str, dict] = {}  # by their digests, as far as cells say them
    paths = [Path(p) for p in paths]
    paths += [spec.parent for path in paths for spec in path.glob("repeat*/spec.json")]
    paths = sorted({path.resolve(): path for path in paths}.values())
    for path in paths:
        if path.is_dir():
            said[path] = specs.of_run(path / "spec.json")
            checksums.check_all(path, said[path])
        table = _read_rounds(path)
        table["run"] = str(path)
        rounds.append(table.drop(columns=ABOUT))
        if path.is_dir():
            cells.append(_read_cells(path, table, said[path], protocols))
        else:
            keys = table[[*CELL, *ABOUT]].drop_duplicates(CELL)
            foreign = keys.seed.eq(-1) | (not mixed and len(paths) > 1) | (path in published)
            bound = keys.bound.eq(1) | keys.strategy.str.startswith(BOUNDS)  # by name before format 4
            about = dict(question=keys.question, leaky=keys.leaky.eq(1), bound=bound)
            cells.append(keys.assign(**PLAIN | about, run=str(path), foreign=foreign))
    cells = pd.concat(cells, ignore_index=True).sort_values([*CELL, "run"], ignore_index=True)
    if not mixed:
        own = cells[~cells.foreign & cells.status.ne("missing")]
        _refuse_two_protocols(own, protocols)
        _refuse_two_codes(own)
    found = cells[cells.status.ne("missing")]
    missing = cells[cells.status.eq("missing")].merge(found[CELL], how="left", on=CELL, indicator=True)
    missing = missing[missing._merge.eq("left_only")].drop(columns="_merge").drop_duplicates(CELL)
    cells = pd.concat([found, missing]).sort_values([*CELL, "run"], ignore_index=True)
    cells["name"] = _names(cells, mixed)
    done = cells.loc[cells.status.eq("done"), [*CELL, "run", "foreign", "leaky", "bound", "protocol", "name"]]
    rounds = pd.concat(rounds, ignore_index=True).merge(done, on=[*CELL, "run"])
    cells, rounds = (table.assign(strategy=table["name"]).drop(columns="name") for table in (cells, rounds))
    return Results(rounds.sort_values([*CELL, "run", "round"], ignore_index=True), cells, said)


def _read_rounds(path: Path) -> pd.DataFrame:
    if path.is_dir():
        file, foreign = path / "rounds.csv", False
        table = schema.read(file)
    else:
        file, foreign = path, True
        table = schema.parse(file, (*schema.ROUNDS, *STDS), FOREIGN_COLUMNS)
        if table[list(FOREIGN_VALUES)].isna().all(axis=None):
            raise InputError(f"{file}: no values in any of {', '.join(FOREIGN_VALUES)}; there are: {', '.join(table)}")
    for name in CELL[:4]:
        table[name] = table[name].map(printable)
    if table.empty:
        raise InputError(f"{file}: no rows; expected one for each round of each cell")
    table["seed"] = table.seed.fillna(-1).astype(int) if foreign else table.seed
    if (twice := table.duplicated([*CELL, "round"])).any():
        row = table[twice].iloc[0]
        raise InputError(f"{file}: round {row['round']:g} of {row.strategy}, seed {row.seed}, stands there twice")
    _refuse_falling(file, table)
    return table


def _refuse_falling(path: Path, table: pd.DataFrame) -> None:
    """Raise InputError where a count or a cost of a cell is lower than in the round before, or where its rounds all
    have the same number of answers, above 0: the curves of a report are drawn over them."""
    rounds = table.sort_values([*CELL, "round"], kind="stable", ignore_index=True)
    first = ~rounds.duplicated(CELL)
    for name in schema.names(schema.ROUNDS, "count", "cost"):
        falls = (rounds[name].diff() < 0) & ~first
        if falls.any():
            i = int(falls.to_numpy().argmax())
            row, values = rounds.iloc[i], rounds[name]
            raise InputError(
                f"{path}: {name} of {row.strategy}, seed {row.seed}, falls from {values[i - 1]:g} to {values[i]:g} in "
                f"round {row['round']:g}; counts and costs are cumulative"
            )
    of_cell = rounds.groupby(CELL).n_queries.agg(["min", "max", "size"])
    stuck = of_cell[of_cell["min"].eq(of_cell["max"]) & of_cell["max"].gt(0) & of_cell["size"].gt(1)]
    if len(stuck):
        cell = dict(zip(CELL, stuck.index[0], strict=True))
        raise InputError(
            f"{path}: all {stuck['size'].iloc[0]} rounds of {cell['strategy']}, seed {cell['seed']}, have n_queries "
            f"{stuck['max'].iloc[0]:g}; expected the answers up to each round"
        )


def _read_cells(path: Path, table: pd.DataFrame, spec: dict, protocols: dict[str, dict]) -> pd.DataFrame:
    """The cells of a run, from their spec.json; those that its grid lacks are ``missing``. ``protocols``: added to."""
    rows: dict[tuple, dict] = {}
    there = set(table[CELL].drop_duplicates().itertuples(index=False, name=None))
    for file in sorted(folder / "spec.json" for folder in path.glob("cells/*") if folder.is_dir()):
        cell = specs.of_cell(file)
        if cell.get("status", "done") == "done":  # no other counts
            checksums.verify(file.parent, partial(dict, cell))
        if absent := [name for name in CELL if name not in cell]:
            raise InputError(f"{file}: no {', '.join(absent)}; expected the settings of a cell")
        key = tuple(cell[name] for name in CELL)
        if key in rows:
            raise InputError(f"{file.parent}: the same cell as {rows[key]['folder']}; remove one of the two")
        status = cell.get("status", "done")
        if status not in STATUSES:
            raise InputError(f"{file}: the status of a cell is one of {', '.join(STATUSES)}; got {status!r}")
        protocols[_protocol(cell)] = cell.get("settings", {})
        rows[key] = dict(
            status="running" if status == "done" and key not in there else status,
            leaky=bool(cell.get("leaky", False)),
            bound=bool(cell.get("reads_truth", False)),
            protocol=_protocol(cell),
            folder=str(file.parent),
            question=str(cell.get("question", "")),
            **_code(cell),
        )
    for key in there:
        rows.setdefault(key, PLAIN | dict(protocol=str(spec.get("protocol_hash", ""))))
    cells = pd.DataFrame([dict(zip(CELL, key, strict=True), **row) for key, row in rows.items()])
    seeds = spec.get("seeds", [])  # once, the number of them
    seeds = range(seeds) if isinstance(seeds, int) else seeds
    asked = dict(strategy=spec.get("strategies", []), oracle=spec.get("oracles", []), seed=seeds)
    axes = [sorted({*cells[name], *asked.get(name, ())}) for name in CELL]
    if math.prod(map(len, axes)) > MOST_CELLS:
        raise InputError(
            f"{path}: its cells are of so many names that a grid of them has more than {MOST_CELLS:,} cells"
        )
    cells = pd.MultiIndex.from_product(axes, names=CELL).to_frame(index=False).merge(cells, how="left", on=CELL)
    absent = cells.status.isna()
    for name, default in PLAIN.items():
        cells[name] = cells[name].where(~absent, default).astype(type(default))
    cells.loc[absent, "status"] = "missing"
    leaky = cells.groupby("oracle").leaky.transform("any")
    bound = cells.groupby("strategy").bound.transform("any")
    return cells.assign(run=str(path), foreign=False, leaky=leaky, bound=bound)


def _protocol(cell: dict) -> str:
    """The digest of a cell's protocol as it counts today: earlier versions had settings in it that change nothing."""
    settings = cell.get("settings")
    if not settings:
        return str(cell.get("protocol_hash", ""))
    return digest({name: value for name, value in settings.items() if name not in FORMER})


def _code(cell: dict) -> dict[str, str]:
    """Digests of the code of a cell's strategy, with its rule and refiner, and of its oracle; "" where not recorded."""
    known = cell.get("code", {})
    method = {part: code for part, code in known.items() if part != "oracle"}
    return dict(method_code=digest(method) if method else "", oracle_code=str(known.get("oracle", "")))


def _refuse_two_protocols(cells: pd.DataFrame, protocols: dict[str, dict]) -> None:
    for setting, group in cells.groupby(SETTING):
        found = sorted(group.protocol.unique())
        if len(found) > 1:
            names = ", ".join(p[:8] or "none" for p in found)
            unlike = identity.changes(protocols.get(found[0], {}), protocols.get(found[1], {}))
            raise InputError(
                f"{' · '.join(setting)} was run under {len(found)} protocols ({names}): they do not compare"
                f"{' (' + '; '.join(unlike) + ')' if unlike else ''}; report them apart, or insist with --mixed"
            )


def _refuse_two_codes(cells: pd.DataFrame) -> None:
    """Raise InputError where one name stands for two versions of the code of a strategy or of an oracle."""
    for kind, code in (("strategy", "method_code"), ("oracle", "oracle_code")):
        known = cells[cells[code].ne("")]
        for key, group in known.groupby([*SETTING, kind] if kind == "strategy" else SETTING):
            if group[code].nunique() > 1:
                name, two = key[-1], group.drop_duplicates(code).folder.tolist()
                raise InputError(
                    f"the code of {kind} {name!r} changed between {two[0]} and {two[1]}: they do not compare; "
                    f"run again with --again '{name}', report them apart, or insist with --mixed"
                )


def _names(cells: pd.DataFrame, mixed: bool) -> pd.Series:
    """The name of each cell's strategy, so that no name stands for the strategies of two sources."""
    source = cells.run.where(cells.foreign, "")
    sources = source.groupby([cells.dataset, cells.strategy]).transform("nunique")
    shared = cells.foreign & sources.gt(1)
    if mixed:
        shared |= cells.groupby([*SETTING, "strategy"]).protocol.transform("nunique").gt(1)
    paths = {run: Path(run) for run in cells.run[shared].unique()}
    short = {run: path.parent.name if path.name == "rounds.csv" else path.stem for run, path in paths.items()}
    alike = pd.Series(short, dtype=object).duplicated(keep=False)
    labels = {run: run if alike[run] else name for run, name in short.items()}
    return cells.strategy.where(~shared, cells.strategy + " @ " + cells.run.map(labels).fillna(""))


def _within(table: pd.DataFrame, setting) -> pd.DataFrame:
    """The rows of a setting; an empty foundation or oracle of a foreign row fits any."""
    fits = table.dataset.eq(setting[0])
    for name, value in zip(SETTING[1:], setting[1:], strict=True):
        fits &= table[name].eq(value) | (table[name].eq("") & table.foreign)
    return table[fits].reset_index(drop=True)
