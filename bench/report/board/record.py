"""The record of a committed result: the table ``[result]`` of its experiment file."""

import datetime
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path

from bench.types import InputError


@dataclass(frozen=True)
class Record:
    """The table ``[result]`` of an experiment file; a value is empty if nobody recorded it.

    ``seeds``: their number. ``images``: of the train split; published numbers of other images do not stand beside it.
    ``commit`` and ``date``: of the commit that brought the numbers. ``board``: whether the
    file takes part in the board; one that does not takes no part in its tests either.
    """

    title: str = ""
    command: str = ""
    protocol: str = ""
    seeds: int = 0
    images: int = 0
    commit: str = ""
    date: datetime.date | None = None
    board: bool = True


def read_record(path: Path) -> Record:
    """The record beside a CSV file. Raises InputError for a broken TOML file and for keys and types of no record."""
    config = path.with_suffix(".toml")
    if not config.is_file():
        return Record()
    try:
        record = tomllib.loads(config.read_text(encoding="utf-8")).get("result", {})
    except (OSError, ValueError) as error:
        raise InputError(f"{config}: not readable as TOML: {error}") from error
    types = {"seeds": int, "images": int, "date": datetime.date, "board": bool}
    known = {known.name: types.get(known.name, str) for known in fields(Record)}
    for key, value in record.items():
        if type(value) is not known.get(key):
            kinds = ", ".join(f"{name} ({kind.__name__})" for name, kind in known.items())
            raise InputError(f"{config}: [result] has {key} = {value!r}; expected {kinds}")
    return Record(**record)
