"""The worth of the pseudo labels against the truth. It sees the truth."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench import metrics
from bench.datasets import Dataset
from bench.foundation.pseudo import PseudoLabels
from bench.types import InputError, unknown

Step = Callable[[str, int], object]  # (what was done, how much of it): for a progress bar


@dataclass(frozen=True)
class Measured:
    """The quality of the pseudo labels against the truth.

    ``confusion`` (N, C, C + 1): of each train image (`bench.metrics.confusion`). For each of the K superpixels of
    the pool, image by image and by ascending id: ``true`` (K,) int16, the class that most of its known pixels have, -1
    if none is known, and ``shown`` (K,) uint8, the label that most of its pixels have (ties: the lowest).
    """

    confusion: metrics.ByImage
    true: np.ndarray
    shown: np.ndarray


def measure(dataset: Dataset, pseudo: PseudoLabels, spec: str, on_step: Step) -> Measured:
    """Read every map once; shapes and ids are checked on the way. ``spec``: the name of the foundation, for a message.

    Reports ("read", 1) for each image.
    """
    n_classes = len(dataset.classes)
    matrices, true, shown = metrics.ByImage(n_classes), [], []
    for i, name in enumerate(pseudo.names):
        on_step("read", 1)
        labels, regions = pseudo.labels(i), pseudo.regions(i)
        truth = dataset.truth("train", name) if dataset.has_truth("train", name) else unknown(labels.shape)
        try:
            matrices.append(metrics.confusion(truth, labels, n_classes))
        except InputError as error:
            raise InputError(f"train image {name!r}: {error}") from error
        pixels, numbers = regions.all_pixels(), regions.numbers()
        of_truth, of_labels = (
            np.bincount(numbers << 8 | values.ravel()[pixels], minlength=len(regions) << 8).reshape(-1, 256)
            for values in (truth, labels)
        )
        known = of_truth[:, :n_classes]
        true.append(np.where(known.any(1), known.argmax(1), -1).astype(np.int16))
        shown.append(of_labels.argmax(1).astype(np.uint8))
    found = Measured(matrices, np.concatenate(true), np.concatenate(shown))
    if not len(found.true):
        raise InputError(
            f"{spec}: no superpixel to ask about: every superpixel map is empty; recut[of={spec},cut=labels] makes some"
        )
    return found
