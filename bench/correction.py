"""Spreads an answer over its superpixel. Never sees the truth."""

import numpy as np

from bench.types import Answer


def apply(labels: np.ndarray, pixels: np.ndarray, answer: Answer) -> np.ndarray:
    """The label map (H, W) uint8 after one answer; the same array when nothing changes.

    ``pixels`` (m,): the superpixel's flat indices, row-major. A single class (or ``VOID``) is written over all of them: the
    expansion set of Kim et al. (2024) at their released threshold, which is the whole superpixel. A multiclass answer
    says which classes are there, not where: labels that are none of them become the only one when there is one, and
    ``VOID`` otherwise.
    """
    if not answer.labels:
        return labels
    flat = labels.copy().ravel()
    if len(answer.labels) == 1:
        flat[pixels] = answer.labels[0]
    else:
        region = flat[pixels]
        flat[pixels] = np.where(np.isin(region, answer.labels), region, 255)
    return flat.reshape(labels.shape)
