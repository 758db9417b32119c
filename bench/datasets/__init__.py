"""Datasets: images, classes and truth, read from and written to each dataset's own layout. One small file each."""

import hashlib
import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import measure

from bench import registry
from bench.datasets import digests
from bench.datasets.archives import folder_of
from bench.datasets.files import (
    VOID_COLOR,
    below,
    class_ids,
    copy_files,
    image_size,
    orientation,
    read_rgb,
    write_lines,
    write_png,
)
from bench.datasets.masks import Masks
from bench.files import digest
from bench.types import VOID, InputError


def load(spec: str, root: str | None) -> "Dataset":
    """The dataset that ``spec`` names, in the folder ``root``. Raises InputError if it takes no folder."""
    dataset = registry.load("datasets", spec, root=root)
    if root is not None and "root" not in inspect.signature(type(dataset)).parameters:
        raise InputError(f"--data-root has no effect on the dataset {registry.parse(spec)[0]!r}: leave it out")
    return dataset


class Dataset(ABC):
    """Base of a dataset. A subclass sets ``classes`` and ``palette`` and defines ``names``, ``image`` and ``truth``.

    ``classes``: names, by id. ``palette`` (n_classes, 3) uint8 RGB. ``colours`` (n_classes + 1, 3) uint8 RGB: of each
    class in label maps, void's last; None where values are ids. ``background``: the id of pixels outside every
    foreground object, or ``VOID`` if the dataset has no such class. ``twins``: pairs of ids of classes that look alike,
    if the dataset knows any. ``foundation``: the default source of its pseudo labels in a run. ``name``: its name in
    tables, if it differs from the command line.

    Corrected labels are written with ``write_labels``, once for each train image, and then ``write_rest``. Without
    more, that makes a dataset that `folder` reads; a subclass that has files of its own writes them as it reads them.
    """

    classes: tuple[str, ...]
    palette: np.ndarray
    colours: np.ndarray | None = None
    background: int = VOID
    twins: tuple[tuple[int, int], ...] = ()
    foundation: str | None = None
    name: str | None = None

    @abstractmethod
    def names(self, split: str) -> tuple[str, ...]:
        """The images of ``train`` or ``val``, sorted; names are unique within a split and usable as file names."""

    @abstractmethod
    def image(self, split: str, name: str) -> np.ndarray:
        """(H, W, 3) uint8 RGB."""

    @abstractmethod
    def truth(self, split: str, name: str) -> np.ndarray:
        """(H, W) uint8 label map, ``VOID`` if the truth is not known."""

    def has_truth(self, split: str, name: str) -> bool:
        """Whether an image has a true label map. `truth` raises InputError for one that has none."""
        return True

    def lacking_truth(self) -> str | None:
        """A clause that says how many train images have no true label map; None where all have one."""
        names = self.names("train")
        absent = [name for name in names if not self.has_truth("train", name)]
        return f"{len(absent):,} of {len(names):,} train images have no true mask ({absent[0]})" if absent else None

    def objects(self, split: str, name: str) -> np.ndarray:
        """(H, W) int32 object ids from 1, 0 in the background and in void: here, connected areas of one true class."""
        truth = self.truth(split, name)
        areas = measure.label(truth, background=-1, connectivity=1)
        return np.where((truth == self.background) | (truth == VOID), 0, areas).astype(np.int32)

    def size(self, split: str, name: str) -> tuple[int, int]:
        """(height, width) of the truth, in pixels."""
        return self.truth(split, name).shape

    def image_size(self, split: str, name: str) -> tuple[int, int] | None:
        """(height, width) of the image, in pixels, if that is known without reading it; else None."""
        return None

    def digests(self, split: str) -> dict[str, str]:
        """Digests of the content of the ``images`` and of the ``truth`` of a split, by these two names.

        Here every array is made and digested. A subclass that knows a shorter way takes it: digests of its files
        (`Tree`), or of the parameters that decide what it generates.
        """
        parts = {"images": self.image, "truth": self.truth}
        return {what: _of_arrays(read(split, name) for name in self.names(split)) for what, read in parts.items()}

    def identity(self) -> tuple:
        """What the train split depends on, wherever it lies: results of equal identities may be reused."""
        return (type(self).__name__, self.classes, self.names("train"), *self.digests("train").values())

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
        """Write below ``to`` the files that a reader needs beside the train labels: here classes, images and the val
        split.

        Raises InputError for names of images or classes that cannot be written, and the errors of reading the images.
        """
        for name in self.classes:
            if name.split() != name.split(" ") or name.startswith("#"):
                raise InputError(f"class {name!r}: classes.txt holds words with single spaces between them")
        rows = zip(self.classes, self.palette.tolist(), strict=True)
        write_lines(below(to, "classes.txt"), (f"{name} {' '.join(map(str, color))}" for name, color in rows))
        for split in ("train", "val"):
            for name in self.names(split):
                Image.fromarray(self.image(split, name)).save(below(to, "images", split, f"{name}.png"))
        for name in self.names("val"):
            write_png(below(to, "annotations", "val", f"{name}.png"), self.truth("val", name))

    def original(self, split: str, name: str) -> Path | np.ndarray | None:
        """The file of an image, or its pixels where it lies in none; None where it is not there."""
        return self.image(split, name)

    def kept(self) -> Iterator[tuple[Path, Path]]:
        """Files that belong beside corrected labels as they are, and their places below the folder written to."""
        return iter(())

    def check(self, split: str, images: bool = True) -> np.ndarray:
        """Read every truth that there is and, with ``images``, every image of the split.

        Returns (n_classes + 1,) int64: the pixels of each class, those of void last. Raises InputError with place and
        reason if one is missing or broken, if their sizes differ (without ``images``, as far as `image_size` knows
        them), if a class id is out of range, or if the truth of the whole split is void.
        """
        n_classes, names = len(self.classes), self.names(split)
        with_truth = [name for name in names if self.has_truth(split, name)]

        def one(name):
            if name not in known:
                self.image(split, name)
                return np.zeros(n_classes + 1, np.int64)
            where, truth = self.where(split, name), self.truth(split, name)
            class_ids(truth, n_classes, where)
            found = self.image(split, name).shape[:2] if images else self.image_size(split, name)
            if found is not None and found != truth.shape:
                (h, w), (th, tw) = found, truth.shape
                raise InputError(
                    f"{where}: the image has {h} × {w} px{self.turned(split, name)}, its truth {th} × {tw} px; they "
                    "must be equal"
                )
            seen = np.bincount(truth.ravel(), minlength=256)
            return np.append(seen[:n_classes], seen[VOID])

        known = set(with_truth)
        with ThreadPoolExecutor(4) as pool:
            seen = sum(pool.map(one, names if images else with_truth), np.zeros(n_classes + 1, np.int64))
        if with_truth and not seen[:n_classes].any():
            ids = f"0 to {n_classes - 1}"
            first = self.where(split, with_truth[0])
            raise InputError(f"{first}: all of {split} is void ({VOID}); class ids are {ids}")
        return seen

    def turned(self, split: str, name: str) -> str:
        """A remark beside an image's size if its file says that it is to be turned; else nothing."""
        return ""


class Tree(Dataset):
    """Base of a dataset that lies in files below ``root``. A subclass defines ``names`` and ``paths``.

    Labels are written as palette PNGs at the place of the truth below ``root``. ``lists``: files below ``root``, such
    as the names of a split, that are copied with them; images and the truth of val are `kept`. A subclass with a
    ``truth`` of its own that does not say how it is written is written as the dataset `folder` reads.
    """

    lists: tuple[str, ...] = ()

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        if cls.truth is not Tree.truth and cls.write_labels is Tree.write_labels:
            # for one class alone, which mypy cannot follow
            cls.write_labels, cls.write_rest = Dataset.write_labels, Dataset.write_rest  # type: ignore[method-assign]
            cls.kept = Dataset.kept  # type: ignore[method-assign]

    def __init__(self, root: str | Path | None = None):
        if root is None:
            raise InputError(
                f"dataset {type(self).__name__.lower()!r} lies in files: say where with --data-root FOLDER"
            )
        self.root = folder_of(Path(str(root)))
        if not self.root.is_dir():
            raise InputError(f"{root}: no such folder; --data-root must name the dataset's folder, or a zip of it")

    @abstractmethod
    def paths(self, split: str, name: str) -> tuple[Path, Path]:
        """The files of an image and of its truth."""

    @cached_property
    def masks(self) -> Masks:
        """The reader of the files of the truth."""
        return Masks(len(self.classes), self.colours)

    def decode(self, path: Path) -> np.ndarray:
        """(H, W) class ids from a file of the truth (`bench.datasets.masks.Masks`)."""
        return self.masks.read(path)

    def check(self, split: str, images: bool = True) -> np.ndarray:
        seen = super().check(split, images)
        self.masks.check()
        return seen

    def image(self, split: str, name: str) -> np.ndarray:
        return read_rgb(self.paths(split, name)[0])

    def original(self, split: str, name: str) -> Path | np.ndarray | None:
        path = self.paths(split, name)[0]
        return path if path.is_file() else None

    def image_size(self, split: str, name: str) -> tuple[int, int] | None:
        path = self.paths(split, name)[0]
        return image_size(path) if path.is_file() else None

    def turned(self, split: str, name: str) -> str:
        path = self.paths(split, name)[0]
        how = orientation(path) if path.is_file() else 1
        return f" once it is turned as its EXIF orientation, {how}, says" if how != 1 else ""

    def truth(self, split: str, name: str) -> np.ndarray:
        path = self.paths(split, name)[1]
        return class_ids(self.decode(path), len(self.classes), path)

    def size(self, split: str, name: str) -> tuple[int, int]:
        return image_size(self.paths(split, name)[1])

    def digests(self, split: str) -> dict[str, str]:
        found = [self.paths(split, name) for name in self.names(split)]
        return {
            what: digest(digests.contents([pair[i] for pair in found])) for i, what in enumerate(("images", "truth"))
        }

    def where(self, split: str, name: str) -> str:
        return str(self.paths(split, name)[0])

    def write_labels(self, to: Path, name: str, labels: np.ndarray) -> None:
        path = self.paths("train", name)[1]
        inner = path.relative_to(self.root) if path.is_relative_to(self.root) else path
        void = VOID_COLOR if self.colours is None else tuple(self.colours[-1].tolist())
        write_png(below(to, *inner.parts), labels, self.palette, void)

    def write_rest(self, to: Path) -> None:
        copy_files(self.root, to, self.lists)

    def kept(self) -> Iterator[tuple[Path, Path]]:
        for split in ("train", "val"):
            try:
                names = self.names(split)
            except InputError:  # as in a run without a model, which needs no val split
                continue
            for path in (p for name in names for p in self.paths(split, name)[: 1 if split == "train" else 2]):
                if path.is_file():
                    yield path.relative_to(self.root) if path.is_relative_to(self.root) else path, path


def _of_arrays(arrays: Iterable[np.ndarray]) -> str:
    """A digest of the shapes and values of arrays, in their order."""
    found = hashlib.blake2b(digest_size=16)
    for array in arrays:
        found.update(f"{array.shape} {array.dtype}".encode())
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()
