"""The current label maps of a cell: the pseudo labels, and those of them that answers have changed."""

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

    ``start``: the maps before any answer; ``truth``: the true ones; ``matrix``: their confusion
    (`bench.metrics.confusion`), kept in step with every change. Changed maps stay in memory up to ``memory_bytes``;
    beyond that the least recently used lie in ``scratch``, each written again only after it has changed again.
    """

    def __init__(self, start: Maps, truth: Maps, matrix: np.ndarray, scratch: Path, memory_bytes: int):
        self.start, self.truth, self.matrix, self.scratch = start, truth, matrix.copy(), scratch
        self._changed: set[int] = set()
        self._unsaved: set[int] = set()
        self._cache = Cache(memory_bytes, self._save)

    def __call__(self, image: int) -> np.ndarray:
        if image not in self._changed:
            return self.start(image)
        return self._cache.get(image, lambda: np.asarray(Image.open(self._path(image))))

    def write(self, image: int, pixels: np.ndarray, answer: Answer) -> tuple[int, int, int]:
        """Apply an answer to the flat ``pixels`` (m,) of an image. Returns the harm (`bench.metrics.harm`)."""
        before = self(image)
        after = correction.apply(before, pixels, answer)
        if after is before:
            return 0, 0, 0
        truth, was, now = self.truth(image).ravel()[pixels], before.ravel()[pixels], after.ravel()[pixels]
        n_classes = len(self.matrix)
        self.matrix += metrics.confusion(truth, now, n_classes) - metrics.confusion(truth, was, n_classes)
        self._changed.add(image)
        self._unsaved.add(image)
        self._cache.put(image, after)
        return metrics.harm(truth, was, now)

    def clear(self) -> None:
        """Remove what lies in ``scratch``: the queries say it all."""
        shutil.rmtree(self.scratch, ignore_errors=True)

    def _save(self, image: int, labels: np.ndarray) -> None:
        if image in self._unsaved:
            with store.replacing(self._path(image)) as path:
                Image.fromarray(labels).save(path, compress_level=1)
            self._unsaved.remove(image)

    def _path(self, image: int) -> Path:
        return self.scratch / f"{image}.png"
