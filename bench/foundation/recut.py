"""Another foundation's labels with other superpixels."""

from collections.abc import Callable, Iterator, Set

import numpy as np

from bench import registry
from bench.datasets import Dataset
from bench.foundation import Foundation, TrainAndPredict, reporting
from bench.foundation import superpixels as areas_of
from bench.types import InputError


class Recut(Foundation):
    """Labels of a foundation with the superpixels of a maker: ``recut[of=files[root=R],superpixels=slic[n=200]]``.

    ``where``: ``all`` puts the maker's superpixels in the place of the foundation's, so that one may hold several
    labels. ``uncovered`` adds them only in areas without a superpixel. ``cut``: ``labels`` cuts the maker's along the
    outlines of the label map, so that each has one label. A piece of less than a tenth of the mean superpixel joins the
    nearest larger one of its label. ``none`` leaves them. Images with true masks as labels get none.
    """

    resumes = True

    def __init__(self, of: str, superpixels: str = "felzenszwalb", where: str = "all", cut: str | None = None):
        if where not in ("all", "uncovered"):
            raise InputError(f"recut: where must be all or uncovered, got {where!r}")
        if cut not in ("labels", None):
            raise InputError(f"recut: cut must be labels or none, got {cut!r}")
        self.of, self.superpixels = registry.load("foundations", of), registry.load("superpixels", superpixels)
        self.where, self.cut = where, cut
        self.leaky = self.of.leaky or self.superpixels.leaky
        self.trains, self.preset = self.of.trains, self.of.preset

    def generate(
        self,
        dataset: Dataset,
        train_and_predict: TrainAndPredict | None = None,
        done: Set[str] = frozenset(),
        on_failure: Callable[[str, Exception], object] | None = None,
    ) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        annotated = self.annotated(dataset)
        options = {"done": done, "on_failure": on_failure} if self.of.resumes else {}
        for name, labels, superpixels in self.of.generate(dataset, train_and_predict, **options):
            if name in done:
                continue
            maps = None
            with reporting([name], on_failure):
                maps = labels, superpixels if name in annotated else self._recut(dataset, name, labels, superpixels)
            if maps:
                yield name, *maps

    def _recut(self, dataset, name, labels, superpixels):
        areas = self.superpixels.segment(dataset, name)
        if self.cut == "labels":
            areas = areas_of.cut(areas, labels, areas.size / (10 * len(np.unique(areas))))
        return areas if self.where == "all" else areas_of.fill(superpixels, areas)

    def digests(self, names: tuple[str, ...]) -> dict[str, str]:
        return self.of.digests(names)

    def annotated(self, dataset: Dataset) -> set[str]:
        return self.of.annotated(dataset)
