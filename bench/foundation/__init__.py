"""Foundations: where pseudo labels and superpixels come from. One small file each; every result is cached on disk."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np

from bench.datasets import Dataset


class Foundation(ABC):
    """Base of a foundation. A subclass writes ``generate``.

    ``leaky``: true when the labels or superpixels are made from more truth than a user of the method would have.
    """

    leaky = False

    @abstractmethod
    def generate(self, dataset: Dataset) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """For each image of ``dataset.names("train")``, in that order: name, label map (H, W) uint8, superpixel map (H, W) int32.

        Pixels outside every superpixel have id 0. Ids may have gaps.
        """
