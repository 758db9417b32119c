"""Superpixel makers: an image cut into areas, whatever its labels. One small file each, found by the registry."""

from abc import ABC, abstractmethod

import numpy as np

from bench.datasets import Dataset


class Superpixels(ABC):
    """Base of a maker. A subclass writes ``segment`` and keeps its parameters as attributes.

    ``leaky``: true when the areas are made from the truth.
    """

    leaky = False

    @abstractmethod
    def segment(self, dataset: Dataset, name: str) -> np.ndarray:
        """(H, W) int32 superpixel ids of a train image: from 1, 0 outside every superpixel. Raises InputError."""


def fill(superpixels: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """``superpixels`` (H, W) int32, and where they are 0 the ``areas``, with ids beyond those in use."""
    more = areas + superpixels.max(initial=0)
    return np.where((superpixels == 0) & (areas > 0), more, superpixels).astype(np.int32)
