"""Spreads an answer over its superpixel. Never sees the truth."""

import numpy as np

from bench.types import VOID, Answer


def apply(labels: np.ndarray, pixels: np.ndarray, answer: Answer) -> np.ndarray:
    """The label map (H, W) uint8 after one answer; the same array when nothing changes.

    ``pixels`` (m,): the superpixel's flat indices, row-major. A single class (or ``VOID``) is written over all of them:
    the expansion set of Kim et al. (2024) at their released threshold is the whole superpixel. An answer of several
    classes says which are there, not where: labels that are one of them stay, the others become ``VOID``.
    """
    if not answer.labels:
        return labels
    flat = labels.copy().ravel()
    if len(answer.labels) == 1:
        flat[pixels] = answer.labels[0]
    else:
        region = flat[pixels]
        flat[pixels] = np.where(np.isin(region, answer.labels), region, VOID)
    return flat.reshape(labels.shape)
