"""The pseudo labels of a foundation: written to a cache on disk once, or read in place, and held in bounded memory."""

import hashlib
import inspect
import os
import shutil
import types
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from bench import files
from bench.cache import Cache
from bench.datasets import Dataset, painting
from bench.datasets.files import check_png, read_png, stored_size
from bench.foundation import Foundation, TrainAndPredict, parameters
from bench.foundation import superpixels as superpixel_makers
from bench.foundation.superpixels import Superpixels
from bench.kernels.regions import Regions, regions
from bench.types import InputError, Region

REMEDY = "get the file again, or remove the sums.json two folders up if you have changed it yourself"
KINDS = ("mask_jpg", "obj_jpg")  # label maps and superpixels, as the papers' releases name their folders


class PseudoLabels:
    """Label maps and superpixels of the train split, read when asked for.

    They lie in ``folder`` as in the papers' releases: mask_jpg/<name>.png and obj_jpg/<name>.png, 8- or 16-bit PNG.
    ``index`` gives the number of a name. Up to ``memory_bytes`` of label maps and regions stay in memory, those used
    least recently are removed first. InputError names a map that is missing or damaged, one that is not what was
    written under its name, as far as sums.json in ``folder`` has checksums, and an image with two maps of different
    shapes.
    """

    def __init__(self, folder: Path, names: tuple[str, ...], memory_bytes: int = 2**30):
        self.folder, self.names = folder, names
        self.index = {name: i for i, name in enumerate(names)}
        self._cache, self._sums = Cache(memory_bytes), files.recorded(folder)

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """For each image in order: name, labels (H, W) uint8, superpixels (H, W) int32."""
        return ((name, self.labels(i), self.superpixels(i)) for i, name in enumerate(self.names))

    def labels(self, i: int) -> np.ndarray:
        """(H, W) uint8 pseudo labels of train image ``i``; read-only."""
        return self._cache.get(("labels", i), lambda: self._read("mask_jpg", i))

    def regions(self, i: int) -> Regions:
        """The place of each superpixel of train image ``i``."""
        return self._cache.get(("regions", i), lambda: regions(self._read("obj_jpg", i)))

    def region(self, i: int, superpixel: int) -> Region:
        """The place of a superpixel of train image ``i``. Raises InputError if the image has no such superpixel."""
        found = self.regions(i)
        try:
            return found.region(superpixel)
        except InputError as error:
            raise InputError(f"{self.names[i]}: {error}") from error

    def check_shape(self, i: int, what: str, shape: tuple[int, ...]) -> None:
        """Raise InputError unless the map ``what``, of train image ``i``, has the ``shape`` (H, W) of its label map.

        A superpixel's pixels are found by their places: in a map of another shape they lie anywhere.
        """
        expected = stored_size(self._path("mask_jpg", i))
        if shape != expected:
            sizes = " × ".join(map(str, shape)), " × ".join(map(str, expected))
            raise InputError(
                f"{self._path('mask_jpg', i)}: the {what} of {self.names[i]} has {sizes[0]} px, its label map "
                f"{sizes[1]} px; they must be equal"
            )

    def truth(self, dataset: Dataset, i: int) -> np.ndarray:
        """(H, W) uint8 true labels of train image ``i``. Raises InputError unless they fit its label map."""
        truth = dataset.truth("train", self.names[i])
        self.check_shape(i, "truth", truth.shape)
        return truth

    def superpixels(self, i: int) -> np.ndarray:
        """(H, W) int32 superpixel ids of train image ``i``, 0 outside every superpixel; read anew in each call."""
        return self._read("obj_jpg", i).astype(np.int32)

    def _path(self, kind, i):
        return self.folder / kind / f"{self.names[i]}.png"

    def _read(self, kind, i):
        path = self._path(kind, i)
        if known := self._sums.get(f"{kind}/{path.name}"):
            files.check(path, known, REMEDY)
        found = read_png(path)
        if kind == "obj_jpg":
            self.check_shape(i, "superpixel map", found.shape)
        found = found.astype(np.min_scalar_type(int(found.max())))
        found.flags.writeable = False
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

    ``trained_by`` names the recipe of ``train_and_predict`` (preset and its options), for foundations that train.
    Results that lie in a folder already are checked and read in place. A cache entry is whole or absent, and damaged
    files in it are made again. A foundation that resumes keeps its finished files when it is stopped. ``step`` is
    called after every image. Raises InputError.
    """
    names = dataset.names("train")
    if foundation.folder is not None:
        for _ in foundation.generate(dataset, train_and_predict):
            step()
        return PseudoLabels(foundation.folder, names, memory_bytes)
    final = cache_folder(foundation, dataset, cache_dir, trained_by)
    try:
        known = files.recorded(final)
        broken = [name for name in names if not _is_whole(final, name, known)]
    except InputError:  # nobody knows which of them changed
        broken = list(names)
    if broken:
        work = final.with_name(f".{final.name}" if foundation.resumes else f".{final.name}-{os.getpid()}")
        try:
            write(work, foundation, dataset, train_and_predict, step, only=broken)
            made = [f"{kind}/{name}.png" for kind in KINDS for name in broken]
            sums = {part: files.checksum((work / part).read_bytes()) for part in made}
            files.record(final if final.is_dir() else work, sums)
            if final.is_dir():
                for part in made:
                    os.replace(work / part, final / part)
            else:
                os.replace(work, final)
        except OSError:
            if not final.is_dir():  # else another process was faster
                raise
        finally:
            if final.is_dir() or not foundation.resumes:
                shutil.rmtree(work, ignore_errors=True)
    return PseudoLabels(final, names, memory_bytes)


def cache_folder(foundation: Foundation, dataset: Dataset, cache_dir: Path, trained_by: str = "") -> Path:
    """The folder in which `pseudo_labels` keeps its results, even before they are there."""
    name = type(foundation).__name__.lower()
    return Path(cache_dir) / f"{name}-{cache_key(foundation, dataset, trained_by)}"


def write(
    folder: Path,
    foundation: Foundation,
    dataset: Dataset,
    train_and_predict: TrainAndPredict | None = None,
    step: Callable[[], object] = lambda: None,
    on_failure: Callable[[str, Exception], object] | None = None,
    only: Collection[str] | None = None,
) -> None:
    """Write the foundation's maps of the train split to ``folder``, each file whole or not at all.

    A foundation that resumes is not asked for the images that are there already, undamaged, and one of its images that
    fails goes to ``on_failure``, if that is given. ``only``: its other images are left to others. ``step`` is called
    once for every image. Raises InputError.
    """
    names, options = dataset.names("train"), {}
    if foundation.resumes:
        wanted = names if only is None else only
        done = {name for name in wanted if _is_whole(folder, name)}
        for _ in done:
            step()
        options = {"done": done | (set(names) - set(wanted)), "on_failure": on_failure}
    for name, labels, superpixels in foundation.generate(dataset, train_and_predict, **options):
        if superpixels.max() > 65535:
            raise InputError(
                f"{name}: superpixel id {superpixels.max()} does not fit a 16-bit PNG; use fewer superpixels"
            )
        ids = superpixels.astype(np.uint8 if superpixels.max() < 256 else np.uint16)
        for kind, values in zip(KINDS, (labels, ids), strict=True):
            with files.replacing(folder / kind / f"{name}.png") as path:
                Image.fromarray(values).save(path)
        step()


def _is_whole(folder: Path, name: str, known: Mapping[str, list] = types.MappingProxyType({})) -> bool:
    """Whether both maps of an image are there, and as they were written, by the ``known`` checksums."""
    try:
        for part in (f"{kind}/{name}.png" for kind in KINDS):
            content = (folder / part).read_bytes()
            check_png(content)
            if part in known and files.checksum(content) != known[part]:
                return False
    except (OSError, ValueError):
        return False
    return True


def cache_key(foundation: Foundation, dataset: Dataset, trained_by: str = "") -> str:
    """16 hexadecimal digits that change with the foundation's parameters, the dataset's content and both's code."""
    made_by = type(dataset), painting, superpixel_makers
    code = [Path(inspect.getfile(part)).read_bytes() for part in made_by]
    key = (_content(foundation), dataset.identity(), code, trained_by if foundation.trains else "")
    return hashlib.blake2b(repr(key).encode(), digest_size=8).hexdigest()


def _content(plugin):
    parts = [value for _, value in sorted(vars(plugin).items()) if isinstance(value, (Foundation, Superpixels))]
    code = Path(inspect.getfile(type(plugin))).read_bytes()
    return type(plugin).__name__, parameters(plugin), code, [_content(part) for part in parts]
