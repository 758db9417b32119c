"""The fast CPU implementation (numba): one superpixel at a time, on 1 to n threads, the same bytes for any number.

A superpixel's pixels are gathered, strip by strip, from the runs of its id along the rows into a small buffer
(C, STRIP); from logits, the gather upsamples and softmaxes as well, so that the full-size array never exists.
Everything else is loops over contiguous strips. As long as a superpixel fits the buffer, the passes for the dominant
mean and for the representative read it there; a larger one is gathered again.
"""

from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from bench.kernels import LARGEST_NORM, axis_weights, refuse
from bench.kernels.columns import COLUMNS
from bench.kernels.strips import (
    FLOOR,
    STRIP,
    add_dots,
    add_scalars,
    copy,
    f4,
    jit,
    mix,
    norms,
    prefetch,
    rank,
    softmax,
    upsample,
)
from bench.types import VOID

AHEAD, LINE = 2, 16  # runs to prefetch ahead, and float32 values in a line of the cache
WORTH_A_THREAD_PX = 2**16
SCRATCH_SHARE = 64  # the buffers of all threads hold at most 1/64 of the image's pixels, or 16 strips each
TOGETHER = (  # columns that cost one computation: whoever needs one gets all
    {"entropy_sum", "excess_entropy_sum", "entropy_ratio_sum"},
    {"softmin_numerator", "softmin_denominator"},
    {"cil_vector", "sim"},
)
ALWAYS = {"prediction_histogram", "dominant", "dominant_probability_sum", "representative_probability", "cil"}
Image = namedtuple("Image", "scores logits labels top bottom down left right across")
Runs = namedtuple("Runs", "start length first size")
Table = namedtuple("Table", ("pixel", *COLUMNS))
Buffer = namedtuple("Buffer", "p label predicted known q scale p1 p2 t line")


def statistics(scores, labels, superpixels, needs, logits, align_corners, threads):
    """See `bench.kernels.superpixel_statistics`."""
    threads = threads or torch.get_num_threads()
    array = np.ascontiguousarray(scores.detach().float().cpu().numpy())
    labels, superpixels = _read_only(labels), _read_only(superpixels)
    height, width = labels.shape
    axes = (*axis_weights(array.shape[1], height, align_corners), *axis_weights(array.shape[2], width, align_corners))
    image = Image(array, logits, labels, *axes)
    ids, runs = runs_of(superpixels)
    table = empty_table(len(ids), len(array), needs)
    n_covered = int(runs.size.sum())
    n_slots = max(16, height * width // (SCRATCH_SHARE * threads * STRIP))
    n_slots = min(n_slots, -(-int(runs.size.max(initial=1)) // STRIP))
    threads = min(threads, 1 + n_covered // WORTH_A_THREAD_PX)
    if threads == 1:
        fine = reduce_superpixels(image, runs, 0, len(ids), n_slots, table)
    else:
        cuts = np.searchsorted(np.cumsum(runs.size), np.linspace(0, n_covered, 4 * threads + 1)[1:-1])
        with ThreadPoolExecutor(threads) as pool:
            begins, ends = (0, *cuts.tolist()), (*cuts.tolist(), len(ids))
            fine = all(pool.map(lambda i, j: reduce_superpixels(image, runs, i, j, n_slots, table), begins, ends))
    if not fine:
        refuse(scores, logits)
    row, column = np.divmod(table.pixel, width)
    at = {"row": row, "column": column, "label": labels[row, column]}
    return {"superpixel": ids, "size": runs.size} | at | table._asdict()


def _read_only(a):
    """Contiguous, and read-only whatever came: numba compiles for each of the two."""
    a = np.ascontiguousarray(a).view()
    a.flags.writeable = False
    return a


def runs_of(superpixels):
    """Ids (N,) > 0, ascending, and their runs: maximal stretches of one id within a row, in row-major order.

    ``start``, ``length`` (n_runs,) int64 in flat pixels; ``first`` (N + 1,): where each id's runs begin; ``size`` (N,).
    """
    start, length, of = stretches(superpixels)
    order = of.argsort(kind="stable")
    start, length, of = start[order], length[order], of[order]
    first = np.flatnonzero(np.concatenate(([True], of[1:] != of[:-1]))) if len(of) else order
    size = np.add.reduceat(length, first) if len(of) else first
    return of[first], Runs(start, length, np.append(first, len(of)), size)


@jit
def stretches(superpixels):
    """Start and length in flat pixels, and id, of every stretch of one id > 0 within a row, in row-major order."""
    height, width = superpixels.shape
    n = 0
    for row in range(height):
        line = superpixels[row]
        n += line[0] > 0
        for column in range(1, width):
            n += (line[column] != line[column - 1]) & (line[column] > 0)
    start, length, of = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, superpixels.dtype)
    i = 0
    for row in range(height):
        line, begin = superpixels[row], 0
        for column in range(1, width + 1):
            if column == width or line[column] != line[begin]:
                if line[begin] > 0:
                    start[i], length[i], of[i] = row * width + begin, column - begin, line[begin]
                    i += 1
                begin = column
    return start, length, of


def empty_table(n, n_classes, needs):
    """A table of zeros, whose columns have no rows where nobody needs them."""
    needs = needs.union(ALWAYS, *(group for group in TOGETHER if needs & group))
    shapes = {"": (), "C": (n_classes,), "C+1": (n_classes + 1,)}
    none = {width: np.zeros((0, *shape)) for width, shape in shapes.items()}
    columns = {k: np.zeros((n, *shapes[width])) if k in needs else none[width] for k, (width, _) in COLUMNS.items()}
    return Table(pixel=np.zeros(n, np.int64), **columns)


@jit
def reduce_superpixels(image, runs, begin, end, n_slots, table):
    """Fill the rows ``begin`` to ``end`` of the table. False if the scores of some pixel are no probabilities."""
    n_classes = len(image.scores)
    buffer = Buffer(
        np.empty((n_slots, n_classes, STRIP), np.float32),
        np.empty((n_slots, STRIP), np.uint8),
        np.empty((n_slots, STRIP), np.int32),
        np.empty((n_slots, STRIP), np.uint8),
        np.empty((n_slots, STRIP), np.float32),
        np.empty((n_slots, STRIP), np.float32),
        np.empty(STRIP, np.float32),
        np.empty(STRIP, np.float32),
        np.empty(STRIP, np.float32),
        np.empty((2, image.scores.shape[2]), np.float32),
    )
    p, predicted, known, q, scale, t = buffer.p, buffer.predicted, buffer.known, buffer.q, buffer.scale, buffer.t
    candidate = buffer.p1
    mean = np.empty(n_classes, np.float32)
    for s in range(begin, end):
        size = runs.size[s]
        n_strips = -(-size // STRIP)
        kept = n_strips <= n_slots

        run, offset = runs.first[s], 0
        for k in range(n_strips):
            i, n = k if kept else 0, min(STRIP, size - k * STRIP)
            run, offset, fine = load(image, runs, run, offset, n, buffer, i)
            if not fine:
                return False
            first_pass(buffer, i, n, table, s)

        dominant = np.argmax(table.prediction_histogram[s])
        table.dominant[s] = dominant
        run, offset = runs.first[s], 0
        for k in range(n_strips):
            i, n = k if kept else 0, min(STRIP, size - k * STRIP)
            if not kept:
                run, offset, fine = load(image, runs, run, offset, n, buffer, i)
            for j in range(n):
                t[j] = f4(1) if predicted[i, j] == dominant else f4(0)
            add_dots(p[i], n, t, table.dominant_probability_sum[s])

        norm = max(np.sqrt(np.sum(table.dominant_probability_sum[s] ** 2)), FLOOR)
        for c in range(n_classes):
            mean[c] = table.dominant_probability_sum[s, c] / norm
        best, at = f4(-1), 0
        run, offset = runs.first[s], 0
        for k in range(n_strips):
            i, n = k if kept else 0, min(STRIP, size - k * STRIP)
            if not kept:
                run, offset, fine = load(image, runs, run, offset, n, buffer, i)
            mix(p[i], n, mean, t)
            for j in range(n):
                t[j] *= scale[i, j]
                candidate[j] = t[j] if predicted[i, j] == dominant else f4(-1)
            found = -1
            for j in range(n):  # apart, because a branch on the prediction is mispredicted as often as classes change
                if candidate[j] > best:
                    best, found = candidate[j], j
            if found >= 0:
                at = k * STRIP + found
                table.representative_probability[s] = p[i, :, found]
                table.cil[s] = f4(1) - q[i, found]
                scale_at = scale[i, found]
            if len(table.cil_cosine_by_label):
                for j in range(n):
                    table.cil_cosine_by_label[s, known[i, j]] += t[j] * (f4(1) - q[i, j])
        if len(table.sim):
            table.sim[s] = np.sum(table.cil_vector[s] * table.representative_probability[s]) * scale_at

        run = runs.first[s]
        while at >= runs.length[run]:
            at -= runs.length[run]
            run += 1
        table.pixel[s] = runs.start[run] + at
    return True


@jit
def load(image, runs, run, offset, n, buffer, i):
    """Bring ``n`` pixels, from ``offset`` in ``run`` on, into slot ``i``. Returns where to go on and if all is well."""
    p, label = buffer.p[i], buffer.label[i]
    done = 0
    while done < n:
        start = runs.start[run] + offset
        m = min(runs.length[run] - offset, n - done)
        if image.logits:
            row, column = divmod(start, image.labels.shape[1])
            upsample(image, row, column, m, p[:, done : done + m], buffer.line)
        else:
            ahead = min(run + AHEAD, len(runs.start) - 1)
            for c in range(len(p)):
                for j in range(0, runs.length[ahead], LINE):
                    prefetch(image.scores, c * image.labels.size + runs.start[ahead] + j)
                copy(p, c * STRIP + done, image.scores, c * image.labels.size + start, m)
        copy(label, done, image.labels, start, m)
        done += m
        offset += m
        if offset == runs.length[run]:
            run, offset = run + 1, 0
    if image.logits:
        softmax(p, n, buffer.p1, buffer.p2)
    predicted, known, q = buffer.predicted[i], buffer.known[i], buffer.q[i]
    rank(p, n, buffer.p1, buffer.p2, predicted)
    for j in range(n):
        known[j] = predicted[j] if label[j] == VOID else label[j]
        q[j] = p[known[j], j]
    return run, offset, norms(p, n, f4(LARGEST_NORM), buffer.scale[i])


@jit
def first_pass(buffer, i, n, table, s):
    """Add all sums that need no dominant class."""
    p, label, predicted, q, scale = buffer.p[i], buffer.label[i], buffer.predicted[i], buffer.q[i], buffer.scale[i]
    known, p1, p2, t = buffer.known[i], buffer.p1, buffer.p2, buffer.t
    for j in range(n):
        table.prediction_histogram[s, predicted[j]] += 1
    if len(table.label_histogram):
        for j in range(n):
            table.label_histogram[s, len(p) if label[j] == VOID else label[j]] += 1
    if len(table.ratio_by_class):
        for j in range(n):
            table.ratio_by_class[s, predicted[j]] += p2[j] / max(p1[j], FLOOR)
    if len(table.probability_sum):
        t[:n] = 1
        add_dots(p, n, t, table.probability_sum[s])
    if len(table.cil_vector):
        for j in range(n):
            t[j] = (f4(1) - q[j]) * scale[j]
        add_dots(p, n, t, table.cil_vector[s])
    add_scalars(p, n, p1, p2, q, label, known, predicted, t, table, s)
