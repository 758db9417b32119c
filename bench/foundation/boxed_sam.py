"""Pseudo labels and superpixels by SAM from boxes of any detector: the second half of Grounded-SAM."""

from collections.abc import Callable, Iterator, Set
from pathlib import Path

import numpy as np

from bench import files, seeds
from bench.datasets import Dataset
from bench.foundation import Foundation, TrainAndPredict, boxes, reporting, weights
from bench.foundation.box_masks import BoxMasks, Timed, check
from bench.foundation.models import chosen_device
from bench.types import InputError

TRUTH = "truth"
SPECK = 1 / 2000  # of the image: true objects smaller than that get no box


class BoxedSam(Timed, Foundation):
    """A mask from SAM for each box of a file, from any detector, painted from large to small.

    ``boxes``: a JSON or CSV file (`bench.foundation.boxes`), or ``truth``: the boxes of the true objects, each side
    moved by normal noise of ``noise`` times the box's width or height, drawn from ``seed``. That is leaky, for tests.
    A box is kept if its score is above ``threshold``. ``sam``, ``sam_type`` and ``uncovered`` as in `GroundedSam`.
    """

    resumes = True
    stages = ("read", "embed", "mask", "paint")

    def __init__(
        self,
        boxes: str,
        sam: str | None = None,
        sam_type: str | None = None,
        threshold: float = 0.0,
        uncovered: str = "background",
        noise: float = 0.05,
        seed: int = 0,
        device: str = "auto",
    ):
        check("boxed_sam", threshold, uncovered)
        if noise < 0:
            raise InputError(f"boxed_sam: noise is a share of a box's side, expected 0 or more, got {noise}")
        if boxes != TRUTH and not Path(boxes).is_file():
            raise InputError(f"boxed_sam: boxes={boxes}: no such file")
        self._sam, self.sam_type = weights.sam(sam, sam_type, "boxed_sam")
        self.weights, self.threshold, self.uncovered = weights.content(self._sam), threshold, uncovered
        self.leaky = boxes == TRUTH
        self.boxes = (noise, seed) if self.leaky else weights.content(boxes)
        self._boxes, self._device = boxes, chosen_device(device)

    def digests(self, names: tuple[str, ...]) -> dict[str, str]:
        return {} if self.leaky else {"boxes": files.file_digest(Path(self._boxes))}

    def generate(
        self,
        dataset: Dataset,
        train_and_predict: TrainAndPredict | None = None,
        done: Set[str] = frozenset(),
        on_failure: Callable[[str, Exception], object] | None = None,
    ) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        box_masks, drawn = None, None if self.leaky else boxes.read(self._boxes, dataset, self.threshold)
        for name in dataset.names("train"):
            if name in done:
                continue
            box_masks = box_masks or BoxMasks(self._sam, self.sam_type, self._device, self.uncovered, self._watches)
            maps = None
            with reporting([name], on_failure):
                with self._watches["read"]:
                    image = dataset.image("train", name)
                found = true_boxes(dataset, name, *self.boxes) if drawn is None else drawn[name]
                maps = box_masks(dataset, name, image, *found)
            if maps:
                yield name, *maps


def true_boxes(dataset: Dataset, name: str, noise: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (n, 4) float32 of the true objects of a train image, in the order of their ids, and their classes (n,).

    Specks, as void cuts them off at outlines, get no box. Each side is moved by normal noise of standard deviation
    ``noise`` times the box's width, or height, and kept within the image. A box keeps at least a pixel each way.
    """
    truth, objects = dataset.truth("train", name), dataset.objects("train", name)
    height, width = objects.shape
    ids, first, sizes = np.unique(objects, return_index=True, return_counts=True)
    found, classes, rng = [], [], seeds.generator(seed, "true boxes", name)
    for k, pixel in zip(ids[ids > 0], first[ids > 0], strict=True):
        drawn = noise * rng.standard_normal(4)
        if sizes[ids == k] < SPECK * objects.size:
            continue
        rows, columns = np.nonzero(objects == k)
        box = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], np.float64)
        box = np.clip(box + drawn * np.tile(box[2:] - box[:2], 2), 0, [width, height] * 2)
        box[2:] = np.maximum(box[2:], box[:2] + 1)
        found.append(box)
        classes.append(truth.flat[pixel])
    return np.array(found, np.float32).reshape(-1, 4), np.array(classes, np.int64)
