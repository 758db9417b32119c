"""Kvasir-SEG (Jha et al., 2020): polyps in colonoscopy."""

from pathlib import Path

import numpy as np

from bench import seeds
from bench.datasets import Tree, read_grey, read_list
from bench.types import InputError


class Kvasir(Tree):
    """Kvasir-SEG: polyp or background, in images/*.jpg and masks/*.jpg (brighter than 127 is polyp).

    Splits are train.txt and val.txt in ``root``. Where neither is there, the sorted names are shuffled, always in
    the same way, and 12 % of them go to val: 880 and 120 of 1,000, as many as in the ALC paper.
    """

    classes = ("background", "polyp")
    palette = np.array([[0, 0, 0], [255, 255, 255]], np.uint8)
    background = 0

    def names(self, split: str) -> tuple[str, ...]:
        lists = [self.root / f"{s}.txt" for s in ("train", "val")]
        if any(path.is_file() for path in lists):
            return tuple(name.removesuffix(".jpg") for name in read_list(self.root / f"{split}.txt"))
        names = sorted(path.stem for path in (self.root / "images").glob("*.jpg"))
        if len(names) < 2:
            raise InputError(
                f"{self.root}: expected images/*.jpg and masks/*.jpg of Kvasir-SEG; found {len(names)} images"
            )
        order = seeds.generator(0, "kvasir split").permutation(len(names))
        n_val = max(1, round(0.12 * len(names)))
        part = {"train": order[n_val:], "val": order[:n_val]}[split]
        return tuple(sorted(names[i] for i in part))

    def paths(self, split: str, name: str) -> tuple[Path, Path]:
        return self.root / "images" / f"{name}.jpg", self.root / "masks" / f"{name}.jpg"

    def truth(self, split: str, name: str) -> np.ndarray:
        return (read_grey(self.paths(split, name)[1]) > 127).astype(np.uint8)
