"""Any dataset as a plain tree of images and label maps."""

import re
from pathlib import Path

import numpy as np

from bench.datasets import Tree
from bench.datasets.files import (
    IMAGES,
    MASKS,
    VOID_COLOR,
    by_stem,
    image_size,
    is_coloured,
    read_colours,
    read_png,
    read_text,
)
from bench.types import VOID, InputError


class Folder(Tree):
    """Any dataset: images/{train,val}/*, annotations/{train,val}/*.png of class ids (255 = void), and classes.txt.

    classes.txt has a class a line, by id, optionally followed by its colour: ``dining table 200 120 0``. A class
    called background, if there is one, is what pixels outside every object have. Where every class has a colour,
    annotations may be RGB; pixels of the colour of a last line ``void 0 0 0``, or of 224 224 192, are void. ``name``
    is what tables and files call the dataset. Images of train may lack an annotation; a dataset without any annotation
    of train needs no val split.
    """

    lists = ("classes.txt",)

    def __init__(self, root: str | Path | None = None, name: str | None = None):
        super().__init__(root)
        if name is not None and not re.fullmatch(r"[\w.+ -]+", name := str(name)):
            raise InputError(f"folder: name must be of letters, digits, spaces and . + - _, got {name!r}")
        self.name = name
        path = self.root / "classes.txt"
        if not path.is_file():
            raise InputError(f"{path}: no such file; it must name the classes, one a line, maybe followed by r g b")
        rows = [_class(line, n, path) for n, line in enumerate(read_text(path).splitlines(), 1) if line.strip()]
        void = rows.pop()[1] if rows and rows[-1][0] == "void" and rows[-1][1] else VOID_COLOR
        if not 2 <= len(rows) <= VOID or len({name for name, _ in rows}) != len(rows):
            raise InputError(f"{path}: expected 2 to {VOID} classes, each once; got {len(rows)} lines")
        self.classes = tuple(name for name, _ in rows)
        # Colours that are not given are spread over the hues by the golden ratio, so that neighbours differ.
        self.palette = np.array([colour or _colour(i) for i, (_, colour) in enumerate(rows)], np.uint8)
        self.background = self.classes.index("background") if "background" in self.classes else VOID
        self._colours = np.array([*(colour for _, colour in rows), void], np.uint8) if all(c for _, c in rows) else None
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

    def decode(self, path: Path) -> np.ndarray:
        if not is_coloured(path):
            return read_png(path)
        if self._colours is None:
            raise InputError(
                f"{path}: expected one channel of class ids (grey or palette), got RGB; to read its colours, "
                "give each class of classes.txt its own: name r g b"
            )
        found = read_colours(path, self._colours)
        return np.where(found == len(self.classes), VOID, found).astype(np.uint8)

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
            self._listed[part, split] = by_stem(self.root / part / split, suffixes)
        return self._listed[part, split]


def _class(line: str, number: int, path: Path) -> tuple[str, tuple[int, ...] | None]:
    words = line.split()
    if len(words) < 4 or not all(word.isdecimal() for word in words[-3:]):
        return " ".join(words), None
    colour = tuple(map(int, words[-3:]))
    if max(colour) > 255:
        raise InputError(f"{path}, line {number}: a colour is three numbers from 0 to 255, got {' '.join(words[-3:])}")
    return " ".join(words[:-3]), colour


def _colour(i: int) -> tuple[int, ...]:
    """Of the i-th class: neighbours differ in hue, and in lightness, which is what remains in grey."""
    light = (0.4, 1.0, 0.7)[i % 3]
    return tuple(int(light * (128 + 110 * np.cos(2 * np.pi * (i * 0.618 - third / 3)))) for third in range(3))
