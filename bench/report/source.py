"""What a run was made from, found again: its dataset, and the label maps and superpixels that it began with."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench import registry
from bench.datasets import Dataset
from bench.experiment.bundle import FOLDER, Bundled
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
        """From the spec.json of a run, and from its bundle where it has one.

        Raises InputError where its data or its pseudo labels are no longer there and the run has no bundle.
        """
        protocol = spec.get("protocol", {})
        if "dataset" not in protocol or "pseudo_labels" not in spec:
            raise InputError(f"{run}/spec.json: no dataset or pseudo_labels; the run does not say what it began with")
        if (run / FOLDER).is_dir():
            bundled = Bundled(run / FOLDER)
            names = bundled.names("train")
            try:
                dataset = registry.load("datasets", protocol["dataset"], root=spec.get("data_root"))
                dataset = dataset if dataset.names("train") == names else bundled
            except InputError:  # the data is elsewhere: that is what the bundle is for
                dataset = bundled
            return cls(dataset, PseudoLabels(run / FOLDER, names))
        folder = Path(spec["pseudo_labels"])
        if not (folder / "mask_jpg").is_dir():
            raise InputError(f"{folder}: the labels that {run} began with are no longer there, and it has no bundle")
        dataset = registry.load("datasets", protocol["dataset"], root=spec.get("data_root"))
        return cls(dataset, PseudoLabels(folder, dataset.names("train")))

    def label_maps(self) -> LabelMaps:
        """The labels before any answer, to play answers back into."""
        return LabelMaps(self.pseudo.labels, MEMORY_BYTES)

    def image(self, name: str) -> np.ndarray | None:
        """(H, W, 3) uint8 RGB; None where the image is not there, as in a run without a model."""
        try:
            return self.dataset.image("train", name)
        except InputError:
            return None
