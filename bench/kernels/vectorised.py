"""The vectorised torch implementation, for any device; it needs neither numba nor Triton.

``Planes`` does all that reads the C values of a pixel; `bench.kernels.gpu` replaces it by Triton kernels. All
that needs only a few numbers of each pixel is plain torch, in `_table`.
"""

import math

import torch
import torch.nn.functional as F

from bench.kernels import LARGEST_NORM, refuse
from bench.kernels.regions import Regions
from bench.kernels.statistics import QUALITY_BINS
from bench.types import VOID

FLOOR = 1e-12


class Planes:
    """Probabilities of the n covered pixels, held as (C, n) float32. ``segment`` (n,): the superpixel, of N, of each
    pixel."""

    def __init__(self, scores, shape, logits, align_corners, covered, segment, n_segments):
        p = scores.float()
        if logits:
            p = F.interpolate(p[None], shape, mode="bilinear", align_corners=align_corners)[0].softmax(0)
        self.p, self.segment, self.n_segments = p.flatten(1)[:, covered], segment, n_segments

    def pixels(self, labels):
        """Of each pixel: p1, p2, ŷ (int64), q, ‖p‖² and H, each (n,); ``labels`` (n,) int64."""
        p1, predicted = self.p.max(0)
        p2 = self.p.scatter(0, predicted[None], -1).amax(0).clamp_min(0)
        q = self.p.gather(0, torch.where(labels == VOID, predicted, labels)[None])[0]
        square = sum(plane * plane for plane in self.p)
        return p1, p2, predicted, q, square, -sum(torch.xlogy(plane, plane) for plane in self.p)

    def totals(self, weight):
        """(N, C) float64: Σ weight·p over each superpixel; ``weight`` (n,)."""
        return torch.stack([_total(self.segment, weight * plane, self.n_segments) for plane in self.p], 1)

    def mix(self, vectors):
        """(n,) float32: ⟨p, the vector of its superpixel⟩; ``vectors`` (N, C) float32."""
        return sum(plane * vectors[self.segment, c] for c, plane in enumerate(self.p))

    def at(self, positions):
        """(N, C) float32: p at one pixel of each superpixel, given by its place among the covered ones."""
        return self.p[:, positions].T


@torch.no_grad()
def statistics(scores, labels, superpixels, needs, logits, align_corners, threads, source=Planes):
    """See `bench.kernels.superpixel_statistics`. Sums are in float64; ``Planes`` writes the full-size probabilities."""
    (scores,), (labels,), (superpixels,) = scores, labels, superpixels
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        ids, covered, segment = _members(superpixels, scores.device)
        p = source(scores, labels.shape, logits, align_corners, covered, segment, len(ids))
        labels = labels.to(scores.device).flatten()[covered].long()
        table = _table(p, labels, segment, len(ids), len(scores), needs, lambda: refuse(scores, logits))
        pixel = covered[table.pop("position")]
        table |= {"superpixel": ids, "row": pixel // superpixels.shape[1], "column": pixel % superpixels.shape[1]}
        return {name: column.cpu() for name, column in table.items()}
    finally:
        torch.set_num_threads(before)


def _members(superpixels, device):
    """Ids (N,) ascending, and of each covered pixel: its flat index (n,) and which of the N it belongs to (n,)."""
    if isinstance(superpixels, Regions):  # only the runs go to the device, which expands them
        r = superpixels
        row, column, length, sizes = (
            torch.tensor(a, device=device).long() for a in (r.row, r.column, r.length, r.sizes)
        )
        before = length.cumsum(0) - length  # pixels of earlier runs
        covered = (row * r.shape[1] + column - before).repeat_interleave(length)
        covered += torch.arange(len(covered), device=device)
        return torch.tensor(r.ids), covered, torch.arange(len(r), device=device).repeat_interleave(sizes)
    flat = superpixels.to(device).flatten()
    covered = flat.nonzero()[:, 0]
    ids, of = flat[covered].unique(return_inverse=True)
    return ids, covered, of


def _table(p, labels, segment, n, n_classes, needs, refuse):
    def total(values):
        return _total(segment, values, n)

    def by_class(classes, values=None, width=n_classes):
        weights = None if values is None else values.double()
        return torch.bincount(segment * width + classes, weights, minlength=n * width).view(n, width)

    p1, p2, predicted, q, square, entropy = p.pixels(labels)
    if not (square <= LARGEST_NORM).all():
        refuse()
    scale = square.sqrt().clamp_min(FLOOR).reciprocal()
    void = labels == VOID
    known = torch.where(void, predicted, labels)
    cil = 1 - q

    histogram = by_class(predicted)
    dominant = histogram.argmax(1) if n else histogram.sum(1)
    member = predicted == dominant[segment]
    dominant_sum = p.totals(member.float())
    cosine = p.mix(F.normalize(dominant_sum, dim=1, eps=FLOOR).float()) * scale
    best = cosine.new_full((n,), -1).scatter_reduce(0, segment, cosine.masked_fill(~member, -1), "amax")
    places = torch.arange(len(segment), device=segment.device)
    first = torch.where(member & (cosine == best[segment]), places, len(segment))
    r = torch.full((n,), len(segment), device=segment.device).scatter_reduce(0, segment, first, "amin")
    at_r = p.at(r)
    vector = p.totals(cil * scale) if needs & {"cil_vector", "sim"} else None
    formulas = {
        "entropy_sum": lambda: total(entropy),
        "top1_sum": lambda: total(p1),
        "top2_sum": lambda: total(p2),
        "ratio_sum": lambda: total(p2 / p1.clamp_min(FLOOR)),
        "cil_sum": lambda: total(cil),
        "nll_sum": lambda: total(-q.clamp_min(FLOOR).log()),
        "excess_entropy_sum": lambda: total((entropy - 0.3 * math.log(n_classes)).clamp_min(0)),
        "label_margin_sum": lambda: total(q - torch.where(known == predicted, p2, p1)),
        "weighted_entropy_sum": lambda: total(_log_ratio(entropy / (q.clamp_min(FLOOR) * math.log(max(n_classes, 2))))),
        "softmin_numerator": lambda: total(q * (q * -10).exp()),
        "softmin_denominator": lambda: total((q * -10).exp()),
        "agree_count": lambda: total(predicted == labels),
        "dominant": lambda: dominant,
        "prediction_histogram": lambda: histogram,
        "label_histogram": lambda: by_class(labels.masked_fill(void, n_classes), width=n_classes + 1),
        "probability_sum": lambda: p.totals(torch.ones_like(q)),
        "dominant_probability_sum": lambda: dominant_sum,
        "ratio_by_class": lambda: by_class(predicted, p2 / p1.clamp_min(FLOOR)),
        "cil_vector": lambda: vector,
        "class_entropy_sum": lambda: p.totals(entropy),
        "label_probability_sum": lambda: by_class(labels.masked_fill(void, n_classes), q, n_classes + 1)[:, :-1],
        "quality_histogram": lambda: by_class(
            _quality_bins(q, predicted == labels).masked_fill(void, 2 * QUALITY_BINS), width=2 * QUALITY_BINS + 1
        )[:, :-1],
        "cil": lambda: cil[r],
        "representative_probability": lambda: at_r,
        "sim": lambda: (vector * at_r).sum(1) * scale[r],
        "cil_cosine_by_label": lambda: by_class(known, cosine * cil),
    }
    size = by_class(torch.zeros_like(segment), width=1)
    return {"position": r, "size": size, "label": labels[r]} | {k: formulas[k]() for k in needs & formulas.keys()}


def _quality_bins(q, agrees):
    """The column of quality_histogram that a pixel counts in."""
    bins = (-4 * q.double().clamp_min(FLOOR).log2()).clamp(0, QUALITY_BINS - 1).long()
    return bins + QUALITY_BINS * agrees


def _log_ratio(s):
    """ln(1 + s)/s, 1 if s = 0."""
    return torch.where(s > 0, s.log1p() / s.clamp_min(1e-30), 1)


def _total(segment, values, n):
    return torch.bincount(segment, values.double(), minlength=n).double()  # of no pixels, bincount is an integer
