"""Reading and writing the files that datasets lie in. Every refusal names the file."""

import io
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from PIL.TiffImagePlugin import TiffImageFile

from bench.datasets.names import is_plain
from bench.types import VOID, InputError

VOID_COLOR = (224, 224, 192)  # as in PASCAL VOC's own files
FORMATS = {".tif": "TIFF", ".tiff": "TIFF", ".bmp": "BMP"}  # that label maps are written in; else PNG
LOSSY = ("JPEG", "MPO", "WEBP", "JPEG2000", "AVIF")
BITS = "bits"  # a value, in an image's info
BITS_PER_SAMPLE = 258  # the tag of TIFF
Colour = tuple[int, int, int]
ORIENTATION = 0x0112  # the EXIF tag
PNG = b"\x89PNG\r\n\x1a\n"  # how such a file begins
TURNED = (5, 6, 7, 8)  # its values that exchange height and width


def voc_colours(n: int) -> np.ndarray:
    """(n, 3) uint8 RGB: PASCAL's colour map, and CVAT's. Bits 0, 3, 6 of an id are the highest of red, and so on."""
    ids = np.arange(n)[:, None]
    return np.sum([((ids >> (3 * bit + np.arange(3))) & 1) << (7 - bit) for bit in range(8)], axis=0).astype(np.uint8)


def class_ids(values: np.ndarray, n_classes: int, path: Path | str) -> np.ndarray:
    """The same values as uint8. InputError names the file and the values that are neither a class id nor ``VOID``."""
    wrong = values[(values < 0) | (values >= n_classes) & (values != VOID)]
    if wrong.size:
        listed = ", ".join(map(str, np.unique(wrong)[:8]))
        raise InputError(f"{path}: class ids must be 0 to {n_classes - 1} or {VOID}; found {listed} in {wrong.size} px")
    return values.astype(np.uint8)


def read_png(path: Path) -> np.ndarray:
    """(H, W) integers as stored in the file: grey values, or palette indices. InputError names a bad file."""
    return stored_values(open_whole(path), path)


def stored_values(image: Image.Image, path: Path) -> np.ndarray:
    """(H, W) integers of a loaded grey or palette image as its file has them: Pillow spreads 2 and 4 bits over 8.

    Raises InputError for other modes, and for numbers with a fraction.
    """
    if image.mode not in ("L", "P", "1", "I", "F") and not image.mode.startswith("I;16"):
        raise InputError(f"{path}: expected one channel of class ids (grey or palette), got mode {image.mode}")
    values = np.asarray(image)
    if image.mode == "L":
        return values // spread(image)
    if image.mode == "F":
        if not (np.isfinite(values).all() and (values == values.round()).all() and (abs(values) < 2**31).all()):
            raise InputError(f"{path}: expected class ids, got numbers with a fraction; save it as whole numbers")
        return values.astype(np.int32)
    return values.astype(np.uint8) if image.mode == "1" else values


def read_rgb(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB, turned as its EXIF data says. Opacity is left aside.

    Grey of 16 bits is divided by 256, as Pillow does with colours of 16 bits; floats from 0 to 1 are times 255. Raises
    InputError for a missing or truncated file, for several pages, and for other numbers.
    """
    image = _turned(_open(path), path)
    if image.mode not in ("I", "F") and not image.mode.startswith("I;16"):
        return np.asarray(image.convert("RGB"))
    values = np.asarray(image)
    lowest, highest = float(values.min()), float(values.max())
    if image.mode == "F" and 0 <= lowest <= highest <= 1:
        grey = (values * 255).round()
    elif image.mode != "F" and 0 <= lowest <= highest < 65536:
        grey = values // 256
    else:
        raise InputError(
            f"{path}: its numbers go from {lowest:g} to {highest:g}; expected whole ones of 16 bits, or 0 to 1: "
            "save it with 8 bits a channel"
        )
    return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)


def orientation(path: Path) -> int:
    """How the EXIF data of an image turns it, 1 to 8; 1 is not at all."""
    with _decoding(path):
        return _open(path, load=False).getexif().get(ORIENTATION, 1)


def read_grey(path: Path) -> np.ndarray:
    """(H, W) uint8 brightness. InputError names a missing or truncated file."""
    return np.asarray(_open(path).convert("L"))


def check_png(content: bytes) -> None:
    """Raise ValueError unless every chunk of a PNG, up to its last one, has its checksum. A decoder looks at few, and
    a flipped bit may become other labels."""
    data, place, kind = memoryview(content), len(PNG), b""
    whole = data[:place] == PNG
    while whole and kind != b"IEND":
        end = place + 8 + int.from_bytes(data[place : place + 4], "big")
        kind = bytes(data[place + 4 : place + 8])
        whole = len(data) >= end + 4 and zlib.crc32(data[place + 4 : end]) == int.from_bytes(data[end : end + 4], "big")
        place = end + 4
    if not whole:
        raise ValueError("a part of it is cut, or has changed (its checksum is another)")


def stored_size(path: Path) -> tuple[int, int]:
    """(height, width) in pixels as `read_png` reads them, from the file's header alone."""
    width, height = _open(path, load=False).size
    return height, width


def image_size(path: Path) -> tuple[int, int]:
    """(height, width) in pixels, turned as its EXIF data says, from the file's header alone."""
    image = _open(path, load=False)
    turned = image.format != "TIFF" and orientation(path) in TURNED  # Pillow turns TIFF itself
    return (image.width, image.height) if turned else (image.height, image.width)


def file_size(path: Path) -> int:
    """Bytes; -1 if there is no such file."""
    return path.stat().st_size if path.is_file() else -1


def check_pixels(height: int, width: int, where: Path | str) -> None:
    """Raise InputError for an image without pixels, and for one of more than Pillow takes."""
    most = 2 * (Image.MAX_IMAGE_PIXELS or 2**62)
    if height < 1 or width < 1:
        raise InputError(f"{where}: expected an image of one pixel or more, got {height} × {width}")
    if height * width > most:
        raise InputError(f"{where}: larger than {most:,} pixels: cut it, and its mask, into tiles")


def below(folder: Path, *parts: str) -> Path:
    """``folder``/``parts[0]``/..., its parent folders made.

    Raises InputError if a part is more than the name of a file or folder. An image's name may come from anywhere,
    and must not lead to a place outside ``folder``.
    """
    if not all(map(is_plain, parts)):
        raise InputError(f"{'/'.join(parts)!r}: would be written elsewhere; an image's name must be a plain file name")
    path = folder.joinpath(*parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def write_png(path: Path, labels: np.ndarray, palette: np.ndarray | None = None, void: Colour = VOID_COLOR) -> None:
    """A label map (H, W) uint8: grey, or with a ``palette`` (n_classes, 3) uint8 RGB as indices, of which that of void
    has the colour ``void``. It is a PNG, or a TIFF or BMP where the path is called so."""
    image = Image.fromarray(np.ascontiguousarray(labels))
    if palette is not None:
        colors = np.zeros((256, 3), np.uint8)
        colors[: len(palette)], colors[VOID] = palette, void
        image.putpalette(colors.tobytes())
    image.save(path, format=FORMATS.get(path.suffix.lower(), "PNG"))


def write_lines(path: Path, lines) -> None:
    """A UTF-8 text file of these lines."""
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def copy_files(source: Path, to: Path, names: tuple[str, ...]) -> None:
    """Copy those of the files ``source/name`` that are there to ``to/name``; names may hold folders."""
    for name in names:
        if (source / name).is_file():
            shutil.copyfile(source / name, below(to, *Path(name).parts))


def open_whole(path: Path, lossless: bool = False) -> Image.Image:
    """A loaded mask, turned as its EXIF data says, without its opacity: InputError where not all of it is opaque, and,
    if it is to be ``lossless``, for formats that change values."""
    stored = _open(path)
    if lossless and stored.format in LOSSY:
        raise InputError(f"{path}: is a {stored.format}, which does not keep values; save it as PNG, TIFF or BMP")
    image = _turned(stored, path)
    if image.mode in ("LA", "RGBA"):
        if (np.asarray(image.getchannel("A")) < 255).any():
            raise InputError(f"{path}: a part of the mask is transparent: which class is that? Save it without opacity")
        image = image.convert(image.mode[:-1])
    return image


def spread(image: Image.Image) -> int:
    """How many times its value in the file a grey value of a loaded image of mode L is: Pillow spreads 2 and 4 bits."""
    return VOID // (2 ** image.info.get(BITS, 8) - 1)


def _open(path: Path, load: bool = True) -> Image.Image:
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file")
    with _decoding(path):
        if not load:
            return Image.open(path)
        data = path.read_bytes()
        image = Image.open(io.BytesIO(data))  # by its path, Pillow maps turned TIFFs of no compression the wrong way
        if image.format == "PNG":
            check_png(data)
        if image.mode == "L" and image.format == "PNG":
            image.info[BITS] = data[24]
        elif image.mode == "L" and isinstance(image, TiffImageFile):
            image.info[BITS] = image.tag_v2.get(BITS_PER_SAMPLE, (8,))[0]
        n_pages = getattr(image, "n_frames", 1)
        if n_pages > 1 and image.format != "MPO":  # JPEG with a preview behind it
            raise InputError(f"{path}: has {n_pages} pages; expected one image a file")
        image.load()
    return image


def _turned(image: Image.Image, path: Path) -> Image.Image:
    with _decoding(path):
        return ImageOps.exif_transpose(image)


@contextmanager
def _decoding(path: Path) -> Iterator[None]:
    """Turn what a decoder raises in the block into one line: of a damaged file, Pillow raises any kind of error."""
    try:
        yield
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        most = f"{2 * (Image.MAX_IMAGE_PIXELS or 0):,}"
        raise InputError(f"{path}: larger than {most} pixels: cut it, and its mask, into tiles") from error
    except Exception as error:
        raise InputError(f"{path}: not a whole image: {' '.join(str(error).split())}") from error
