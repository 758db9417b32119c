"""Reading and writing the files that datasets lie in. Every refusal names the file."""

import shutil
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from bench.types import VOID, InputError

VOID_COLOR = (224, 224, 192)  # as in PASCAL VOC's own files
IMAGES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp")  # in small or capital letters
MASKS = (".png", ".tif", ".tiff", ".bmp")  # without loss
ORIENTATION = 0x0112  # the EXIF tag
PNG = b"\x89PNG\r\n\x1a\n"  # how such a file begins
TURNED = (5, 6, 7, 8)  # its values that exchange height and width


def read_list(path: Path) -> tuple[str, ...]:
    """The names in a text file, one a line, sorted. InputError for an absent or empty file and for a repeated name."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; it must list the images of the split, a name a line")
    names = read_text(path).split()
    if not names or len(set(names)) != len(names):
        raise InputError(
            f"{path}: expected image names, each once; got {len(names)}, {len(set(names))} of them different"
        )
    if strange := [name for name in names if not is_plain(name)]:
        raise InputError(f"{path}: {strange[0]!r} leads elsewhere; an image's name must be a plain file name")
    return tuple(sorted(names))


def is_plain(name: str) -> bool:
    """Whether a name is that of a file or folder alone, and does not lead to a place elsewhere."""
    return name != ".." and Path(name).name == name


def read_text(path: Path) -> str:
    """A UTF-8 text file. InputError names a file that is none."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not readable as UTF-8 text: {error}") from error


def class_ids(values: np.ndarray, n_classes: int, path: Path | str) -> np.ndarray:
    """The same values as uint8. InputError names the file and the values that are neither a class id nor ``VOID``."""
    wrong = values[(values < 0) | (values >= n_classes) & (values != VOID)]
    if wrong.size:
        listed = ", ".join(map(str, np.unique(wrong)[:8]))
        raise InputError(f"{path}: class ids must be 0 to {n_classes - 1} or {VOID}; found {listed} in {wrong.size} px")
    return values.astype(np.uint8)


def read_png(path: Path) -> np.ndarray:
    """(H, W) integers as stored in the file: grey values, or palette indices. InputError names a bad file."""
    image = _open(path)
    if image.mode not in ("L", "P", "1", "I", "I;16"):
        raise InputError(f"{path}: expected one channel of class ids (grey or palette), got mode {image.mode}")
    return np.asarray(image)


def read_colours(path: Path, colours: np.ndarray) -> np.ndarray:
    """(H, W) uint8: which row of ``colours`` (n, 3) uint8 RGB each pixel of an RGB label map has.

    Raises InputError for a bad file, and with the colours that are none of these.
    """
    keys = lambda rgb: rgb.astype(np.int64) @ (65536, 256, 1)  # noqa: E731
    found, known = keys(np.asarray(_open(path).convert("RGB"))), keys(colours)
    order = np.argsort(known)
    place = np.searchsorted(known[order], found).clip(max=len(known) - 1)
    if (wrong := known[order][place] != found).any():
        listed = ", ".join(f"{c >> 16} {c >> 8 & 255} {c & 255}" for c in np.unique(found[wrong])[:5].tolist())
        raise InputError(f"{path}: colours that classes.txt does not have: {listed}; in {wrong.sum()} px")
    return order[place].astype(np.uint8)


def is_coloured(path: Path) -> bool:
    """Whether an image file holds RGB (with or without opacity), by its header."""
    return _open(path, load=False).mode in ("RGB", "RGBA")


def read_rgb(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB, turned as its EXIF data says. InputError names a missing or truncated file."""
    image = _open(path)
    return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def orientation(path: Path) -> int:
    """How the EXIF data of an image turns it, 1 to 8; 1 is not at all."""
    return _open(path, load=False).getexif().get(ORIENTATION, 1)


def read_grey(path: Path) -> np.ndarray:
    """(H, W) uint8 brightness. InputError names a missing or truncated file."""
    return np.asarray(_open(path).convert("L"))


def check_png(path: Path) -> None:
    """Raise ValueError unless every chunk of a PNG, up to its last one, has its checksum: a decoder looks at few, and
    a flipped bit may become other labels. OSError if the file cannot be read."""
    data, place, kind = memoryview(path.read_bytes()), len(PNG), b""
    whole = data[:place] == PNG
    while whole and kind != b"IEND":
        end = place + 8 + int.from_bytes(data[place : place + 4], "big")
        kind = bytes(data[place + 4 : place + 8])
        whole = len(data) >= end + 4 and zlib.crc32(data[place + 4 : end]) == int.from_bytes(data[end : end + 4], "big")
        place = end + 4
    if not whole:
        raise ValueError("a part of it is cut, or not as it was written (its checksum is another)")


def stored_size(path: Path) -> tuple[int, int]:
    """(height, width) in pixels as `read_png` reads them, from the file's header alone."""
    width, height = _open(path, load=False).size
    return height, width


def image_size(path: Path) -> tuple[int, int]:
    """(height, width) in pixels, turned as its EXIF data says, from the file's header alone."""
    image = _open(path, load=False)
    turned = image.getexif().get(ORIENTATION, 1) in TURNED
    return (image.width, image.height) if turned else (image.height, image.width)


def by_stem(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """The files of a folder that end in one of ``suffixes``, in small or capital letters, by name without suffix.

    Raises InputError if two files have one name.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.glob("*")):
        if path.suffix.lower() not in suffixes or path.name.startswith("."):
            continue
        if path.stem in found:
            raise InputError(f"{folder}: two images are called {path.stem!r}: {found[path.stem].name}, {path.name}")
        found[path.stem] = path
    return found


def file_size(path: Path) -> int:
    """Bytes; -1 if there is no such file."""
    return path.stat().st_size if path.is_file() else -1


def below(folder: Path, *parts: str) -> Path:
    """``folder``/``parts[0]``/..., its parent folders made.

    Raises InputError if a part is more than the name of a file or folder: an image's name may come from anywhere,
    and must not lead to a place outside ``folder``.
    """
    if not all(map(is_plain, parts)):
        raise InputError(f"{'/'.join(parts)!r}: would be written elsewhere; an image's name must be a plain file name")
    path = folder.joinpath(*parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def write_png(path: Path, labels: np.ndarray, palette: np.ndarray | None = None) -> None:
    """A label map (H, W) uint8 as PNG: grey, or with a ``palette`` (n_classes, 3) uint8 RGB as palette indices."""
    image = Image.fromarray(np.ascontiguousarray(labels))
    if palette is not None:
        colors = np.zeros((256, 3), np.uint8)
        colors[: len(palette)], colors[VOID] = palette, VOID_COLOR
        image.putpalette(colors.tobytes())
    image.save(path, format="PNG")


def write_lines(path: Path, lines) -> None:
    """A UTF-8 text file of these lines."""
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def copy_files(source: Path, to: Path, names: tuple[str, ...]) -> None:
    """Copy those of the files ``source/name`` that are there to ``to/name``; names may hold folders."""
    for name in names:
        if (source / name).is_file():
            shutil.copyfile(source / name, below(to, *Path(name).parts))


def _open(path: Path, load: bool = True) -> Image.Image:
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file")
    try:
        image = Image.open(path)
        if load:
            if image.format == "PNG":
                check_png(path)
            image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: not a whole image: {error}") from error
    return image
