"""The remarks on the data at the start: missing images and classes, and the share of void."""

import sys

import numpy as np

from bench.datasets import Dataset
from bench.types import VOID, InputError


def tell(dataset: Dataset, strict: bool = False, splits: tuple[str, ...] = ("train",)) -> None:
    """Say on standard error how much of each split is there, if not all; with ``strict`` raise InputError."""
    for sentence in filter(None, map(dataset.gap, splits)):
        if strict:
            raise InputError(f"{sentence}; --strict takes whole splits only")
        print(sentence, file=sys.stderr)


def tell_classes(classes: tuple[str, ...], pixels: dict[str, np.ndarray]) -> None:
    """Say on standard error which classes a split lacks, and how much of it is void, if there is any of either.

    ``pixels``: of each class, void last, by split (`Dataset.check`).
    """
    for split, seen in pixels.items():
        if not seen.any():  # no truth at all, which `tell` says
            continue
        absent = [name for name, n in zip(classes, seen, strict=False) if not n]
        lacks = f"{len(absent)} of {len(classes)} classes never occur: {', '.join(absent)}" if absent else ""
        void = f"{100 * seen[-1] / seen.sum():.2g} % of its pixels are void ({VOID})" if seen[-1] else ""
        if lacks or void:
            print(f"{split}: {'; '.join(filter(None, (lacks, void)))}", file=sys.stderr)
