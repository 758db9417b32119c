"""The current label maps of a cell, and how good they are."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from bench import correction, metrics, store
from bench.cache import Cache
from bench.types import Answer

Maps = Callable[[int], np.ndarray]


class LabelMaps:
    """``labels(i)`` is the (H, W) uint8 label map of train image ``i``; ``write`` changes it.

    ``start``: the maps before any answer; ``changed``: the images whose maps are no longer those. Changed maps stay in
    memory up to ``memory_bytes``; beyond that the least recently used lie in the folder ``scratch``, each written again
    only after it has changed again. Whoever keeps a map beyond the next ``write`` copies it.
    """

    def __init__(self, start: Maps, scratch: Path, memory_bytes: int):
        self.start, self.scratch = start, scratch
        self.changed: set[int] = set()
        self._unsaved: set[int] = set()
        self._memory = Cache(memory_bytes, self._save)

    def __call__(self, image: int) -> np.ndarray:
        return self._own(image) if image in self.changed else self.start(image)

    def write(self, image: int, pixels: np.ndarray, answer: Answer) -> tuple[np.ndarray, np.ndarray]:
        """Apply an answer to the flat ``pixels`` (m,) of an image. Returns their labels before and after, (m,) each.

        An image's map is copied once, when it first changes: after that an answer takes as long as its pixels do.
        """
        was = self(image).ravel()[pixels]
        now = correction.corrected(was, answer)
        if now is not was:
            if image not in self.changed:
                self._memory.put(image, self.start(image).copy())
                self.changed.add(image)
            self._own(image).ravel()[pixels] = now
            self._unsaved.add(image)
        return was, now

    def _own(self, image: int) -> np.ndarray:
        return self._memory.get(image, lambda: np.array(Image.open(self._path(image))))

    def clear(self) -> None:
        """Remove what lies in ``scratch``. Label maps can be rebuilt from queries.csv and refined.csv."""
        shutil.rmtree(self.scratch, ignore_errors=True)

    def _save(self, image: int, labels: np.ndarray) -> None:
        if image in self._unsaved:
            with store.replacing(self._path(image)) as path:
                Image.fromarray(labels).save(path, compress_level=1)
            self._unsaved.remove(image)

    def _path(self, image: int) -> Path:
        return self.scratch / f"{image}.png"


class LabelQuality:
    """The confusion of the current label maps with the truth, kept in step with every change.

    ``by_image`` (N, C, C + 1) integers: the matrix of each train image (`bench.metrics.confusion`); ``truth(i)``: the
    (H, W) uint8 true label map. It sees the truth; what writes the labels does not.
    """

    def __init__(self, truth: Maps, by_image: np.ndarray):
        self.truth, self.by_image = truth, by_image.copy()
        self.touched: set[int] = set()  # images whose matrix changed since this was last emptied

    def count(self, image: int, pixels: np.ndarray, was: np.ndarray, now: np.ndarray) -> tuple[int, int, int]:
        """Take in that the labels of the flat ``pixels`` (m,) went from ``was`` to ``now``. Returns the harm."""
        if now is was:
            return 0, 0, 0
        truth = self.truth(image).ravel()[pixels]
        change = metrics.change(truth, was, now, self.by_image.shape[1])
        self.by_image[image] += change.astype(self.by_image.dtype)
        self.touched.add(image)
        return metrics.harm(truth, was, now)
