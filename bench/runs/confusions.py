"""Confusion matrices kept by image: from them, any metric can be had again for any weights over the images.

A cell's file ``images.npz`` holds them round by round, as changes against the round before. A round of questions
touches few images, and in an image few places of the matrix, so the file stays small and nothing dense is ever made.
"""

import io
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench import metrics
from bench.files import replacing
from bench.types import VOID, InputError

FORMAT = 1
FILE = "images.npz"  # in the folder of a cell
PARTS = ("ends", "image", "place", "change", "shape")
MOST_PLACES = 10_000_000  # of the matrices of all rounds


@dataclass(frozen=True)
class Counts:
    """The confusion matrices of ``n_images`` images over rounds, as changes.

    ``ends`` (R,) int64: the end of each round's changes. ``image`` (k,), ``place`` (k,) and ``change`` (k,): in which
    image, at which place of its flattened (C, C + 1) matrix (`bench.metrics.confusion`), by how many pixels the count
    differs from the round before. The first round is compared with empty matrices.
    """

    n_images: int
    n_classes: int
    ends: np.ndarray
    image: np.ndarray
    place: np.ndarray
    change: np.ndarray

    @classmethod
    def empty(cls, n_images: int, n_classes: int) -> "Counts":
        """No round yet: add them with `after`."""
        none = np.zeros(0, np.int64)
        return cls(n_images, n_classes, none, none, none, none)

    @classmethod
    def of(cls, matrices: np.ndarray) -> "Counts":
        """From dense matrices (R, N, C, C + 1)."""
        counts = cls.empty(*matrices.shape[1:3])
        for matrix in matrices:
            counts = counts.after(np.arange(counts.n_images), matrix)
        return counts

    def __len__(self) -> int:
        return len(self.ends)

    def after(self, images: Sequence[int] | np.ndarray, matrices: np.ndarray) -> "Counts":
        """One round more, in which ``images`` (m,) have ``matrices`` (m, C, C + 1) and all others are as before.

        Raises InputError for matrices of another shape, images out of range and images named twice.
        """
        images = np.asarray(images, np.int64)
        expected = (len(images), self.n_classes, self.n_classes + 1)
        if np.shape(matrices) != expected:
            raise InputError(f"expected confusion matrices of shape {expected}, got {np.shape(matrices)}")
        if len(np.unique(images)) != len(images) or not np.isin(images, np.arange(self.n_images)).all():
            raise InputError(f"expected each image once, from 0 to {self.n_images - 1}; got {images.tolist()}")
        flat = np.asarray(matrices, np.int64).reshape(len(images), expected[1] * expected[2])
        rows, place = np.nonzero(flat)
        return self._after(images, images[rows], place, flat[rows, place])

    def after_sparse(self, images: Sequence[int] | np.ndarray, found: metrics.ByImage) -> "Counts":
        """One round more, in which ``images`` (m,), each once, are as in ``found``, and all others as before."""
        images = np.asarray(images, np.int64)
        none = np.zeros(0, np.int64)
        parts = [found.parts[i] for i in images]
        image = np.repeat(images, [len(place) for place, _ in parts])
        place, count = (np.concatenate([none, *(part[k] for part in parts)]).astype(np.int64) for k in (0, 1))
        return self._after(images, image, place, count)

    def _after(self, images: np.ndarray, image: np.ndarray, place: np.ndarray, count: np.ndarray) -> "Counts":
        """One round more: ``count`` pixels in ``place`` of ``image``, three arrays (k,), all there is of ``images``."""
        width, known = self.n_classes * (self.n_classes + 1), np.isin(self.image, images)
        keys = np.concatenate([self.image[known] * width + self.place[known], image * width + place])
        keys, which = np.unique(keys, return_inverse=True)
        change = np.zeros(len(keys), np.int64)
        np.add.at(change, which, np.concatenate([-self.change[known], count]))
        keys, change = keys[change != 0], change[change != 0]
        parts = ((self.image, keys // width), (self.place, keys % width), (self.change, change))
        image, place, change = (np.concatenate(pair) for pair in parts)
        return Counts(self.n_images, self.n_classes, np.append(self.ends, len(image)), image, place, change)

    def until(self, round: int) -> "Counts":
        """The rounds 0 to ``round``, without those after it."""
        end = self.ends[round]
        changes = (part[:end] for part in (self.image, self.place, self.change))
        return Counts(self.n_images, self.n_classes, self.ends[: round + 1], *changes)

    def matrices(self, round: int) -> np.ndarray:
        """(N, C, C + 1) int64: the dense matrices after ``round``."""
        found = np.zeros((self.n_images, self.n_classes * (self.n_classes + 1)), np.int64)
        end = self.ends[round]
        np.add.at(found, (self.image[:end], self.place[:end]), self.change[:end])
        return found.reshape(self.n_images, self.n_classes, self.n_classes + 1)

    @property
    def round(self) -> np.ndarray:
        """(k,): the round of each change."""
        return np.repeat(np.arange(len(self)), np.diff(self.ends, prepend=0))

    def totals(self) -> np.ndarray:
        """(R, C, C + 1) int64: the confusion matrix over all images after each round."""
        found = np.zeros((len(self), self.n_classes * (self.n_classes + 1)), np.int64)
        np.add.at(found, (self.round, self.place), self.change)
        return found.cumsum(axis=0).reshape(len(self), self.n_classes, self.n_classes + 1)

    def influence(self, weights: np.ndarray, void_counts: bool = True) -> np.ndarray:
        """(K, N) float64: the share of each image in each of K weighted sums of the mIoU after every round.

        ``weights`` (K, R). It is the derivative of the sum by the image's weight, which is 1; over all images it sums
        to 0. The sum of the squares is the variance of the sum under a bootstrap over images, to first order (the
        infinitesimal jackknife; Efron, 1982), without a draw.
        """
        gradients = np.stack([metrics.miou_gradient(total, void_counts).ravel() for total in self.totals()])
        # A change of round q is there in every round after it too.
        slopes = (weights[:, :, None] * gradients)[:, ::-1].cumsum(axis=1)[:, ::-1]
        shares = slopes[:, self.round, self.place] * self.change
        return np.stack([np.bincount(self.image, share, self.n_images) for share in shares])


@dataclass(frozen=True)
class Images:
    """A cell's confusion matrices by image: of the labels over the train images, of the model over the val images."""

    data: Counts
    model: Counts | None = None


def with_round(kept: Images | None, data: metrics.ByImage, touched: Iterable[int], model: np.ndarray | None) -> Images:
    """The matrices by image with those of one round more: ``data`` of the labels, of which the images ``touched`` have
    changed, and ``model`` (M, C, C + 1), None in all rounds of a cell or in none. Without any truth no image counts."""
    data = data if data.any() else metrics.ByImage(data.n_classes)
    if kept is None:
        kept = Images(Counts.empty(*data.shape[:2]), None if model is None else Counts.empty(*model.shape[:2]))
    of_model = kept.model
    if of_model is not None and model is not None:
        of_model = of_model.after(np.arange(len(model)), model)
    changed = range(len(data)) if len(kept.data) == 0 else sorted(touched)
    return Images(kept.data.after_sparse(np.array(changed, int), data), of_model)


def write(path: Path, images: Images) -> None:
    """Write the file whole or not at all. Raises Unwritable if the disk refuses."""
    parts: dict[str, Any] = {"format": np.int64(FORMAT)}
    for name, counts in (("data", images.data), ("model", images.model)):
        if counts is not None:
            shape = np.array([counts.n_images, counts.n_classes])
            values = (counts.ends, counts.image, counts.place, counts.change, shape)
            parts |= {f"{name}_{part}": _small(value) for part, value in zip(PARTS, values, strict=True)}
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **parts)


def read(path: Path) -> Images:
    """The counts that `write` wrote. Raises InputError, in one line, for a file that is missing, cut short or
    another's, and for one that would take far more memory than its size."""
    try:
        with zipfile.ZipFile(path) as file:
            check_size(path, file)
            found = {info.filename.removesuffix(".npy"): _array(file.read(info)) for info in file.infolist()}
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except InputError:
        raise
    except Exception as error:  # damaged archives and headers make zipfile, zlib and numpy raise errors of many kinds
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"{path}: not readable as confusion matrices by image: {reason}") from error
    if not np.array_equal(found.get("format", -1), FORMAT):
        raise InputError(f"{path}: expected confusion matrices by image of format {FORMAT}; got {', '.join(found)}")
    return Images(_counts(path, found, "data"), _counts(path, found, "model") if "model_ends" in found else None)


def check_size(path: Path, file: zipfile.ZipFile) -> None:
    """Raise InputError for an archive that unpacks to far more than its size, as none of a run does."""
    limit = 1_000_000 + 100 * path.stat().st_size
    if (size := sum(info.file_size for info in file.infolist())) > limit:
        raise InputError(f"{path}: unpacks to {size:,} bytes; expected at most {limit:,} of a file of its size")


def _array(content: bytes) -> np.ndarray:
    """The whole numbers in a .npy file. Its header alone makes no array: the numbers must be there."""
    file = io.BytesIO(content)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    shape, _, kind = readers[np.lib.format.read_magic(file)](file)
    if kind.kind not in "iu" or len(shape) > 1:
        raise ValueError(f"expected a list of whole numbers, got {kind} of shape {shape}")
    return np.frombuffer(content, kind, offset=file.tell()).reshape(shape)


def _counts(path: Path, found: dict[str, np.ndarray], name: str) -> Counts:
    try:
        parts = [found[f"{name}_{part}"] for part in PARTS]
        n_images, n_classes = (int(n) for n in parts[-1])
        width, n = n_classes * (n_classes + 1), len(parts[1])
        if not (0 <= n_images <= 10 * (n + 100) and 0 < n_classes <= VOID and len(parts[0]) * width <= MOST_PLACES):
            got = f"{n:,} changes, {len(parts[0]):,} rounds, {n_images:,} images and {n_classes:,} classes"
            raise InputError(f"{path}: the confusion matrices of {name} are of no data set: {got}; make the cell anew")
        ends, image, place, change = (part.astype(np.int64) for part in parts[:-1])
        counts = Counts(n_images, n_classes, ends, image, place, change)
        whole = n == len(place) == len(change) == (ends[-1] if len(ends) else 0)
        inside = ((image >= 0) & (image < counts.n_images) & (place >= 0) & (place < width)).all()
        if whole and inside and (np.diff(ends, prepend=0) >= 0).all():
            return counts
    except InputError:
        raise
    except (KeyError, IndexError, ValueError, TypeError):
        pass
    raise InputError(f"{path}: the confusion matrices of {name} do not fit together; make the cell anew")


def _small(values: np.ndarray) -> np.ndarray:
    """The same integers in as few bytes as hold them."""
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    return values.astype(np.promote_types(np.min_scalar_type(low), np.min_scalar_type(high)))
