"""The fast CPU implementation (numba): one superpixel at a time, on 1 to n threads, the same bytes for any number.

A superpixel's pixels are gathered, strip by strip, from the runs of its id along the rows into a small buffer (C,
STRIP). From logits, the gather upsamples and exponentiates as well, so that the full-size array never exists. All else
is loops over contiguous strips of e, where p = inverse_sum·e. The later passes over a superpixel, for the mean of its
dominant class and for its representative, read it from the buffer if it fits. A larger one adds up the means of all
classes as it is first gathered, and is gathered again for the representative.
"""

from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np
import torch

from bench.kernels import LARGEST_NORM, axis_weights, refuse
from bench.kernels.statistics import QUALITY_BINS, STATISTICS
from bench.kernels.strips import (
    BLOCK,
    FLOOR,
    PLANE,
    STRIP,
    add_scalar_sums,
    add_weighted_totals,
    blend,
    copy,
    entropies,
    f4,
    find_best,
    find_second,
    i4,
    inline,
    jit,
    largest,
    prefetch,
    prepare_logits,
    prepare_probabilities,
    quality_bins,
    sharpen,
    upsample_row,
    weighted_sums,
)
from bench.types import VOID

AHEAD, LINE = 2, 16  # runs to prefetch ahead, and float32 values in a line of the cache
WORTH_A_THREAD_PX = 2**19  # about 4 ms of work; waking a thread does not pay for less
SCRATCH_SHARE = 64  # the buffers of all threads hold at most 1/64 of the image's pixels, or `SCRATCH_BYTES` each
SCRATCH_BYTES = 2**22
TOGETHER = (  # columns that one computation gives: if one is needed, all are filled in
    {"entropy_sum", "excess_entropy_sum", "weighted_entropy_sum"},
    {"softmin_numerator", "softmin_denominator"},
    {"cil_vector", "sim"},
)
ALWAYS = {"prediction_histogram", "dominant", "dominant_probability_sum", "representative_probability", "cil"}
FUSED = {name: s for name, s in STATISTICS.items() if s.fused}
Image = namedtuple("Image", "scores logits labels top bottom down left right across")
Runs = namedtuple("Runs", "row column length first size")
Table = namedtuple("Table", ("pixel", *FUSED))
Pixels = namedtuple("Pixels", "predicted best second entropy probabilities")
KINDS = Pixels(np.uint8, f4, f4, f4, f4)
Buffer = namedtuple(
    "Buffer", "e label predicted known q inverse_sum inverse_norm p1 p2 t candidate mean by_class lines held"
)


def statistics(scores, labels, superpixels, needs, logits, align_corners, threads):
    """See `bench.kernels.superpixel_statistics`. ``superpixels`` are `bench.kernels.regions.Regions`.

    Images of one size are stacked one below the other and computed in one call, because a call has a fixed cost.
    """
    threads = threads or torch.get_num_threads()
    n_classes, *low = scores[0].shape
    height, width = labels[0].shape
    array = _joined([s.detach().float().cpu().numpy() for s in scores], axis=1)
    image = Image(array, logits, _joined(labels), *axes(len(scores), *low, height, width, align_corners))
    ids, n_ids, runs = joined_runs(superpixels)
    table = empty_table(len(ids), n_classes, needs)
    n_covered = int(runs.size.sum())
    n_slots = max(2, SCRATCH_BYTES // (4 * n_classes * PLANE), height * width // (SCRATCH_SHARE * threads * STRIP))
    n_slots = min(n_slots, -(-int(runs.size.max(initial=1)) // STRIP))
    threads = min(threads, 1 + n_covered // WORTH_A_THREAD_PX)

    def reduce(begin, end):
        return reduce_superpixels(image, runs, begin, end, empty_buffer(n_classes, width, n_slots), table)

    if threads == 1:
        is_valid = reduce(0, len(ids))
    else:
        cuts = np.searchsorted(np.cumsum(runs.size), np.linspace(0, n_covered, 4 * threads + 1)[1:-1])
        with ThreadPoolExecutor(threads) as pool:
            is_valid = all(pool.map(reduce, (0, *cuts.tolist()), (*cuts.tolist(), len(ids))))
    if not is_valid:
        refuse(torch.stack(list(scores)), logits)
    label = image.labels.ravel()[table.pixel]
    row, column = np.divmod(table.pixel, width)
    at = {"image": np.repeat(np.arange(len(scores)), n_ids), "row": row % height, "column": column, "label": label}
    return {"superpixel": ids, "size": runs.size} | at | table._asdict()


def pixelwise(wanted, scores, labels, superpixels, logits, align_corners, temperature=1.0) -> dict[str, np.ndarray]:
    """Numbers of each pixel of ``superpixels``, in the order of `bench.kernels.regions.Regions.all_pixels`, n of them.

    ``wanted``: of ``predicted`` (n,) uint8, ŷ; ``best`` and ``second`` (n,) float32, p1 and p2; ``entropy`` (n,)
    float32, H; ``probabilities`` (C, n) float32. ``temperature`` divides logits, or the logarithms of probabilities.
    """
    n_classes, *low = scores.shape
    height, width = superpixels.shape
    array = _joined([scores.detach().float().cpu().numpy()])
    if temperature != 1 and not logits:
        array, logits = _joined([np.log(np.maximum(array, FLOOR))]), True
    image = Image(array, logits, _joined([labels]), *axes(1, *low, height, width, align_corners))
    runs, n = joined_runs([superpixels])[2], int(superpixels.sizes.sum())
    sizes = {name: n if name in wanted else 0 for name in Pixels._fields}
    shapes = {name: (n_classes, k) if name == "probabilities" else k for name, k in sizes.items()}
    out = Pixels(*(np.empty(shapes[name], kind) for name, kind in KINDS._asdict().items()))
    if not fill_pixels(image, runs, f4(1 / temperature), empty_buffer(n_classes, width, 1), out):
        refuse(scores, logits)
    return {name: getattr(out, name) for name in wanted}


@lru_cache(16)
def axes(n_images, low_height, low_width, height, width, align_corners):
    """The sources of the rows of ``n_images``, one below the other, and of their columns (`axis_weights`)."""
    top, bottom, down = axis_weights(low_height, height, align_corners)
    left, right, across = axis_weights(low_width, width, align_corners)
    top, bottom = (np.add.outer(np.arange(n_images) * low_height, rows).ravel() for rows in (top, bottom))
    return top, bottom, np.tile(down, n_images), left.astype(np.uint32), right.astype(np.uint32), across


def _joined(arrays, axis=0):
    """The arrays one below the other, contiguous and always read-only: numba would compile again for writable ones."""
    joined = np.ascontiguousarray(arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis)).view()
    joined.flags.writeable = False
    return joined


def joined_runs(regions):
    """Ids (N,) of the superpixels, image by image; how many an image has; and the `Runs` of all.

    They are those of `bench.kernels.regions.Regions`, with ``row`` counted on from image to image.
    """
    first_row = (np.arange(len(regions)) * regions[0].shape[0]).astype(np.int32)
    ids, size, row, column, length = (
        np.concatenate([getattr(r, name) for r in regions]) for name in ("ids", "sizes", "row", "column", "length")
    )
    row += np.repeat(first_row, [len(r.row) for r in regions])
    n_runs = np.concatenate([np.diff(r.first) for r in regions])
    return ids, [len(r) for r in regions], Runs(row, column, length, np.r_[0, np.cumsum(n_runs)], size)


def empty_table(n, n_classes, needs):
    """A table of zeros with N rows; columns that are not needed have no rows."""
    needs = needs.union(ALWAYS, *(group for group in TOGETHER if needs & group))
    columns = {name: np.zeros((n if name in needs else 0, *s.shape(n_classes))) for name, s in FUSED.items()}
    return Table(pixel=np.zeros(n, np.int64), **columns)


def empty_buffer(n_classes, width, n_slots):
    """The memory of one thread, besides the table."""
    strips = {"e": ((n_classes, PLANE), f4), "label": ((PLANE,), np.uint8)}
    strips |= {"predicted": ((STRIP,), i4), "known": ((STRIP,), i4)}
    strips |= {name: ((STRIP,), f4) for name in ("q", "inverse_sum", "inverse_norm")}
    shapes = {name: ((n_slots, *shape), kind) for name, (shape, kind) in strips.items()}
    shapes |= {name: ((STRIP,), f4) for name in ("p1", "p2", "t")}
    shapes |= {"candidate": ((STRIP,), i4)}
    shapes |= {"mean": ((n_classes,), f4), "by_class": ((n_classes, n_classes), np.float64)}
    shapes |= {"lines": ((2, n_classes, width + BLOCK), f4), "held": ((2,), np.int64)}
    return Buffer(**{name: np.empty(shape, kind) for name, (shape, kind) in shapes.items()})


@jit
def reduce_superpixels(image, runs, begin, end, buffer, table):
    """Fill the rows ``begin`` to ``end`` of the table. False if the scores of some pixel are no probabilities."""
    n_classes = len(image.scores)
    e, predicted, known, q, t = buffer.e, buffer.predicted, buffer.known, buffer.q, buffer.t
    inverse_sum, inverse_norm, candidate = buffer.inverse_sum, buffer.inverse_norm, buffer.candidate
    mean = buffer.mean
    for s in range(begin, end):
        size = runs.size[s]
        n_strips = -(-size // STRIP)
        kept = n_strips <= len(e)
        buffer.held[:] = -1
        buffer.by_class[:] = 0
        stop = runs.first[s + 1]

        run, offset = runs.first[s], 0
        for k in range(n_strips):
            i, n = k if kept else 0, min(STRIP, size - k * STRIP)
            run, offset, is_valid = load(image, runs, run, stop, offset, n, buffer, i)
            if not is_valid:
                return False
            first_pass(buffer, i, n, table, s, not kept)

        dominant = np.argmax(table.prediction_histogram[s])
        table.dominant[s] = dominant
        if kept:
            for k in range(n_strips):
                n = min(STRIP, size - k * STRIP)
                add_members(e[k], n, inverse_sum[k], predicted[k], dominant, t, table.dominant_probability_sum[s])
        else:
            for c in range(n_classes):
                table.dominant_probability_sum[s, c] = buffer.by_class[dominant, c]

        norm = 0.0
        for c in range(n_classes):
            norm += table.dominant_probability_sum[s, c] ** 2
        for c in range(n_classes):
            mean[c] = table.dominant_probability_sum[s, c] / max(np.sqrt(norm), FLOOR)
        best, at = i4(-1), 0
        run, offset = runs.first[s], 0
        for k in range(n_strips):
            i, n = k if kept else 0, min(STRIP, size - k * STRIP)
            if not kept:
                run, offset, is_valid = load(image, runs, run, stop, offset, n, buffer, i)
            weighted_sums(e[i], n, mean, t)
            for j in range(n):
                t[j] *= inverse_norm[i, j]
                bits = max(f4(t[j]).view(i4), i4(0))  # ordered as the floats, none of which is below 0
                candidate[j] = bits if predicted[i, j] == dominant else i4(-1)
            top = largest(candidate, n)
            if top > best:
                best, found = top, 0
                while candidate[found] != top:
                    found += 1
                at = k * STRIP + found
                for c in range(n_classes):
                    table.representative_probability[s, c] = e[i, c, found] * inverse_sum[i, found]
                table.cil[s] = f4(1) - q[i, found]
                norm_ratio = inverse_norm[i, found] / inverse_sum[i, found]
            if len(table.cil_cosine_by_label):
                for j in range(n):
                    table.cil_cosine_by_label[s, known[i, j]] += t[j] * (f4(1) - q[i, j])
        if len(table.sim):
            for c in range(n_classes):
                table.sim[s] += table.cil_vector[s, c] * table.representative_probability[s, c] * norm_ratio

        run = runs.first[s]
        while at >= runs.length[run]:
            at -= runs.length[run]
            run += 1
        table.pixel[s] = runs.row[run] * image.labels.shape[1] + runs.column[run] + at
    return True


@inline
def load(image, runs, run, stop, offset, n, buffer, i):
    """`gather` into slot ``i``, and fill in the inputs of all sums. Returns also whether all scores are valid."""
    run, offset = gather(image, runs, run, stop, offset, n, buffer, i)
    e, label, predicted, known = buffer.e[i], buffer.label[i], buffer.predicted[i], buffer.known[i]
    q, inverse_sum, inverse_norm = buffer.q[i], buffer.inverse_sum[i], buffer.inverse_norm[i]
    find_best(e, n, buffer.p1, predicted)
    for j in range(n):
        known[j] = predicted[j] if label[j] == VOID else i4(label[j])
    if image.logits:
        is_valid = prepare_logits(e, n, buffer.p1, known, q, inverse_sum, inverse_norm)
    else:
        is_valid = prepare_probabilities(e, n, known, q, inverse_sum, inverse_norm, f4(LARGEST_NORM))
    return run, offset, is_valid


@inline
def gather(image, runs, run, stop, offset, n, buffer, i):
    """Bring the scores of ``n`` pixels into slot ``i`` of the buffer, beginning at pixel ``offset`` of ``run``.

    ``stop``: the end of this superpixel's runs. Returns the run and the offset to go on from.
    """
    e, label = buffer.e[i], buffer.label[i]
    lines, held, n_classes, width, done = buffer.lines, buffer.held, len(e), image.labels.shape[1], 0
    n_line = n_classes * lines.shape[2]
    while done < n:
        column, m = runs.column[run] + offset, min(runs.length[run] - offset, n - done)
        start = runs.row[run] * width + column
        ahead = min(run + AHEAD, len(runs.row) - 1)
        next_start = runs.row[ahead] * width + runs.column[ahead]
        prefetch(image.labels, next_start)
        if image.logits:
            row = runs.row[run]
            upper, lower, down = image.top[row], image.bottom[row], image.down[row]
            if held[upper & 1] != upper:
                upsample_row(image, runs, run, stop, upper, lines)
                held[upper & 1] = upper
            if held[lower & 1] != lower:
                upsample_row(image, runs, run, stop, lower, lines)
                held[lower & 1] = lower
            above, below = (upper & 1) * n_line + column, (lower & 1) * n_line + column
            for j in range(0, m, BLOCK):
                for c in range(n_classes):
                    to, along = c * PLANE + done + j, c * lines.shape[2] + j
                    blend(e, to, lines, above + along, below + along, down)
        else:
            for c in range(n_classes):
                for j in range(0, runs.length[ahead], LINE):
                    prefetch(image.scores, c * image.labels.size + next_start + j)
                copy(e, c * PLANE + done, image.scores, c * image.labels.size + start, m)
        copy(label, done, image.labels, start, m)
        done += m
        offset += m
        if offset == runs.length[run]:
            run, offset = run + 1, 0
    return run, offset


@inline
def add_members(e, n, inverse_sum, predicted, c, t, totals):
    """``totals`` (C,) += Σ p over the pixels that are predicted as class ``c``. ``t`` is overwritten."""
    for j in range(n):
        t[j] = inverse_sum[j] if predicted[j] == c else f4(0)
    add_weighted_totals(e, n, t, totals)


@inline
def first_pass(buffer, i, n, table, s, by_class):
    """Add all sums that need no dominant class, and with ``by_class`` the sums of p of each predicted class."""
    e, label, predicted, known = buffer.e[i], buffer.label[i], buffer.predicted[i], buffer.known[i]
    q, inverse_sum, inverse_norm = buffer.q[i], buffer.inverse_sum[i], buffer.inverse_norm[i]
    p1, p2, t = buffer.p1, buffer.p2, buffer.t
    for c in range(
        len(e)
    ):  # a vector loop for each class is faster than adding to the count of predicted[j], which waits for memory
        count = 0
        for j in range(n):
            count += predicted[j] == i4(c)
        table.prediction_histogram[s, c] += count
        if by_class and count:
            add_members(e, n, inverse_sum, predicted, c, t, buffer.by_class[c])
    if len(table.label_histogram):
        for j in range(n):
            table.label_histogram[s, len(e) if label[j] == VOID else label[j]] += 1
    if len(table.label_probability_sum):
        for j in range(n):
            if label[j] != VOID:
                table.label_probability_sum[s, label[j]] += q[j]
    if len(table.quality_histogram):
        quality_bins(q, n, buffer.candidate)
        for j in range(n):
            if label[j] != VOID:
                table.quality_histogram[s, buffer.candidate[j] + QUALITY_BINS * (label[j] == predicted[j])] += 1
    if len(table.ratio_by_class) or len(table.ratio_sum) or len(table.top2_sum) or len(table.label_margin_sum):
        find_second(e, n, inverse_sum, predicted, p2)
    if len(table.ratio_by_class):
        for j in range(n):
            table.ratio_by_class[s, predicted[j]] += p2[j] / max(p1[j], FLOOR)
    if len(table.probability_sum):
        add_weighted_totals(e, n, inverse_sum, table.probability_sum[s])
    if len(table.cil_vector):
        for j in range(n):
            t[j] = (f4(1) - q[j]) * inverse_norm[j]
        add_weighted_totals(e, n, t, table.cil_vector[s])
    add_scalar_sums(e, n, inverse_sum, p1, p2, q, label, known, predicted, t, table, s)


@jit
def fill_pixels(image, runs, sharpness, buffer, out):
    """Fill in `Pixels`, superpixel by superpixel; those without elements are left. False if scores are not valid."""
    e, predicted, p1, p2, t = buffer.e[0], buffer.predicted[0], buffer.p1, buffer.p2, buffer.t
    q, inverse_sum, inverse_norm = buffer.q[0], buffer.inverse_sum[0], buffer.inverse_norm[0]
    at = 0
    for s in range(len(runs.size)):
        buffer.held[:] = -1
        run, offset = runs.first[s], 0
        for begin in range(0, runs.size[s], STRIP):
            n = min(STRIP, runs.size[s] - begin)
            run, offset = gather(image, runs, run, runs.first[s + 1], offset, n, buffer, 0)
            find_best(e, n, p1, predicted)
            if len(out.predicted):
                put(out.predicted, at, predicted, n)
            if len(out.best) or len(out.second) or len(out.entropy) or out.probabilities.size:
                if image.logits:
                    if sharpness != f4(1):
                        sharpen(e, n, p1, sharpness)
                    is_valid = prepare_logits(e, n, p1, predicted, q, inverse_sum, inverse_norm)
                else:
                    is_valid = prepare_probabilities(e, n, predicted, q, inverse_sum, inverse_norm, f4(LARGEST_NORM))
                if not is_valid:
                    return False
            if len(out.best):
                put(out.best, at, p1, n)
            if len(out.second):
                find_second(e, n, inverse_sum, predicted, p2)
                put(out.second, at, p2, n)
            if len(out.entropy):
                entropies(e, n, inverse_sum, t)
                put(out.entropy, at, t, n)
            if out.probabilities.size:
                for c in range(len(e)):
                    for j in range(n):
                        t[j] = e[c, j] * inverse_sum[j]
                    put(out.probabilities[c], at, t, n)
            at += n
    return True


@inline
def put(target, at, values, n):
    """The first ``n`` of ``values`` to ``target`` from ``at`` on. `copy` may write past the end."""
    for j in range(n):
        target[at + j] = values[j]
