"""Names of images: from files and from lists, whichever system wrote them."""

import unicodedata
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from bench.files import read_text
from bench.types import InputError

IMAGES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp")  # in small or capital letters
MASKS = (".png", ".tif", ".tiff", ".bmp")  # without loss


def composed(text: str) -> str:
    """The text in Unicode's composed form (NFC): macOS stores the names of files in the other one."""
    return unicodedata.normalize("NFC", text)


def is_plain(name: str) -> bool:
    """Whether a name is that of a file or folder alone, and does not lead to a place elsewhere."""
    return name != ".." and Path(name).name == name


def name_of(text: str, known: Collection[str] = ()) -> str:
    """The name of the image that ``text`` means: one of ``known``, or a path of one, with a suffix or without."""
    name = composed(PurePosixPath(text.strip().replace("\\", "/")).name)
    stem, dot, suffix = name.rpartition(".")
    return stem if stem and name not in known and dot + suffix.lower() in IMAGES else name


def by_name(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """The files of a folder that end in one of ``suffixes``, in small or capital letters, by name without suffix.

    Hidden files are left aside, as macOS leaves them beside others. Raises InputError where two files have one name.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.glob("*")):
        if path.suffix.lower() not in suffixes or path.name.startswith("."):
            continue
        name = composed(path.stem)
        if name in found:
            raise InputError(f"{folder}: two images are called {name!r}: {found[name].name}, {path.name}")
        found[name] = path
    return found


def read_list(path: Path, known: Collection[str] = ()) -> tuple[str, ...]:
    """The names in a text file, one a line, sorted; ``known``: names that are there.

    A line is a name or a path, with a suffix or without, or the two paths of an image and its mask. Raises InputError
    for an absent or empty file, for a line of something else and for a repeated name.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; it must list the images of the split, a name a line")
    lines = enumerate(map(str.strip, read_text(path).splitlines()), 1)
    names = [_listed(line, known, f"{path}, line {number}") for number, line in lines if line]
    if not names or len(set(names)) != len(names):
        raise InputError(
            f"{path}: expected image names, each once; got {len(names)}, {len(set(names))} of them different"
        )
    return tuple(sorted(names))


def _listed(line: str, known: Collection[str], place: str) -> str:
    if ".." in PurePosixPath(line.replace("\\", "/")).parts:
        raise InputError(f"{place}: {line!r} leads elsewhere; an image's name must be a plain file name")
    name = name_of(line, known)
    words = line.replace(",", " ").split()
    if name in known or len(words) == 1:
        return name
    names = {name_of(word, known) for word in words}
    if len(names) != 1:
        raise InputError(f"{place}: expected the name of one image, or its path and that of its mask; got {line!r}")
    return names.pop()
