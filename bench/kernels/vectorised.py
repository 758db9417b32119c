"""Vectorised torch, on any device: what serves without numba or Triton, and the fallback for odd hardware."""

import torch
import torch.nn.functional as F

from bench.kernels import LARGEST_NORM, refuse
from bench.types import VOID

FLOOR = 1e-12


def statistics(scores, labels, superpixels, needs, logits, align_corners, threads):
    """See `bench.kernels.superpixel_statistics`. Writes the full-size probabilities; sums are in float64."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        return _statistics(
            scores, labels.to(scores.device), superpixels.to(scores.device), needs, logits, align_corners
        )
    finally:
        torch.set_num_threads(before)


@torch.no_grad()
def _statistics(scores, labels, superpixels, needs, logits, align_corners):
    p = scores.float()
    if logits:
        p = F.interpolate(p[None], labels.shape, mode="bilinear", align_corners=align_corners)[0].softmax(0)
    covered = superpixels.flatten().nonzero()[:, 0]
    ids, segment = superpixels.flatten()[covered].unique(return_inverse=True)
    p, labels = p.flatten(1)[:, covered], labels.flatten()[covered].long()
    n_classes, n = len(p), len(ids)

    def total(values):
        return torch.bincount(segment, values.double(), minlength=n).double()  # no pixels: an integer

    def totals(weight):
        return torch.stack([total(weight * plane) for plane in p], 1)

    def by_class(classes, values=None, width=n_classes):
        weights = None if values is None else values.double()
        return torch.bincount(segment * width + classes, weights, minlength=n * width).view(n, width)

    square = sum(plane * plane for plane in p)
    if not (square <= LARGEST_NORM).all():
        refuse(scores, logits)
    inverse_norm = square.sqrt().clamp_min(FLOOR).reciprocal()
    p1, predicted = p.max(0)
    void = labels == VOID
    known = torch.where(void, predicted, labels)
    q = p.gather(0, known[None])[0]
    cil = 1 - q

    histogram = by_class(predicted)
    dominant = histogram.argmax(1) if n else histogram.sum(1)
    member = predicted == dominant[segment]
    dominant_sum = totals(member.float())
    mean = F.normalize(dominant_sum, dim=1, eps=FLOOR).float()
    cosine = sum(plane * mean[segment, c] for c, plane in enumerate(p)) * inverse_norm
    best = cosine.new_full((n,), -1).scatter_reduce(0, segment, cosine.masked_fill(~member, -1), "amax")
    first = torch.where(member & (cosine == best[segment]), torch.arange(len(segment), device=p.device), len(segment))
    r = torch.full_like(ids, len(segment), dtype=torch.long).scatter_reduce(0, segment, first, "amin")
    pixel = covered[r]
    table = {
        "superpixel": ids,
        "size": by_class(torch.zeros_like(segment), width=1),
        "row": pixel // superpixels.shape[1],
        "column": pixel % superpixels.shape[1],
        "label": labels[r],
        "dominant": dominant,
        "prediction_histogram": histogram,
        "dominant_probability_sum": dominant_sum,
        "cil": cil[r],
        "representative_probability": p[:, r].T,
    }

    if needs & {"top2_sum", "ratio_sum", "label_margin_sum", "ratio_by_class"}:
        p2 = p.scatter(0, predicted[None], -1).amax(0).clamp_min(0)
    if needs & {"entropy_sum", "excess_entropy_sum", "entropy_ratio_sum"}:
        entropy = -sum(torch.xlogy(plane, plane) for plane in p)
    if needs & {"cil_vector", "sim"}:
        vector = totals(cil * inverse_norm)
    formulas = {
        "entropy_sum": lambda: total(entropy),
        "top1_sum": lambda: total(p1),
        "top2_sum": lambda: total(p2),
        "ratio_sum": lambda: total(p2 / p1.clamp_min(FLOOR)),
        "cil_sum": lambda: total(cil),
        "nll_sum": lambda: total(-q.clamp_min(FLOOR).log()),
        "excess_entropy_sum": lambda: total((entropy - 0.3).clamp_min(0)),
        "label_margin_sum": lambda: total(q - torch.where(known == predicted, p2, p1)),
        "entropy_ratio_sum": lambda: total(entropy / q.clamp_min(FLOOR)),
        "softmin_numerator": lambda: total(q * (q * -10).exp()),
        "softmin_denominator": lambda: total((q * -10).exp()),
        "agree_count": lambda: total(predicted == labels),
        "label_histogram": lambda: by_class(labels.masked_fill(void, n_classes), width=n_classes + 1),
        "probability_sum": lambda: totals(torch.ones_like(q)),
        "ratio_by_class": lambda: by_class(predicted, p2 / p1.clamp_min(FLOOR)),
        "cil_vector": lambda: vector,
        "sim": lambda: (vector * p[:, r].T).sum(1) * inverse_norm[r],
        "cil_cosine_by_label": lambda: by_class(known, cosine * cil),
    }
    table |= {name: formulas[name]() for name in needs & formulas.keys()}
    return {name: column.cpu() for name, column in table.items()}
