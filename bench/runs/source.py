"""The inputs of a run, found again: its dataset, and the label maps and superpixels that it began with.

The folders that a run's spec.json names are followed only if they were recorded as the user's own (`trust`): by
the ``run`` that was begun with them here, or by ``--follow``. Of a stranger's run, its bundle alone is read.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench import files, registry
from bench.datasets import Dataset
from bench.files import default_cache
from bench.foundation.pseudo import PseudoLabels
from bench.labels import LabelMaps
from bench.runs.bundle import FOLDER, Bundled
from bench.types import InputError

MEMORY_BYTES = 2**29  # of label maps that a replay keeps


@dataclass(frozen=True)
class Source:
    """The dataset of a run, and its pseudo labels."""

    dataset: Dataset
    pseudo: PseudoLabels

    @classmethod
    def of(cls, run: Path, spec: dict) -> "Source":
        """From the spec.json of a run, and from its bundle if it has one.

        Raises InputError if the run has no bundle and its data or its pseudo labels are not there, or not trusted.
        """
        protocol = spec.get("protocol", {})
        if "dataset" not in protocol or "pseudo_labels" not in spec:
            raise InputError(f"{run}/spec.json: no dataset or pseudo_labels; the run does not say what it began with")
        if (run / FOLDER).is_dir():
            bundled = Bundled(run / FOLDER)
            names = bundled.names("train")
            if not _mark(spec).exists():
                return cls(bundled, PseudoLabels(run / FOLDER, names))
            try:
                dataset = registry.load("datasets", protocol["dataset"], root=spec.get("data_root"))
                dataset = dataset if dataset.names("train") == names else bundled
            except InputError:  # the data is elsewhere: that is what the bundle is for
                dataset = bundled
            return cls(dataset, PseudoLabels(run / FOLDER, names))
        folder = Path(spec["pseudo_labels"])
        if not os.path.isdir(folder / "mask_jpg"):
            raise InputError(f"{folder}: the labels that {run} began with are no longer there, and it has no bundle")
        if not _mark(spec).exists():
            named = f"its spec.json names {folder} and {spec.get('data_root')}"
            raise InputError(f"{run} was not made here and has no bundle; {named}: look at them, and add --follow")
        dataset = registry.load("datasets", protocol["dataset"], root=spec.get("data_root"))
        return cls(dataset, PseudoLabels(folder, dataset.names("train")))

    def label_maps(self) -> LabelMaps:
        """The labels before any answer, to play answers back into."""
        return LabelMaps(self.pseudo.labels, MEMORY_BYTES)

    def truth(self, name: str) -> np.ndarray:
        """(H, W) uint8 true labels. Raises InputError if there are none, or of another shape than the label map."""
        return self.pseudo.truth(self.dataset, self.pseudo.index[name])

    def image(self, name: str) -> np.ndarray | None:
        """(H, W, 3) uint8 RGB; None if the image is not there, as in a run without a model.

        Raises InputError if it has not the height and width of the label map.
        """
        try:
            image = self.dataset.image("train", name)
        except InputError:
            return None
        self.pseudo.check_shape(self.pseudo.index[name], "image", image.shape[:2])
        return image


def trust(spec: dict) -> None:
    """Take down in the user's cache that the folders of a run's spec.json are its user's own."""
    files.write_bytes(_mark(spec), b"")


def _mark(spec: dict) -> Path:
    named = spec.get("protocol", {}).get("dataset"), spec.get("data_root"), spec.get("pseudo_labels")
    return Path(default_cache()) / "trusted" / files.digest(named)
