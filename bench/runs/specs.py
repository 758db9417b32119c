"""The content of a run's JSON files, each value with its kind: a stranger's files are checked before any use.

Missing values are no error here. Control characters in its texts, which would speak to a terminal or end
a line, are replaced.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import files
from bench.runs import schema
from bench.types import InputError, printable

MOST_CELLS = 100_000  # more are a typing error
DEEPEST = 50  # objects and lists within each other


@dataclass(frozen=True)
class Kind:
    what: str
    fits: Callable[[Any], bool]


def each(kind: Kind) -> Kind:
    return Kind(f"a list, each {kind.what}", lambda value: isinstance(value, list) and all(map(kind.fits, value)))


TEXT = Kind("text", lambda value: isinstance(value, str))
PLACE = Kind("a folder or null", lambda value: value is None or isinstance(value, str))
WHOLE = Kind("a whole number of at most 18 digits", lambda value: type(value) is int and abs(value) < 10**18)
NUMBER = Kind("a number", lambda value: type(value) in (int, float))
YES_NO = Kind("true or false", lambda value: isinstance(value, bool))
OBJECT = Kind("an object", lambda value: isinstance(value, dict))
SEEDS = Kind("whole numbers, or how many", lambda value: WHOLE.fits(value) or each(WHOLE).fits(value))
BYTE = Kind("a whole number from 0 to 255", lambda value: type(value) is int and 0 <= value < 256)
COLOR = Kind("three of 0 to 255", lambda value: each(BYTE).fits(value) and len(value) == 3)

KEYS = ("dataset", "foundation", "strategy", "oracle", "seed")
PROTOCOL = {"dataset": TEXT, "format": WHOLE}
RUN = {"protocol": OBJECT, "strategies": each(TEXT), "oracles": each(TEXT), "seeds": SEEDS, "files": OBJECT}
RUN |= {"versions": OBJECT, "data_root": PLACE, "pseudo_labels": TEXT}
CELL = {"settings": OBJECT, "seed": WHOLE, "status": TEXT, "files": OBJECT, "peak_memory_gib": NUMBER}
CELL |= {"code": OBJECT, "leaky": YES_NO, "reads_truth": YES_NO} | dict.fromkeys(KEYS[:4], TEXT)
BUNDLE = {"names": each(TEXT), "classes": each(TEXT), "palette": each(COLOR), "background": BYTE}


def of_run(path: Path) -> dict:
    """The spec.json of a run. Raises InputError if it is missing or broken, says something of another kind, is of a
    newer format, or asks for more cells than any run does."""
    spec = read(path, RUN)
    check(path, spec.get("protocol", {}), PROTOCOL)
    schema.refuse_newer(path, spec)
    seeds = spec.get("seeds", [])  # once, the number of them
    n_seeds = seeds if isinstance(seeds, int) else len(seeds)
    if max(1, len(spec.get("strategies", [])) * len(spec.get("oracles", []))) * n_seeds > MOST_CELLS:
        raise InputError(f"{path}: asks for more than {MOST_CELLS:,} cells, which no run does")
    return spec


def of_cell(path: Path) -> dict:
    """The spec.json of a cell, with its identity, as its settings alone have it. Raises InputError as `read` does."""
    cell = read(path, CELL)
    cell = {name: value for name, value in cell.get("settings", {}).items() if name in KEYS} | cell
    check(path, cell, CELL)
    return cell


def read(path: Path, kinds: Mapping[str, Kind]) -> dict:
    """A JSON file that says things of these ``kinds``. Raises InputError if it is missing, broken or malformed."""
    found = _printable(path, files.read_json(path), DEEPEST)
    check(path, found, kinds)
    return found


def check(path: Path, found: dict, kinds: Mapping[str, Kind]) -> None:
    """Raise InputError for the first of the values that is not of its kind."""
    for name, kind in kinds.items():
        if name in found and not kind.fits(found[name]):
            got = repr(found[name])[:60]
            raise InputError(
                f"{path}: damaged, or not made by alc-bench: {name} is {got}; expected {kind.what}; get the file again"
            )


def _printable(path: Path, value, depth: int):
    if not depth:
        raise InputError(f"{path}: not made by alc-bench: more than {DEEPEST} objects and lists within each other")
    if isinstance(value, dict):
        return {printable(key): _printable(path, inner, depth - 1) for key, inner in value.items()}
    if isinstance(value, list):
        return [_printable(path, inner, depth - 1) for inner in value]
    return printable(value) if isinstance(value, str) else value
