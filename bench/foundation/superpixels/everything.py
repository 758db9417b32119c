"""Superpixels from SAM's masks of everything."""

from functools import cached_property

import numpy as np

from bench import registry
from bench.datasets import Dataset
from bench.datasets.painting import paint
from bench.foundation import weights
from bench.foundation.superpixels import Superpixels, fill
from bench.types import InputError

POINTS = {"cuda": 32, "cpu": 8}  # a core takes 0.14 s for each of the grid's points


class Everything(Superpixels):
    """SAM's masks of all that a grid of points finds, made into a partition: smaller over larger, then the rest.

    ``sam``: a checkpoint of ``sam_type``, by default vit_h, or vit_t if no ``sam`` is given: MobileSAM, from an
    installed package. ``points``: on a side of the grid, by default 32, or 8 on a CPU. ``quality``, ``stability``: the
    lowest predicted IoU and stability of a mask that is kept. ``rest``: the maker that cuts the pixels in no mask. On 8
    images of PASCAL the connected areas of the rest were 63 superpixels an image, felzenszwalb's 26. The data mIoU with
    each at its dominant class was 92.9 and 94.1 %.
    """

    def __init__(
        self,
        sam: str | None = None,
        sam_type: str | None = None,
        points: int | None = None,
        quality: float = 0.88,
        stability: float = 0.95,
        rest: str = "felzenszwalb[n=40]",
        device: str = "auto",
    ):
        from bench.foundation.models import chosen_device

        self._sam, self.sam_type = weights.sam(sam, sam_type, "everything")
        self._device = chosen_device(device)
        self.points = POINTS.get(self._device.type, POINTS["cpu"]) if points is None else points
        if not isinstance(self.points, int) or self.points < 1:
            raise InputError(f"everything: points must be a whole number of at least 1, got {points!r}")
        self.rest = registry.load("superpixels", rest)
        self.leaky = self.rest.leaky
        self.quality, self.stability, self.weights = quality, stability, weights.content(self._sam)

    @cached_property
    def _model(self):
        from bench.foundation.models import Sam

        return Sam(self._sam, self.sam_type, self._device)

    def segment(self, dataset: Dataset, name: str) -> np.ndarray:
        image = dataset.image("train", name)
        masks = self._model.everything(
            image,
            points_per_side=self.points,
            pred_iou_thresh=self.quality,
            stability_score_thresh=self.stability,
        )
        _, superpixels = paint(masks, [0] * len(masks), image.shape[:2], 0)
        return fill(superpixels, self.rest.segment(dataset, name))
