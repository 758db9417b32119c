"""Any dataset as a plain tree of images and label maps."""

import re
from pathlib import Path

import numpy as np

from bench.datasets import Tree
from bench.datasets.classes import read_classes
from bench.datasets.files import image_size
from bench.datasets.names import IMAGES, MASKS, by_name
from bench.types import InputError


class Folder(Tree):
    """Any dataset: images/{train,val}/*, annotations/{train,val}/*.png of class ids (255 = void), and classes.txt.

    classes.txt has a class a line, by id, optionally followed by its colour: ``dining table 200 120 0``
    (`bench.datasets.classes.read_classes`). Pixels outside every object have the class called background, if there is
    one. Where every class has a colour, annotations are read by colour (`bench.datasets.masks.Masks`); pixels of the
    colour of a last line ``void 0 0 0``, or of 224 224 192, are void. ``name`` is what tables call the dataset.
    Images of train may lack an annotation; a dataset without any annotation of train needs no val split.
    """

    lists = ("classes.txt",)

    def __init__(self, root: str | Path | None = None, name: str | None = None):
        super().__init__(root)
        if name is not None and not re.fullmatch(r"[\w.+ -]+", name := str(name)):
            raise InputError(f"folder: name must be of letters, digits, spaces and . + - _, got {name!r}")
        self.name = name
        found = read_classes(self.root / "classes.txt")
        self.classes, self.palette, self.background = found.names, found.palette, found.background
        self.colours = found.colours
        self._listed: dict[tuple[str, str], dict[str, Path]] = {}

    def names(self, split: str) -> tuple[str, ...]:
        masks = self._files("annotations", split)
        names = tuple(sorted(masks | self._files("images", split) if split == "train" else masks))
        if not names and (split == "train" or self._files("annotations", "train")):
            folder = self.root / "annotations" / split
            also = ", or images/train/* alone for a person to correct" if split == "train" else ""
            raise InputError(f"{folder}: no *.png there; --data-root needs annotations/{split}/*.png{also}")
        return names

    def has_truth(self, split: str, name: str) -> bool:
        return name in self._files("annotations", split)

    def size(self, split: str, name: str) -> tuple[int, int]:
        if self.has_truth(split, name):
            return super().size(split, name)
        return image_size(self.paths(split, name)[0])

    def gap(self, split: str) -> str | None:
        lacking = self.lacking_truth() if split == "train" else None
        if lacking is None:
            return None
        measured = "count the others alone" if self._files("annotations", split) else "need one, and stay empty"
        return f"{lacking}; data mIoU, harm and detection {measured}"

    def paths(self, split: str, name: str) -> tuple[Path, Path]:
        image, truth = (self._files(part, split).get(name) for part in ("images", "annotations"))
        return (
            image or self.root / "images" / split / f"{name}.jpg",
            truth or self.root / "annotations" / split / f"{name}.png",
        )

    def check(self, split: str, images: bool = True) -> np.ndarray:
        alone = set(self._files("images", split)) - set(self.names(split))
        if alone and self._files("annotations", "train"):
            first = self.root / "annotations" / split / f"{min(alone)}.png"
            raise InputError(f"{first}: no such file; {len(alone)} images of {split} have no annotation")
        return super().check(split, images)

    def _files(self, part: str, split: str) -> dict[str, Path]:
        """The images or annotations of a split by name, listed once."""
        if (part, split) not in self._listed:
            suffixes = IMAGES if part == "images" else MASKS
            self._listed[part, split] = by_name(self.root / part / split, suffixes)
        return self._listed[part, split]
