"""The current label maps of a cell, how an answer is spread over a superpixel, and how good the labels are."""

from collections.abc import Callable

import numpy as np

from bench.cache import Cache
from bench.kernels.pixels import put, relabel, take
from bench.metrics import ByImage
from bench.types import VOID, Answer, Region

Maps = Callable[[int], np.ndarray]


def corrected(labels: np.ndarray, answer: Answer) -> np.ndarray:
    """The labels (m,) uint8 of a superpixel's pixels after one answer; the same array when it leaves them.

    A single class (or ``VOID``) is written over all of them: the expansion set of Kim et al. (2024) at their released
    threshold is the whole superpixel. An answer of several classes says which are there, not their pixels: labels that
    are one of them stay, the others become ``VOID``.
    """
    if not answer.labels:
        return labels
    if len(answer.labels) == 1:
        return np.full_like(labels, answer.labels[0])
    return np.where(np.isin(labels, answer.labels), labels, np.uint8(VOID))


class LabelMaps:
    """``labels(i)`` is the (H, W) uint8 label map of train image ``i``; ``write`` changes it.

    ``start``: the maps before any answer; ``changed``: the images whose maps are no longer those. Only the labels
    written over each superpixel are kept, so that the time of a question and its answer grows with the superpixel's
    pixels. A whole map is put together when it is asked for; up to ``memory_bytes`` of them are held. Copy a map to
    keep it beyond the next ``write``.
    """

    def __init__(self, start: Maps, memory_bytes: int):
        self.start = start
        self._written: dict[int, dict[int, tuple[Region, np.ndarray]]] = {}  # labels, by first pixel
        self._whole = Cache(memory_bytes)

    @property
    def changed(self) -> set[int]:
        return set(self._written)

    def __call__(self, image: int) -> np.ndarray:
        return self._whole.get(image, lambda: self._made(image)) if image in self._written else self.start(image)

    def at(self, image: int, where: Region) -> np.ndarray:
        """(m,) uint8 labels of the pixels of one superpixel, in ascending order."""
        written = self._written.get(image, {}).get(int(where.start[0]))
        if written is None:
            return _taken(self.start(image), where)
        return np.resize(written[1], where.size)  # one label of all, or each pixel's own

    def write(self, image: int, where: Region, was: np.ndarray, answer: Answer) -> None:
        """Apply an answer to one superpixel with the labels ``was`` (`at`).

        The pixels of two writes to an image are the same, or have none in common.
        """
        if answer.labels:
            now = corrected(was[:1] if len(answer.labels) == 1 else was, answer)
            self._written.setdefault(image, {})[int(where.start[0])] = where, now
            self._whole.remove(image)

    def _made(self, image: int) -> np.ndarray:
        whole = self.start(image).copy()
        for where, labels in self._written[image].values():
            put(whole.ravel(), where.start, where.length, labels)
        return whole


def _taken(labels: np.ndarray, where: Region) -> np.ndarray:
    return take(labels.ravel(), where.start, where.length, where.size)


class LabelQuality:
    """The confusion of the current label maps with the truth, kept in step with every change.

    ``by_image`` (N, C, C + 1): the matrix of each train image (`bench.metrics.confusion`); ``truth(i)``: the
    (H, W) uint8 true label map. It sees the truth; the writer of the labels does not.
    """

    def __init__(self, truth: Maps, by_image: ByImage):
        self.truth, self.by_image = truth, by_image.copy()
        self._labels = np.r_[: by_image.shape[1], VOID].astype(np.uint8)  # every label that a pixel may have
        self.touched: set[int] = set()  # images whose matrix changed since this was last emptied

    @property
    def is_known(self) -> bool:
        """Whether the truth of any pixel is known."""
        return self.by_image.any()

    def count(self, image: int, where: Region, was: np.ndarray, answer: Answer) -> tuple[int, int, int]:
        """Take in that a superpixel with the labels ``was`` (m,) got an answer. Returns the harm (`relabel`)."""
        if not answer.labels:
            return 0, 0, 0
        n_classes = len(self._labels) - 1
        now = np.minimum(corrected(self._labels, answer), n_classes)
        self.touched.add(image)
        matrix = self.by_image[image]
        harm = relabel(_taken(self.truth(image), where), was, now, matrix)
        self.by_image[image] = matrix
        return harm
