"""Acquisition statistics: from scores, labels and superpixels to one row per superpixel.

`superpixel_statistics` is the one door. Behind it are implementations that agree: `reference` (plain loops, the
specification), `torch` (vectorised, any device), `cpu` (numba, fused from logits, any number of threads) and `gpu`
(Triton, fused from logits).
"""

import difflib
import importlib
import warnings
from functools import cache, lru_cache
from importlib.util import find_spec
from itertools import groupby

import numpy as np
import torch

from bench.kernels.columns import COLUMNS
from bench.types import VOID, InputError

IMPLEMENTATIONS = {
    "reference": "bench.kernels.reference",
    "torch": "bench.kernels.vectorised",
    "cpu": "bench.kernels.cpu",
    "gpu": "bench.kernels.gpu",
}
BASE = ("superpixel", "size", "row", "column", "label")
DTYPES = {"image": np.int32, "row": np.int32, "column": np.int32, "label": np.uint8} | dict.fromkeys(
    ("superpixel", "size", "agree_count", "dominant", "prediction_histogram", "label_histogram"), np.int64
)
LABELS = {np.dtype(np.uint8), torch.uint8}
IDS = {*map(np.dtype, ("u1", "u2", "i4", "i8")), torch.uint8, torch.int32, torch.int64}
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
) -> dict[str, np.ndarray]:
    """The statistics ``needs`` (names in `COLUMNS`) of every superpixel of one image, or of a batch of images.

    ``scores``: (C, H, W) probabilities, or with ``logits`` (C, h, w) raw logits, upsampled to the labels' size
    (bilinear, ``align_corners`` as in `torch.nn.functional.interpolate`) and softmaxed; a floating tensor on any
    device, or an array; computed in float32, whatever comes. C is at most 256. ``labels`` (H, W) uint8, 255 where there
    is none. ``superpixels`` (H, W) int32, int64, uint8 or uint16 ids, 0 = outside every superpixel; where those of
    a read-only map lie is remembered as long as the array lives. For a batch, each of the three is a list with one of
    these an image: sizes may differ, C may not. ``threads`` (default: as many as torch has) and the batch change no
    byte of the result. ``implementation``: one of `IMPLEMENTATIONS`; by default the fastest of those installed for the
    scores' device.

    Returns host arrays, a row for each id > 0 present, image by image and ascending: of a batch ``image`` (N,) int32,
    the position in the list; ``superpixel`` (N,) int64, ``size`` (N,) int64 in pixels, ``row`` and ``column`` (N,)
    int32 of the representative pixel, ``label`` (N,) uint8 there, then each of ``needs``, float64 or, for counts and
    class ids, int64. The representative is always there, because every question is asked at it; finding it costs less
    than bringing the scores from memory.

    Raises InputError for shapes that do not fit, a superpixel whose scores hold NaN or are no probabilities, a label
    that is neither a class nor 255, a negative id, and an unknown need or implementation.
    """
    needs = tuple(needs)
    for need in needs:
        _known(need, (*COLUMNS, *BASE), "statistic")
    if threads is not None and threads < 1:
        raise InputError(f"threads must be 1 or more, got {threads}")
    batch = [list(x) if isinstance(scores, (list, tuple)) else [x] for x in (scores, labels, superpixels)]
    if len({len(x) for x in batch}) > 1 or not batch[0]:
        raise InputError(f"a batch needs as many scores, labels and superpixels, got {[len(x) for x in batch]}")
    batch[0] = [_tensor(x) for x in batch[0]]
    name = implementation or fastest(batch[0][0].device.type)
    module = importlib.import_module(IMPLEMENTATIONS[_known(name, IMPLEMENTATIONS, "implementation")])
    maps = _array if name in ("cpu", "reference") else _tensor
    if maps is _tensor:  # torch does little with 16 bits
        batch[2] = [x.astype(np.int32) if getattr(x, "dtype", None) == np.uint16 else x for x in batch[2]]
    images = list(zip(batch[0], map(maps, batch[1]), map(maps, batch[2]), strict=True))
    for image in images:
        _check(*image, logits)
    n_classes = len(batch[0][0])
    if any(len(x) != n_classes for x in batch[0]):
        raise InputError(f"all scores of a batch must have {n_classes} classes, as the first has")

    def alike(i):  # what one call takes together
        return (images[i][0].shape, images[i][1].shape) if name == "cpu" and logits else i

    tables = []
    for _, group in groupby(range(len(images)), alike):
        begin, *others = group
        several = zip(*(images[i] for i in (begin, *others)), strict=True)
        table = module.statistics(*several, set(needs), logits, align_corners, threads)
        table["image"] = table.get("image", np.zeros(len(table["size"]), np.int32)) + begin
        tables.append(table)
    names = dict.fromkeys((*(["image"] if isinstance(scores, (list, tuple)) else []), *BASE, *needs))
    return {name: _column(name, [table[name] for table in tables], n_classes) for name in names}


def _column(name, parts, n_classes):
    """A column of the type and width that it is meant to have."""
    width = {"": (), "C": (n_classes,), "C+1": (n_classes + 1,)}[COLUMNS.get(name, ("",))[0]]
    parts = [np.asarray(part, DTYPES.get(name, np.float64)).reshape(-1, *width) for part in parts]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


@cache
def fastest(device: str) -> str:
    """The implementation that serves a device best, among those whose packages are installed."""
    choices = [("cuda", "gpu", "triton"), ("cpu", "cpu", "numba")]
    return next(
        (i for d, i, package in choices if d == device and i in IMPLEMENTATIONS and find_spec(package)), "torch"
    )


@cache
def load(device: str, n_classes: int) -> None:
    """Load, or where need be compile, what `superpixel_statistics` runs for logits: a second, once in a process."""
    scores = torch.zeros((n_classes, 1, 1), device=device)
    for kind in (np.uint8, np.uint16):  # of ids, as `bench.foundation.PseudoLabels` stores them
        superpixel_statistics(scores, np.zeros((1, 1), np.uint8), np.ones((1, 1), kind), logits=True)


def refuse(scores: torch.Tensor, logits: bool) -> None:
    """Raise the InputError for scores with a pixel whose ‖p‖² is NaN or above `LARGEST_NORM`."""
    if torch.isnan(scores).any():
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
    return a.cpu().numpy() if torch.is_tensor(a) else np.asarray(a)


def _tensor(a):
    """On the device it is on, without a copy."""
    if torch.is_tensor(a):
        return a
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # nothing here writes to it
        return torch.as_tensor(a)


def _check(scores, labels, superpixels, logits):
    """Raise InputError unless types, shapes and values fit. The maps are both arrays or both tensors."""
    if scores.ndim != 3 or not scores.is_floating_point() or not 1 <= len(scores) <= 256:
        raise InputError(
            f"scores must be floating (C, H, W) with C from 1 to 256, got {scores.dtype} {tuple(scores.shape)}"
        )
    if labels.ndim != 2 or labels.dtype not in LABELS or 0 in labels.shape or 0 in scores.shape:
        raise InputError(f"labels must be (H, W) uint8 and not empty, got {labels.dtype} {tuple(labels.shape)}")
    if superpixels.shape != labels.shape or superpixels.dtype not in IDS:
        got = f"{tuple(labels.shape)}, got {superpixels.dtype} {tuple(superpixels.shape)}"
        raise InputError(f"superpixels must be int32, int64, uint8 or uint16 of the labels' shape {got}")
    if not logits and scores.shape[1:] != labels.shape:
        shapes = f"{tuple(scores.shape[1:])}, expected the labels' {tuple(labels.shape)}"
        raise InputError(f"probabilities have size {shapes}; pass logits=True for logits of another size")
    highest = int((labels + 1).max()) - 1  # VOID wraps round to 0
    if highest >= len(scores):
        raise InputError(f"label {highest} is neither a class (0 to {len(scores) - 1}) nor {VOID}")
    if superpixels.min() < 0:
        raise InputError(f"superpixel ids must be 0 (outside) or more, got {superpixels.min().item()}")


def _known(name, known, what):
    if name in known:
        return name
    close = difflib.get_close_matches(str(name), known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(known)}"
    raise InputError(f"unknown {what} {name!r}; {hint}")
