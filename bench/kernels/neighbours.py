"""Loops over the pixels of whole maps that look at a pixel's neighbours: windows, components, colours and cells."""

import numpy as np

from bench.kernels.strips import f4, jit

REACH = 4  # pixels; of the disc of colour gradients


@jit
def near(marked, reach, counts, out):
    """``out`` (H, W) uint8: whether a pixel of ``marked`` (H, W) uint8 lies in the square of ``reach`` round it.

    ``counts`` (W,) int64 is overwritten.
    """
    height, width = marked.shape
    counts[:] = 0
    for row in range(-reach, height):
        if row + reach < height:
            for c in range(width):
                counts[c] += marked[row + reach, c]
        if row > reach:
            for c in range(width):
                counts[c] -= marked[row - reach - 1, c]
        if row >= 0:
            n = 0
            for c in range(-reach, width):
                n += counts[c + reach] if c + reach < width else 0
                n -= counts[c - reach - 1] if c > reach else 0
                if c >= 0:
                    out[row, c] = n > 0


@jit
def impurity(predicted, entropy, where, reach, times_log, counts, out):
    """``out`` (H, W) float64 = H(shares of ``predicted``) · mean ``entropy`` over the square of ``reach`` round each
    pixel of ``where``, cut at the border. The others stay as they are.

    ``times_log``: n ln n for n up to the pixels of a square. ``counts`` (256,) int64 is overwritten. Along a row the
    square slides: a column comes in and another goes out.
    """
    height, width = predicted.shape
    for row in range(height):
        top, bottom = max(row - reach, 0), min(row + reach + 1, height)
        last, total, sum_entropy = -1, 0.0, 0.0
        for c in range(width):
            if not where[row, c]:
                continue
            begin, end = max(c - reach, 0), min(c + reach + 1, width)
            if last != c - 1 or c == 0:
                counts[:] = 0
                total = sum_entropy = 0.0
                first = begin
            else:
                first = min(c + reach, width)
                if c - 1 - reach >= 0:
                    for r in range(top, bottom):
                        k = predicted[r, c - 1 - reach]
                        total += times_log[counts[k] - 1] - times_log[counts[k]]
                        counts[k] -= 1
                        sum_entropy -= entropy[r, c - 1 - reach]
            for r in range(top, bottom):
                for column in range(first, end):
                    k = predicted[r, column]
                    total += times_log[counts[k] + 1] - times_log[counts[k]]
                    counts[k] += 1
                    sum_entropy += entropy[r, column]
            n = (bottom - top) * (end - begin)
            out[row, c] = max((times_log[n] - total) / n, 0.0) * sum_entropy / n
            last = c


@jit
def predict(scores, corners, rows, columns, out):
    """``out`` (H, W) uint8: ŷ of ``scores`` (h, w, C) float32, logits upsampled to its size.

    ``corners`` (h, w): the class of the largest logit there; ``rows`` and ``columns``: `bench.kernels.axis_weights`.
    Between four corners of one class that class is the largest everywhere: interpolated logits are weighted means.
    """
    (top, bottom, down), (left, right, across) = rows, columns
    height, width = out.shape
    for r in range(height):
        above, below, v = top[r], bottom[r], down[r]
        for c in range(width):
            a, b, u = left[c], right[c], across[c]
            best = corners[above, a]
            if best != corners[above, b] or best != corners[below, a] or best != corners[below, b]:
                best, highest = 0, f4(-np.inf)
                for k in range(scores.shape[2]):
                    upper = scores[above, a, k] + u * (scores[above, b, k] - scores[above, a, k])
                    lower = scores[below, a, k] + u * (scores[below, b, k] - scores[below, a, k])
                    x = upper + v * (lower - upper)
                    if x > highest:
                        best, highest = k, x
            out[r, c] = best


@jit
def components(classes, ids, parent):
    """``ids`` (H, W) int32 from 0: the 8-connected components of equal ``classes`` (H, W) uint8. Returns how many.

    ``parent`` (H * W,) int32 is overwritten. Rosenfeld and Pfaltz, 1966: ids that meet are joined by union-find.
    """
    height, width = classes.shape
    n = 0
    for r in range(height):
        for c in range(width):
            k = classes[r, c]
            left = c > 0 and classes[r, c - 1] == k
            up = r > 0 and classes[r - 1, c] == k
            above_right = r > 0 and c + 1 < width and classes[r - 1, c + 1] == k
            if left:
                ids[r, c] = ids[r, c - 1]
                if above_right and not up:
                    join(parent, ids[r, c], ids[r - 1, c + 1])
            elif up:
                ids[r, c] = ids[r - 1, c]
            else:
                above_left = r > 0 and c > 0 and classes[r - 1, c - 1] == k
                if above_left:
                    ids[r, c] = ids[r - 1, c - 1]
                    if above_right:
                        join(parent, ids[r, c], ids[r - 1, c + 1])
                elif above_right:
                    ids[r, c] = ids[r - 1, c + 1]
                else:
                    ids[r, c] = parent[n] = n
                    n += 1
    n_roots = 0
    for i in range(n):  # a parent comes before its children
        if parent[i] == i:
            parent[i] = n_roots
            n_roots += 1
        else:
            parent[i] = parent[parent[i]]
    for r in range(height):
        for c in range(width):
            ids[r, c] = parent[ids[r, c]]
    return n_roots


@jit
def join(parent, a, b):
    """Give the trees of ``a`` and ``b`` one root, the lower one."""
    while parent[a] != a:
        parent[a] = parent[parent[a]]
        a = parent[a]
    while parent[b] != b:
        parent[b] = parent[parent[b]]
        b = parent[b]
    parent[max(a, b)] = min(a, b)


@jit
def overlaps(predicted, known, parts, targets, area, overlap, missed, pairs):
    """Count the pixels of each part, those of them that agree, and those of each target that do not.

    ``pairs``: (part, target) of pixels that agree, each pair at least once. Returns how many of its rows are filled.
    """
    height, width = predicted.shape
    n = 0
    for r in range(height):
        for c in range(width):
            part, target = parts[r, c], targets[r, c]
            area[part] += 1
            if predicted[r, c] != known[r, c]:
                missed[target] += 1
                continue
            overlap[part] += 1
            seen = c > 0 and parts[r, c - 1] == part and targets[r, c - 1] == target
            if not seen and not (r > 0 and parts[r - 1, c] == part and targets[r - 1, c] == target):
                pairs[n, 0], pairs[n, 1] = part, target
                n += 1
    return n


@jit
def colour_gradients(colours, total, out):
    """``out`` (H, W) float32: min(mean |difference| to the pixels within `REACH`, 0.1), the pixel itself among them.

    ``colours`` (3, H, W) float32 from 0 to 255; the mean is over the channels too, in [0, 1]. ``total`` (W,) float32 is
    overwritten. Its whole numbers are exact.
    """
    _, height, width = colours.shape
    for row in range(height):
        total[:] = 0
        out[row] = 0  # counts the neighbours, until they are divided by
        for down in range(max(-REACH, -row), min(REACH, height - 1 - row) + 1):
            for right in range(-REACH, REACH + 1):
                begin, n = max(0, -right), width - abs(right)
                if down * down + right * right > REACH * REACH or n <= 0:
                    continue
                for channel in range(3):
                    add_steps(
                        colours[channel, row, begin:], colours[channel, row + down, begin + right :], n, total[begin:]
                    )
                count = out[row, begin:]
                for c in range(n):
                    count[c] += f4(1)
        for c in range(width):
            out[row, c] = min(total[c] / (f4(765) * out[row, c]), f4(0.1))


@jit
def add_steps(a, b, n, total):
    """``total`` += |a - b|, of the first ``n``."""
    for i in range(n):
        total[i] += abs(a[i] - b[i])


@jit
def cell_means(runs, shape, features, counts, out):
    """``out`` (N, D) float64: the mean over a superpixel of ``features`` (h, w, D) float32 of the cell a pixel lies in.

    ``runs``: `bench.kernels.cpu.Runs` of a map of this ``shape``. ``counts`` (h, w) int64 begins, and ends, as zeros.
    """
    height, width = shape
    h, w, depth = features.shape
    for s in range(len(runs.size)):
        for run in range(runs.first[s], runs.first[s + 1]):
            row = np.int64(runs.row[run]) * h // height
            begin = np.int64(runs.column[run])
            end = begin + runs.length[run]
            while begin < end:
                column = begin * w // width
                stop = min(end, -(-(column + 1) * width // w))  # the first pixel of the next cell
                counts[row, column] += stop - begin
                begin = stop
        top = np.int64(runs.row[runs.first[s]]) * h // height
        bottom = np.int64(runs.row[runs.first[s + 1] - 1]) * h // height
        for row in range(top, bottom + 1):
            for column in range(w):
                n = counts[row, column]
                if n:
                    for d in range(depth):
                        out[s, d] += n * np.float64(features[row, column, d])
                    counts[row, column] = 0
        for d in range(depth):
            out[s, d] /= runs.size[s]
