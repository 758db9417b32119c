"""Boxes to maps: a mask for each box from SAM, painted. The common part of the foundations that begin with boxes."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from bench import registry
from bench.datasets import Dataset
from bench.datasets.painting import paint
from bench.foundation import check_maps
from bench.foundation.models import Sam
from bench.foundation.superpixels import fill
from bench.timing import Stopwatch
from bench.types import VOID, InputError

UNCOVERED = ("background", "void", "superpixels")


class BoxMasks:
    """SAM's mask of each box of an image, painted from large to small.

    ``uncovered``: of `UNCOVERED`, the label of pixels in no mask; ``watches``: time ``embed``, ``mask`` and ``paint``.
    """

    def __init__(self, sam: Path, sam_type: str, device: torch.device, uncovered: str, watches: dict[str, Stopwatch]):
        self.sam, self.uncovered, self.watches = Sam(sam, sam_type, device), uncovered, watches

    def __call__(
        self, dataset: Dataset, name: str, image: np.ndarray, boxes: np.ndarray, classes: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Labels (H, W) uint8 and superpixels (H, W) int32 of a train image (H, W, 3) uint8 RGB.

        ``boxes`` (n, 4): (left, top, right, bottom) in pixels; ``classes`` (n,): their class ids; n may be 0. The
        image is embedded once. Raises InputError for an image of another size than its truth.
        """
        with self.watches["embed"]:
            if len(boxes):
                self.sam.embed(image)
        with self.watches["mask"]:
            masks: list[np.ndarray] = list(self.sam.masks(boxes)) if len(boxes) else []
        with self.watches["paint"]:
            return maps(dataset, name, masks, classes, image.shape[:2], self.uncovered)


def maps(
    dataset: Dataset,
    name: str,
    masks: Sequence[np.ndarray],
    classes: Sequence[int] | np.ndarray,
    shape: tuple[int, int],
    uncovered: str,
) -> tuple[np.ndarray, np.ndarray]:
    """Labels (H, W) uint8 and superpixels (H, W) int32 of a train image of ``shape`` (H, W), from n ``masks`` (H, W)
    bool of these ``classes``. ``uncovered``: of `UNCOVERED`. Raises InputError where the truth has another size."""
    ground = VOID if uncovered == "void" else dataset.background
    labels, superpixels = paint(masks, classes, shape, ground)
    if uncovered == "superpixels":
        areas = registry.load("superpixels", "felzenszwalb").segment(dataset, name)
        superpixels = fill(superpixels, areas)
    check_maps(labels, superpixels, dataset, name, dataset.where("train", name))
    return labels, superpixels


class Timed:
    """The report of a foundation of several stages on its speed. It sets ``stages`` and the torch device
    ``_device``."""

    stages: tuple[str, ...]
    _device: torch.device

    @cached_property
    def _watches(self) -> dict[str, Stopwatch]:
        return {stage: Stopwatch(self._device) for stage in self.stages}

    @property
    def device(self) -> str:
        return str(self._device)

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds spent in each stage so far."""
        return {stage: watch.total_s for stage, watch in self._watches.items()}


def check(who: str, threshold: float, uncovered: str) -> None:
    """Raise InputError, in the name of ``who``, for parameters that cannot be used."""
    if not 0 <= threshold <= 1:
        raise InputError(f"{who}: threshold is a score, expected 0 to 1, got {threshold}")
    if uncovered not in UNCOVERED:
        raise InputError(f"{who}: uncovered must be background, void or superpixels; got {uncovered!r}")
