"""Makes mmsegmentation run on mmcv-lite and on a CPU-only torch. Call `install` before importing mmseg.

It changes only broken parts.

mmseg imports `mmcv.ops`; mmcv-lite ships it without its compiled part. Here the operators raise when called, not when
imported. torchvision's compiled part does not load beside a CPU-only torch. Its Python part needs the operators
declared.
"""

import importlib.machinery
import importlib.util
import sys
import types

import torch


def install() -> None:
    """Put both stand-ins in place if they are needed. Calling it again changes nothing."""
    if importlib.util.find_spec("mmcv._ext") is None and "mmcv._ext" not in sys.modules:
        sys.modules["mmcv._ext"] = _AbsentOperators("mmcv._ext")
    if not _LIBRARIES and "torchvision" not in sys.modules and not _torchvision_loads():
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _LIBRARIES.append(library)  # an operator lives as long as its library


def install_nms() -> None:
    """Make non-maximum suppression work if torchvision's compiled part does not load. Needed by SAM's everything."""
    install()
    if _LIBRARIES:
        from torchvision.ops import boxes

        if boxes._assert_has_ops is not _has_nms:
            _LIBRARIES[0].impl("nms", _nms, "CompositeExplicitAutograd")
            boxes._assert_has_ops = _has_nms


_LIBRARIES: list = []


class _AbsentOperators(types.ModuleType):
    """A module with functions as attributes; each raises an error that names the missing package."""

    def __init__(self, name):
        super().__init__(name)
        self.__spec__ = importlib.machinery.ModuleSpec(name, None)

    def __getattr__(self, operator):
        if operator.startswith("__"):
            raise AttributeError(operator)

        def absent(*args, **kwargs):
            raise RuntimeError(f"the operator {operator!r} needs full mmcv; this is mmcv-lite")

        return absent


def _has_nms() -> None:
    """Takes the place of torchvision's check for its compiled part."""


def _nms(dets: torch.Tensor, scores: torch.Tensor, iou_threshold: float) -> torch.Tensor:
    """Indices of the boxes (left, top, right, bottom) that overlap no better one by more than the threshold."""
    order = scores.argsort(descending=True, stable=True)
    boxes = dets[order]
    area = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(1)
    kept, alive = [], torch.ones(len(boxes), dtype=torch.bool, device=boxes.device)
    for k in range(len(boxes)):
        if alive[k]:
            kept.append(k)
            inner = torch.minimum(boxes[k, 2:], boxes[:, 2:]) - torch.maximum(boxes[k, :2], boxes[:, :2])
            both = inner.clamp(min=0).prod(1)
            alive &= both <= iou_threshold * (area[k] + area - both)
    return order[kept]


def _torchvision_loads() -> bool:
    spec = importlib.util.find_spec("torchvision")
    extension = importlib.machinery.PathFinder.find_spec("_C", spec.submodule_search_locations) if spec else None
    if extension is None:
        return False
    try:
        torch.ops.load_library(extension.origin)
    except OSError:
        return False
    return True
