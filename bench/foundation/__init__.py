"""Foundations: where pseudo labels and superpixels come from. One small file each; every result is cached on disk."""

import hashlib
import inspect
import os
import shutil
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from bench.datasets import Dataset, class_ids, read_png
from bench.types import InputError

# (images (H, W, 3) uint8 RGB, truths (H, W) uint8, dataset) -> a label map (H, W) uint8 for every train image, in the
# order of ``dataset.names("train")``.
TrainAndPredict = Callable[[list[np.ndarray], list[np.ndarray], Dataset], Iterator[np.ndarray]]


class Foundation(ABC):
    """Base of a foundation. A subclass writes ``generate`` and keeps its parameters as attributes.

    ``leaky``: true when the labels or superpixels are made from more truth than a user of the method would have;
    ``trains``: true when ``generate`` calls ``train_and_predict``; ``folder``: where the results lie already, in the
    layout of `PseudoLabels`, or None: then they are written to the cache.
    """

    leaky = False
    trains = False
    folder: Path | None = None

    @abstractmethod
    def generate(
        self, dataset: Dataset, train_and_predict: TrainAndPredict | None = None
    ) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """For each image of ``dataset.names("train")``, in order: name, labels (H, W) uint8, superpixels (H, W) int32.

        Pixels outside every superpixel have id 0. Ids may have gaps. Raises InputError for unusable input.
        """


class PseudoLabels:
    """Label maps and superpixels of the train split, read when asked for.

    They lie in ``folder`` as in the papers' releases: mask_jpg/<name>.png and obj_jpg/<name>.png, 8- or 16-bit PNG.
    Up to ``memory_bytes`` of maps stay in memory, the least recently used go first.
    """

    def __init__(self, folder: Path, names: tuple[str, ...], memory_bytes: int = 2**30):
        self.folder, self.names, self.memory_bytes = folder, names, memory_bytes
        self._maps, self._n_bytes = OrderedDict(), 0

    def __len__(self) -> int:
        return len(self.names)

    def labels(self, i: int) -> np.ndarray:
        """(H, W) uint8 pseudo labels of train image ``i``; read-only."""
        return self._read("mask_jpg", i)

    def superpixels(self, i: int) -> np.ndarray:
        """(H, W) int32 superpixel ids of train image ``i``, 0 outside every superpixel."""
        return self._read("obj_jpg", i).astype(np.int32)

    def _read(self, kind, i):
        if (kind, i) in self._maps:
            self._maps.move_to_end((kind, i))
            return self._maps[kind, i]
        found = read_png(self.folder / kind / f"{self.names[i]}.png")
        found = found.astype(np.min_scalar_type(int(found.max())))
        found.flags.writeable = False
        self._maps[kind, i] = found
        self._n_bytes += found.nbytes
        while self._n_bytes > self.memory_bytes and len(self._maps) > 1:
            self._n_bytes -= self._maps.popitem(last=False)[1].nbytes
        return found


def pseudo_labels(
    foundation: Foundation,
    dataset: Dataset,
    cache_dir: Path,
    train_and_predict: TrainAndPredict | None = None,
    trained_by: str = "",
    memory_bytes: int = 2**30,
) -> PseudoLabels:
    """The foundation's result for ``dataset``: from ``cache_dir`` if it is there, else generated into it.

    ``trained_by`` names what ``train_and_predict`` does (preset and its options), for foundations that train. Results
    that lie in a folder already are checked and read in place. A cache entry is whole or absent. Raises InputError.
    """
    names = dataset.names("train")
    if foundation.folder is not None:
        for _ in foundation.generate(dataset, train_and_predict):
            pass
        return PseudoLabels(foundation.folder, names, memory_bytes)
    name = type(foundation).__name__.lower()
    final = Path(cache_dir) / f"{name}-{cache_key(foundation, dataset, trained_by)}"
    if not final.is_dir():
        work = final.with_name(f".{final.name}-{os.getpid()}")
        try:
            _write(work, foundation.generate(dataset, train_and_predict))
            os.replace(work, final)
        except OSError:
            if not final.is_dir():  # else another process was faster
                raise
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return PseudoLabels(final, names, memory_bytes)


def cache_key(foundation: Foundation, dataset: Dataset, trained_by: str = "") -> str:
    """16 hexadecimal digits that change with the foundation's parameters, the dataset's content and both's code."""
    parameters = tuple(sorted(vars(foundation).items()))
    code = tuple(Path(inspect.getfile(type(x))).read_bytes() for x in (foundation, dataset))
    key = (parameters, dataset.identity(), code, trained_by if foundation.trains else "")
    return hashlib.blake2b(repr(key).encode(), digest_size=8).hexdigest()


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


def _write(folder, maps):
    for kind in ("mask_jpg", "obj_jpg"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for name, labels, superpixels in maps:
        if superpixels.max() > 65535:
            raise InputError(
                f"{name}: superpixel id {superpixels.max()} does not fit a 16-bit PNG; use fewer superpixels"
            )
        Image.fromarray(labels).save(folder / "mask_jpg" / f"{name}.png")
        ids = superpixels.astype(np.uint8 if superpixels.max() < 256 else np.uint16)
        Image.fromarray(ids).save(folder / "obj_jpg" / f"{name}.png")
