"""The common part of datasets as annotation tools write them: a file, or a part of one, for each image that was drawn.

The tools know no train and val, but their users do: by folders, lists or files of these names. Where a dataset has
none, 12 % of the images that have a mask are val, always the same.
"""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np

from bench.datasets import Dataset
from bench.datasets.classes import BACKGROUND, Classes, Row, classes_of, is_background, is_void
from bench.datasets.layouts import Layout
from bench.datasets.names import drawn
from bench.types import VOID, InputError

RESTS = ("background", "void", None)
VAL = ("val", "valid", "validation")


class Annotated:
    """The part of such a dataset beside `Tree`. A subclass sets ``layout`` and defines ``parts`` and ``paths``."""

    layout: type[Layout]
    root: Path

    def parts(self) -> dict[str, dict[str, bool]]:
        """Of ``train`` and ``val``, or of ``all`` alone: the names, and whether the image has a true mask."""
        raise NotImplementedError

    @cached_property
    def _names(self) -> dict[str, dict[str, bool]]:
        found = self.parts()
        if "all" in found:
            whole = found["all"]
            masked = [name for name, known in whole.items() if known]
            val = drawn(masked, "val") if len(masked) > 1 else ()
            found = {"train": {n: known for n, known in whole.items() if n not in val}, "val": dict.fromkeys(val, True)}
        return found

    def names(self, split: str) -> tuple[str, ...]:
        known = self._names.get(split, {})
        names = tuple(sorted(name for name, masked in known.items() if masked or split == "train"))
        if not names and (split == "train" or any(self._names["train"].values())):
            raise InputError(f"{self.root}: no image of {split} is there with a mask")
        return names

    def has_truth(self, split: str, name: str) -> bool:
        return self._names[split].get(name, False)

    def gap(self, split: str) -> str | None:
        lacking = Dataset.lacking_truth(cast(Dataset, self)) if split == "train" else None
        return f"{lacking}; data mIoU, harm and detection need one" if lacking else None

    @cached_property
    def _writer(self) -> Layout:
        return self.layout(self)

    def write_labels(self, to: Path, name: str, labels: np.ndarray) -> None:
        self._writer.write_labels(to, name, labels)

    def write_rest(self, to: Path) -> None:
        self._writer.write_rest(to)

    def kept(self) -> Iterator[tuple[Path, Path]]:
        return self._writer.kept()


def check_rest(who: str, rest: str | None) -> None:
    """Raise InputError, in the name of the dataset ``who``, for a ``rest`` that is none of `RESTS`."""
    if rest not in RESTS:
        raise InputError(f"{who}: rest must be background or void, got {rest!r}")


def with_rest(rows: list[Row], source: Path, rest: str | None) -> tuple[Classes, int]:
    """The classes of ``rows``, and the id of pixels that nobody drew: background or void, as ``rest`` says.

    If it is None: the background, where a row is called so; else void, where a row is; else a background that is put
    before the others, with id 0. Rows called void are no classes.
    """
    named = any(is_background(name) for _, name, _ in rows)
    has_void = any(is_void(name) for _, name, _ in rows)
    rows = [row for row in rows if not is_void(row[1])]
    if not named and (rest == "background" or (rest is None and not has_void)):
        rows = [(str(source), BACKGROUND, None), *rows]
    found = classes_of(rows, source)
    return found, VOID if rest == "void" else found.background


def split_of(place: Path) -> str | None:
    """``train`` or ``val``, if a word of the path says so: valid_2/a.json is val; None if none does."""
    words = "".join(c if c.isalpha() else " " for c in place.as_posix().lower()).split()
    return "train" if "train" in words else "val" if any(word in words for word in VAL) else None
