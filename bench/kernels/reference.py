"""The specification: every fused statistic of `bench.kernels.statistics` as a plain loop over pixels, in float64."""

import math

import numpy as np

from bench.kernels import LARGEST_NORM, axis_weights, refuse
from bench.kernels.regions import Regions
from bench.kernels.statistics import QUALITY_BINS, STATISTICS
from bench.types import VOID

FLOOR = 1e-12
FUSED = {name: s for name, s in STATISTICS.items() if s.fused}


def statistics(scores, labels, superpixels, needs, logits, align_corners, threads):
    """See `bench.kernels.superpixel_statistics`; computes all columns, on one thread, for any ``needs``."""
    (scores,), (labels,), (superpixels,) = scores, labels, superpixels
    superpixels = superpixels.map() if isinstance(superpixels, Regions) else superpixels
    array = scores.float().cpu().numpy().astype(np.float64)
    if logits:
        rows = axis_weights(array.shape[1], labels.shape[0], align_corners)
        columns = axis_weights(array.shape[2], labels.shape[1], align_corners)
    pixels = {}
    for row in range(labels.shape[0]):
        for column in range(labels.shape[1]):
            if superpixels[row, column] > 0:
                p = softmax(upsampled(array, rows, columns, row, column)) if logits else array[:, row, column]
                if not p @ p <= LARGEST_NORM:
                    refuse(scores, logits)
                pixels.setdefault(int(superpixels[row, column]), []).append((row, column, p))
    records = [one(pixels[i], labels) for i in sorted(pixels)]
    return {"superpixel": sorted(pixels)} | {
        name: [r[name] for r in records] for name in (*FUSED, "size", "row", "column", "label")
    }


def upsampled(logits, rows, columns, row, column):
    """(C,) logits at one pixel of the full size."""
    (top, bottom, down), (left, right, across) = ([a[i] for a in t] for t, i in ((rows, row), (columns, column)))
    upper = logits[:, top, left] * (1 - across) + logits[:, top, right] * across
    lower = logits[:, bottom, left] * (1 - across) + logits[:, bottom, right] * across
    return upper * (1 - down) + lower * down


def softmax(x):
    with np.errstate(invalid="ignore"):
        e = np.exp(x - x.max())
    return e / e.sum()


def cosine(a, b):
    return float(a @ b) / max(math.sqrt(a @ a) * math.sqrt(b @ b), FLOOR)


def one(pixels, labels):
    """All columns of one superpixel: ``pixels`` is a list of (row, column, p (C,)) in row-major order."""
    n_classes = len(pixels[0][2])
    sums = {name: np.zeros(s.shape(n_classes)) for name, s in FUSED.items()}
    seen = []
    for row, column, p in pixels:
        y = int(labels[row, column])
        predicted = int(np.argmax(p))
        known = predicted if y == VOID else y
        p1, p2 = p[predicted], max(np.delete(p, predicted), default=0.0)
        q, other = p[known], max(np.delete(p, known), default=0.0)
        entropy = -sum(v * math.log(v) for v in p if v > 0)
        cil = 1 - q
        sums["prediction_histogram"][predicted] += 1
        sums["label_histogram"][n_classes if y == VOID else y] += 1
        sums["agree_count"] += predicted == y
        sums["entropy_sum"] += entropy
        sums["top1_sum"] += p1
        sums["top2_sum"] += p2
        sums["ratio_sum"] += p2 / max(p1, FLOOR)
        sums["cil_sum"] += cil
        sums["nll_sum"] += -math.log(max(q, FLOOR))
        sums["excess_entropy_sum"] += max(entropy - 0.3 * math.log(n_classes), 0)
        sums["label_margin_sum"] += q - other
        s = entropy / (max(q, FLOOR) * math.log(max(n_classes, 2)))
        sums["weighted_entropy_sum"] += math.log1p(s) / s if s > 0 else 1
        sums["softmin_numerator"] += q * math.exp(-q / 0.1)
        sums["softmin_denominator"] += math.exp(-q / 0.1)
        sums["probability_sum"] += p
        sums["class_entropy_sum"] += entropy * p
        if y != VOID:
            sums["label_probability_sum"][y] += q
            quality = min(max(int(-4 * math.log2(max(q, FLOOR))), 0), QUALITY_BINS - 1)
            sums["quality_histogram"][quality + QUALITY_BINS * (predicted == y)] += 1
        sums["ratio_by_class"][predicted] += p2 / max(p1, FLOOR)
        sums["cil_vector"] += cil * p / max(math.sqrt(p @ p), FLOOR)
        seen.append((row, column, p, predicted, known, cil))

    dominant = int(np.argmax(sums["prediction_histogram"]))
    members = [s for s in seen if s[3] == dominant]
    for _, _, p, *_ in members:
        sums["dominant_probability_sum"] += p
    mean = sums["dominant_probability_sum"] / len(members)
    row, column, at, _, _, cil_at = max(members, key=lambda s: cosine(s[2], mean))  # max keeps the first of equals
    for _, _, p, _, known, cil in seen:
        sums["cil_cosine_by_label"][known] += cosine(p, mean) * cil
    sim = sum(cosine(p, at) * cil for _, _, p, _, _, cil in seen)
    return sums | {
        "size": len(pixels),
        "row": row,
        "column": column,
        "label": labels[row, column],
        "dominant": dominant,
        "cil": cil_at,
        "representative_probability": at,
        "sim": sim,
    }
