"""The label maps of a cell, played back from its audit log: what was there before and after each question."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bench import correction, registry
from bench.datasets import Dataset
from bench.foundation.pseudo import PseudoLabels
from bench.types import Answer, InputError


@dataclass(frozen=True)
class Source:
    """What a run was made from, found again: its dataset and the label maps and superpixels that it began with."""

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

    def image(self, name: str) -> np.ndarray | None:
        """(H, W, 3) uint8 RGB; None where the image is not there, as in a run without a model."""
        try:
            return self.dataset.image("train", name)
        except InputError:
            return None


@dataclass(frozen=True)
class Step:
    """One question: its row of queries.csv, the image's superpixel as flat ``pixels`` (m,), and the image's label map
    (H, W) uint8 ``before`` and ``after`` the answer."""

    row: pd.Series
    pixels: np.ndarray
    before: np.ndarray
    after: np.ndarray


def replay(source: Source, asked: pd.DataFrame) -> Iterator[Step]:
    """Every change of ``asked`` (rows of `audit.changes`, in order), made again.

    Raises InputError for an image or a superpixel that the run did not begin with.
    """
    index = {name: i for i, name in enumerate(source.pseudo.names)}
    current: dict[str, np.ndarray] = {}
    for row in asked.itertuples(index=False):
        if row.image not in index:
            raise InputError(f"question {row.number}: no train image is called {row.image!r}")
        i = index[row.image]
        try:
            pixels = source.pseudo.pixels(i, row.superpixel)
        except InputError as error:
            raise InputError(f"question {row.number}: {row.image} has no superpixel {row.superpixel}") from error
        before = current.get(row.image, source.pseudo.labels(i))
        after = correction.apply(
            before, pixels, Answer(tuple(map(int, row.answer.split())), tuple(row.actions.split()))
        )
        current[row.image] = after
        yield Step(row, pixels, before, after)
