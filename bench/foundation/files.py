"""Pseudo labels and superpixels that lie in files, as ALC and A2LC release them."""

from collections.abc import Callable, Iterator, Set
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image

from bench import files
from bench.datasets import Dataset, digests
from bench.datasets.masks import NUMPY, Masks, read_ids
from bench.datasets.names import MASKS, by_name
from bench.foundation import Foundation, TrainAndPredict, check_maps
from bench.types import InputError

GREY = ("1", "L", "I", "I;16")  # modes whose values are what is meant
MOST_IDS = 65535  # of superpixels, which the suite keeps in 16 bits


class Files(Foundation):
    """The papers' layout: ``root``/mask_jpg/<name>.png (class ids) and ``root``/obj_jpg/<name>.png (superpixel ids).

    Both may lie one folder deeper, named after a box threshold, if there is exactly one such folder. Source: Kim et
    al., ICML 2024, released code. Grey PNGs are read in place. Label maps may also be palette or RGB images in the
    colours of the dataset, as PNG, TIFF or BMP (`bench.datasets.masks.Masks`). Superpixels may also be RGB codes, or
    arrays (height, width) in .npy; ids above 65535 are counted anew. Without obj_jpg, as for the label maps of a model
    from elsewhere, there is no superpixel: `Recut` gives them some, ``recut[of=files[root=R],cut=labels]``.
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
        self._labels = by_name(folder / "mask_jpg", MASKS)
        self._superpixels = by_name(folder / "obj_jpg", (*MASKS, NUMPY)) if (folder / "obj_jpg").is_dir() else None
        if (
            self._superpixels is not None
            and _is_plain(self._labels, GREY)
            and _is_plain(self._superpixels, (*GREY, "P"))
        ):
            self.folder = folder
        # What is made from these files is made again when they change.
        self.files = _content(folder, sorted([*self._labels.values(), *(self._superpixels or {}).values()]))

    def _paths(self, name: str) -> tuple[Path, Path]:
        both = ("mask_jpg", self._labels), ("obj_jpg", self._superpixels or {})
        labels, superpixels = (there.get(name, self._root / kind / f"{name}.png") for kind, there in both)
        return labels, superpixels

    def digests(self, names: tuple[str, ...]) -> dict[str, str]:
        paths = [self._paths(name)[kind] for kind in (0, 1) for name in names]
        return {"root": files.digest(digests.contents(paths))}

    def generate(
        self,
        dataset: Dataset,
        train_and_predict: TrainAndPredict | None = None,
        done: Set[str] = frozenset(),
        on_failure: Callable[[str, Exception], object] | None = None,
    ) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        masks = Masks(len(dataset.classes), dataset.colours)
        for name in dataset.names("train"):
            if name in done:
                continue
            path, where = self._paths(name)
            labels = masks.read(path)
            if self.folder is not None and masks.by_colour(path):
                raise InputError(f"{path}: its greys are colours of classes and no ids; save it as RGB")
            superpixels = np.zeros(labels.shape) if self._superpixels is None else _counted(read_ids(where))
            check_maps(labels, superpixels, dataset, name, path)
            yield name, labels, superpixels.astype(np.int32)
        masks.check()


def _counted(ids: np.ndarray) -> np.ndarray:
    """The same superpixels; where an id is too large for 16 bits, they are counted from 1, and 0 stays 0."""
    if ids.max() <= MOST_IDS:
        return ids
    used, places = np.unique(ids, return_inverse=True)
    return places.reshape(ids.shape) + (used[0] != 0)


def _is_plain(paths: dict[str, Path], modes: tuple[str, ...]) -> bool:
    """Whether the suite may read these files as its own: PNGs of these modes, called like their images."""
    for name, path in paths.items():
        if path.name != f"{name}.png":
            return False
        with suppress(OSError, SyntaxError, ValueError, Image.DecompressionBombError), Image.open(path) as image:
            if image.format != "PNG" or image.mode not in modes:
                return False
    return True  # or broken: reading says so


def _content(folder: Path, paths: list[Path]) -> str:
    """A digest of files by their places in ``folder``."""
    places = (str(path.relative_to(folder)) for path in paths)
    return files.digest(list(zip(places, digests.contents(paths), strict=True)))
