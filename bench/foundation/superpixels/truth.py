"""Superpixels that only the truth can give: an upper bound."""

import numpy as np
from skimage import measure

from bench.datasets import Dataset
from bench.foundation.superpixels import Superpixels, fill
from bench.types import VOID


class TruthObjects(Superpixels):
    """The true objects, and the connected areas of true background; void truth is outside. An upper bound."""

    leaky = True

    def segment(self, dataset: Dataset, name: str) -> np.ndarray:
        ground = measure.label(dataset.truth("train", name) == dataset.background, connectivity=1)
        ground[dataset.truth("train", name) == VOID] = 0
        return fill(dataset.objects("train", name), ground)
