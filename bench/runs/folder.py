"""The folder of a run: one process and one protocol hold it, and it says which commands wrote there."""

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import entry_points, version
from pathlib import Path

from filelock import FileLock, Timeout

from bench.files import PARTIAL, Unwritable, digest, read_json, sweep, write_bytes, write_spec, writing
from bench.registry import KINDS
from bench.runs import identity
from bench.types import InputError

COMMANDS = "commands.jsonl"  # of a folder: those that wrote there
MADE = ("cells", "round0", "repeat*", "bundle", "reference", "reference.csv", "rounds.csv", "sums.json", "report")
FORMER = ("rounds",)  # settings that earlier versions counted as a part of the protocol
PACKAGES = ("alc-bench", "torch", "mmsegmentation", "mmengine", "mmcv-lite", "numpy")


@contextmanager
def claimed(out: Path, protocol: dict, record: dict, again: bool = False) -> Iterator[Callable[..., None]]:
    """Hold the run folder ``out`` for one process and one protocol. Yields a function, for when the command can go
    on.

    It writes spec.json, with more facts by name, and with ``again`` removes the cells that are there. Until then
    nothing of a run that was there changes; a new one has its spec.json at once.

    Raises InputError when another run holds it (the lock dies with its owner), when it holds files that are no run, or
    one of another protocol. The message names the differences. ``again`` makes a present run of one with the same
    settings but other data, code or versions.
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
        known = read_json(spec) if spec.exists() else {}
        if begun := bool(known):
            found = known.get("protocol")
            found = found if isinstance(found, dict) else {}
            found = {k: v for k, v in found.items() if k in protocol or k not in FORMER}
            _refuse_other(out, found, protocol, again)

        def begin(**more) -> None:
            if again:
                _clear(out)
            sweep(out)
            kept = {} if again or "files" not in known else {"files": known["files"]}  # until they are written anew
            write_spec(spec, {"protocol": protocol, "protocol_hash": digest(protocol), **record, **kept, **more})

        if not begun:
            begin()
        try:
            yield begin
        except InputError:
            if not begun and out.is_dir() and {p.name for p in out.iterdir()} <= {".lock", spec.name}:
                spec.unlink(missing_ok=True)  # nothing came of it
            raise


def _refuse_other(out: Path, found: dict, protocol: dict, again: bool) -> None:
    """Raise InputError where ``protocol`` is not the one ``found`` in ``out``, or ``again``, of other settings."""
    settings = [{k: v for k, v in one.items() if k not in identity.SHARED} for one in (found, protocol)]
    if settings[0] != settings[1]:
        changes = "; ".join(identity.changes(*settings))
        raise InputError(f"{out} is a run of another protocol ({changes}); choose another --out")
    if (changes := "; ".join(identity.changes(found, protocol))) and not again:
        raise InputError(
            f"{out} is a run of another protocol (since {identity.since(out / 'spec.json')}: {changes}); "
            "--again all removes its cells and makes those you name, or choose another --out"
        )


def _clear(out: Path) -> None:
    """Remove the files that a run made, but for the record of its commands; files of others stay."""
    for path in (path for pattern in MADE for path in out.glob(pattern)):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def add_to_spec(out: Path, **more) -> None:
    """Add facts of a claimed run that are known only once it has begun."""
    write_spec(out / "spec.json", read_json(out / "spec.json") | more)


def staying(folder: Path) -> Callable[[], None]:
    """A check that raises `Unwritable` once a folder's spec.json, if it has one now, is gone."""
    spec = folder / "spec.json"

    def check_there() -> None:
        if not spec.exists():
            raise Unwritable(f"{folder} was removed while the run wrote there; remove what is left of the run")

    return check_there if spec.exists() else lambda: None


def remember(folder: Path, command: str) -> None:
    """Add a line to the folder's commands.jsonl, which may end in half a one of a writer that was killed or met a full
    disk: a command that wrote there, when, and by which version."""
    path = folder / COMMANDS
    if path.is_symlink() or (path.exists() and path.stat().st_nlink > 1):  # linked: the other file stays as it is
        write_bytes(path, path.read_bytes() if path.exists() else b"")
    line: dict[str, object] = {"time": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC", "command": command}
    line |= {"version": version("alc-bench"), "commit": commit(), "plugins": packages()}
    with writing(path), open(path, "a+b") as file:
        file.seek(max(file.tell() - 1, 0))
        file.write((b"\n" if file.read() not in (b"\n", b"") else b"") + json.dumps(line).encode() + b"\n")


def environment() -> dict:
    """Versions and hardware, for the record; they are no part of a protocol."""
    return {
        "versions": {name: version(name) for name in PACKAGES},
        "plugins": packages(),
        "commit": commit(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
    }


@cache
def packages() -> dict[str, str]:
    """The installed packages that bring plug-ins, with their versions."""
    points = [point for kind in KINDS for point in entry_points(group=f"alc_bench.{kind}")]
    return {point.dist.name: point.dist.version for point in points if point.dist}


@cache
def commit() -> str | None:
    """The git commit of this package, with a + if files differ from it; None if it is no checkout."""
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
