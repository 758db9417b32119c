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
DTYPES = {"row": np.int32, "column": np.int32, "label": np.uint8} | dict.fromkeys(
    ("superpixel", "size", "agree_count", "dominant", "prediction_histogram", "label_histogram"), np.int64
)
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
    """The statistics ``needs`` (names in `COLUMNS`) of every superpixel of one image.

    ``scores``: (C, H, W) probabilities, or with ``logits`` (C, h, w) raw logits, upsampled to the labels' size
    (bilinear, ``align_corners`` as in `torch.nn.functional.interpolate`) and softmaxed; a floating tensor on any
    device, or an array; computed in float32, whatever comes. C is at most 256. ``labels`` (H, W) uint8, 255 where there
    is none. ``superpixels`` (H, W) int32 or int64 ids, 0 = outside every superpixel. ``threads`` (default: as many as
    torch has) changes no byte of the result. ``implementation``: one of `IMPLEMENTATIONS`; by default the fastest of
    those installed for the scores' device.

    Returns host arrays, a row for each id > 0 present, ascending: ``superpixel`` (N,) int64, ``size`` (N,) int64 in
    pixels, ``row`` and ``column`` (N,) int32 of the representative pixel, ``label`` (N,) uint8 there, then each of
    ``needs``, float64 or, for counts and class ids, int64. The representative is always there, because every question
    is asked at it; finding it costs less than bringing the scores from memory.

    Raises InputError for shapes that do not fit, a superpixel whose scores hold NaN or are no probabilities, a label
    that is neither a class nor 255, a negative id, and an unknown need or implementation.
    """
    needs = tuple(needs)
    for need in needs:
        _known(need, (*COLUMNS, *BASE), "statistic")
    scores = _tensor(scores)
    name = implementation or fastest(scores.device.type)
    maps = _array if name in ("cpu", "reference") else _tensor
    labels, superpixels = maps(labels), maps(superpixels)
    _check(scores, labels, superpixels, logits)
    if threads is not None and threads < 1:
        raise InputError(f"threads must be 1 or more, got {threads}")
    module = importlib.import_module(IMPLEMENTATIONS[_known(name, IMPLEMENTATIONS, "implementation")])
    table = module.statistics(scores, labels, superpixels, set(needs), logits, align_corners, threads)
    shapes = {"": (), "C": (len(scores),), "C+1": (len(scores) + 1,)}
    return {
        name: np.asarray(table[name], DTYPES.get(name, np.float64)).reshape(-1, *shapes[COLUMNS.get(name, ("",))[0]])
        for name in dict.fromkeys(BASE + needs)
    }


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
    superpixel_statistics(scores, np.zeros((1, 1), np.uint8), np.ones((1, 1), np.int32), logits=True)


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
    types = [str(a.dtype).removeprefix("torch.") for a in (labels, superpixels)]
    if labels.ndim != 2 or types[0] != "uint8" or 0 in labels.shape or 0 in scores.shape:
        raise InputError(f"labels must be (H, W) uint8 and not empty, got {types[0]} {tuple(labels.shape)}")
    if superpixels.shape != labels.shape or types[1] not in ("int32", "int64"):
        got = f"{types[1]} {tuple(superpixels.shape)}"
        raise InputError(f"superpixels must be int32 or int64 of the labels' shape {tuple(labels.shape)}, got {got}")
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
