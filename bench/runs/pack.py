"""A run in one zip, for others to read: rounds, questions and settings, no images and no places on this machine.

``pack.json`` in it has the digest of every file; the other files have the names that they have in the run's folder.
"""

import hashlib
import json
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from bench import __version__, files
from bench.files import default_cache
from bench.runs import checksums, confusions, specs
from bench.runs.folder import packages
from bench.types import InputError

FORMAT = 1
KEPT = (
    "spec.json",
    "rounds.csv",
    "reference.csv",
    "sums.json",
    "commands.jsonl",
    "cells/*/*.csv",
    "cells/*/*.json",
    "cells/*/*.npz",
)
PLACES = ("data_root", "pseudo_labels")  # what a run's spec.json says of this machine
LIMIT_BYTES = 4_000_000_000  # of what a pack says that it holds


def write(run: Path, to: Path) -> int:
    """Pack the run in the folder ``run`` into the zip ``to``; returns its bytes.

    Raises InputError for no run, for a damaged one, and where ``to`` is a file that is no pack.
    """
    spec = files.read_json(run / "spec.json")
    if not (run / "rounds.csv").is_file():
        raise InputError(f"{run}: no rounds.csv: no cell is done, there is nothing to pack")
    for top in (run, *run.glob("repeat*")):
        checksums.verify_run(top, specs.of_run(top / "spec.json"))
    if to.exists() and not zipfile.is_zipfile(to):
        raise InputError(f"{to} is a file that is no pack; name another one with --to")
    paths = [path for top in (run, *sorted(run.glob("repeat*"))) for kept in KEPT for path in sorted(top.glob(kept))]
    contents = {path.relative_to(run).as_posix(): path.read_bytes() for path in paths if path.name[0] != "."}
    told = {name: value for name, value in spec.items() if name not in PLACES}
    contents["spec.json"] = json.dumps(told, indent=2, sort_keys=True).encode()
    about = {"format": FORMAT, "alc-bench": __version__, "plugins": spec.get("plugins", packages())}
    about |= {"name": run.resolve().name, "files": {name: _digest(data) for name, data in contents.items()}}
    with files.replacing(to) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as pack:
        for name, content in [("pack.json", json.dumps(about, indent=2).encode()), *contents.items()]:
            pack.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)  # no times: equal runs, equal packs
    return to.stat().st_size


def opened(path: Path) -> Path:
    """The folder of the run in a pack, below the user's cache; of anything but a zip, ``path`` as it is.

    Raises InputError for a zip that is no whole pack: each file must be named in pack.json and have its digest.
    """
    if path.suffix != ".zip" or not path.is_file():
        return path
    try:
        with zipfile.ZipFile(path) as pack:
            if sum(info.file_size for info in pack.infolist()) > LIMIT_BYTES:
                raise InputError(f"{path}: holds more than {LIMIT_BYTES / 1e9:.0f} GB; a pack of a run does not")
            confusions.check_size(path, pack)
            about = json.loads(pack.read("pack.json"))
            known, names = about["files"], set(pack.namelist()) - {"pack.json"}
            if about["format"] != FORMAT or names != set(known) or not all(map(_is_kept, names)):
                raise InputError(f"{path}: not a pack of format {FORMAT}: its files are not those that pack.json names")
            if set(PLACES) & json.loads(pack.read("spec.json")).keys():
                raise InputError(f"{path}: its spec.json names folders of this machine, which a pack does not")
            name = files.slug(str(about["name"])).lstrip(".") or "run"
            place = Path(default_cache()) / "packs" / files.file_digest(path)[:16] / name
            if not place.is_dir():
                _extract(pack, known, path, place)
    except InputError:
        raise
    except Exception as error:  # damaged archives and a stranger's JSON raise errors of many kinds
        raise InputError(f"{path}: not a pack of a run, as alc-bench pack writes them: {error}") from error
    return place


def _extract(pack: zipfile.ZipFile, known: dict[str, str], path: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=place.parent, ignore_cleanup_errors=True) as folder:
        work = Path(folder) / place.name  # of this process alone: others may unpack the same
        for name, digest in known.items():
            content = pack.read(name)
            if _digest(content) != digest:
                raise InputError(f"{path}: {name} is not what was packed: its digest differs; ask for the pack again")
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            (work / name).write_bytes(content)
        try:
            work.rename(place)
        except OSError:
            if not place.is_dir():  # another one was faster
                raise


def _is_kept(name: str) -> bool:
    """Whether a file is one that `write` packs, and leads to a place below the folder that its name is joined to."""
    parts = name.split("/")
    inner = PurePosixPath(*parts[1:] if parts[0].startswith("repeat") else parts)
    plain = "\\" not in name and not {"..", ".", ""} & set(parts)
    return plain and any(len(inner.parts) == len(Path(kept).parts) and inner.match(kept) for kept in KEPT)


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()
