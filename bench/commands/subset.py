"""What is said of a dataset that is not whole, and refused with --strict."""

import sys

from bench.datasets import Dataset
from bench.types import InputError


def tell(dataset: Dataset, strict: bool = False, splits: tuple[str, ...] = ("train",)) -> None:
    """Say on standard error how much of each split is there, if not all; with ``strict`` raise InputError."""
    for sentence in filter(None, map(dataset.gap, splits)):
        if strict:
            raise InputError(f"{sentence}; --strict takes whole splits only")
        print(sentence, file=sys.stderr)
