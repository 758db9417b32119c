"""Superpixel makers: an image cut into areas, independent of its labels. One small file each, found by the registry."""

from abc import ABC, abstractmethod

import numpy as np
from scipy.ndimage import distance_transform_edt, find_objects
from skimage import measure

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
    """``superpixels`` (H, W) int32, and at its zeros the ``areas``, with ids beyond those in use."""
    more = areas + superpixels.max(initial=0)
    return np.where((superpixels == 0) & (areas > 0), more, superpixels).astype(np.int32)


def cut(areas: np.ndarray, labels: np.ndarray, least: float) -> np.ndarray:
    """(H, W) int32: ``areas`` cut along the outlines of ``labels`` (H, W) uint8, so that each has one label.

    The pieces are connected, with ids from 1; 0 stays 0. A piece of fewer than ``least`` pixels joins the nearest
    larger one of its label that it is connected to, if there is one.
    """
    inside = areas > 0
    pieces = measure.label(np.where(inside, areas.astype(np.int64) * 256 + labels, -1), background=-1)
    small = inside & (np.bincount(pieces.ravel())[pieces] < least)
    islands = measure.label(np.where(inside, labels.astype(np.int16), -1), background=-1)
    boxes = find_objects(islands)
    for island in np.unique(islands[small]):
        window = boxes[island - 1]
        here, merge = islands[window] == island, small[window]
        if (here & ~merge).any():
            near = distance_transform_edt(merge | ~here, return_distances=False, return_indices=True)
            pieces[window][here & merge] = pieces[window][tuple(near)][here & merge]
    return pieces.astype(np.int32)
