"""Whole folders: written beside their place, by one process at a time, and moved there when every file is done.

The lock lies in the unfinished folder. It goes with it, so a killed process leaves no lock, and a finished one no file.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.types import InputError

UNFINISHED = ".unfinished"  # how the names of folders end that are being written
LOCK = ".lock"


@contextmanager
def writing(to: Path, replaced: str = "") -> Iterator[Path]:
    """An empty folder whose files take their places in ``to`` when the block ends well, and vanish when it does not.

    Files of ``to`` that the block did not write stay, but for those that the pattern ``replaced`` matches. A new or
    empty ``to`` appears at once. Raises InputError if another process writes there.
    """
    to = to.resolve()  # or "." has no name
    work = to.with_name(f".{to.name}{UNFINISHED}")
    made = [parent for parent in work.parents if not parent.exists()]
    lock = _locked(work, to)
    try:
        _empty(work)
        yield work
        _move(work, to, replaced)
    finally:
        if _is_of(lock, work):
            _empty(work)
            (work / LOCK).unlink()
            with suppress(OSError):  # the next writer is in it already
                for folder in (work, *made):
                    folder.rmdir()
        os.close(lock)


def _locked(work: Path, to: Path) -> int:
    """A descriptor that holds the lock of an unfinished folder. Raises InputError if another process holds it."""
    busy = InputError(f"{to}: another command writes there; wait for it, or name another folder")
    try:
        work.mkdir(parents=True, exist_ok=True)
        lock = os.open(work / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except FileNotFoundError as error:  # the other one moved the folder just now
        raise busy from error
    with suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_of(lock, work):
            return lock
    os.close(lock)
    raise busy


def _is_of(lock: int, work: Path) -> bool:
    """Whether a lock is that of this folder, not of one that was moved away between opening and locking it."""
    try:
        return os.path.samestat(os.fstat(lock), (work / LOCK).stat())
    except FileNotFoundError:
        return False


def _empty(work: Path) -> None:
    for path in work.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()


def _move(work: Path, to: Path, replaced: str) -> None:
    """Move the files to their places."""
    if to != Path.cwd():  # somebody who stands in an empty folder would not see another one in its place
        with suppress(OSError):
            os.replace(work, to)
            return (to / LOCK).unlink()
    written = [path.relative_to(work) for path in work.rglob("*") if path.is_symlink() or not path.is_dir()]
    former = {path.relative_to(to) for path in to.glob(replaced)} if replaced else set()
    for inner in sorted(path for path in written if path != Path(LOCK)):
        (to / inner).parent.mkdir(parents=True, exist_ok=True)
        os.replace(work / inner, to / inner)
    for inner in former - set(written):
        (to / inner).unlink()
