"""What a run leaves on disk. Every file is written whole or not at all; a folder of another protocol is refused.

A file is first written beside its place and then moved over it: a reader never sees half of one, nor does a crash or a
full disk leave it.
"""

import errno
import hashlib
import io
import json
import os
import platform
import re
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import cache
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from filelock import FileLock, Timeout

from bench import registry
from bench.types import InputError

# pandas 3 reads floats back as they were written; earlier ones have to be asked to
EXACT = {"float_precision": "round_trip"} if int(pd.__version__.split(".")[0]) < 3 else {}
COMMANDS = "commands.jsonl"  # of a folder: those that wrote there
FORMER = ("rounds",)  # settings that earlier versions counted as a part of the protocol
SUMS = "sums.json"  # in a folder: the lengths and checksums of its files
PARTIAL = ".partial-"  # how the names of files begin that are being written
# What a system says that will not take a file, as against a mistake of ours.
REFUSALS: tuple[int, ...] = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG, errno.EIO)
REFUSALS += (errno.EMFILE, errno.ENFILE, errno.ENOTDIR, errno.ENOENT)
PACKAGES = ("alc-bench", "torch", "mmsegmentation", "mmengine", "mmcv-lite", "numpy")


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
    """Remove what killed writers left in a folder; its owner alone may do that, or a file that is written vanishes."""
    for leftover in folder.rglob(f"{PARTIAL}*"):
        leftover.unlink(missing_ok=True)


def staying(folder: Path) -> Callable[[], None]:
    """A check that raises `Unwritable` once a folder's spec.json, where it has one now, is gone."""
    spec = folder / "spec.json"

    def check_there() -> None:
        if not spec.exists():
            raise Unwritable(f"{folder} was removed while the run wrote there; remove what is left of the run")

    return check_there if spec.exists() else lambda: None


def write_json(path: Path, value) -> None:
    with replacing(path) as temporary:
        temporary.write_text(_json(value))


def write_spec(path: Path, value: dict) -> None:
    """A JSON file with its own checksum, which `read_json` checks: what it says is taken on trust elsewhere."""
    write_json(path, value | {"sum": digest(value)})


def write_bytes(path: Path, data: bytes) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_csv(path: Path, rows: list[dict] | pd.DataFrame, columns: list[str] | None = None) -> None:
    """Floats are written so that they read back exactly."""
    frame = pd.DataFrame(rows, columns=columns)
    with replacing(path) as temporary:
        frame.to_csv(temporary, index=False)


def read_json(path: Path, summed: bool = False):
    """An object from a JSON file. Raises InputError for a missing or broken file, and for one of `write_spec` that is
    not as it was written. ``summed``: it always was of `write_spec`, and must have its checksum."""
    try:
        text = path.read_text()
        found = json.loads(text)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; is this the folder of a run?") from error
    except (OSError, ValueError, RecursionError) as error:  # no text, no JSON, or brackets without end
        raise InputError(f"{path}: not readable as JSON: {error}") from error
    if not isinstance(found, dict):
        raise InputError(f"{path}: expected a JSON object, got {_short(found)}")
    known = found.pop("sum", None)
    if (summed or known is not None) and text != _json(found | {"sum": digest(found)}):
        raise InputError(f"{path}: damaged: it is not as it was written (its checksum is another)")
    return found


def _json(value) -> str:
    return json.dumps(value, indent=2, sort_keys=True) + "\n"


def read_csv(path: Path, columns: tuple[str, ...], source: io.StringIO | None = None, **options) -> pd.DataFrame:
    """Raises InputError for a missing or broken file and for a missing one of ``columns``. ``source``: what is read in
    place of the file."""
    try:
        frame = pd.read_csv(source or path, **EXACT, **options)
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
    """The length of a file's content, and 32 hex digits: what is recorded of it."""
    return [len(data), hashlib.blake2b(data, digest_size=16).hexdigest()]


def record(folder: Path, sums: dict[str, list]) -> None:
    """Take down in ``folder`` the checksums of some of its files, by name, beside those that are known."""
    try:
        known = recorded(folder)
    except InputError:  # damaged: whoever goes by it has noticed
        known = {}
    write_spec(folder / SUMS, known | sums)


def recorded(folder: Path) -> dict[str, list]:
    """The checksums that are known of the files of a folder, by name; none where an older version wrote it."""
    return read_json(folder / SUMS, summed=True) if (folder / SUMS).exists() else {}


def check(path: Path, known: list, remedy: str, more: bool = False) -> bytes:
    """Raise InputError, ending in ``remedy``, unless a file holds what was recorded of it. Returns its content.

    ``more``: it may hold more behind that, as a file does whose writer was stopped before it took down the checksum.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: damaged: {error.strerror}; {remedy}") from error
    if not (isinstance(known, list) and list(map(type, known)) == [int, str]):
        raise InputError(f"{path}: damaged: {_short(known)} is no length and checksum of it; {remedy}")
    found = data[: known[0]] if more else data
    if checksum(found) != list(known):
        what = f"holds {len(data):,} bytes" if len(data) != known[0] else "has another checksum"
        raise InputError(f"{path}: damaged: it {what}, {known[0]:,} bytes were written; {remedy}")
    return found


def intact(path: Path) -> bool:
    """Whether a file that can be made again is there, and as it was written."""
    try:
        known = recorded(path.parent).get(path.name)
        return path.exists() and (known is None or bool(check(path, known, "")))
    except InputError:
        return False


def environment() -> dict:
    """Versions and hardware, for the record; they are no part of a protocol."""
    return {
        "versions": {name: version(name) for name in PACKAGES},
        "plugins": registry.packages(),
        "commit": commit(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
    }


@cache
def commit() -> str | None:
    """The git commit of this package, with a + where files differ from it; None where it is no checkout."""
    root = Path(__file__).parents[1]
    git = ["git", "-C", str(root)]
    try:
        if not (root / ".git").exists():
            return None
        head, changed = (
            subprocess.run([*git, *what], capture_output=True, text=True, check=True, timeout=20).stdout.strip()
            for what in (("rev-parse", "HEAD"), ("status", "--porcelain", "--untracked-files=no"))
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return head + "+" * bool(changed)


def remember(folder: Path, command: str) -> None:
    """Add a line to the folder's commands.jsonl, which may end in half a one of a writer that was killed or met a full
    disk: a command that wrote there, when, and by which version."""
    line: dict[str, object] = {"time": f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M:%S} UTC", "command": command}
    line |= {"version": version("alc-bench"), "commit": commit(), "plugins": registry.packages()}
    with writing(folder / COMMANDS), open(folder / COMMANDS, "a+b") as file:
        file.seek(max(file.tell() - 1, 0))
        file.write((b"\n" if file.read() not in (b"\n", b"") else b"") + json.dumps(line).encode() + b"\n")


def slug(*names: str) -> str:
    """A folder name: the names' letters, digits and . - _, joined by two underscores; a hash where that drops any."""
    plain = "__".join(re.sub(r"[^\w.+-]+", "-", name).strip("-") for name in names)
    return plain if plain == "__".join(names) else f"{plain}-{digest(names)[:6]}"


@contextmanager
def claimed(out: Path, protocol: dict, record: dict) -> Iterator[None]:
    """Hold the run folder ``out`` for one process and one protocol.

    Raises InputError when another run holds it (the lock dies with its owner), when it holds files that are no run, or
    one of another protocol: the message names the settings that differ.
    """
    spec = out / "spec.json"
    try:
        if out.exists() and not spec.exists() and any(not p.name.startswith((".lock", PARTIAL)) for p in out.iterdir()):
            raise InputError(f"{out} holds files but no run (no spec.json); choose another --out")
        out.mkdir(parents=True, exist_ok=True)
        lock = FileLock(out / ".lock", timeout=0)
        lock.acquire()
    except Timeout as error:
        raise InputError(f"{out} is in use by another run; wait for it or choose another --out") from error
    except OSError as error:
        raise InputError(f"--out {out}: {error.strerror}") from error
    with lock:
        begun = spec.exists()
        if begun:
            found = read_json(spec).get("protocol")
            found = found if isinstance(found, dict) else {}
            found = {k: v for k, v in found.items() if k in protocol or k not in FORMER}
            differing = [k for k in sorted(found.keys() | protocol) if found.get(k) != protocol.get(k)]
            if differing:
                changes = "; ".join(
                    f"{k}: {_short(found.get(k))} there, {_short(protocol.get(k))} now" for k in differing
                )
                raise InputError(f"{out} is a run of another protocol ({changes}); choose another --out")
        sweep(out)
        write_spec(spec, {"protocol": protocol, "protocol_hash": digest(protocol), **record})
        try:
            yield
        except InputError:
            if not begun and out.is_dir() and {p.name for p in out.iterdir()} <= {".lock", spec.name}:
                spec.unlink(missing_ok=True)  # nothing came of it
            raise


def add_to_spec(out: Path, **more) -> None:
    """What is known of a claimed run only once it has begun."""
    write_spec(out / "spec.json", read_json(out / "spec.json") | more)


def _short(value) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
