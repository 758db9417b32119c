"""The pictures of a question, of the size of the image: the image, its labels, and the outline of the superpixel."""

import io

import numpy as np
from PIL import Image

from bench.annotate.answers import Asked

PLAIN_PX = 300_000  # images of more pixels are sent as JPEG
OUTLINE = (255, 0, 200)


def image(values: np.ndarray) -> tuple[bytes, str]:
    """An image (H, W, 3) uint8 as a file, with its kind."""
    picture, small = Image.fromarray(values), values.shape[0] * values.shape[1] <= PLAIN_PX
    return _file(picture, "PNG", compress_level=1) if small else _file(picture, "JPEG", quality=90)


def labels(asked: Asked, palette: np.ndarray) -> tuple[bytes, str]:
    """The labels before the answer, in the colours of the classes; void is clear."""
    clear = np.full(256, 0, np.uint8)
    clear[: len(palette)] = 255
    return _painted(np.ascontiguousarray(asked.labels), palette, clear)


def outline(asked: Asked) -> tuple[bytes, str]:
    """The pixels of the superpixel that touch another, on a clear ground."""
    drawn = _outlined(asked).astype(np.uint8)
    return _painted(drawn, np.array([OUTLINE, OUTLINE], np.uint8), np.array([0, 255], np.uint8))


def crop(asked: Asked, values: np.ndarray) -> bytes:
    """A JPEG of the part of an image (H, W, 3) uint8 around the superpixel, half as large again, with its outline."""
    left, top, right, bottom = asked.box
    margin = max(8, (right - left) // 4, (bottom - top) // 4)
    drawn = np.where(_outlined(asked)[..., None], np.array(OUTLINE, np.uint8), values)
    part = drawn[max(top - margin, 0) : bottom + margin, max(left - margin, 0) : right + margin]
    return _file(Image.fromarray(part), "JPEG", quality=90)[0]


def _outlined(asked: Asked) -> np.ndarray:
    """(H, W) bool: the pixels of the superpixel that touch another."""
    inside = np.zeros(np.add(asked.shape, 2), bool)
    rows, columns = np.divmod(asked.where.pixels, asked.shape[1])
    inside[rows + 1, columns + 1] = True
    within = inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]
    return inside[1:-1, 1:-1] & ~within


def _painted(ids: np.ndarray, palette: np.ndarray, opacity: np.ndarray) -> tuple[bytes, str]:
    """A picture of (H, W) uint8 ``ids``, each in its colour of the ``palette`` (k, 3) uint8."""
    picture = Image.fromarray(ids, "P")
    picture.putpalette(palette.astype(np.uint8).tobytes())
    return _file(picture, "PNG", compress_level=1, transparency=opacity.tobytes())


def _file(picture: Image.Image, kind: str, **options) -> tuple[bytes, str]:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue(), f"image/{kind.lower()}"
