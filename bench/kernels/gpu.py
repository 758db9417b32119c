"""The GPU implementation: Triton kernels that read scores in place, fused with upsampling and softmax for logits.

Pixels are taken superpixel by superpixel in chunks; a kernel's program deals with one chunk as a (pixels, classes)
tile. No (C, H, W) array is written, only some numbers a pixel. Sums leave a chunk in float32 and are added up in
float64, in a fixed order. With TRITON_INTERPRET=1 the same code runs on the CPU, slowly, to be checked.
"""

import os

import torch
import triton
import triton.language as tl

from bench.kernels import axis_weights, vectorised
from bench.types import VOID, InputError

TILE = 4096  # values a program holds: pixels × classes rounded up to a power of two
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"


def statistics(scores, labels, superpixels, needs, logits, align_corners, threads):
    """See `bench.kernels.superpixel_statistics`."""
    device = scores[0].device
    if device.type != "cuda" and not INTERPRETED:
        raise InputError(f"the gpu implementation needs scores on a GPU, got {device}; leave implementation out")
    return vectorised.statistics(scores, labels, superpixels, needs, logits, align_corners, threads, source=Tiles)


class Tiles:
    """The same methods as `bench.kernels.vectorised.Planes`, without the full-size probabilities."""

    def __init__(self, scores, shape, logits, align_corners, covered, segment, n_segments):
        self.scores, self.logits, self.width, device = scores.contiguous(), logits, shape[1], scores.device
        self.covered, self.n_segments = covered, n_segments
        self.rows, self.columns = (
            [torch.from_numpy(a).to(device) for a in axis_weights(n_in, n_out, align_corners)]
            for n_in, n_out in zip(scores.shape[1:], shape, strict=True)
        )
        self.padded = triton.next_power_of_2(len(scores))
        self.block = max(16, TILE // self.padded)
        self.order = segment.argsort(stable=True)
        sizes = torch.bincount(segment, minlength=n_segments)
        self.n_chunks = (sizes + self.block - 1) // self.block
        self.owner = torch.repeat_interleave(torch.arange(n_segments, device=device), self.n_chunks)
        ends = sizes.cumsum(0)
        within = torch.arange(len(self.owner), device=device) - (self.n_chunks.cumsum(0) - self.n_chunks)[self.owner]
        self.start = (ends - sizes)[self.owner] + within * self.block
        self.stop = torch.minimum(self.start + self.block, ends[self.owner])

    def pixels(self, labels):
        p1, p2, q, square, entropy = (torch.empty(len(labels), device=labels.device) for _ in range(5))
        predicted = torch.empty_like(labels)
        self._run(_pixels, labels, p1, p2, predicted, q, square, entropy)
        return p1, p2, predicted, q, square, entropy

    def totals(self, weight):
        parts = weight.new_empty((len(self.owner), len(self.scores)))
        self._run(_totals, weight, parts)
        if not len(parts):
            return parts.double().new_zeros((self.n_segments, len(self.scores)))
        return torch.segment_reduce(parts.double(), "sum", lengths=self.n_chunks)

    def mix(self, vectors):
        out = torch.empty(len(self.covered), device=vectors.device)
        self._run(_mix, vectors.contiguous(), self.owner, out)
        return out

    def at(self, positions):
        tiles = Tiles.__new__(Tiles)
        tiles.__dict__ |= self.__dict__ | {"order": positions, "owner": torch.arange(self.n_segments)}
        tiles.start = torch.arange(self.n_segments, device=positions.device)
        tiles.stop, tiles.n_chunks = tiles.start + 1, torch.ones_like(tiles.start)
        return tiles.totals(torch.ones(len(self.covered), device=positions.device)).float()

    def _run(self, kernel, *arrays):
        if len(self.owner):
            kernel[(len(self.owner),)](
                *(self.scores, *self.rows, *self.columns, self.covered, self.order, self.start, self.stop, *arrays),
                len(self.scores), *self.scores.shape[1:], self.width,
                LOGITS=self.logits, C=self.padded, N=self.block, VOID=VOID,
            )  # fmt: skip


@triton.jit
def _tile(scores, top, bottom, down, left, right, across, covered, order, start, stop, n_classes, h, w, width,
          LOGITS: tl.constexpr, C: tl.constexpr, N: tl.constexpr):  # fmt: skip
    """Places (N,) among the covered pixels, which of them count, the classes (C,), and p (N, C), 0 if none does."""
    chunk = tl.program_id(0)
    index = tl.load(start + chunk) + tl.arange(0, N)
    real = index < tl.load(stop + chunk)
    place = tl.load(order + index, mask=real, other=0)
    pixel = tl.load(covered + place, mask=real, other=0)
    classes = tl.arange(0, C)
    mask = real[:, None] & (classes < n_classes)[None, :]
    if LOGITS:
        row, column = pixel // width, pixel % width
        plane = scores + classes.to(tl.int64)[None, :] * h * w
        upper, lower = tl.load(top + row)[:, None] * w, tl.load(bottom + row)[:, None] * w
        a, b = tl.load(left + column)[:, None], tl.load(right + column)[:, None]
        v, u = tl.load(down + row)[:, None], tl.load(across + column)[:, None]
        above = tl.load(plane + upper + a, mask, 0).to(tl.float32)
        above += u * (tl.load(plane + upper + b, mask, 0).to(tl.float32) - above)
        below = tl.load(plane + lower + a, mask, 0).to(tl.float32)
        below += u * (tl.load(plane + lower + b, mask, 0).to(tl.float32) - below)
        x = above + v * (below - above)
        e = tl.where(mask, tl.exp(x - tl.max(tl.where(mask, x, -1e30), 1)[:, None]), 0.0)
        p = tl.where(mask, e / tl.sum(e, 1)[:, None], 0.0)
    else:
        p = tl.load(scores + classes.to(tl.int64)[None, :] * h * w + pixel[:, None], mask, 0).to(tl.float32)
    return place, real, classes, p


@triton.jit
def _pixels(scores, top, bottom, down, left, right, across, covered, order, start, stop,
            labels, p1, p2, predicted, q, square, entropy, n_classes, h, w, width,
            LOGITS: tl.constexpr, C: tl.constexpr, N: tl.constexpr, VOID: tl.constexpr):  # fmt: skip
    place, real, classes, p = _tile(scores, top, bottom, down, left, right, across, covered, order, start, stop,
                                    n_classes, h, w, width, LOGITS, C, N)  # fmt: skip
    best = tl.max(p, 1)
    chosen = tl.min(tl.where(p == best[:, None], classes[None, :], C), 1)
    label = tl.load(labels + place, mask=real, other=0)
    known = tl.where(label == VOID, chosen, label)
    tl.store(p1 + place, best, real)
    tl.store(p2 + place, tl.max(tl.where(classes[None, :] == chosen[:, None], 0.0, p), 1), real)
    tl.store(predicted + place, chosen.to(tl.int64), real)
    tl.store(q + place, tl.sum(tl.where(classes[None, :] == known[:, None], p, 0.0), 1), real)
    tl.store(square + place, tl.sum(p * p, 1), real)
    tl.store(entropy + place, -tl.sum(p * tl.log(tl.maximum(p, 1.2e-38)), 1), real)


@triton.jit
def _totals(scores, top, bottom, down, left, right, across, covered, order, start, stop, weight, parts,
            n_classes, h, w, width,
            LOGITS: tl.constexpr, C: tl.constexpr, N: tl.constexpr, VOID: tl.constexpr):  # fmt: skip
    place, real, classes, p = _tile(scores, top, bottom, down, left, right, across, covered, order, start, stop,
                                    n_classes, h, w, width, LOGITS, C, N)  # fmt: skip
    total = tl.sum(p * tl.load(weight + place, mask=real, other=0)[:, None], 0)
    tl.store(parts + tl.program_id(0) * n_classes + classes, total, classes < n_classes)


@triton.jit
def _mix(scores, top, bottom, down, left, right, across, covered, order, start, stop, vectors, owner, out,
         n_classes, h, w, width,
         LOGITS: tl.constexpr, C: tl.constexpr, N: tl.constexpr, VOID: tl.constexpr):  # fmt: skip
    place, real, classes, p = _tile(scores, top, bottom, down, left, right, across, covered, order, start, stop,
                                    n_classes, h, w, width, LOGITS, C, N)  # fmt: skip
    base = tl.load(owner + tl.program_id(0)) * n_classes
    vector = tl.load(vectors + base + classes, mask=classes < n_classes, other=0)
    tl.store(out + place, tl.sum(p * vector[None, :], 1), real)
