"""``alc-bench merge RUN RUN --out DIR``: the cells of runs of one protocol, from any machines, as one run."""

import shutil
from pathlib import Path

import pandas as pd

from bench.experiment.grid import collect, is_done
from bench.files import PARTIAL, writing
from bench.runs import checksums, identity, schema, specs
from bench.runs.bundle import FOLDER as BUNDLE
from bench.runs.folder import FORMER, claimed, remember
from bench.runs.pack import opened
from bench.runs.schema import ROUNDS, names
from bench.types import InputError

EXAMPLES = (
    "alc-bench merge runs/here runs/there --out runs/both",
    "alc-bench merge runs/here there.zip --out runs/both",
)
WORK = ".merging"  # in the merged run: the folder that is copied now
UNITED = ("strategies", "oracles", "seeds")  # what the runs were asked for


def add_arguments(parser) -> None:
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folder of a run, or a pack of one")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder, or one that was merged")


def main(args) -> int:
    n_cells = merge([opened(run) for run in args.runs], args.out, args.command)
    print(f"{args.out}: {n_cells} cells of {len(args.runs)} runs; alc-bench report {args.out}")
    return 0


def merge(runs: list[Path], out: Path, command: str) -> int:
    """Copy the cells of ``runs`` into the run ``out``; returns how many there are then.

    Raises InputError for runs of different protocols, for damaged files, and for a cell that two runs have with
    different rounds. If one
    of the two has more rounds, it is taken. Repeats stay in place: they belong to one machine.
    """
    said = [specs.of_run(run / "spec.json") for run in runs]
    for run, spec in zip(runs, said, strict=True):
        checksums.verify_run(run, spec)
    protocols = [{k: v for k, v in spec.get("protocol", {}).items() if k not in FORMER} for spec in said]
    for run, protocol in zip(runs, protocols, strict=True):
        if differing := "; ".join(identity.changes(protocols[0], protocol)):
            raise InputError(f"{run} is of another protocol than {runs[0]} ({differing}): they do not merge")
    chosen: dict[str, Path] = {}
    every: list[Path] = []
    for run in runs:
        for cell in sorted(path.parent for path in run.glob("cells/*/spec.json")):
            every.append(cell)
            known = chosen.get(cell.name)
            chosen[cell.name] = cell if known is None else _further(known, cell)
    _refuse_two_codes(every)
    asked = {name: list(dict.fromkeys(v for spec in said for v in _listed(spec.get(name, [])))) for name in UNITED}
    record = {k: v for k, v in said[0].items() if k not in ("protocol", "protocol_hash")}
    with claimed(out, protocols[0], record | asked | {"command": command}) as begin:
        checksums.verify_run(out, {})
        taken = {out / "cells" / name: cell for name, cell in chosen.items()}
        taken = {place: cell for place, cell in taken.items() if not place.is_dir() or _further(place, cell) == cell}
        for run in runs:
            for folder in (*run.glob("round0/seed*"), *run.glob(BUNDLE)):
                if not (place := out / folder.relative_to(run)).exists():
                    taken.setdefault(place, folder)
        begin()
        for place, folder in taken.items():
            _copy(folder, place, out / WORK)
        shutil.rmtree(out / WORK, ignore_errors=True)
        references = [schema.read(run / "reference.csv") for run in runs if (run / "reference.csv").is_file()]
        if references:
            schema.write(out / "reference.csv", pd.concat(references).drop_duplicates("seed").sort_values("seed"))
        collect(out)
        remember(out, command)
    return len(list(out.glob("cells/*/spec.json")))


def _copy(folder: Path, place: Path, work: Path) -> None:
    """Copy a folder to its place, whole or not at all; ``work``: for what is unfinished."""
    with writing(place):
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(folder, work / "new", ignore=shutil.ignore_patterns("logs", f"{PARTIAL}*"))
        place.parent.mkdir(exist_ok=True)
        if place.exists():
            place.rename(work / "former")
        (work / "new").rename(place)


def _refuse_two_codes(cells: list[Path]) -> None:
    """Raise InputError where two cells were made by two versions of one strategy or oracle."""
    seen: dict[tuple[str, str], tuple[str, Path]] = {}
    for folder in cells:
        cell = specs.of_cell(folder / "spec.json")
        for part, code in cell.get("code", {}).items():
            name = cell.get("oracle" if part == "oracle" else "strategy", "")
            known, other = seen.setdefault((part, name), (code, folder))
            if known != code:
                what = f"the code of the {part} of {name}"
                raise InputError(f"{folder} and {other}: {what} changed: they do not merge")


def _further(one: Path, other: Path) -> Path:
    """The one of two folders of a cell that has more rounds; InputError if the rounds that both have differ."""
    tables = [_rounds(one), _rounds(other)]
    n = min(map(len, tables))
    unlike = [name for name in tables[0] if n and not tables[0][name][:n].equals(tables[1][name][:n])]
    if unlike:
        raise InputError(
            f"{one} and {other} are the same cell with different rounds ({', '.join(unlike[:3])}): they do not merge"
        )
    if len(tables[0]) == len(tables[1]):
        return one if is_done(one) else other
    return one if len(tables[0]) > len(tables[1]) else other


def _rounds(cell: Path) -> pd.DataFrame:
    if not (cell / "rounds.csv").is_file():
        return pd.DataFrame()
    return schema.read(cell / "rounds.csv").drop(columns=names(ROUNDS, "time"))


def _listed(value) -> list:
    return list(range(value)) if isinstance(value, int) else value  # once, seeds were the number of them
