"""Acquisition statistics: from scores, labels and superpixels to one row per superpixel.

`superpixel_statistics` is the one door. Behind it are implementations that agree: `reference` (plain loops, the
specification), `torch` (vectorised, any device), `cpu` (numba, fused from logits, any number of threads) and `gpu`
(Triton, fused from logits).
"""

import importlib
import warnings
from functools import cache, lru_cache
from importlib.util import find_spec
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.kernels.regions import Regions, check_ids
from bench.kernels.regions import regions as regions_of
from bench.kernels.statistics import BASE, statistic, thresholds
from bench.registry import one_of
from bench.types import VOID, InputError

__all__ = ["BASE", "IMPLEMENTATIONS", "fastest", "load", "statistic", "superpixel_statistics", "thresholds"]

if TYPE_CHECKING:  # imported where it is used: what only reads the catalogue or finds pixels does not wait for torch
    import torch

IMPLEMENTATIONS = {
    "reference": "bench.kernels.reference",
    "torch": "bench.kernels.vectorised",
    "cpu": "bench.kernels.cpu",
    "gpu": "bench.kernels.gpu",
}
LARGEST_NORM = 1.1  # ‖p‖² of a pixel: at most 1, and room for half precision


def superpixel_statistics(
    scores,
    labels,
    superpixels,
    needs=(),
    *,
    logits: bool = False,
    align_corners: bool = False,
    implementation: str | None = None,
    threads: int | None = None,
    images=None,
    features=None,
    passes=None,
    thresholds: np.ndarray | None = None,
    base: bool = True,
) -> dict[str, np.ndarray]:
    """The statistics ``needs`` of every superpixel of one image, or of a batch of images.

    ``needs``: names in `bench.kernels.statistics.STATISTICS`, with their parameters.

    ``scores``: (C, H, W) probabilities, or with ``logits`` (C, h, w) raw logits, upsampled to the labels' size
    (bilinear, ``align_corners`` as in `torch.nn.functional.interpolate`) and softmaxed. It is a floating tensor on any
    device, or an array, always computed in float32. C is at most 256. ``labels`` (H, W) uint8, 255 if there is none.
    ``superpixels`` (H, W) int32, int64, uint8 or uint16 ids, 0 = outside every superpixel; or their
    `bench.kernels.regions.Regions`, which saves finding them again for a map that comes often.

    Further inputs of some statistics (`bench.kernels.statistics.reads`): ``images`` (H, W, 3) uint8 RGB. ``features``
    (D, h', w') tensor. ``passes``: an iterable of logits of any size, one for each of `statistics.PASSES`.
    ``thresholds`` (C,) from `thresholds`, the same for a whole batch.

    For a batch, each but ``thresholds`` is a list with one of these an image: sizes may differ, C may not. ``threads``
    (default: as many as torch has) and the batch change no byte of the result. ``implementation``: one of
    `IMPLEMENTATIONS`; statistics that are not fused start from numba's pixels with `cpu`, and from torch's with the
    others. By default the fastest of those installed for the scores' device.

    Returns host arrays, a row for each id > 0 present, image by image and ascending: of a batch ``image`` (N,) int32,
    the position in the list. ``superpixel`` (N,) int64, ``size`` (N,) int64 in pixels, ``row`` and ``column`` (N,)
    int32 of the representative pixel, ``label`` (N,) uint8 there, then each of ``needs`` with the type and the shape of
    a row that the catalogue says. The representative is there unasked, because every question is asked at it; finding
    it costs less than bringing the scores from memory. Without ``base`` there are the ``needs`` alone.

    Raises InputError for shapes that do not fit, a superpixel with scores that hold NaN or are no probabilities, a
    label that is neither a class nor 255, a negative id, an unknown need, parameter or implementation, and for a need
    that reads a missing input.
    """
    needs = list(dict.fromkeys(needs))
    catalogue = {name: statistic(name) for name in needs if name not in BASE}
    if threads is not None and threads < 1:
        raise InputError(f"threads must be 1 or more, got {threads}")
    is_batch = isinstance(scores, (list, tuple))
    scores, labels, superpixels = ([*x] if is_batch else [x] for x in (scores, labels, superpixels))
    if len({len(x) for x in (scores, labels, superpixels)}) > 1 or not scores:
        counts = [len(x) for x in (scores, labels, superpixels)]
        raise InputError(f"a batch needs as many scores, labels and superpixels, got {counts}")
    given = {"image": images, "features": features, "passes": passes}
    given = {what: [None] * len(scores) if x is None else [*x] if is_batch else [x] for what, x in given.items()}
    given |= {"thresholds": [thresholds] * len(scores), "truth": [None] * len(scores)}
    for name, read in ((name, read) for name, s in catalogue.items() for read in s.reads):
        n_given = sum(x is not None for x in given[read])
        if n_given != len(scores):
            raise InputError(f"the statistic {name!r} reads {read}: expected one for each image, got {n_given}")

    scores = [_tensor(x) for x in scores]
    name = one_of(implementation or fastest(scores[0].device.type), IMPLEMENTATIONS, "implementation")
    to_map = _array if name in ("cpu", "reference") else _tensor
    labels = [to_map(x) for x in labels]
    to_regions = regions_of if name == "cpu" else lambda x: x
    superpixels = [x if isinstance(x, Regions) else to_regions(to_map(x)) for x in superpixels]
    for image in zip(scores, labels, superpixels, strict=True):
        _check(*image, logits)
    n_classes = len(scores[0])
    if any(len(x) != n_classes for x in scores):
        raise InputError(f"all scores of a batch must have {n_classes} classes, as the first has")

    of_maps = [n for n, s in catalogue.items() if not s.fused]
    fused = {n for n in needs if n not in of_maps}
    own = (*BASE, *fused) if base else tuple(fused)
    parts = _fused(name, scores, labels, superpixels, fused, logits, align_corners, threads) if own else []
    columns = {n: [part[n] for part in parts] for n in own}
    if of_maps:
        maps = importlib.import_module("bench.kernels.maps")
        regions = [x if isinstance(x, Regions) else regions_of(_array(x)) for x in superpixels]
        pixelwise = importlib.import_module("bench.kernels.cpu").pixelwise if name == "cpu" else maps.pixelwise
        for i, image in enumerate(zip(scores, map(_array, labels), regions, strict=True)):
            beside = {what: values[i] for what, values in given.items()}
            for n, column in maps.statistics(of_maps, *image, logits, align_corners, beside, pixelwise).items():
                columns.setdefault(n, []).append(column)
    names = dict.fromkeys((*(BASE if is_batch else list(BASE)[1:]), *needs) if base else needs)
    return {n: _column(n, columns[n], n_classes) for n in names}


def _fused(name, scores, labels, superpixels, needs, logits, align_corners, threads) -> list[dict]:
    """The base columns and those of fused statistics, in parts, from one call of the implementation for each part."""
    module = importlib.import_module(IMPLEMENTATIONS[name])

    def alike(i):  # images that one call takes together
        return (scores[i].shape, labels[i].shape) if name == "cpu" and logits else i

    parts = []
    for _, group in groupby(range(len(scores)), alike):
        chosen = list(group)
        images = ([x[i] for i in chosen] for x in (scores, labels, superpixels))
        part = module.statistics(*images, needs, logits, align_corners, threads)
        part["image"] = part.get("image", np.zeros(len(part["size"]), np.int32)) + chosen[0]
        parts.append(part)
    return parts


def _column(name, parts, n_classes):
    """A column with the type and the shape of a row that it is meant to have."""
    if name in BASE:
        dtype: type = BASE[name]
        shape: tuple[int, ...] = ()
    else:
        depth = parts[0].shape[-1] if statistic(name).width == "D" else 0
        dtype, shape = statistic(name).dtype, statistic(name).shape(n_classes, depth)
    parts = [np.asarray(part, dtype).reshape(-1, *shape) for part in parts]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


@cache
def fastest(device: str) -> str:
    """The implementation that serves a device best, among those with installed packages."""
    choices = [("cuda", "gpu", "triton"), ("cpu", "cpu", "numba")]
    return next(
        (i for d, i, package in choices if d == device and i in IMPLEMENTATIONS and find_spec(package)), "torch"
    )


@cache
def load(device: str, n_classes: int, needs: tuple[str, ...] = ()) -> None:
    """Load, or compile if necessary, the code that `superpixel_statistics` runs for ``needs`` from logits: a second,
    once in a process."""
    import torch

    scores, pixel = torch.zeros((n_classes, 1, 1), device=device), np.ones((1, 1), np.uint8)
    beside: dict[str, Any] = {"images": np.zeros((1, 1, 3), np.uint8), "features": scores, "passes": [scores]}
    superpixel_statistics(scores, pixel - 1, pixel, needs, logits=True, thresholds=np.ones(n_classes), **beside)


def refuse(scores: "torch.Tensor", logits: bool) -> None:
    """Raise the InputError for scores in which a pixel has a ‖p‖² of NaN or above `LARGEST_NORM`."""
    if scores.isnan().any():
        raise InputError(
            "the scores hold NaN; every pixel of a superpixel needs finite scores: check the model's output"
        )
    kind = "finite logits" if logits else "probabilities in [0, 1] that sum to 1 (for raw logits pass logits=True)"
    low, high = scores.min().item(), scores.max().item()
    raise InputError(f"the scores must be {kind}; they range from {low:.3g} to {high:.3g}")


@lru_cache(64)
def axis_weights(n_in: int, n_out: int, align_corners: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bilinear upsampling of one axis: ``low`` and ``high`` (n_out,) int64 source indices, float32 weight of ``high``.

    float32 throughout, as torch computes source positions; float64 would differ from it by 1e-5 at large sizes.
    """
    out = np.arange(n_out, dtype=np.float32)
    if align_corners:
        scale = np.float32(n_in - 1) / np.float32(max(n_out - 1, 1))
        position = out * scale
    else:
        scale = np.float32(n_in) / np.float32(n_out)
        position = np.maximum((out + np.float32(0.5)) * scale - np.float32(0.5), np.float32(0))
    low = np.minimum(position.astype(np.int64), n_in - 1)
    return low, np.minimum(low + 1, n_in - 1), np.clip(position - low.astype(np.float32), 0, 1).astype(np.float32)


def _array(a):
    import torch

    return a.cpu().numpy() if torch.is_tensor(a) else np.asarray(a)


def _tensor(a):
    """On the device it is on, without a copy, but of uint16, with which torch does little."""
    import torch

    if torch.is_tensor(a):
        return a
    a = np.asarray(a)
    a = a.astype(np.int32) if a.dtype == np.uint16 else a
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # nothing here writes to it
        return torch.as_tensor(a)


def _check(scores, labels, superpixels, logits):
    """Raise InputError unless types, shapes and values fit. The maps are arrays, tensors or regions."""
    if scores.ndim != 3 or not scores.is_floating_point() or not 1 <= len(scores) <= 256:
        raise InputError(
            f"scores must be floating (C, H, W) with C from 1 to 256, got {scores.dtype} {tuple(scores.shape)}"
        )
    if labels.ndim != 2 or str(labels.dtype).removeprefix("torch.") != "uint8" or 0 in (*labels.shape, *scores.shape):
        raise InputError(f"labels must be (H, W) uint8 and not empty, got {labels.dtype} {tuple(labels.shape)}")
    if not isinstance(superpixels, Regions):
        check_ids(superpixels)
    if tuple(superpixels.shape) != tuple(labels.shape):
        shapes = f"{tuple(labels.shape)}, got {tuple(superpixels.shape)}"
        raise InputError(f"superpixels must have the labels' shape {shapes}")
    if not logits and scores.shape[1:] != labels.shape:
        shapes = f"{tuple(scores.shape[1:])}, expected the labels' {tuple(labels.shape)}"
        raise InputError(f"probabilities have size {shapes}; pass logits=True for logits of another size")
    highest = int((labels + 1).max()) - 1  # VOID wraps round to 0
    if highest >= len(scores):
        raise InputError(f"label {highest} is neither a class (0 to {len(scores) - 1}) nor {VOID}")
