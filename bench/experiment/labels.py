"""The current label maps of a cell, and how good they are."""

from collections.abc import Callable

import numpy as np

from bench import correction, metrics
from bench.cache import Cache
from bench.types import Answer

Maps = Callable[[int], np.ndarray]


class LabelMaps:
    """``labels(i)`` is the (H, W) uint8 label map of train image ``i``; ``write`` changes it.

    ``start``: the maps before any answer; ``changed``: the images whose maps are no longer those. Kept is what was
    written over each superpixel, so that a question and its answer take as long as the superpixel has pixels. A whole
    map is put together when it is asked for; up to ``memory_bytes`` of them are held. Whoever keeps a map beyond the
    next ``write`` copies it.
    """

    def __init__(self, start: Maps, memory_bytes: int):
        self.start = start
        self._written: dict[int, dict[int, tuple[np.ndarray, np.ndarray]]] = {}  # runs and labels, by first pixel
        self._whole = Cache(memory_bytes)

    @property
    def changed(self) -> set[int]:
        return set(self._written)

    def __call__(self, image: int) -> np.ndarray:
        return self._whole.get(image, lambda: self._made(image)) if image in self._written else self.start(image)

    def at(self, image: int, pixels: np.ndarray) -> np.ndarray:
        """(m,) uint8 labels of the flat ``pixels`` (m,) of one superpixel, in ascending order."""
        written = self._written.get(image, {}).get(int(pixels[0]))
        if written is None:
            return self.start(image).ravel()[pixels]
        return np.resize(written[1], len(pixels))  # one label of all, or each pixel's own

    def write(self, image: int, pixels: np.ndarray, answer: Answer) -> tuple[np.ndarray, np.ndarray]:
        """Apply an answer to one superpixel (`at`). Returns its labels before and after, (m,) each.

        The pixels of two writes to an image are the same, or have none in common.
        """
        was = self.at(image, pixels)
        now = correction.corrected(was, answer)
        if now is not was:
            labels = now[:1].copy() if len(answer.labels) == 1 else now
            self._written.setdefault(image, {})[int(pixels[0])] = _runs(pixels), labels
            self._whole.remove(image)
        return was, now

    def _made(self, image: int) -> np.ndarray:
        whole = self.start(image).copy()
        for (start, length), labels in self._written[image].values():
            before = np.cumsum(length) - length  # pixels of earlier runs
            whole.ravel()[np.repeat(start - before, length) + np.arange(length.sum())] = labels
        return whole


def _runs(pixels: np.ndarray) -> np.ndarray:
    """(2, n) int32: the first of each stretch of consecutive ``pixels``, and how many they are."""
    first = np.flatnonzero(np.diff(pixels, prepend=-2) != 1)
    return np.array([pixels[first], np.diff(first, append=len(pixels))], np.int32)


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
