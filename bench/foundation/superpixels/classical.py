"""Superpixels from colours and places alone. They cover the image; ``n`` is about how many there are."""

import numpy as np
from skimage import color, filters, segmentation

from bench.datasets import Dataset
from bench.foundation.superpixels import Superpixels
from bench.types import InputError


class _Numbered(Superpixels):
    def __init__(self, n: int = 100):
        if n < 1:
            raise InputError(f"{type(self).__name__.lower()}: n must be 1 or more superpixels, got {n}")
        self.n = n


class Grid(_Numbered):
    """About n equal rectangles, as near to squares as they fit."""

    def segment(self, dataset: Dataset, name: str) -> np.ndarray:
        height, width = dataset.size("train", name)
        n_rows = min(max(1, round(np.sqrt(self.n * height / width))), height)
        n_columns = min(max(1, round(self.n / n_rows)), width)
        row = np.arange(height) * n_rows // height
        column = np.arange(width) * n_columns // width
        return (1 + row[:, None] * n_columns + column).astype(np.int32)


class Slic(_Numbered):
    """About n areas of like colour, compact (Achanta et al., 2012)."""

    def __init__(self, n: int = 100, compactness: float = 10.0):
        super().__init__(n)
        self.compactness = compactness

    def segment(self, dataset: Dataset, name: str) -> np.ndarray:
        image = dataset.image("train", name)
        return segmentation.slic(image, self.n, compactness=self.compactness, start_label=1).astype(np.int32)


class Felzenszwalb(_Numbered):
    """Areas grown along weak edges, each at least half of 1/n of the image (Felzenszwalb and Huttenlocher, 2004)."""

    def __init__(self, n: int = 100, scale: float = 20.0):
        super().__init__(n)
        self.scale = scale

    def segment(self, dataset: Dataset, name: str) -> np.ndarray:
        image = dataset.image("train", name)
        least = max(1, 5 * (image.shape[0] * image.shape[1] // (10 * self.n)))  # as `Weak` has had it
        return 1 + segmentation.felzenszwalb(image, scale=self.scale, min_size=least).astype(np.int32)


class Watershed(_Numbered):
    """About n basins flooded from a grid of seeds, compact (Neubert and Protzel, 2014); in the place of SEEDS."""

    def __init__(self, n: int = 100, compactness: float = 0.001):
        super().__init__(n)
        self.compactness = compactness

    def segment(self, dataset: Dataset, name: str) -> np.ndarray:
        edges = filters.sobel(color.rgb2gray(dataset.image("train", name)))
        return segmentation.watershed(edges, self.n, compactness=self.compactness).astype(np.int32)
