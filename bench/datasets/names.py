"""Names of images: from files and from lists, whichever system wrote them."""

import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path, PurePosixPath

from bench import seeds
from bench.files import read_text
from bench.types import InputError

IMAGES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp")  # in small or capital letters
MASKS = (".png", ".tif", ".tiff", ".bmp")  # without loss


VAL_SHARE = 0.12  # of the images, where a dataset has no split of its own


def composed(text: str) -> str:
    """The text in Unicode's composed form (NFC): macOS stores the names of files in the other one."""
    return unicodedata.normalize("NFC", text)


def is_plain(name: str) -> bool:
    """Whether a name is that of a file or folder alone, and does not lead to a place elsewhere."""
    return name != ".." and Path(name).name == name


def is_foreign(path: Path) -> bool:
    """Whether a file is none of the dataset's: hidden, or in a hidden folder, as macOS and Windows leave them."""
    return any(part.startswith((".", "__MACOSX")) or part in ("Thumbs.db", "desktop.ini") for part in path.parts)


def drawn(names: Collection[str], split: str) -> tuple[str, ...]:
    """The ``train`` or ``val`` part of names without a split: shuffled, always in the same way, 12 % of them val."""
    order = seeds.generator(0, "kvasir split").permutation(len(names))
    n_val, ordered = max(1, round(VAL_SHARE * len(names))), sorted(names)
    return tuple(sorted(ordered[i] for i in {"train": order[n_val:], "val": order[:n_val]}[split]))


def plain_names(places: Iterable[str], source: Path) -> dict[str, str]:
    """Places of images, such as "a/1.jpg", by the names that they get: without folder and suffix.

    Where two would have one name, all keep their folders: a__1. Raises InputError for one place twice.
    """
    listed = [composed(place.replace("\\", "/")) for place in places]
    for name in (lambda p: p.stem, lambda p: "__".join(p.with_suffix("").parts).replace("..", "").strip("/")):
        found = {name(PurePosixPath(place)): place for place in listed}
        if len(found) == len(listed) and all(map(is_plain, found)):
            return found
    twice = [place for place, n in Counter(listed).items() if n > 1]
    raise InputError(f"{source}: expected images with a name each; got {(twice or listed)[0]!r}")


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
