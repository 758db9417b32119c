"""Whole files, JSON with a checksum, digests. Every file is written whole or not at all.

A file is first written beside its place and then moved over it. A reader never sees half of one, nor does a crash or a
full disk leave it.
"""

import errno
import hashlib
import io
import json
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import platformdirs

from bench.types import InputError

SUMS = "sums.json"  # in a folder: the lengths and checksums of its files
PARTIAL = ".partial-"  # how the names of files begin that are being written
# What a system says that will not take a file, as against a mistake of ours.
REFUSALS: tuple[int, ...] = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG, errno.EIO)
REFUSALS += (errno.EMFILE, errno.ENFILE, errno.ENOTDIR, errno.ENOENT)


def default_cache() -> str:
    """$ALC_BENCH_CACHE, else a folder at the system's place for a user's cache."""
    return os.environ.get("ALC_BENCH_CACHE", platformdirs.user_cache_dir("alc-bench"))


class Unwritable(InputError):
    """The disk takes no more. It ends the whole run: every cell would meet it."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a disk's refusal within the block into `Unwritable`, which names ``path``."""
    try:
        yield
    except OSError as error:
        if error.errno not in REFUSALS:
            raise
        reason = os.strerror(error.errno)
        raise Unwritable(f"cannot write {path}: {reason}; what was there is whole: mend it and run again") from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place when the block ends well, and vanishes when it does not.

    Raises Unwritable when the disk is full or refuses.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{PARTIAL}{uuid.uuid4().hex[:8]}-{path.name}")
        try:
            yield partial
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Remove the leftovers of killed writers in a folder. Only its owner may do that: otherwise a file that is written
    vanishes."""
    for leftover in folder.rglob(f"{PARTIAL}*"):
        leftover.unlink(missing_ok=True)


def write_json(path: Path, value) -> None:
    with replacing(path) as temporary:
        temporary.write_text(_json(value))


def write_spec(path: Path, value: dict) -> None:
    """A JSON file with its own checksum, which `read_json` checks: its content is trusted elsewhere."""
    write_json(path, value | {"sum": digest(value)})


def write_bytes(path: Path, data: bytes) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def read_text(path: Path) -> str:
    """A UTF-8 text file, without the byte order mark that editors of Windows put before it; lines end in a newline.

    Raises InputError for a file that is none.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not readable as UTF-8 text: {error}") from error


def write_csv(path: Path, rows: list[dict] | pd.DataFrame, columns: list[str] | None = None) -> None:
    """Floats are written so that they read back exactly."""
    frame = pd.DataFrame(rows, columns=columns)
    with replacing(path) as temporary:
        frame.to_csv(temporary, index=False)


def read_json(path: Path, summed: bool = False):
    """An object from a JSON file. Raises InputError for a missing or broken file, and for one of `write_spec` that is
    changed since. ``summed``: it always was of `write_spec`, and must have its checksum."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        found = json.loads(text)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; is this the folder of a run?") from error
    except (OSError, ValueError, RecursionError) as error:  # no text, no JSON, or brackets without end
        raise InputError(f"{path}: not readable as JSON: {error}") from error
    if not isinstance(found, dict):
        raise InputError(f"{path}: expected a JSON object, got {short(found)}")
    known = found.pop("sum", None)
    if (summed or known is not None) and text != _json(found | {"sum": digest(found)}):
        raise InputError(f"{path}: damaged: it has changed since it was written (its checksum is another)")
    return found


def _json(value) -> str:
    return json.dumps(value, indent=2, sort_keys=True) + "\n"


def read_csv(path: Path, columns: tuple[str, ...], source: io.StringIO | None = None, **options) -> pd.DataFrame:
    """Raises InputError for a missing or broken file and for a missing one of ``columns``. ``source``: text to read in
    place of the file."""
    try:
        frame = pd.read_csv(source or path, **options)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise InputError(f"{path}: not readable as CSV: {str(error).splitlines()[0]}") from error
    missing = [c for c in columns if c not in frame.columns]
    if missing:
        raise InputError(f"{path}: missing columns: {', '.join(missing)}; expected {', '.join(columns)}")
    return frame


def digest(value) -> str:
    """32 hex digits of a JSON-able value: equal settings, equal digest."""
    return hashlib.blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=16).hexdigest()


def file_digest(path: Path) -> str:
    try:
        return hashlib.blake2b(Path(path).read_bytes(), digest_size=16).hexdigest()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error


def checksum(data: bytes) -> list:
    """The length of a file's content, and 32 hex digits, for the record."""
    return [len(data), hashlib.blake2b(data, digest_size=16).hexdigest()]


def record(folder: Path, sums: dict[str, list]) -> None:
    """Take down in ``folder`` the checksums of some of its files, by name, beside those that are known."""
    try:
        known = recorded(folder)
    except InputError:  # damaged: whoever goes by it has noticed
        known = {}
    write_spec(folder / SUMS, known | sums)


def recorded(folder: Path) -> dict[str, list]:
    """The checksums that are known of the files of a folder, by name; none if an older version wrote it."""
    return read_json(folder / SUMS, summed=True) if (folder / SUMS).exists() else {}


def check(path: Path, known: list, remedy: str, more: bool = False) -> bytes:
    """Raise InputError, ending in ``remedy``, unless a file has its recorded length and checksum. Returns its content.

    ``more``: it may hold more behind that: its writer may have been stopped before it recorded the checksum.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{path}: damaged: no such file; {remedy}") from error
    except OSError as error:
        raise InputError(f"{path}: damaged: {error.strerror}; {remedy}") from error
    if not (isinstance(known, list) and list(map(type, known)) == [int, str]):
        raise InputError(f"{path}: damaged: {short(known)} is no length and checksum of it; {remedy}")
    found = data[: known[0]] if more else data
    if checksum(found) != list(known):
        what = f"holds {len(data):,} bytes" if len(data) != known[0] else "has another checksum"
        raise InputError(f"{path}: damaged: it {what}, {known[0]:,} bytes were written; {remedy}")
    return found


def intact(path: Path) -> bool:
    """Whether a file that can be made again is there and unchanged."""
    try:
        known = recorded(path.parent).get(path.name)
        return path.exists() and (known is None or bool(check(path, known, "")))
    except InputError:
        return False


def slug(*names: str) -> str:
    """A folder name: the names' letters, digits and . - _, joined by two underscores; a hash if that drops any."""
    plain = "__".join(re.sub(r"[^\w.+-]+", "-", name).strip("-") for name in names)
    return plain if plain == "__".join(names) else f"{plain}-{digest(names)[:6]}"


def short(value) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
