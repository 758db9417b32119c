"""Pseudo labels and superpixels that lie in files, as ALC and A2LC release them."""

from collections.abc import Callable, Iterator, Set
from pathlib import Path

import numpy as np

from bench import files
from bench.datasets import Dataset, class_ids, digests
from bench.datasets.files import read_png
from bench.foundation import Foundation, TrainAndPredict, check_maps
from bench.types import InputError


class Files(Foundation):
    """The papers' layout: ``root``/mask_jpg/<name>.png (class ids) and ``root``/obj_jpg/<name>.png (superpixel ids).

    Both may lie one folder deeper, named after a box threshold, if there is exactly one such folder. They are read in
    place. Source: Kim et al., ICML 2024, released code. Without obj_jpg, as for the label maps of a model from
    elsewhere, there is no superpixel: `Recut` gives them some, ``recut[of=files[root=R],cut=labels]``.
    """

    resumes = True

    def __init__(self, root: str | Path):
        folder = Path(str(root))
        if not (folder / "mask_jpg").is_dir():
            deeper = sorted(path.parent for path in folder.glob("*/mask_jpg"))
            if len(deeper) != 1:
                listed = f", but {len(deeper)} folders that have: {', '.join(p.name for p in deeper)}" if deeper else ""
                raise InputError(f"{root}: expected a folder with mask_jpg and obj_jpg{listed}; set files[root=FOLDER]")
            folder = deeper[0]
        self._root = folder
        self.folder = folder if (folder / "obj_jpg").is_dir() else None
        # What is made from these files is made again when they change.
        self.files = _content(folder, sorted(folder.glob("*/*.png")))

    def digests(self, names: tuple[str, ...]) -> dict[str, str]:
        paths = [self._root / kind / f"{name}.png" for kind in ("mask_jpg", "obj_jpg") for name in names]
        return {"root": files.digest(digests.contents(paths))}

    def generate(
        self,
        dataset: Dataset,
        train_and_predict: TrainAndPredict | None = None,
        done: Set[str] = frozenset(),
        on_failure: Callable[[str, Exception], object] | None = None,
    ) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        for name in dataset.names("train"):
            if name in done:
                continue
            path = self._root / "mask_jpg" / f"{name}.png"
            labels = read_png(path)
            superpixels = read_png(self.folder / "obj_jpg" / path.name) if self.folder else np.zeros(labels.shape)
            check_maps(labels, superpixels, dataset, name, path)
            yield name, class_ids(labels, len(dataset.classes), path), superpixels.astype(np.int32)


def _content(folder: Path, paths: list[Path]) -> str:
    """A digest of files by their places in ``folder``."""
    places = (str(path.relative_to(folder)) for path in paths)
    return files.digest(list(zip(places, digests.contents(paths), strict=True)))
