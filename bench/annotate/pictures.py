"""The pictures of a question, of the size of the image: the image, its labels, and the outline of the superpixel."""

import io

import numpy as np
from PIL import Image

from bench.annotate.desk import Asked

PLAIN_PX = 300_000  # images of more pixels are sent as JPEG
OUTLINE = (255, 0, 200, 255)


def image(values: np.ndarray) -> tuple[bytes, str]:
    """An image (H, W, 3) uint8 as a file, with its kind."""
    picture, small = Image.fromarray(values), values.shape[0] * values.shape[1] <= PLAIN_PX
    return _file(picture, "PNG", compress_level=1) if small else _file(picture, "JPEG", quality=90)


def labels(asked: Asked, palette: np.ndarray) -> tuple[bytes, str]:
    """The labels before the answer, in the colours of the classes; void is clear."""
    picture = Image.fromarray(np.ascontiguousarray(asked.labels))
    colours = np.zeros((256, 4), np.uint8)
    colours[: len(palette)] = np.c_[palette, np.full(len(palette), 255)]
    picture.putpalette(colours.tobytes(), "RGBA")
    return _file(picture.convert("RGBA"), "PNG", compress_level=1)


def outline(asked: Asked) -> tuple[bytes, str]:
    """The pixels of the superpixel that touch another, on a clear ground."""
    inside = np.zeros(np.add(asked.shape, 2), bool)
    rows, columns = np.divmod(asked.where.pixels, asked.shape[1])
    inside[rows + 1, columns + 1] = True
    within = inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]
    colours = np.zeros((*asked.shape, 4), np.uint8)
    colours[inside[1:-1, 1:-1] & ~within] = OUTLINE
    return _file(Image.fromarray(colours), "PNG", compress_level=1)


def _file(picture: Image.Image, kind: str, **options) -> tuple[bytes, str]:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue(), f"image/{kind.lower()}"
