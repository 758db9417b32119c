"""Pseudo labels and superpixels that lie in files, as ALC and A2LC release them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.datasets import Dataset, class_ids, read_png
from bench.foundation import Foundation, TrainAndPredict, check_maps
from bench.types import InputError


class Files(Foundation):
    """The papers' layout: ``root``/mask_jpg/<name>.png (class ids) and ``root``/obj_jpg/<name>.png (superpixel ids).

    Both may lie one folder deeper, named after a box threshold, if there is exactly one such folder. They are read in
    place. Source: Kim et al., ICML 2024, released code.
    """

    folder: Path

    def __init__(self, root: str | Path):
        self.folder = Path(str(root))
        if not (self.folder / "mask_jpg").is_dir():
            deeper = sorted(path.parent for path in self.folder.glob("*/mask_jpg"))
            if len(deeper) != 1:
                listed = f", but {len(deeper)} folders that have: {', '.join(p.name for p in deeper)}" if deeper else ""
                raise InputError(f"{root}: expected a folder with mask_jpg and obj_jpg{listed}; set files[root=FOLDER]")
            self.folder = deeper[0]

    def generate(
        self, dataset: Dataset, train_and_predict: TrainAndPredict | None = None
    ) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        for name in dataset.names("train"):
            path = self.folder / "mask_jpg" / f"{name}.png"
            labels, superpixels = read_png(path), read_png(self.folder / "obj_jpg" / f"{name}.png")
            check_maps(labels, superpixels, dataset, name, path)
            yield name, class_ids(labels, len(dataset.classes), path), superpixels.astype(np.int32)
