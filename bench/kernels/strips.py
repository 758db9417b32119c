"""Loops over a strip of pixels, written so that the compiler turns them into vector instructions.

``p`` and ``e`` are (C, STRIP) float32, of which the first ``n`` columns are used; the other arrays are (STRIP,). Only
sums may be reordered (`_sum`). Elementwise results must not depend on a pixel's position in its strip: two equal pixels
could otherwise get different values, and would no longer tie.
"""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

f4, i4 = np.float32, np.int32
FLOOR = f4(1e-12)
STRIP, BLOCK = 1024, 16
PLANE = STRIP + BLOCK  # values of one class in the buffer: a strip, and room for the block that is written past its end

# _nrt=False: compiled code allocates no array, so it needs none of numba's reference counting, which took a third of
# the time. forceinline: calling a function with tuples of arrays for every strip took a quarter of the rest.
_options = {"nogil": True, "cache": True, "_nrt": False, "error_model": "numpy"}
jit = njit(**_options, fastmath={"contract", "nsz"})
inline = njit(**_options, forceinline=True, fastmath={"contract", "nsz"})
_exact = njit(**_options, fastmath={"contract"})
_sum = njit(**_options, forceinline=True, fastmath={"contract", "nsz", "reassoc"})


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
def log_ratio(s):
    """ln(1 + s)/s of s of 0 or more, 1 at 0; by its series if 1 + s would lose the digits of a small s."""
    low = f4(1) - s * (f4(1 / 2) - s * (f4(1 / 3) - s * (f4(1 / 4) - s * (f4(1 / 5) - s * f4(1 / 6)))))
    large = max(s, f4(0.05))
    return low if s < f4(0.05) else logarithm(f4(1) + large) / large


@jit
def find_best(x, n, first, predicted):
    """Fill in the largest value of each pixel, and its class (tie: lowest)."""
    for i in range(n):
        first[i], predicted[i] = x[0, i], i4(0)
    for c in range(1, len(x)):
        plane = x[c]
        for i in range(n):
            v, best = plane[i], first[i]
            higher = v > best
            predicted[i] = i4(c) if higher else predicted[i]
            first[i] = v if higher else best


@jit
def find_second(e, n, inverse_sum, predicted, second):
    """Fill in the largest p = inverse_sum·e of the classes other than the predicted one; 0 if there is no other."""
    second[:n] = 0
    for c in range(len(e)):
        plane = e[c]
        for i in range(n):
            v = plane[i]
            second[i] = max(second[i], f4(0) if predicted[i] == i4(c) else v)
    for i in range(n):
        second[i] *= inverse_sum[i]


@jit
def prepare_logits(x, n, first, known, q, inverse_sum, inverse_norm):
    """Turn logits ``x`` into e = exp(x - largest), in place, and fill in the inputs of the sums for each pixel.

    That is ``inverse_sum`` = 1/Σe, so that p = inverse_sum·e; ``q`` = p[known]; and ``inverse_norm`` = 1/‖e‖. In
    ``first``, the largest logit that `find_best` has put there becomes the largest p. Returns False if a logit is not
    finite.
    """
    inverse_sum[:n] = 0
    inverse_norm[:n] = 0
    for c in range(len(x)):
        plane = x[c]
        for i in range(n):
            e = exponential(plane[i] - first[i])
            plane[i] = e
            inverse_sum[i] += e
            inverse_norm[i] += e * e
            q[i] = e if known[i] == i4(c) else q[i]
    for i in range(n):
        inverse_sum[i] = f4(1) / inverse_sum[i]
        q[i] *= inverse_sum[i]
        first[i] = inverse_sum[i]
    return invert_norms(inverse_norm, n, f4(len(x) + 1))


@jit
def sharpen(x, n, first, factor):
    """Turn logits ``x`` into factor·(x - largest), in place, and ``first``, the largest of each pixel, into 0."""
    for c in range(len(x)):
        plane = x[c]
        for i in range(n):
            plane[i] = factor * (plane[i] - first[i])
    first[:n] = 0


@jit
def prepare_probabilities(p, n, known, q, inverse_sum, inverse_norm, largest):
    """Fill in the same as `prepare_logits`, for probabilities. False if some ‖p‖² is NaN or above ``largest``."""
    inverse_sum[:n] = 1
    inverse_norm[:n] = 0
    for c in range(len(p)):
        plane = p[c]
        for i in range(n):
            v = plane[i]
            inverse_norm[i] += v * v
            q[i] = v if known[i] == i4(c) else q[i]
    return invert_norms(inverse_norm, n, largest)


@jit
def invert_norms(inverse_norm, n, largest):
    """Turn squared norms into 1 / norm, in place. Returns False if a square is NaN or above ``largest``."""
    bad = 0
    for i in range(n):
        bad += not inverse_norm[i] <= largest
        inverse_norm[i] = f4(1) / max(np.sqrt(inverse_norm[i]), FLOOR)
    return bad == 0


@jit
def entropies(e, n, inverse_sum, out):
    """Σ_c -p ln p of p = inverse_sum·e, in nats."""
    out[:n] = 0
    for c in range(len(e)):
        plane = e[c]
        for i in range(n):
            p = plane[i] * inverse_sum[i]
            out[i] -= p * logarithm(max(p, f4(1.2e-38)))


@jit
def quality_bins(q, n, out):
    """⌊-4·log2 q⌋ from 0 to 63, from the bits of q = 2^exponent·mantissa: an exact power of 2 stays one."""
    for i in range(n):
        bits = f4(max(q[i], FLOOR)).view(i4)
        mantissa = i4((bits & i4(0x7FFFFF)) | i4(0x3F800000)).view(f4)
        quarters = (mantissa > f4(1)) + (mantissa > f4(2**0.25))
        quarters += (mantissa > f4(2**0.5)) + (mantissa > f4(2**0.75))
        out[i] = min(max(i4(-4) * ((bits >> i4(23)) - i4(127)) - quarters, i4(0)), i4(63))


@jit
def weighted_sums(p, n, weights, out):
    """``out`` = Σ_c weights[c]·p[c]."""
    out[:n] = 0
    for c in range(len(p)):
        plane, weight = p[c], weights[c]
        for i in range(n):
            out[i] += weight * plane[i]


@jit
def largest(x, n):
    """The largest of the first ``n`` whole numbers. (Of floats it would be no vector loop, because of NaN.)"""
    best = x[0]
    for i in range(1, n):
        best = max(best, x[i])
    return best


@_sum
def add_weighted_totals(p, n, w, totals):
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
def add_scalar_sums(e, n, inverse_sum, p1, p2, q, label, known, predicted, t, table, s):
    """Add the sums of one number for each pixel, if the table has a column for them. ``t`` is overwritten."""
    y = z = x = 0.0
    if len(table.entropy_sum) or len(table.class_entropy_sum):
        entropies(e, n, inverse_sum, t)
    if len(table.entropy_sum):
        largest_entropy = logarithm(f4(len(e)))
        scale = f4(1) / logarithm(f4(max(len(e), 2)))
        for j in range(n):
            x += t[j]
            y += max(t[j] - f4(0.3) * largest_entropy, f4(0))
            z += log_ratio(scale * max(t[j], f4(0)) / max(q[j], FLOOR))
        table.entropy_sum[s] += x
        table.excess_entropy_sum[s] += y
        table.weighted_entropy_sum[s] += z
    if len(table.class_entropy_sum):
        for j in range(n):
            t[j] *= inverse_sum[j]
        add_weighted_totals(e, n, t, table.class_entropy_sum[s])
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


@jit
def copy(target, to, source, start, n):
    """``n`` elements of ``source`` from ``start`` on to ``target`` from ``to`` on, both counted flat.

    If the source is long enough, whole blocks are copied, and up to one block past the end is overwritten as well.
    """
    if start + n + BLOCK > source.size:
        target, source = target.reshape(-1), source.reshape(-1)
        for i in range(n):
            target[to + i] = source[start + i]
    else:
        for i in range(0, n, BLOCK):
            copy_block(target, to + i, source, start + i)


def _block(builder, context, kind, array, i):
    """Pointer to the block of ``array`` from flat position ``i`` on."""
    pointer = builder.gep(context.make_array(kind)(context, builder, array).data, [i])
    return builder.bitcast(pointer, ir.VectorType(context.get_data_type(kind.dtype), BLOCK).as_pointer())


@intrinsic
def copy_block(typing, target, to, source, start):
    """The block of ``source`` from ``start`` on to ``target`` from ``to`` on, both counted flat.

    A plain loop over the 20 to 100 pixels of a run takes three times as long. The compiler must assume that the two
    arrays overlap, and so copies value by value.
    """

    def emit(context, builder, signature, arguments):
        into, to, array, start = arguments
        align = context.get_abi_alignment(context.get_data_type(source.dtype))
        block = builder.load(_block(builder, context, source, array, start), align=align)
        builder.store(block, _block(builder, context, target, into, to), align=align)
        return context.get_dummy_value()

    return types.none(target, types.intp, source, types.intp), emit


@intrinsic
def prefetch(typing, source, at):
    """Fetch the memory at flat position ``at`` into the cache early: hardware cannot predict the place of the next
    run."""

    def emit(context, builder, signature, arguments):
        data = context.make_array(source)(context, builder, arguments[0]).data
        kind = [ir.IntType(8).as_pointer(), *[ir.IntType(32)] * 3]
        function = builder.module.declare_intrinsic("llvm.prefetch", kind[:1], ir.FunctionType(ir.VoidType(), kind))
        read, near, of_data = (ir.IntType(32)(n) for n in (0, 3, 1))
        builder.call(function, [builder.bitcast(builder.gep(data, [arguments[1]]), kind[0]), read, near, of_data])
        return context.get_dummy_value()

    return types.none(source, types.intp), emit


@intrinsic
def blend(typing, target, to, source, above, below, weight):
    """A block of ``target`` from ``to`` on = a + weight·(b - a); a, b: blocks of ``source`` at ``above``, ``below``.

    All positions are flat. The vector instructions are written out because the compiler must assume that the arrays
    overlap.
    """

    def emit(context, builder, signature, arguments):
        into, to, array, above, below, weight = arguments
        a, b = (builder.load(_block(builder, context, source, array, i), align=4) for i in (above, below))
        w = builder.insert_element(ir.Constant(a.type, ir.Undefined), weight, ir.IntType(32)(0))
        w = builder.shuffle_vector(w, w, ir.Constant(ir.VectorType(ir.IntType(32), BLOCK), [0] * BLOCK))
        step = builder.fmul(w, builder.fsub(b, a), ("contract",))
        into = _block(builder, context, target, into, to)
        builder.store(builder.fadd(a, step, ("contract",)), into, align=4)
        return context.get_dummy_value()

    return types.none(target, types.intp, source, types.intp, types.intp, types.float32), emit


@jit
def upsample_row(image, runs, run, stop, source, lines):
    """Upsample row ``source`` of the logits along itself, over the columns that the runs from ``run`` to ``stop`` need.

    Several rows of the image lie between the same two rows of the logits, so that each row of logits is upsampled once
    along itself. For each pixel it then remains to `blend` two of these lines.
    """
    begin, end = runs.column[run], 0
    while run < stop and image.top[runs.row[run]] <= source:
        begin = min(begin, runs.column[run])
        end = max(end, runs.column[run] + runs.length[run])
        run += 1
    for c in range(len(image.scores)):
        logits, line = image.scores[c, source], lines[source & 1, c]
        for j in range(begin, end):
            left = logits[image.left[j]]
            line[j] = left + image.across[j] * (logits[image.right[j]] - left)
