"""Datasets: images, classes and truth, read from and written to each dataset's own layout. One small file each."""

from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import measure

from bench.datasets.files import (
    below,
    class_ids,
    copy_files,
    file_size,
    image_size,
    read_png,
    read_rgb,
    write_lines,
    write_png,
)
from bench.types import VOID, InputError


class Dataset(ABC):
    """Base of a dataset. A subclass sets ``classes`` and ``palette`` and defines ``names``, ``image`` and ``truth``.

    ``classes``: names, by id; ``palette`` (n_classes, 3) uint8 RGB; ``background``: the id of pixels outside every
    foreground object, or ``VOID`` where the dataset has no such class; ``twins``: pairs of ids of classes that look
    alike, if the dataset knows any; ``foundation``: where its pseudo labels come from unless a run says otherwise.

    Corrected labels are written with ``write_labels``, once for each train image, and then ``write_rest``. Without
    more, that makes a dataset that `folder` reads; a subclass that has files of its own writes them as it reads them.
    """

    classes: tuple[str, ...]
    palette: np.ndarray
    background: int = VOID
    twins: tuple[tuple[int, int], ...] = ()
    foundation: str | None = None

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

    def gap(self, split: str) -> str | None:
        """A sentence that says how many images of a split are there, of how many; None for a whole one."""
        return None

    def write_labels(self, to: Path, name: str, labels: np.ndarray) -> None:
        """Write the label map (H, W) uint8 of a train image below the folder ``to``.

        Raises InputError for labels that the layout cannot hold, and for a name that leads outside ``to``.
        """
        write_png(below(to, "annotations", "train", f"{name}.png"), labels, self.palette)

    def write_rest(self, to: Path) -> None:
        """Write below ``to`` what a reader needs beside the train labels: here classes, images and the val split.

        Raises InputError for names of images or classes that cannot be written, and what reading the images raises.
        """
        for name in self.classes:
            if name.split() != name.split(" "):
                raise InputError(f"class {name!r}: classes.txt holds words with single spaces between them")
        rows = zip(self.classes, self.palette.tolist(), strict=True)
        write_lines(below(to, "classes.txt"), (f"{name} {' '.join(map(str, color))}" for name, color in rows))
        for split in ("train", "val"):
            for name in self.names(split):
                Image.fromarray(self.image(split, name)).save(below(to, "images", split, f"{name}.png"))
        for name in self.names("val"):
            write_png(below(to, "annotations", "val", f"{name}.png"), self.truth("val", name))

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
    """Base of a dataset that lies in files below ``root``. A subclass defines ``names`` and ``paths``.

    Labels are written as palette PNGs where the truth lies below ``root``. ``lists``: files below ``root``, such as
    the names of a split, that are copied with them; images are not. A subclass with a ``truth`` of its own that does
    not say how it is written is written as the dataset `folder` reads.
    """

    lists: tuple[str, ...] = ()

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        if cls.truth is not Tree.truth and cls.write_labels is Tree.write_labels:
            # for one class alone, which mypy cannot follow
            cls.write_labels, cls.write_rest = Dataset.write_labels, Dataset.write_rest  # type: ignore[method-assign]

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

    def write_labels(self, to: Path, name: str, labels: np.ndarray) -> None:
        path = self.paths("train", name)[1]
        inner = path.relative_to(self.root) if path.is_relative_to(self.root) else path
        write_png(below(to, *inner.parts), labels, self.palette)

    def write_rest(self, to: Path) -> None:
        copy_files(self.root, to, self.lists)
