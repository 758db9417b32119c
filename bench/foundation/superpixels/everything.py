"""Superpixels from SAM's masks of everything."""

from functools import cached_property
from pathlib import Path

import numpy as np
from skimage import measure

from bench.datasets import Dataset
from bench.foundation.painting import paint
from bench.foundation.superpixels import Superpixels, fill
from bench.types import InputError


class Everything(Superpixels):
    """SAM's masks of all that a grid of points finds, made into a partition: smaller over larger, then what is left.

    ``sam``: a checkpoint of ``sam_type``; ``points``: on a side of the grid; ``quality``, ``stability``: masks are kept
    whose predicted IoU and stability are at least as good. Connected areas in no mask are superpixels too.
    """

    def __init__(
        self,
        sam: str,
        sam_type: str = "vit_h",
        points: int = 32,
        quality: float = 0.88,
        stability: float = 0.95,
        device: str = "auto",
    ):
        from bench.foundation import models

        if sam_type not in ("vit_b", "vit_l", "vit_h", "tiny") or not Path(sam).is_file() or points < 1:
            raise InputError(
                f"everything: expected a checkpoint file, vit_b, vit_l, vit_h or tiny, and points of at least 1; got "
                f"{sam}, {sam_type}, {points}"
            )
        self.sam_type, self.points, self.quality, self.stability = sam_type, points, quality, stability
        self.weights = models.content(sam)
        self._sam, self._device = str(sam), models.device(device)

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
        return fill(superpixels, measure.label(superpixels == 0, connectivity=1))
