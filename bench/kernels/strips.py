"""Loops over a strip of pixels, written so that the compiler makes vector instructions of them.

``p`` is (C, STRIP) float32, of which the first ``n`` columns count; the other arrays are (STRIP,). Only sums may be
reordered (`_sum`): elementwise results must not depend on where in a strip a pixel lies, or equal pixels would not tie.
"""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

f4, i4 = np.float32, np.int32
FLOOR = f4(1e-12)
STRIP = 1024
jit = njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "nsz"})
_exact = njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
_sum = njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "nsz", "reassoc"})


@_exact
def exponential(x):
    """e**x in float32 for x ≤ 88; at most 1e-38 below -87. Cephes' expf."""
    x = max(x, f4(-87))
    n = np.floor(x * f4(1.44269504088896341) + f4(0.5))
    x = x - n * f4(0.693359375) - n * f4(-2.12194440e-4)
    y = f4(1.9875691500e-4) * x + f4(1.3981999507e-3)
    y = y * x + f4(8.3334519073e-3)
    y = y * x + f4(4.1665795894e-2)
    y = y * x + f4(1.6666665459e-1)
    y = y * x + f4(5.0000001201e-1)
    y = y * (x * x) + x + f4(1)
    return y * i4((i4(n) + i4(127)) << i4(23)).view(f4)


@_exact
def logarithm(x):
    """ln x in float32 for normal x > 0. Cephes' logf."""
    bits = f4(x).view(i4)
    e = f4((bits >> i4(23)) - i4(126))
    m = i4((bits & i4(0x7FFFFF)) | i4(0x3F000000)).view(f4)
    low = m < f4(0.707106781186547524)
    e = e - f4(1) if low else e
    m = (m + m if low else m) - f4(1)
    y = f4(7.0376836292e-2) * m - f4(1.1514610310e-1)
    y = y * m + f4(1.1676998740e-1)
    y = y * m - f4(1.2420140846e-1)
    y = y * m + f4(1.4249322787e-1)
    y = y * m - f4(1.6668057665e-1)
    y = y * m + f4(2.0000714765e-1)
    y = y * m - f4(2.4999993993e-1)
    y = y * m + f4(3.3333331174e-1)
    z = m * m
    y = y * m * z + f4(-2.12194440e-4) * e - f4(0.5) * z
    return m + y + f4(0.693359375) * e


@jit
def softmax(p, n, top, total):
    """Logits to probabilities, in place; ``top`` and ``total`` are scratch."""
    top[:n] = p[0, :n]
    total[:n] = 0
    for c in range(1, len(p)):
        plane = p[c]
        for i in range(n):
            top[i] = max(top[i], plane[i])
    for c in range(len(p)):
        plane = p[c]
        for i in range(n):
            e = exponential(plane[i] - top[i])
            plane[i] = e
            total[i] += e
    for i in range(n):
        total[i] = f4(1) / total[i]
    for c in range(len(p)):
        plane = p[c]
        for i in range(n):
            plane[i] *= total[i]


@jit
def rank(p, n, p1, p2, predicted):
    """The two largest probabilities and the class of the largest (tie: lowest)."""
    p1[:n] = p[0, :n]
    p2[:n] = 0
    predicted[:n] = 0
    for c in range(1, len(p)):
        plane = p[c]
        for i in range(n):
            v, best = plane[i], p1[i]
            higher = v > best
            p2[i] = max(p2[i], min(v, best))
            predicted[i] = i4(c) if higher else predicted[i]
            p1[i] = v if higher else best


@jit
def norms(p, n, largest, scale):
    """``scale`` = 1 / ‖p‖. False where ‖p‖² is NaN or above ``largest``."""
    scale[:n] = 0
    for c in range(len(p)):
        plane = p[c]
        for i in range(n):
            scale[i] += plane[i] * plane[i]
    bad = 0
    for i in range(n):
        bad += not scale[i] <= largest
        scale[i] = f4(1) / max(np.sqrt(scale[i]), FLOOR)
    return bad == 0


@jit
def entropies(p, n, out):
    """Σ_c -p ln p, in nats."""
    out[:n] = 0
    for c in range(len(p)):
        plane = p[c]
        for i in range(n):
            out[i] -= plane[i] * logarithm(max(plane[i], f4(1.2e-38)))


@jit
def mix(p, n, weights, out):
    """``out`` = Σ_c weights[c]·p[c]."""
    out[:n] = 0
    for c in range(len(p)):
        plane, weight = p[c], weights[c]
        for i in range(n):
            out[i] += weight * plane[i]


@_sum
def add_dots(p, n, w, totals):
    """``totals`` (C,) float64 += Σ_i w[i]·p[:, i]."""
    for c in range(len(p)):
        plane = p[c]
        total = f4(0)
        for i in range(n):
            total += w[i] * plane[i]
        totals[c] += total


@_sum
def total(x, n):
    """Σ x, in float64."""
    y = 0.0
    for i in range(n):
        y += x[i]
    return y


@_sum
def add_scalars(p, n, p1, p2, q, label, known, predicted, t, table, s):
    """The sums of one number a pixel, those that the table has rows for. ``t`` is scratch."""
    y = z = x = 0.0
    if len(table.entropy_sum):
        entropies(p, n, t)
        for j in range(n):
            x += t[j]
            y += max(t[j] - f4(0.3), f4(0))
            z += t[j] / max(q[j], FLOOR)
        table.entropy_sum[s] += x
        table.excess_entropy_sum[s] += y
        table.entropy_ratio_sum[s] += z
    if len(table.nll_sum):
        x = 0.0
        for j in range(n):
            x -= logarithm(max(q[j], FLOOR))
        table.nll_sum[s] += x
    if len(table.softmin_numerator):
        x = y = 0.0
        for j in range(n):
            e = exponential(q[j] * f4(-10))
            x += q[j] * e
            y += e
        table.softmin_numerator[s] += x
        table.softmin_denominator[s] += y
    if len(table.top1_sum):
        table.top1_sum[s] += total(p1, n)
    if len(table.top2_sum):
        table.top2_sum[s] += total(p2, n)
    if len(table.ratio_sum):
        x = 0.0
        for j in range(n):
            x += p2[j] / max(p1[j], FLOOR)
        table.ratio_sum[s] += x
    if len(table.cil_sum):
        x = 0.0
        for j in range(n):
            x += f4(1) - q[j]
        table.cil_sum[s] += x
    if len(table.label_margin_sum):
        x = 0.0
        for j in range(n):
            x += q[j] - (p2[j] if known[j] == predicted[j] else p1[j])
        table.label_margin_sum[s] += x
    if len(table.agree_count):
        x = 0.0
        for j in range(n):
            x += f4(label[j] == predicted[j])
        table.agree_count[s] += x


@intrinsic
def copy(typing, target, to, source, start, n):
    """memcpy: ``n`` elements of ``source`` from ``start`` on to ``target`` from ``to`` on, both counted flat.

    A plain loop takes three times as long for the 20 to 100 pixels of a run: for all it knows, the arrays overlap.
    """

    def emit(context, builder, signature, arguments):
        into, to, array, start, n = arguments
        pointers = (context.make_array(t)(context, builder, a).data for t, a in ((target, into), (source, array)))
        to, start = (builder.gep(p, [i]) for p, i in zip(pointers, (to, start), strict=True))
        cgutils.memcpy(builder, to, start, n)
        return context.get_dummy_value()

    return types.none(target, types.intp, source, types.intp, types.intp), emit


@intrinsic
def prefetch(typing, source, at):
    """Ask for the memory at flat position ``at`` before it is needed: no hardware foresees where the next run is."""

    def emit(context, builder, signature, arguments):
        data = context.make_array(source)(context, builder, arguments[0]).data
        kind = [ir.IntType(8).as_pointer(), *[ir.IntType(32)] * 3]
        function = builder.module.declare_intrinsic("llvm.prefetch", kind[:1], ir.FunctionType(ir.VoidType(), kind))
        read, near, of_data = (ir.IntType(32)(n) for n in (0, 3, 1))
        builder.call(function, [builder.bitcast(builder.gep(data, [arguments[1]]), kind[0]), read, near, of_data])
        return context.get_dummy_value()

    return types.none(source, types.intp), emit


@jit
def upsample(image, row, column, m, out, line):
    """``out`` (C, m) = the logits of ``m`` pixels from ``column`` on in ``row``. ``line`` (2, w) is scratch."""
    upper, lower, down = image.top[row], image.bottom[row], image.down[row]
    first, last = image.left[column], image.right[column + m - 1]
    for c in range(len(out)):
        above, below, target = image.scores[c, upper], image.scores[c, lower], out[c]
        value, step = line[0], line[1]
        for k in range(last - first + 1):
            value[k] = above[first + k] + down * (below[first + k] - above[first + k])
        for k in range(last - first):
            step[k] = value[k + 1] - value[k]
        step[last - first] = 0
        for j in range(m):
            k = image.left[column + j] - first
            target[j] = value[k] + image.across[column + j] * step[k]
