"""Predictions, labels and superpixels to `Candidates`: one row per superpixel of the pool, image by image."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from bench import files
from bench.kernels.regions import Regions
from bench.kernels.regions import regions as regions_of
from bench.types import Candidates, InputError

Maps = Callable[[int], np.ndarray]
WHOLE = ("superpixel", "row", "column")  # columns of a scores file that hold whole numbers


def gather(tables: Iterable[dict[str, np.ndarray]]) -> Candidates:
    """The tables of images 0, 1, ... as one; ``image`` is added to those that lack it.

    Rows go into few large arrays as they come. Thousands of small ones, kept while images come and go beside them,
    would leave holes in memory of many times their size.
    """
    columns: dict[str, np.ndarray] = {}
    n_rows = 0
    for i, table in enumerate(tables):
        n = len(table["superpixel"])
        for name, values in ({"image": np.full(n, i, np.int32)} | table).items():
            columns[name] = _appended(columns.get(name, values[:0].copy()), n_rows, values)
        n_rows += n
    if not n_rows:
        raise InputError("the pool has no superpixel to ask about: every superpixel map is empty")
    return Candidates({name: column[:n_rows] for name, column in columns.items()})


def _appended(column: np.ndarray, n_rows: int, values: np.ndarray) -> np.ndarray:
    """``values`` after the first ``n_rows`` of a column, in place or, if it is full, in a larger one."""
    n = n_rows + len(values)
    if n > len(column):
        grown = np.empty((n + n // 2, *values.shape[1:]), values.dtype)
        grown[:n_rows] = column[:n_rows]
        column = grown
    column[n_rows:n] = values
    return column


def geometry(labels: np.ndarray, superpixels: np.ndarray | Regions) -> dict[str, np.ndarray]:
    """The columns that need no model: ids, sizes, and as representative pixel the one nearest the
    centre of mass (tie: first)."""
    found = superpixels if isinstance(superpixels, Regions) else regions_of(superpixels)
    if not len(found):
        return _base(found.ids, found.sizes, found.ids, found.ids, labels)
    inside, first = found.all_pixels(), np.cumsum(found.sizes) - found.sizes
    axes = np.divmod(inside, labels.shape[1])
    centres = [np.repeat(np.add.reduceat(axis, first) / found.sizes, found.sizes) for axis in axes]
    distance = np.sum([(axis - centre) ** 2 for axis, centre in zip(axes, centres, strict=True)], axis=0)
    least = np.flatnonzero(distance == np.repeat(np.minimum.reduceat(distance, first), found.sizes))
    nearest = least[np.searchsorted(least, first)]
    return _base(found.ids, found.sizes, axes[0][nearest], axes[1][nearest], labels)


def from_scores(path: Path, names: tuple[str, ...], labels: Maps, superpixels: Maps) -> Candidates:
    """Statistics from a CSV with the columns image, superpixel, row, column and one per statistic.

    Raises InputError unless it has one finite row for each superpixel of the pool, and a pixel in that superpixel.
    """
    base = ("image", *WHOLE)
    frame = files.read_csv(path, base, dtype={"image": str}, keep_default_na=False)  # an image may be called NA
    statistics = [c for c in frame.columns if c not in base]
    for column in frame.columns.drop("image"):
        found = frame[column]
        values = found if found.dtype.kind in "iuf" else pd.to_numeric(found.astype(str), errors="coerce")
        whole = column in WHOLE
        bad = (values != values.round()) | (values.abs() >= 2**53) if whole else ~np.isfinite(values)
        if bad.any():
            line, kind = bad.idxmax() + 2, "whole" if whole else "finite"
            raise InputError(
                f"{path}, line {line}: column {column!r} must hold {kind} numbers, got {found[bad.idxmax()]!s:.40}"
            )
        frame[column] = values
    frame = frame.astype(dict.fromkeys(WHOLE, np.int64))
    unknown = set(frame.image) - set(names)
    if unknown:
        raise InputError(f"{path}: image {min(unknown)!r} is not in the train split")
    groups = dict(iter(frame.sort_values("superpixel", kind="stable").groupby("image", sort=False)))
    tables = []
    for i, name in enumerate(names):
        current, regions = labels(i), superpixels(i)
        ids, size = _ids(regions)
        rows = groups.get(name, frame[:0])
        if not np.array_equal(rows.superpixel, ids):
            expected, found = _some(ids), _some(rows.superpixel)
            raise InputError(f"{path}: image {name!r} needs a row each for superpixels {expected}; there are {found}")
        row, column = rows.row.to_numpy(), rows.column.to_numpy()
        height, width = regions.shape
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        if not inside.all() or not np.array_equal(regions[row, column], ids):
            raise InputError(f"{path}: image {name!r} has a representative pixel outside its superpixel")
        tables.append({s: rows[s].to_numpy() for s in statistics} | _base(ids, size, row, column, current))
    return gather(tables)


def _base(ids, size, row, column, labels) -> dict[str, np.ndarray]:
    return {
        "superpixel": np.asarray(ids, np.int64),
        "size": np.asarray(size, np.int64),
        "row": np.asarray(row, np.int32),
        "column": np.asarray(column, np.int32),
        "label": labels[np.asarray(row, int), np.asarray(column, int)].astype(np.uint8),
    }


def _ids(superpixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ids above 0, ascending, and their sizes in pixels."""
    if superpixels.max(initial=0) < superpixels.size:  # counting beats sorting where the ids are dense
        counts = np.bincount(superpixels.ravel())
        ids = np.flatnonzero(counts[1:]) + 1
        return ids, counts[ids]
    ids, counts = np.unique(superpixels, return_counts=True)
    return ids[ids > 0], counts[ids > 0]


def _some(ids) -> str:
    ids = [str(i) for i in ids]
    return ", ".join(ids[:4]) + (f", ... ({len(ids)})" if len(ids) > 4 else "") or "none"
