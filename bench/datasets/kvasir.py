"""Kvasir-SEG (Jha et al., 2020): polyps in colonoscopy."""

from pathlib import Path

import numpy as np
from PIL import Image

from bench.datasets import Tree
from bench.datasets.files import VOID_COLOR, below, write_lines
from bench.datasets.masks import read_two
from bench.datasets.names import IMAGES, by_name, drawn, read_list
from bench.types import VOID, InputError


class Kvasir(Tree):
    """Kvasir-SEG: polyp or background, in images/*.jpg and masks/*.jpg (brighter than 127 is polyp), or *.png, *.tif.

    A mask of black and one other value is read as these two (`bench.datasets.masks.read_two`).

    Splits are train.txt and val.txt in ``root``. If neither is there, the sorted names are shuffled, always in the same
    way, and 12 % of them go to val. Of 1,000 that is 880 and 120, as many as in the ALC paper. Labels are written as
    grey JPEGs of 0 and 255, with the lists of the splits.
    """

    classes = ("background", "polyp")
    palette = np.array([[0, 0, 0], [255, 255, 255]], np.uint8)
    colours = np.array([*palette, VOID_COLOR], np.uint8)
    background = 0
    lists = ("train.txt", "val.txt")

    def __init__(self, root: str | Path | None = None):
        super().__init__(root)
        self._images, self._masks = (by_name(self.root / part, IMAGES) for part in ("images", "masks"))

    def names(self, split: str) -> tuple[str, ...]:
        if self._has_lists():
            return read_list(self.root / f"{split}.txt", self._images)
        names = sorted(self._images)
        if len(names) < 2:
            raise InputError(
                f"{self.root}: expected images/*.jpg and masks/*.jpg of Kvasir-SEG; found {len(names)} images"
            )
        return drawn(names, split)

    def paths(self, split: str, name: str) -> tuple[Path, Path]:
        both = ("images", self._images), ("masks", self._masks)
        image, mask = (files.get(name) or self.root / part / f"{name}.jpg" for part, files in both)
        return image, mask

    def truth(self, split: str, name: str) -> np.ndarray:
        return read_two(self.paths(split, name)[1])

    def write_labels(self, to: Path, name: str, labels: np.ndarray) -> None:
        path = below(to, "masks", f"{name}.jpg")
        if (labels == VOID).any():
            raise InputError(f"{name}: void pixels have no place in {path.name}; run with an oracle that keeps labels")
        Image.fromarray(labels * np.uint8(255)).save(path, quality=100, subsampling=0)

    def write_rest(self, to: Path) -> None:
        super().write_rest(to)
        if not self._has_lists():  # the split was drawn from the images, which are not written
            for split in ("train", "val"):
                write_lines(below(to, f"{split}.txt"), self.names(split))

    def _has_lists(self) -> bool:
        return any((self.root / name).is_file() for name in self.lists)
