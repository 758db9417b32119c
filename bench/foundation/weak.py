"""Pseudo labels from a small model trained on a few labelled images; superpixels of any maker."""

from collections.abc import Callable, Iterator, Set

import numpy as np

from bench import registry, seeds
from bench.datasets import Dataset
from bench.foundation import Foundation, TrainAndPredict
from bench.foundation.superpixels import cut
from bench.types import InputError


class Weak(Foundation):
    """For images without a foundation model: a small one, trained on ``n`` labelled train images, labels the others.

    It is trained as ``preset`` says, with any model of the run, so that presets and learners meet the same labels.

    The n images keep their true masks as labels and have no superpixel: nobody is asked about them again. In the others
    superpixels cover the image: those of a maker, by default ``felzenszwalb`` (at least half of 1/``n_segments`` of the
    image each), cut along the outlines of the predicted label map, so that each has one label. A piece of less than a
    tenth of 1/``n_segments`` joins the nearest larger one of its label that it is connected to. A maker that takes
    ``n`` superpixels is given ``n_segments``. On Kvasir-SEG ``slic`` and ``felzenszwalb`` reach the same data mIoU with
    every superpixel at its dominant class, the second with 0.6 times as many superpixels.
    """

    trains = True
    resumes = True

    def __init__(
        self,
        n: int = 40,
        superpixels: str = "felzenszwalb",
        n_segments: int = 100,
        seed: int = 0,
        preset: str = "weak",
    ):
        if n < 1 or n_segments < 1:
            raise InputError(f"weak: n and n_segments must be 1 or more, got {n} and {n_segments}")
        self.superpixels = registry.load("superpixels", superpixels, n=n_segments)
        self.n, self.n_segments, self.seed, self.leaky = n, n_segments, seed, self.superpixels.leaky
        self.preset = preset

    def generate(
        self,
        dataset: Dataset,
        train_and_predict: TrainAndPredict | None = None,
        done: Set[str] = frozenset(),
        on_failure: Callable[[str, Exception], object] | None = None,
    ) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        names = dataset.names("train")
        if train_and_predict is None:
            raise InputError("weak trains a model and needs one: give train_and_predict")
        if self.n >= len(names):
            raise InputError(
                f"weak: n={self.n} labelled images, but {type(dataset).__name__} has {len(names)} train images; "
                "give fewer, since nobody is asked about labelled ones"
            )
        annotated = self.annotated(dataset)
        chosen = [name for name in names if name in annotated]
        images, truths = ([read("train", name) for name in chosen] for read in (dataset.image, dataset.truth))
        for name, labels in zip(names, train_and_predict(images, truths, dataset), strict=True):
            if name in done:
                continue
            if name in annotated:
                yield name, dataset.truth("train", name), np.zeros(labels.shape, np.int32)
            else:
                least = labels.size // (10 * self.n_segments)
                yield name, labels, cut(self.superpixels.segment(dataset, name), labels, least)

    def annotated(self, dataset: Dataset) -> set[str]:
        names = dataset.names("train")
        return {names[i] for i in seeds.generator(self.seed, "weak").permutation(len(names))[: self.n]}
