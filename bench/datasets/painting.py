"""Masks: painted by the papers' rule, in which a pixel belongs to its smallest mask, and measured."""

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import distance_transform_edt


def paint(
    masks: Sequence[np.ndarray], labels: Sequence[int] | np.ndarray, shape: tuple[int, int], uncovered: int
) -> tuple[np.ndarray, np.ndarray]:
    """Label map (H, W) uint8 and superpixels (H, W) int32 of n overlapping ``masks``, each (H, W) bool.

    Masks are painted from large to small, of equal ones the first first. Superpixel k + 1 is the visible part of mask k
    and has label ``labels[k]``; a mask that is covered leaves a gap in the ids. Pixels in no mask have superpixel 0 and
    the label ``uncovered``. Source: Kim et al., ICML 2024, released code (which wraps ids past 255; here they do not).
    """
    label_map, superpixels = np.full(shape, uncovered, np.uint8), np.zeros(shape, np.int32)
    for k in sorted(range(len(masks)), key=lambda k: -np.count_nonzero(masks[k])):
        mask = masks[k]
        label_map[mask], superpixels[mask] = labels[k], k + 1
    return label_map, superpixels


def depth(mask: np.ndarray) -> np.ndarray:
    """(H, W) float64: signed distance in pixels of each pixel's centre to the outline of a mask (H, W) bool.

    Positive inside. The image's border is no outline.
    """
    return np.where(mask, distance_transform_edt(mask) - 0.5, 0.5 - distance_transform_edt(~mask))
