"""Pseudo labels and superpixels by Grounding DINO and SAM, as ALC makes them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from bench import registry
from bench.datasets import Dataset
from bench.foundation import Foundation, TrainAndPredict, check_maps
from bench.foundation.painting import paint
from bench.foundation.prompting import FOLDER, phrases
from bench.foundation.superpixels import fill
from bench.types import VOID, InputError

SAM_TYPES = ("vit_b", "vit_l", "vit_h", "tiny")
SIDES = {"cityscapes": (512, 1024)}  # shorter and longer side of the detector's input, px; all others:
OTHER_SIDES = (800, 1333)
STAGES = ("read", "detect", "embed", "mask", "paint")


class GroundedSam(Foundation):
    """Boxes of Grounding DINO for the classes' words, a mask for each from SAM, painted from large to small.

    ``detector``: a folder or a model id of the hub; ``sam``: a checkpoint of ``sam_type``; ``prompts``: a file of words
    by class (default: the dataset's in prompts/, else the class names); ``threshold``: a box is kept if its best
    token's score is above it. ``short_side``, ``long_side``: the size of the detector's input in px; default: 800 and
    1333, for Cityscapes 512 and 1024. ``batch``: images of one size that the detector takes at once.

    Pixels in no mask, by ``uncovered``: ``background``: in no superpixel, with the background's label, which is void in
    a dataset without background; ``void``: the same with void; ``superpixels``: with the background's label and
    felzenszwalb superpixels, so that they can be asked (`Recut` takes other makers). Source: Kim et al., ICML 2024.
    """

    resumes = True

    def __init__(
        self,
        detector: str,
        sam: str,
        sam_type: str = "vit_h",
        prompts: str | None = None,
        threshold: float = 0.2,
        uncovered: str = "background",
        short_side: int | None = None,
        long_side: int | None = None,
        batch: int = 4,
        device: str = "auto",
    ):
        if sam_type not in SAM_TYPES:
            raise InputError(f"grounded_sam: sam_type must be one of {', '.join(SAM_TYPES)}; got {sam_type!r}")
        if uncovered not in ("background", "void", "superpixels"):
            raise InputError(f"grounded_sam: uncovered must be background, void or superpixels; got {uncovered!r}")
        if not 0 <= threshold <= 1:
            raise InputError(f"grounded_sam: threshold is a score, expected 0 to 1, got {threshold}")
        for name, value in (("batch", batch), ("short_side", short_side), ("long_side", long_side)):
            if value is not None and (not isinstance(value, int) or value < 1):
                raise InputError(f"grounded_sam: {name} must be a whole number of at least 1, got {value!r}")
        for name, path in (("sam", sam), ("prompts", prompts)):
            if path is not None and not Path(path).is_file():
                raise InputError(f"grounded_sam: {name}={path}: no such file")
        from bench.foundation import models

        self.sam_type, self.threshold, self.uncovered, self.batch = sam_type, threshold, uncovered, batch
        self.short_side, self.long_side = short_side, long_side
        self.prompts = Path(prompts).read_text() if prompts else None
        self.weights = models.content(detector), models.content(sam)
        self.words = [path.read_text() for path in sorted(FOLDER.glob("*.txt"))] if prompts is None else None
        self._detector, self._sam, self._device = str(detector), str(sam), models.device(device)

    @cached_property
    def _watches(self):
        from bench.timing import Stopwatch

        return {stage: Stopwatch(self._device) for stage in STAGES}

    @property
    def device(self) -> str:
        return str(self._device)

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds spent in each of `STAGES` so far."""
        return {stage: watch.total_s for stage, watch in self._watches.items()}

    def generate(
        self,
        dataset: Dataset,
        train_and_predict: TrainAndPredict | None = None,
        done: set[str] | frozenset[str] = frozenset(),
        on_failure: Callable[[str, Exception], object] | None = None,
    ) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        names, n = dataset.names("train"), 8 * self.batch
        asked = phrases(dataset, self.prompts)
        models = None
        # What shares a batch may differ in the last bit: so the same images always do, whatever is done already.
        for window in (names[i : i + n] for i in range(0, len(names), n)):
            if not done.issuperset(window):
                models = models or self._load(dataset, asked)
                yield from self._maps(dataset, window, done, on_failure, *models)

    def _load(self, dataset, asked):
        try:
            from bench.foundation.models import Detector, Sam

            shorter, longer = SIDES.get(type(dataset).__name__.lower(), OTHER_SIDES)
            sides = self.short_side or shorter, self.long_side or longer
            detector = Detector(self._detector, asked, self.threshold, sides, self._device)
            return detector, Sam(self._sam, self.sam_type, self._device)
        except ImportError as error:
            raise InputError(f"grounded_sam needs the extra 'foundation' of alc-bench: {error}") from error

    def _maps(self, dataset, window, done, on_failure, detector, sam):
        images: dict[str, np.ndarray] = {}
        found: dict[str, Any] = {}
        watches = self._watches
        for name in window:
            with _reporting([name], on_failure), watches["read"]:
                images[name] = dataset.image("train", name)
        batches = {name: names for names in _batches(images, self.batch) for name in names}
        for name in (name for name in images if name not in done):
            if name not in found:
                names = batches[name]
                found |= dict.fromkeys(names)
                with _reporting([name for name in names if name not in done], on_failure), watches["detect"]:
                    found |= zip(names, detector([images[name] for name in names]), strict=True)
            if found[name] is None:
                continue
            boxes, classes = found[name]
            maps = None
            with _reporting([name], on_failure):
                with watches["embed"]:
                    if len(boxes):
                        sam.embed(images[name])
                with watches["mask"]:
                    masks = sam.masks(boxes) if len(boxes) else []
                with watches["paint"]:
                    ground = VOID if self.uncovered == "void" else dataset.background
                    labels, superpixels = paint(masks, classes, images[name].shape[:2], ground)
                    if self.uncovered == "superpixels":
                        areas = registry.load("superpixels", "felzenszwalb").segment(dataset, name)
                        superpixels = fill(superpixels, areas)
                check_maps(labels, superpixels, dataset, name, dataset.where("train", name))
                maps = labels, superpixels
            if maps:
                yield name, *maps


def _batches(images: dict[str, np.ndarray], n: int) -> Iterator[list[str]]:
    """The names of up to ``n`` images of one size at a time, in order."""
    for shape in dict.fromkeys(image.shape for image in images.values()):
        names = [name for name, image in images.items() if image.shape == shape]
        yield from (names[i : i + n] for i in range(0, len(names), n))


@contextmanager
def _reporting(names: list[str], on_failure: Callable[[str, Exception], object] | None):
    """What fails in the block, a bad image or too little memory, goes to ``on_failure`` for each name, if given."""
    try:
        yield
    except (InputError, RuntimeError) as error:
        if on_failure is None:
            raise
        for name in names:
            on_failure(name, error)
