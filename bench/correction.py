"""Spreads an answer over its superpixel. Never sees the truth."""

import numpy as np

from bench.types import VOID, Answer


def corrected(labels: np.ndarray, answer: Answer) -> np.ndarray:
    """The labels (m,) uint8 of a superpixel's pixels after one answer; the same array when it leaves them.

    A single class (or ``VOID``) is written over all of them: the expansion set of Kim et al. (2024) at their released
    threshold is the whole superpixel. An answer of several classes says which are there, not where: labels that are one
    of them stay, the others become ``VOID``.
    """
    if not answer.labels:
        return labels
    if len(answer.labels) == 1:
        return np.full_like(labels, answer.labels[0])
    return np.where(np.isin(labels, answer.labels), labels, np.uint8(VOID))
