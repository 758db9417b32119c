"""Another foundation's labels with other superpixels."""

from collections.abc import Iterator

import numpy as np

from bench import registry
from bench.datasets import Dataset
from bench.foundation import Foundation, TrainAndPredict
from bench.foundation.superpixels import fill
from bench.types import InputError


class Recut(Foundation):
    """Labels of a foundation with the superpixels of a maker: ``recut[of=files[root=R],superpixels=slic[n=200]]``.

    ``where``: ``all`` puts the maker's superpixels in the place of the foundation's, so that one may hold several
    labels; ``uncovered`` adds them only where there was no superpixel. Images whose labels are true masks get none.
    """

    def __init__(self, of: str, superpixels: str = "felzenszwalb", where: str = "all"):
        if where not in ("all", "uncovered"):
            raise InputError(f"recut: where must be all or uncovered, got {where!r}")
        self.of, self.superpixels = registry.load("foundations", of), registry.load("superpixels", superpixels)
        self.where = where
        self.leaky, self.trains = self.of.leaky or self.superpixels.leaky, self.of.trains

    def generate(
        self, dataset: Dataset, train_and_predict: TrainAndPredict | None = None
    ) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        annotated = self.annotated(dataset)
        for name, labels, superpixels in self.of.generate(dataset, train_and_predict):
            if name not in annotated:
                areas = self.superpixels.segment(dataset, name)
                superpixels = areas if self.where == "all" else fill(superpixels, areas)
            yield name, labels, superpixels

    def annotated(self, dataset: Dataset) -> set[str]:
        return self.of.annotated(dataset)
