"""Datasets: images, classes and truth, in each dataset's own layout. One small file each."""

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
from PIL import Image

from bench.types import VOID, InputError


class Dataset(ABC):
    """Base of a dataset. A subclass sets ``classes`` and ``palette`` and writes ``names``, ``image`` and ``truth``.

    ``classes``: names, by id; ``palette`` (n_classes, 3) uint8 RGB; ``background``: the id that pixels outside every
    foreground object have, or ``VOID`` where the dataset has no such class.
    """

    classes: tuple[str, ...]
    palette: np.ndarray
    background: int = VOID

    @abstractmethod
    def names(self, split: str) -> tuple[str, ...]:
        """The images of ``train`` or ``val``, sorted; names are unique within a split and usable as file names."""

    @abstractmethod
    def image(self, split: str, name: str) -> np.ndarray:
        """(H, W, 3) uint8 RGB."""

    @abstractmethod
    def truth(self, split: str, name: str) -> np.ndarray:
        """(H, W) uint8 label map, ``VOID`` where the truth is not known."""

    def size(self, split: str, name: str) -> tuple[int, int]:
        """(height, width) of the truth, in pixels."""
        return self.truth(split, name).shape

    def check(self, split: str, images: bool = True) -> None:
        """Raise InputError with file and reason if a truth, or with ``images`` an image, is missing or of another size."""


def read_png(path: Path) -> np.ndarray:
    """(H, W) integers as stored in the file: grey values, or palette indices. InputError names a bad file."""
    image = _open(path)
    if image.mode not in ("L", "P", "1", "I", "I;16"):
        raise InputError(f"{path}: expected one channel of class ids (grey or palette), got mode {image.mode}")
    return np.asarray(image)


def read_rgb(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB. InputError names a missing or truncated file."""
    return np.asarray(_open(path).convert("RGB"))


def _open(path: Path) -> Image.Image:
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file")
    try:
        image = Image.open(path)
        image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: not a whole image: {error}") from error
    return image
