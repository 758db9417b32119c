"""Datasets: images, classes and truth, in each dataset's own layout. One small file each."""

from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import measure

from bench.types import VOID, InputError


class Dataset(ABC):
    """Base of a dataset. A subclass sets ``classes`` and ``palette`` and writes ``names``, ``image`` and ``truth``.

    ``classes``: names, by id; ``palette`` (n_classes, 3) uint8 RGB; ``background``: the id that pixels outside every
    foreground object have, or ``VOID`` where the dataset has no such class; ``twins``: pairs of class ids that look
    alike, if the dataset knows any.
    """

    classes: tuple[str, ...]
    palette: np.ndarray
    background: int = VOID
    twins: tuple[tuple[int, int], ...] = ()

    @abstractmethod
    def names(self, split: str) -> tuple[str, ...]:
        """The images of ``train`` or ``val``, sorted; names are unique within a split and usable as file names."""

    @abstractmethod
    def image(self, split: str, name: str) -> np.ndarray:
        """(H, W, 3) uint8 RGB."""

    @abstractmethod
    def truth(self, split: str, name: str) -> np.ndarray:
        """(H, W) uint8 label map, ``VOID`` where the truth is not known."""

    def objects(self, split: str, name: str) -> np.ndarray:
        """(H, W) int32 object ids from 1, 0 in the background and in void: here, connected areas of one true class."""
        truth = self.truth(split, name)
        areas = measure.label(truth, background=-1, connectivity=1)
        return np.where((truth == self.background) | (truth == VOID), 0, areas).astype(np.int32)

    def size(self, split: str, name: str) -> tuple[int, int]:
        """(height, width) of the truth, in pixels."""
        return self.truth(split, name).shape

    def identity(self) -> tuple:
        """What the content depends on, wherever it lies: results computed from equal identities may be reused."""
        return (type(self).__name__, self.classes, self.names("train"))

    def where(self, split: str, name: str) -> str:
        """An image's place, for messages."""
        return f"{split}/{name}"

    def check(self, split: str, images: bool = True) -> None:
        """Read every truth and, with ``images``, every image of the split.

        Raises InputError with place and reason if one is missing or broken, if their sizes differ, or if a class id
        is out of range.
        """

        def one(name):
            where, truth = self.where(split, name), self.truth(split, name)
            class_ids(truth, len(self.classes), where)
            if images and (found := self.image(split, name).shape[:2]) != truth.shape:
                (h, w), (th, tw) = found, truth.shape
                raise InputError(f"{where}: the image has {h} × {w} px, its truth {th} × {tw} px; they must be equal")

        with ThreadPoolExecutor(4) as pool:
            for _ in pool.map(one, self.names(split)):
                pass


class Tree(Dataset):
    """Base of a dataset that lies in files below ``root``. A subclass writes ``names`` and ``paths``."""

    def __init__(self, root: str | Path | None = None):
        if root is None:
            raise InputError(
                f"dataset {type(self).__name__.lower()!r} lies in files: say where with --data-root FOLDER"
            )
        self.root = Path(str(root))
        if not self.root.is_dir():
            raise InputError(f"{self.root}: no such folder; --data-root must name the dataset's folder")

    @abstractmethod
    def paths(self, split: str, name: str) -> tuple[Path, Path]:
        """The files of an image and of its truth."""

    def image(self, split: str, name: str) -> np.ndarray:
        return read_rgb(self.paths(split, name)[0])

    def truth(self, split: str, name: str) -> np.ndarray:
        path = self.paths(split, name)[1]
        return class_ids(read_png(path), len(self.classes), path)

    def size(self, split: str, name: str) -> tuple[int, int]:
        return image_size(self.paths(split, name)[1])

    def identity(self) -> tuple:
        files = [file_size(p) for name in self.names("train") for p in self.paths("train", name)]
        return (*super().identity(), tuple(files))

    def where(self, split: str, name: str) -> str:
        return str(self.paths(split, name)[0])


def read_list(path: Path) -> tuple[str, ...]:
    """The names in a text file, one a line, sorted. InputError for an absent or empty file and for a repeated name."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; it must list the images of the split, a name a line")
    names = read_text(path).split()
    if not names or len(set(names)) != len(names):
        raise InputError(
            f"{path}: expected image names, each once; got {len(names)}, {len(set(names))} of them different"
        )
    return tuple(sorted(names))


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


def read_rgb(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB. InputError names a missing or truncated file."""
    return np.asarray(_open(path).convert("RGB"))


def read_grey(path: Path) -> np.ndarray:
    """(H, W) uint8 brightness. InputError names a missing or truncated file."""
    return np.asarray(_open(path).convert("L"))


def image_size(path: Path) -> tuple[int, int]:
    """(height, width) in pixels, from the file's header alone."""
    image = _open(path, load=False)
    return image.height, image.width


def file_size(path: Path) -> int:
    """Bytes; -1 where there is no such file."""
    return path.stat().st_size if path.is_file() else -1


def _open(path: Path, load: bool = True) -> Image.Image:
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file")
    try:
        image = Image.open(path)
        if load:
            image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: not a whole image: {error}") from error
    return image
