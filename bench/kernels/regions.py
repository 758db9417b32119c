"""The places of all superpixels of a map: found once for a map, to get at one superpixel without reading the others."""

from dataclasses import dataclass, fields

import numpy as np

from bench.types import InputError, Region

ID_TYPES = ("uint8", "uint16", "int32", "int64")


@dataclass(frozen=True, eq=False)
class Regions:
    """The N superpixels of one map, by ascending id. All arrays are read-only.

    ``shape``: (H, W) of the map; ``ids`` (N,) int64, all above 0; ``sizes`` (N,) int64 in pixels. The pixels are kept
    as runs, the maximal stretches of one id within a row: ``row`` and ``column`` of a run's first pixel and its
    ``length`` are (n_runs,) int32, superpixel by superpixel and in row-major order within each. The runs of superpixel
    number k are ``first[k]`` to ``first[k + 1]``; ``first`` is (N + 1,) int64.
    """

    shape: tuple[int, int]
    ids: np.ndarray
    sizes: np.ndarray
    row: np.ndarray
    column: np.ndarray
    length: np.ndarray
    first: np.ndarray

    def __post_init__(self):
        for array in self._arrays():
            array.flags.writeable = False

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def nbytes(self) -> int:
        """The memory of the arrays, in bytes."""
        return sum(array.nbytes for array in self._arrays())

    def region(self, superpixel: int) -> Region:
        """The place of a superpixel. Raises InputError for an unknown id.

        Takes time in proportion to its runs, independent of the image size.
        """
        k = self.number(superpixel)
        return self._runs(slice(self.first[k], self.first[k + 1]))

    def number(self, superpixel: int) -> int:
        """The place of an id among ``ids``. Raises InputError for an unknown id."""
        k = int(self.ids.searchsorted(superpixel))
        if k == len(self.ids) or self.ids[k] != superpixel:
            raise InputError(f"no superpixel has the id {superpixel}; the image has {len(self.ids)} superpixels")
        return k

    def numbers(self) -> np.ndarray:
        """(n,) int64: for each pixel of `all_pixels`, the place of its superpixel among ``ids``."""
        return np.repeat(np.arange(len(self.ids)), self.sizes)

    def all_pixels(self) -> np.ndarray:
        """(n,) int64 flat indices of the pixels of all superpixels, superpixel by superpixel."""
        return self._runs(slice(None)).pixels

    def map(self) -> np.ndarray:
        """(H, W) int64: the superpixel map itself, 0 outside every superpixel."""
        flat = np.zeros(self.shape[0] * self.shape[1], np.int64)
        flat[self.all_pixels()] = np.repeat(self.ids, self.sizes)
        return flat.reshape(self.shape)

    def _runs(self, which: slice) -> Region:
        start = self.row[which] * np.int32(self.shape[1]) + self.column[which]
        return Region(start, self.length[which].copy())  # who keeps a view keeps the lengths of the whole map

    def _arrays(self) -> list[np.ndarray]:
        return [getattr(self, field.name) for field in fields(self)[1:]]


def regions(superpixels: np.ndarray) -> Regions:
    """The regions of a map (H, W) of int32, int64, uint8 or uint16 ids, 0 = outside every superpixel.

    Raises InputError for another type or number of dimensions, and for a negative id.
    """
    check_ids(superpixels)
    flat, width = superpixels.ravel(), max(superpixels.shape[1], 1)
    begins = np.empty(flat.size, bool)  # whether a run begins at a pixel
    np.not_equal(flat[1:], flat[:-1], out=begins[1:])
    begins[::width] = True
    start: np.ndarray = np.flatnonzero(begins)
    of, length = flat.take(start), np.diff(start, append=flat.size)
    if not of.all():
        inside = of > 0
        start, of, length = start[inside], of[inside], length[inside]
    order = (of.astype(np.uint16) if of.max(initial=0) < 2**16 else of).argsort(kind="stable")  # 16 bits: radix sort
    of, start, length = of.take(order), start.astype(np.int32).take(order), length.astype(np.int32).take(order)
    row = start // np.int32(width)
    is_first = np.ones(len(of) + 1, bool)
    np.not_equal(of[1:], of[:-1], out=is_first[1:-1])
    first = np.flatnonzero(is_first)
    sizes = np.add.reduceat(length, first[:-1], dtype=np.int64)
    ids = of[first[:-1]].astype(np.int64)
    return Regions(superpixels.shape, ids, sizes, row, start - row * np.int32(width), length, first)


def check_ids(superpixels) -> None:
    """Raise InputError unless this array or tensor is a map (H, W) of ids that are 0 or more, of one of `ID_TYPES`."""
    if superpixels.ndim != 2 or str(superpixels.dtype).removeprefix("torch.") not in ID_TYPES:
        got = f"{superpixels.dtype} {tuple(superpixels.shape)}"
        raise InputError(f"superpixels must be (H, W) {', '.join(ID_TYPES)} ids, got {got}")
    if 0 not in superpixels.shape and superpixels.min() < 0:
        raise InputError(f"superpixel ids must be 0 (outside) or more, got {superpixels.min().item()}")
