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

from bench import store
from bench.datasets import Dataset, class_ids, read_png
from bench.foundation import painting
from bench.foundation.superpixels import Maker
from bench.types import InputError

KINDS = ("mask_jpg", "obj_jpg")  # label maps and superpixels, as the papers' releases name their folders

# (images (H, W, 3) uint8 RGB, truths (H, W) uint8, dataset) -> a label map (H, W) uint8 for every train image, in the
# order of ``dataset.names("train")``.
TrainAndPredict = Callable[[list[np.ndarray], list[np.ndarray], Dataset], Iterator[np.ndarray]]


class Foundation(ABC):
    """Base of a foundation. A subclass writes ``generate`` and keeps its parameters as attributes.

    ``leaky``: true when the labels or superpixels are made from more truth than a user of the method would have;
    ``trains``: true when ``generate`` calls ``train_and_predict``; ``resumes``: true when ``generate`` also takes
    ``done`` (names that need no maps any more) and ``on_failure`` (called with a name and an error instead of raising
    it); ``folder``: where the results lie already, in the layout of `PseudoLabels`, or None: then they are written to
    the cache. Attributes that begin with an underscore are no parameters.
    """

    leaky = False
    trains = False
    resumes = False
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

    def __iter__(self) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """For each image in order: name, labels (H, W) uint8, superpixels (H, W) int32."""
        return ((name, self.labels(i), self.superpixels(i)) for i, name in enumerate(self.names))

    def labels(self, i: int) -> np.ndarray:
        """(H, W) uint8 pseudo labels of train image ``i``; read-only."""
        return self._read("mask_jpg", i)

    def superpixels(self, i: int) -> np.ndarray:
        """(H, W) int32 superpixel ids of train image ``i``, 0 outside every superpixel."""
        return self.stored_superpixels(i).astype(np.int32)

    def stored_superpixels(self, i: int) -> np.ndarray:
        """The same as few bytes as will do; read-only, and one array as long as it stays in memory."""
        return self._read("obj_jpg", i)

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
    step: Callable[[], object] = lambda: None,
) -> PseudoLabels:
    """The foundation's result for ``dataset``: from ``cache_dir`` if it is there, else generated into it.

    ``trained_by`` names what ``train_and_predict`` does (preset and its options), for foundations that train. Results
    that lie in a folder already are checked and read in place. A cache entry is whole or absent; what a foundation that
    resumes has made is kept when it is stopped. ``step`` is called after every image. Raises InputError.
    """
    names = dataset.names("train")
    if foundation.folder is not None:
        for _ in foundation.generate(dataset, train_and_predict):
            step()
        return PseudoLabels(foundation.folder, names, memory_bytes)
    final = cache_folder(foundation, dataset, cache_dir, trained_by)
    if not final.is_dir():
        work = final.with_name(f".{final.name}" if foundation.resumes else f".{final.name}-{os.getpid()}")
        try:
            write(work, foundation, dataset, train_and_predict, step)
            os.replace(work, final)
        except OSError:
            if not final.is_dir():  # else another process was faster
                raise
        finally:
            if final.is_dir() or not foundation.resumes:
                shutil.rmtree(work, ignore_errors=True)
    return PseudoLabels(final, names, memory_bytes)


def cache_folder(foundation: Foundation, dataset: Dataset, cache_dir: Path, trained_by: str = "") -> Path:
    """Where `pseudo_labels` keeps what it generates, whether that is there or not."""
    name = type(foundation).__name__.lower()
    return Path(cache_dir) / f"{name}-{cache_key(foundation, dataset, trained_by)}"


def write(
    folder: Path,
    foundation: Foundation,
    dataset: Dataset,
    train_and_predict: TrainAndPredict | None = None,
    step: Callable[[], object] = lambda: None,
    on_failure: Callable[[str, Exception], object] | None = None,
) -> None:
    """Write the foundation's maps of the train split to ``folder``, each file whole or not at all.

    A foundation that resumes is not asked for the images that are there already, and one of its images that fails goes
    to ``on_failure``, if that is given. ``step`` is called once for every image. Raises InputError.
    """
    names, options = dataset.names("train"), {}
    if foundation.resumes:
        done = {n for n in names if all((folder / kind / f"{n}.png").is_file() for kind in KINDS)}
        for _ in done:
            step()
        options = {"done": done, "on_failure": on_failure}
    for name, labels, superpixels in foundation.generate(dataset, train_and_predict, **options):
        if superpixels.max() > 65535:
            raise InputError(
                f"{name}: superpixel id {superpixels.max()} does not fit a 16-bit PNG; use fewer superpixels"
            )
        ids = superpixels.astype(np.uint8 if superpixels.max() < 256 else np.uint16)
        for kind, values in zip(KINDS, (labels, ids), strict=True):
            with store.replacing(folder / kind / f"{name}.png") as path:
                Image.fromarray(values).save(path)
        step()


def cache_key(foundation: Foundation, dataset: Dataset, trained_by: str = "") -> str:
    """16 hexadecimal digits that change with the foundation's parameters, the dataset's content and both's code."""
    code = Path(inspect.getfile(type(dataset))).read_bytes(), Path(inspect.getfile(painting)).read_bytes()
    key = (_content(foundation), dataset.identity(), code, trained_by if foundation.trains else "")
    return hashlib.blake2b(repr(key).encode(), digest_size=8).hexdigest()


def parameters(plugin: Foundation | Maker) -> dict:
    """A foundation's or maker's parameters by name; those that are such plug-ins themselves as nested dictionaries."""
    return {
        name: {"name": type(value).__name__, **parameters(value)} if isinstance(value, (Foundation, Maker)) else value
        for name, value in sorted(vars(plugin).items())
        if name[0] != "_"
    }


def _content(plugin):
    parts = [value for _, value in sorted(vars(plugin).items()) if isinstance(value, (Foundation, Maker))]
    code = Path(inspect.getfile(type(plugin))).read_bytes()
    return type(plugin).__name__, parameters(plugin), code, [_content(part) for part in parts]


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
