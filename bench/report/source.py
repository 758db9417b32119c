"""What a run was made from, found again: its dataset, and the label maps and superpixels that it began with."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench import registry
from bench.datasets import Dataset
from bench.experiment.labels import LabelMaps
from bench.foundation.pseudo import PseudoLabels
from bench.types import InputError

MEMORY_BYTES = 2**29  # of label maps that a replay keeps


@dataclass(frozen=True)
class Source:
    """The dataset of a run, and its pseudo labels."""

    dataset: Dataset
    pseudo: PseudoLabels

    @classmethod
    def of(cls, run: Path, spec: dict) -> "Source":
        """From the spec.json of a run. Raises InputError where its data or its pseudo labels are no longer there."""
        protocol = spec.get("protocol", {})
        if "dataset" not in protocol or "pseudo_labels" not in spec:
            raise InputError(f"{run}/spec.json: no dataset or pseudo_labels; the run does not say what it began with")
        folder = Path(spec["pseudo_labels"])
        if not (folder / "mask_jpg").is_dir():
            raise InputError(f"{folder}: the labels that {run} began with are no longer there")
        dataset = registry.load("datasets", protocol["dataset"], root=spec.get("data_root"))
        return cls(dataset, PseudoLabels(folder, dataset.names("train")))

    def label_maps(self, scratch: Path) -> LabelMaps:
        """The labels before any answer, to play answers back into; those that memory cannot hold lie in ``scratch``."""
        return LabelMaps(self.pseudo.labels, scratch, MEMORY_BYTES)

    def image(self, name: str) -> np.ndarray | None:
        """(H, W, 3) uint8 RGB; None where the image is not there, as in a run without a model."""
        try:
            return self.dataset.image("train", name)
        except InputError:
            return None
