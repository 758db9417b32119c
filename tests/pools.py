"""Pools for tests: consistent ones from pixels, and random ones of any size from the tables of statistics."""

import numpy as np
import torch

from bench.kernels import superpixel_statistics
from bench.kernels.statistics import thresholds, trips
from bench.testing import permuted, pool, random_columns
from bench.types import VOID

__all__ = ["Scene", "permuted", "pool", "random_columns", "scene_pool"]


class Scene:
    """One image in pixels, and the columns it gives."""

    def __init__(self, seed=0, n_classes=4, height=14, width=11, n_superpixels=9, depth=3, void=0.1):
        rng = np.random.default_rng(seed)
        logits = rng.normal(0, 2, (n_classes, height, width)).astype(np.float32)
        self.logits = torch.from_numpy(np.cumsum(logits, axis=2) / np.sqrt(np.arange(1, width + 1)).astype(np.float32))
        self.probabilities = self.logits.double().softmax(0).numpy()
        self.predicted = self.probabilities.argmax(0)
        self.labels = np.where(
            rng.random((height, width)) < 0.6, self.predicted, rng.integers(0, n_classes, (height, width))
        )
        self.labels = np.where(rng.random((height, width)) < void, VOID, self.labels).astype(np.uint8)
        self.superpixels = (
            rng.integers(0, n_superpixels + 1, (height // 2 + 1, width // 2 + 1)).repeat(2, 0).repeat(2, 1)
        )
        self.superpixels = (3 * self.superpixels[:height, :width]).astype(np.int32)
        self.image = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
        self.features = torch.from_numpy(rng.normal(size=(depth, height // 2, width // 2)).astype(np.float32))
        self.passes = [
            self.logits + torch.from_numpy(rng.normal(size=logits.shape).astype(np.float32)) for _ in range(3)
        ]
        self.ids = np.unique(self.superpixels[self.superpixels > 0])
        self.n_classes = n_classes

    def pixels(self, superpixel):
        """Rows and columns of its pixels, row-major."""
        return list(zip(*np.nonzero(self.superpixels == superpixel), strict=True))

    def maps(self, names, **given):
        """The columns ``names`` of the door, from all that the scene has."""
        extra = {"images": self.image, "features": self.features, "passes": self.passes} | given
        return superpixel_statistics(self.logits, self.labels, self.superpixels, names, logits=True, **extra)


def scene_pool(scenes, needs, asked=None):
    """The pool of some scenes, in two trips where a statistic needs it."""
    first, second = trips(needs)
    tables = [s.maps(first, implementation="reference") for s in scenes]
    for i, table in enumerate(tables):
        table["image"] = np.full(len(table["size"]), i, np.int32)
    if second:
        tau = thresholds(_joined(tables))
        tables = [t | s.maps(second, thresholds=tau) for t, s in zip(tables, scenes, strict=True)]
    return pool(_joined(tables), scenes[0].n_classes, asked)


def _joined(tables):
    return {name: np.concatenate([t[name] for t in tables]) for name in tables[0]}
