"""Confusion matrices and the measures from them: mIoU, accuracy, harm, area under the budget curve."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from bench.types import VOID, InputError


def confusion(truth: np.ndarray, labels: np.ndarray, n_classes: int) -> np.ndarray:
    """(C, C + 1) int64 pixel counts: row = true class, column = label, the last one ``VOID``. Void truth is left out.

    ``truth`` and ``labels`` are uint8 of one shape. Raises InputError for other shapes and for ids out of range.
    """
    if truth.shape != labels.shape:
        raise InputError(f"truth is {truth.shape}, labels are {labels.shape}: they must have one shape")
    counts = np.bincount((truth.ravel().astype(np.intp) << 8) | labels.ravel(), minlength=1 << 16).reshape(256, 256)
    used = np.r_[np.arange(n_classes), VOID]
    for name, marginal in (("truth", counts.sum(1)), ("labels", counts.sum(0))):
        extra = np.setdiff1d(np.flatnonzero(marginal), used)
        if len(extra):
            raise InputError(
                f"{name}: class id {extra[0]} is out of range; ids are 0 to {n_classes - 1}, or {VOID} for void"
            )
    return counts[:n_classes][:, used]


class ByImage:
    """The confusion matrices (C, C + 1) of N images, without the places that are 0.

    Memory grows with the pairs of classes that occur in an image, not with C². ``[i]`` is the matrix of an image, a
    dense int64 copy; assign one to change it. `np.asarray` gives all of them, (N, C, C + 1).
    """

    def __init__(self, n_classes: int, matrices: Iterable[np.ndarray] = ()):
        self.n_classes, self.total = n_classes, np.zeros((n_classes, n_classes + 1), np.int64)
        self.parts: list[tuple[np.ndarray, np.ndarray]] = []  # of each image: places of its flat matrix, and counts
        for matrix in matrices:
            self.append(matrix)

    def append(self, matrix: np.ndarray) -> None:
        """One image more."""
        self.total += matrix
        self.parts.append(_places(matrix))

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, image: int) -> np.ndarray:
        place, count = self.parts[image]
        found = np.zeros(self.total.size, np.int64)
        found[place] = count
        return found.reshape(self.total.shape)

    def __setitem__(self, image: int, matrix: np.ndarray) -> None:
        (was, n_was), (now, n_now) = self.parts[image], _places(matrix)
        total = self.total.reshape(-1)  # a view
        total[was] -= n_was
        total[now] += n_now
        self.parts[image] = now, n_now

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        dense = [self[i] for i in range(len(self))]
        return np.array(dense, dtype or np.int64).reshape(self.shape)

    @property
    def shape(self) -> tuple[int, int, int]:
        return (len(self), *self.total.shape)

    def sum(self, axis: int = 0) -> np.ndarray:
        """(C, C + 1) int64: the matrix over all images."""
        return self.total.copy()

    def any(self) -> bool:
        """Whether a pixel was counted."""
        return bool(self.total.any())

    def copy(self) -> "ByImage":
        found = ByImage(self.n_classes)
        found.total, found.parts = self.total.copy(), self.parts.copy()  # a part is replaced, never changed
        return found


def _places(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    flat = matrix.ravel()
    place = np.flatnonzero(flat)
    return place.astype(np.int32), flat[place].astype(np.int32)


def iou(matrix: np.ndarray, void_counts: bool = True) -> np.ndarray:
    """(C,) float64 in [0, 1]: intersection over union by class, NaN for a class absent from truth and labels.

    ``void_counts``: a pixel labelled ``VOID`` is in its true class's union; else it is left out (the released rule).
    """
    n_classes = len(matrix)
    used = matrix if void_counts else matrix[:, :n_classes]
    hit = np.diag(matrix)
    union = used.sum(1) + matrix[:, :n_classes].sum(0) - hit
    return np.divide(hit, union, out=np.full(n_classes, np.nan), where=union > 0)


def miou(matrix: np.ndarray, void_counts: bool = True) -> float:
    """Mean of `iou` over the classes present; 0 when there is none."""
    values = iou(matrix, void_counts)
    return float(np.nanmean(values)) if np.isfinite(values).any() else 0.0


def accuracy(matrix: np.ndarray) -> float:
    """Share of non-void truth pixels with the right label; a ``VOID`` label is wrong. 0 for an empty matrix."""
    return float(np.trace(matrix) / max(matrix.sum(), 1))


def miou_gradient(matrix: np.ndarray, void_counts: bool = True) -> np.ndarray:
    """(C, C + 1) float64: the change of `miou` by one more pixel in each place of ``matrix``, to first order.

    Classes absent from truth and labels stay out of the mean. The product with ``matrix`` sums to 0: mIoU does not
    change if every count grows by the same factor.
    """
    n_classes = len(matrix)
    hit = np.diag(matrix).astype(float)
    used = matrix if void_counts else matrix[:, :n_classes]
    union = used.sum(1) + matrix[:, :n_classes].sum(0) - hit
    present = union > 0
    safe = np.where(present, union, 1)
    loss = np.where(present, hit / safe**2, 0) / max(present.sum(), 1)
    gradient = np.zeros(matrix.shape)
    gradient -= loss[:, None]  # a pixel of true class c is in the union of c ...
    gradient[:, :n_classes] -= loss  # ... and one labelled c too
    diagonal = np.arange(n_classes)
    gradient[diagonal, diagonal] += loss + np.where(present, 1 / safe, 0) / max(present.sum(), 1)
    if not void_counts:
        gradient[:, n_classes] = 0
    return gradient


def dice_and_iou(matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Dice coefficient and IoU of each class in each image: two arrays (..., C) float64 in [0, 1].

    ``matrices`` (..., C, C + 1): one confusion matrix an image, as `confusion` gives them. A void label counts as
    wrong. NaN for a class that an image has neither in the truth nor in its labels. Their means over the images are
    the measures that papers on Kvasir-SEG report (Jha et al., 2020).
    """
    n_classes = matrices.shape[-2]
    hit = np.diagonal(matrices[..., :n_classes], axis1=-2, axis2=-1).astype(float)
    both = matrices.sum(-1) + matrices[..., :n_classes].sum(-2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return 2 * hit / both, hit / (both - hit)


def detection(wrong: np.ndarray, scores: np.ndarray, size: np.ndarray) -> dict[str, float]:
    """How well (n,) float ``scores``, higher for the likelier ones, find the superpixels with a ``wrong`` (n,) label.

    AUROC and AUPRC (average precision), each superpixel counted once and, with ``_px``, by its ``size`` (n,) in pixels.
    NaN if all or none are wrong. Ties count half in AUROC. Source: scikit-learn, whose values these are to the bit.
    """
    names = ("auroc", "auprc", "auroc_px", "auprc_px")
    if not wrong.any() or wrong.all():
        return dict.fromkeys(names, float("nan"))
    order = np.argsort(-scores, kind="stable")
    last = np.append(scores[order][1:] != scores[order][:-1], True)  # of a run of equal scores
    found = []
    for weights in (np.ones(len(order)), size[order]):
        hits, misses = (np.cumsum(weights * here, dtype=np.float64)[last] for here in (wrong[order], ~wrong[order]))
        found += [_auroc(hits, misses), _auprc(hits, misses)]
    return dict(zip(names, (min(value, 1.0) for value in found), strict=True))  # sums of shares may round above 1


def _auroc(hits: np.ndarray, misses: np.ndarray) -> float:
    """The area under the curve through these counts, cumulated from the highest score on."""
    corner = np.ones(len(hits), bool)
    corner[1:-1] = (np.diff(hits, 2) != 0) | (np.diff(misses, 2) != 0)
    x, y = (np.concatenate([[0.0], counts[corner]]) / counts[-1] for counts in (misses, hits))
    return float(np.trapezoid(y, x))


def _auprc(hits: np.ndarray, misses: np.ndarray) -> float:
    """The mean precision at each score, weighted by the recall that it adds; summed from the lowest score on."""
    recall = np.append((hits / hits[-1])[::-1], 0.0)
    return float(-np.sum(np.diff(recall) * (hits / (hits + misses))[::-1]))


def precision(wrong: np.ndarray, size: np.ndarray) -> dict[str, float]:
    """The share of the superpixels asked about that have a ``wrong`` (k,) bool label, by number and by ``size`` in
    pixels.

    NaN if none was asked.
    """
    if not len(wrong):
        return dict.fromkeys(("precision", "precision_px"), float("nan"))
    return {"precision": float(wrong.mean()), "precision_px": float(size[wrong].sum() / size.sum())}


def polyp_mean(by_image: np.ndarray | ByImage, which: int) -> float:
    """Mean over the images of the Dice (``which`` 0) or IoU (1) of the foreground, if that is the one other class.

    NaN for more than two classes. Images without foreground in truth and labels are left out. As the papers on
    Kvasir-SEG report (Jha et al., 2020).
    """
    if by_image.shape[1] != 2:
        return float("nan")
    values = dice_and_iou(np.asarray(by_image))[which][:, 1]
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


@dataclass(frozen=True)
class Measure:
    """A number that says how good labels or a model are: its ``column`` of rounds.csv, and a ``title`` for people.

    ``of``: ``data`` (the current labels of the train split) or ``model`` (its predictions on val). ``formula``: from
    the confusion matrices (n, C, C + 1) of the split's images to a share in [0, 1]. ``ranked``: strategies are compared
    by it. ``since``: the format of the run files that has the column first.
    """

    column: str
    title: str
    of: str
    formula: Callable[[Any], float]  # an array or `ByImage`
    ranked: bool = False
    since: int = 1


MEASURES = (
    Measure("data_miou", "data mIoU", "data", lambda by_image: miou(by_image.sum(0)), ranked=True),
    Measure(
        "data_miou_labelled",
        "data mIoU, labelled pixels",
        "data",
        lambda by_image: miou(by_image.sum(0), void_counts=False),
    ),
    Measure("data_accuracy", "data accuracy", "data", lambda by_image: accuracy(by_image.sum(0))),
    Measure("model_miou", "model mIoU", "model", lambda by_image: miou(by_image.sum(0)), ranked=True),
    *(
        Measure(f"{of}_{name}", f"{of} {title} by image", of, partial(polyp_mean, which=which), since=2)
        for of in ("data", "model")
        for which, (name, title) in enumerate((("dice", "Dice"), ("image_iou", "IoU")))
    ),
)
