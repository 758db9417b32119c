"""Whether the files of a cell, or of a run, are as they were written: their lengths and checksums."""

import io
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench import files
from bench.runs import confusions, identity, schema, specs
from bench.types import InputError, printable

OF_RUN = ("rounds.csv", "reference.csv", files.SUMS)


_verified: dict[Path, list] = {}  # folder -> the state of its files when this process verified them


def verify(folder: Path, read_spec: Callable[[], dict]) -> None:
    """Raise InputError, which names the file, if one of a cell has changed since it was written.

    ``read_spec``: gives the cell's spec.json, which has the checksums of all files once the cell is done; until then
    sums.json has them. A folder is read once: again only if the size, the time or the inode of a file changed since.
    """
    state = _state(folder)
    if _verified.get(folder) == state:
        return
    spec = read_spec()
    if spec.get("status") == "done" and spec.get("files"):
        check_all(folder, spec)
    else:
        check(folder)
    _verified[folder] = state


def verify_run(run: Path, spec: dict) -> None:
    """Raise InputError, which names the file, if one of a run or of its cells has changed since it was written, or if
    the folder of a cell holds another one. ``spec``: the run's spec.json."""
    check_all(run, spec)
    for path in sorted(run.glob("cells/*/spec.json")):
        cell = specs.of_cell(path)
        identity.refuse_other_cell(path.parent, cell)
        verify(path.parent, partial(dict, cell))


def _state(folder: Path) -> list:
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        found = [(e.name, e.stat()) for e in entries if e.is_file()]
    return sorted((name, s.st_size, s.st_mtime_ns, s.st_ino) for name, s in found)


def check(folder: Path) -> None:
    """Raise InputError, which names the file, if one of a cell's has changed since it was written.

    A cell that was stopped while it wrote may hold rows of a further round that it has not recorded. The recorded
    content must be there.
    """
    again, n_rounds = anew(folder), 0
    try:
        known = files.recorded(folder)
    except InputError as error:
        raise InputError(f"{error}; {again}") from error
    if not known and schema.is_since(folder / "rounds.csv", 2):
        raise InputError(f"{folder / files.SUMS}: damaged: it is missing or empty; {again}")
    for name in [name for name in schema.FILES if name in known]:
        data = files.check(folder / name, known[name], again, more=True)
        n_rounds = data.count(b"\n") - 1 if name == "rounds.csv" else n_rounds
        _check_rest(folder / name, data, n_rounds, again)
    if confusions.FILE in known:
        try:
            files.check(folder / confusions.FILE, known[confusions.FILE], again)
        except InputError:
            if not _is_newer(folder / confusions.FILE, n_rounds):
                raise


def _check_rest(path: Path, known: bytes, n_rounds: int, again: str) -> None:
    """Raise InputError if a file has more rows than the ``known`` ones of a round that was recorded whole.

    ``n_rounds``: that many were measured. A writer that was stopped leaves rows of the round after them.
    """
    if path.stat().st_size == len(known):
        return
    rounds = schema.read(path)["round"].to_numpy()
    source = io.StringIO(known.decode(errors="replace"))
    n = len(schema.parse(path, schema.FILES[path.name], source=source))
    first = max(n_rounds, rounds[:n].max(initial=-1) + 1)
    if (rounds[n:] < first).any():
        found = int((rounds[n:] < first).sum())
        raise InputError(f"{path}: damaged: {found} more rows than were written of rounds before {first:g}; {again}")


def anew(folder: Path) -> str:
    """The remedy for a damaged file of a cell."""
    return f"remove {folder} to run the cell anew"


def _is_newer(path: Path, n_rounds: int) -> bool:
    """Whether the file holds a round more than these: its writer was stopped before it took that down."""
    try:
        return len(confusions.read(path).data) == n_rounds + 1
    except InputError:
        return False


def of(folder: Path) -> dict[str, list]:
    """The checksums of all files of a cell that is done, or of a run, for its spec.json."""
    names = OF_RUN if (folder / "cells").is_dir() else (*schema.FILES, confusions.FILE, files.SUMS)
    paths = [folder / name for name in names if (folder / name).exists()]
    return {path.name: files.checksum(path.read_bytes()) for path in paths}


def check_all(folder: Path, spec: dict) -> None:
    """Raise InputError, which names the file, if one of a folder is not as its spec.json says (`of`)."""
    for name, checksum in spec.get("files", {}).items():
        if Path(name).name != name or printable(name) != name:
            raise InputError(f"{folder}/spec.json: {name!r} is not the name of a file in that folder")
        if (of_run := "strategies" in spec) and name not in OF_RUN:  # as earlier versions wrote
            continue
        again = "" if name == "rounds.csv" and of_run else f"remove {folder} and "
        files.check(folder / name, checksum, f"{again}run the same command again")
