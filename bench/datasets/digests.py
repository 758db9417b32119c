"""The content of files, digested once: an index remembers it by path, size, times and inode, as git's does.

The index is a file of the cache. Without one that can be written, every process digests anew: slower, and as right.
"""

import hashlib
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from bench.files import default_cache
from bench.types import InputError

INDEX = "digests.sqlite"
# Within the grain of a file system's clock (FAT: two seconds) a file may change and keep its time. What was digested so
# soon after its last change is "racily clean" in git's words, and digested again.
GRAIN_NS = 2 * 10**9
BLOCK_BYTES = 1 << 20
Stamp = tuple[int, int, int, int]  # size in bytes, mtime_ns, ctime_ns, inode


def content(path: Path) -> str | None:
    """32 hex digits of a file's content; None where there is no such file. Raises InputError if it cannot be read."""
    return contents([path])[0]


def contents(paths: Iterable[Path]) -> list[str | None]:
    """`content` of each of the ``paths``; files that did not change since they were digested are not read."""
    names = [os.path.abspath(path) for path in paths]
    stamps = {name: stamp for name in dict.fromkeys(names) if (stamp := _stamp(name)) is not None}
    found: dict[str, str] = {}
    with _index() as index:
        for name, digest, *then in _rows(index, stamps):
            if tuple(then) == stamps[name]:
                found[name] = digest
        unknown = [name for name in stamps if name not in found]
        with ThreadPoolExecutor(4) as pool:  # hashlib and reading leave the lock
            found |= zip(unknown, pool.map(_digest, unknown), strict=True)
        now = time.time_ns()
        steady = [name for name in unknown if _stamp(name) == stamps[name] and max(stamps[name][1:3]) < now - GRAIN_NS]
        if index is not None and steady:
            with suppress(sqlite3.Error), index:
                rows = [(name, found[name], *stamps[name]) for name in steady]
                index.executemany("INSERT OR REPLACE INTO digests VALUES (?, ?, ?, ?, ?, ?)", rows)
    return [found.get(name) for name in names]


def _stamp(name: str) -> Stamp | None:
    """None where there is no such file."""
    try:
        of = os.stat(name)
    except OSError:
        return None
    return of.st_size, of.st_mtime_ns, of.st_ctime_ns, of.st_ino


def _digest(name: str) -> str:
    digest = hashlib.blake2b(digest_size=16)
    try:
        with open(name, "rb") as file:
            while block := file.read(BLOCK_BYTES):
                digest.update(block)
    except OSError as error:
        raise InputError(f"{name}: {error.strerror}") from error
    return digest.hexdigest()


@contextmanager
def _index() -> Iterator[sqlite3.Connection | None]:
    """The index; None where the cache cannot be written, or holds a damaged one."""
    try:
        folder = Path(default_cache())
        folder.mkdir(parents=True, exist_ok=True)
        index = sqlite3.connect(folder / INDEX, timeout=10)
        index.execute(
            "CREATE TABLE IF NOT EXISTS digests (path TEXT PRIMARY KEY, digest TEXT, size INTEGER, mtime_ns INTEGER,"
            " ctime_ns INTEGER, inode INTEGER) WITHOUT ROWID"
        )
    except (OSError, sqlite3.Error):
        yield None
        return
    with closing(index):
        yield index


def _rows(index: sqlite3.Connection | None, names: Iterable[str]) -> Iterator[tuple]:
    """The rows of these ``names``; none where the index is damaged."""
    if index is None:
        return
    with suppress(sqlite3.Error):
        for name in names:
            yield from index.execute("SELECT * FROM digests WHERE path = ?", (name,))
