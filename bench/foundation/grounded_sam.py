"""Pseudo labels and superpixels by Grounding DINO and SAM, as ALC makes them."""

from collections.abc import Callable, Iterator, Set
from pathlib import Path
from typing import Any

import numpy as np

from bench.datasets import Dataset
from bench.files import read_text
from bench.foundation import Foundation, TrainAndPredict, reporting, weights
from bench.foundation.box_masks import BoxMasks, Timed, check
from bench.foundation.models import Detector, chosen_device
from bench.foundation.prompting import FOLDER, phrases
from bench.types import InputError

SIDES = {"cityscapes": (512, 1024)}  # shorter and longer side of the detector's input, px; all others:
OTHER_SIDES = (800, 1333)


class GroundedSam(Timed, Foundation):
    """Boxes of Grounding DINO for the classes' words, a mask for each from SAM, painted from large to small.

    ``detector``: a folder or a model id of the hub. ``sam``: a checkpoint of ``sam_type``, by default vit_h, or vit_t
    if no ``sam`` is given: MobileSAM, from an installed package. ``prompts``: a file of words by class (default: the
    dataset's in prompts/, else the class names). ``threshold``: a box is kept if its best token's score is above it.
    ``short_side``, ``long_side``: the size of the detector's input in px; default: 800 and 1333, for Cityscapes 512 and
    1024. ``batch``: images of one size that the detector takes at once.

    Pixels in no mask, by ``uncovered``: ``background``: in no superpixel, with the background's label, which is void in
    a dataset without background. ``void``: the same with void. ``superpixels``: with the background's label and
    felzenszwalb superpixels, so that they can be asked (`Recut` takes other makers). Source: Kim et al., ICML 2024.
    """

    resumes = True
    stages = ("read", "detect", "embed", "mask", "paint")

    def __init__(
        self,
        detector: str,
        sam: str | None = None,
        sam_type: str | None = None,
        prompts: str | None = None,
        threshold: float = 0.2,
        uncovered: str = "background",
        short_side: int | None = None,
        long_side: int | None = None,
        batch: int = 4,
        device: str = "auto",
    ):
        check("grounded_sam", threshold, uncovered)
        for name, value in (("batch", batch), ("short_side", short_side), ("long_side", long_side)):
            if value is not None and (not isinstance(value, int) or value < 1):
                raise InputError(f"grounded_sam: {name} must be a whole number of at least 1, got {value!r}")
        if prompts is not None and not Path(prompts).is_file():
            raise InputError(f"grounded_sam: prompts={prompts}: no such file")
        self._sam, self.sam_type = weights.sam(sam, sam_type, "grounded_sam")
        self.threshold, self.uncovered, self.batch = threshold, uncovered, batch
        self.short_side, self.long_side = short_side, long_side
        self.prompts = read_text(Path(prompts)) if prompts else None
        self.weights = weights.content(detector), weights.content(self._sam)
        self.words = [read_text(path) for path in sorted(FOLDER.glob("*.txt"))] if prompts is None else None
        self._detector, self._device = str(detector), chosen_device(device)

    def generate(
        self,
        dataset: Dataset,
        train_and_predict: TrainAndPredict | None = None,
        done: Set[str] = frozenset(),
        on_failure: Callable[[str, Exception], object] | None = None,
    ) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        names, n = dataset.names("train"), 8 * self.batch
        asked = phrases(dataset, self.prompts)
        loaded = None
        # What shares a batch may differ in the last bit: so the same images always do, whatever is done already.
        for window in (names[i : i + n] for i in range(0, len(names), n)):
            if not done >= set(window):
                loaded = loaded or self._load(dataset, asked)
                yield from self._maps(dataset, window, done, on_failure, *loaded)

    def _load(self, dataset, asked):
        try:
            shorter, longer = SIDES.get(type(dataset).__name__.lower(), OTHER_SIDES)
            sides = self.short_side or shorter, self.long_side or longer
            detector = Detector(self._detector, asked, self.threshold, sides, self._device)
            return detector, BoxMasks(self._sam, self.sam_type, self._device, self.uncovered, self._watches)
        except ImportError as error:
            raise InputError(f"grounded_sam needs the extra 'foundation' of alc-bench: {error}") from error

    def _maps(self, dataset, window, done, on_failure, detector, box_masks):
        images: dict[str, np.ndarray] = {}
        found: dict[str, Any] = {}
        watches = self._watches
        for name in window:
            with reporting([name], on_failure), watches["read"]:
                images[name] = dataset.image("train", name)
        batches = {name: names for names in _batches(images, self.batch) for name in names}
        for name in (name for name in images if name not in done):
            if name not in found:
                names = batches[name]
                found |= dict.fromkeys(names)
                with reporting([name for name in names if name not in done], on_failure), watches["detect"]:
                    found |= zip(names, detector([images[name] for name in names]), strict=True)
            maps = None
            if found[name] is not None:
                with reporting([name], on_failure):
                    maps = box_masks(dataset, name, images[name], *found[name])
            if maps:
                yield name, *maps


def _batches(images: dict[str, np.ndarray], n: int) -> Iterator[list[str]]:
    """The names of up to ``n`` images of one size at a time, in order."""
    for shape in dict.fromkeys(image.shape for image in images.values()):
        names = [name for name, image in images.items() if image.shape == shape]
        yield from (names[i : i + n] for i in range(0, len(names), n))
