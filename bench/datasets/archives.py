"""A dataset in a zip file: unpacked once into the cache, by its content, and only where nothing in it is dangerous."""

import shutil
import stat
import zipfile
from pathlib import Path, PurePosixPath
from zlib import error as ZlibError

from filelock import FileLock

from bench.datasets import digests
from bench.datasets.names import is_foreign
from bench.files import default_cache
from bench.types import InputError

# A zip of zeros is a thousand times smaller than what it holds; JSON and flat label maps are up to a hundred times.
MOST_TIMES, FREE_BYTES = 200, 2**28


def folder_of(path: Path) -> Path:
    """``path`` itself if it is no zip file; else the folder that it was unpacked into.

    Where all of it lies in one folder, that is the one. Raises InputError for a damaged file, for members that lead
    elsewhere or are links, and for one that holds far more than its size lets expect or than the disk takes.
    """
    if not (path.is_file() and path.suffix.lower() == ".zip"):
        return path
    folder = Path(default_cache()) / "unpacked" / str(digests.content(path))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            _unpack(path, folder)
    inner = [part for part in folder.iterdir() if not is_foreign(Path(part.name))]
    return inner[0] if len(inner) == 1 and inner[0].is_dir() else folder


def _unpack(path: Path, to: Path) -> None:
    work = to.with_name(f".{to.name}-unfinished")
    shutil.rmtree(work, ignore_errors=True)
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _check(path, members, shutil.disk_usage(to.parent).free)
            archive.extractall(work, [m for m in members if not is_foreign(Path(m.filename))])
        work.rename(to)
    except (zipfile.BadZipFile, ZlibError, NotImplementedError, EOFError, ValueError, RuntimeError, OSError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: cannot be unpacked: {error}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _check(path: Path, members: list[zipfile.ZipInfo], free_bytes: int) -> None:
    for member in members:
        name = PurePosixPath(member.filename.replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts or ":" in name.parts[0]:
            raise InputError(f"{path}: {member.filename!r} in it leads elsewhere; a dataset is a folder")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise InputError(f"{path}: {member.filename!r} in it is a link; put the files themselves in")
    total, packed = sum(member.file_size for member in members), path.stat().st_size
    if total > MOST_TIMES * packed + FREE_BYTES or total > free_bytes:
        raise InputError(
            f"{path}: {packed:,} bytes that hold {total:,}, with {free_bytes:,} free on the disk of the cache; "
            "unpack it yourself if that is right, and name the folder"
        )
