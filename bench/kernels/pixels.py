"""Loops over the pixels of one superpixel, compiled: the work of a question. Nothing is checked: the reader of maps
sees to it that those of an image have one shape (`bench.foundation.pseudo.PseudoLabels.check_shape`).

Places are unsigned: for a signed one the compiler tests whether it counts from the end, pixel by pixel.
"""

import numpy as np
from numba import njit

_compiled = njit(cache=True, nogil=True, error_model="numpy")
u8 = np.uint64


@_compiled
def take(values, start, length, n):
    """(n,) uint8: the ``values`` (H * W,) uint8 at the flat pixels of runs (`bench.types.Region`), in their order."""
    found, place = np.empty(n, np.uint8), u8(0)
    for i in range(len(start)):
        first, size = u8(start[i]), u8(length[i])
        for k in range(size):
            found[place + k] = values[first + k]
        place += size
    return found


@_compiled
def put(values, start, length, labels):
    """Write ``labels`` (n,) uint8, or one for all, (1,), over the flat pixels of runs."""
    place, step = u8(0), u8(len(labels) > 1)
    for i in range(len(start)):
        first = u8(start[i])
        for k in range(u8(length[i])):
            values[first + k] = labels[place]
            place += step


@_compiled
def cells(labels, rows, columns, counts):
    """Count ``labels`` (H, W) uint8 by class and cell into ``counts`` (C, h, w), which is returned; pixels of other
    classes count for nothing. ``rows`` (H,) and ``columns`` (W,): the cell of each row and column."""
    n_classes = len(counts)
    for y in range(len(rows)):
        for x in range(len(columns)):
            if labels[y, x] < n_classes:
                counts[labels[y, x], rows[y], columns[x]] += 1
    return counts


@_compiled
def relabel(truth, was, now, confusion):
    """Bring ``confusion`` (C, C + 1), of true classes and labels with ``VOID`` last, up to date after a change of m
    pixels' labels, ``was`` (m,) uint8. The label l became ``now[l]``, (C + 1,); ``VOID`` is C.

    Returns the harm: pixels corrected (wrong to right), harmed (right to wrong) and rewronged (to another wrong). A
    pixel of void ``truth`` (m,) uint8 counts for nothing.
    """
    n_classes, corrected, harmed, rewronged = len(confusion), 0, 0, 0
    counts = np.zeros((n_classes + 1, n_classes + 1), np.int64)
    i, m = u8(0), u8(len(truth))
    while i < m:
        begin, true, label = i, truth[i], was[i]
        while i < m and truth[i] == true and was[i] == label:  # stretches are long, and added at once
            i += u8(1)
        counts[min(true, n_classes), min(label, n_classes)] += i - begin
    for t in range(n_classes):
        for old in range(n_classes + 1):
            n, new = counts[t, old], now[old]
            if n and new != old:
                confusion[t, old] -= n
                confusion[t, new] += n
                corrected += n * (new == t)
                harmed += n * (old == t)
                rewronged += n * (new != t and old != t)
    return corrected, harmed, rewronged
