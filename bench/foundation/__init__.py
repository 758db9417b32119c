"""Foundations: the sources of pseudo labels and superpixels. One small file each; every result is cached on disk."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from bench.datasets import Dataset, class_ids
from bench.foundation.superpixels import Superpixels
from bench.types import InputError

# (images (H, W, 3) uint8 RGB, truths (H, W) uint8, dataset) -> a label map (H, W) uint8 for every train image, in the
# order of ``dataset.names("train")``.
TrainAndPredict = Callable[[list[np.ndarray], list[np.ndarray], Dataset], Iterator[np.ndarray]]


class Foundation(ABC):
    """Base of a foundation. A subclass writes ``generate`` and keeps its parameters as attributes.

    ``leaky``: true when the labels or superpixels are made from more truth than a user of the method would have.
    ``trains``: true when ``generate`` calls ``train_and_predict``, and ``preset`` says how that model is trained.
    ``resumes``: true when ``generate`` also takes ``done`` (names that need no maps any more) and ``on_failure``
    (called with a name and an error instead of raising it). ``folder``: the place of finished results, in the layout of
    `bench.foundation.pseudo.PseudoLabels`, or None: then they are written to the cache. Attributes that begin with an
    underscore are no parameters.
    """

    leaky = False
    trains = False
    preset = "weak"
    resumes = False
    folder: Path | None = None

    @abstractmethod
    def generate(
        self, dataset: Dataset, train_and_predict: TrainAndPredict | None = None
    ) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """For each image of ``dataset.names("train")``, in order: name, labels (H, W) uint8, superpixels (H, W) int32.

        Pixels outside every superpixel have id 0. Ids may have gaps. Raises InputError for unusable input.
        """

    def digests(self, names: tuple[str, ...]) -> dict[str, str]:
        """Of each parameter that names files: a digest of their content for the train images ``names``."""
        return {}

    def annotated(self, dataset: Dataset) -> set[str]:
        """Names of train images with true masks as labels: they have no superpixel, so nobody is asked about them."""
        return set()


def named(foundation: Foundation, spec: str, names: tuple[str, ...]) -> str:
    """The name in tables and protocols of the foundation of ``spec``: with the content of its files, not their
    place."""
    for parameter, digest in foundation.digests(names).items():
        spec = re.sub(rf"\b{parameter}=[^,\[\]]*", f"content={digest[:8]}", spec, count=1)
    return spec


def parameters(plugin: Foundation | Superpixels) -> dict:
    """A foundation's or maker's parameters by name; those that are such plug-ins themselves as nested dictionaries."""
    own = {name: value for name, value in sorted(vars(plugin).items()) if name[0] != "_"}
    for name, value in own.items():
        if isinstance(value, (Foundation, Superpixels)):
            own[name] = {"name": type(value).__name__, **parameters(value)}
    return own


@contextmanager
def reporting(names: list[str], on_failure: Callable[[str, Exception], object] | None) -> Iterator[None]:
    """An error in the block, by a bad image or too little memory, goes to ``on_failure`` for each name, if given."""
    try:
        yield
    except (InputError, RuntimeError) as error:
        if on_failure is None:
            raise
        for name in names:
            on_failure(name, error)


def check_maps(labels: np.ndarray, superpixels: np.ndarray, dataset: Dataset, name: str, where: Path | str) -> None:
    """Raise InputError if the maps of train image ``name`` do not fit its size or the classes of ``dataset``."""
    expected = dataset.size("train", name)
    for what, found in (("label map", labels), ("superpixel map", superpixels)):
        if found.shape != expected:
            sizes = " × ".join(map(str, found.shape)), " × ".join(map(str, expected))
            raise InputError(
                f"{where}: the {what} of {name} has {sizes[0]} px, its truth {sizes[1]} px; they must be equal"
            )
    class_ids(labels, len(dataset.classes), where)
