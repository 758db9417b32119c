"""Statistics of a superpixel that need more than one pass over one softmax: features, passes, windows, components.

`bench.kernels.statistics` defines each one, in the order and with the symbols used here. The numbers of single
pixels that they start from come from numba, or from torch if the scores are on another device.
"""

from functools import cached_property

import numpy as np
import torch
from torch.nn.functional import interpolate

from bench.kernels import axis_weights, cpu, neighbours
from bench.kernels.regions import Regions
from bench.kernels.regions import regions as regions_of
from bench.registry import parse
from bench.types import VOID, InputError


def statistics(names, scores, labels, regions, logits, align_corners, given, pixelwise) -> dict[str, np.ndarray]:
    """The statistics ``names`` of every superpixel of one image, as `bench.kernels.superpixel_statistics` gives them.

    ``given``: the image, features, passes and thresholds by these names. ``pixelwise``: `bench.kernels.cpu.pixelwise`,
    or `pixelwise` here. Raises InputError for a parameter that a statistic does not take, no passes, and an image of
    another size.
    """
    scene = _Scene(scores, labels, regions, logits, align_corners, given, pixelwise)
    table = {}
    for name in names:
        base, parameters = parse(name)
        try:
            table[name] = getattr(scene, base)(**parameters)
        except TypeError as error:
            raise InputError(f"the statistic {name!r} does not take these parameters: {error}") from error
    return table


def pixelwise(wanted, scores, labels, superpixels, logits, align_corners, temperature=1.0) -> dict[str, np.ndarray]:
    """As `bench.kernels.cpu.pixelwise`, with torch, on the device of the scores."""
    scores = scores.float()
    if logits:
        size = {"size": superpixels.shape, "mode": "bilinear", "align_corners": align_corners}
        scores = interpolate(scores[None], **size)[0]
    pixels = torch.from_numpy(superpixels.all_pixels()).to(scores.device)
    x = scores.flatten(1)[:, pixels]
    if temperature != 1:
        x = (x if logits else x.clamp_min(1e-12).log()) / temperature
    p = x.softmax(0) if logits or temperature != 1 else x
    best = torch.cat([p, p.new_full((1, p.shape[1]), -1)]).topk(2, dim=0)[0]
    found = {
        "predicted": lambda: p.max(0)[1].to(torch.uint8),
        "best": lambda: best[0],
        "second": lambda: best[1].clamp_min(0),
        "entropy": lambda: -torch.special.xlogy(p, p).sum(0),
        "probabilities": lambda: p,
    }
    return {name: found[name]().cpu().numpy() for name in wanted}


def predicted(logits: torch.Tensor, size: tuple[int, int], align_corners: bool) -> np.ndarray:
    """(H, W) uint8 of ``size``: the most probable class of each pixel, logits (C, h, w) upsampled bilinearly."""
    scores = np.ascontiguousarray(logits.detach().float().cpu().numpy().transpose(1, 2, 0))
    axes = (axis_weights(*sizes, align_corners) for sizes in zip(scores.shape, size, strict=False))
    out = np.empty(size, np.uint8)
    neighbours.predict(scores, scores.argmax(2).astype(np.uint8), *axes, out)
    return out


class _Scene:
    """One image: the values that statistics share, computed once, and a method for each statistic."""

    def __init__(self, scores, labels, regions, logits, align_corners, given, pixelwise):
        self.labels, self.size, self.n_classes, self.regions = labels, labels.shape, len(scores), regions
        self.image, self.features, self.passes = given["image"], given["features"], given["passes"]
        self.thresholds = given["thresholds"]
        self.scores, self.logits, self.align_corners = scores, logits, align_corners

        def pixels(wanted, of=None, where=regions, temperature=1.0):
            """The numbers ``wanted`` of the pixels of all superpixels, or of those ``where``, from logits ``of``."""
            of, is_logits = (scores, logits) if of is None else (of, True)
            return pixelwise(wanted, of, labels, where, is_logits, align_corners, temperature)

        self.pixels = pixels

    def sum(self, pixels):
        """(N,) sums over each superpixel of the values (n,) at the pixels of all superpixels."""
        if not len(pixels):
            return np.zeros(0)
        return np.add.reduceat(pixels, np.cumsum(self.regions.sizes) - self.regions.sizes, dtype=np.float64)

    @cached_property
    def inside(self):
        return self.regions.all_pixels()

    @cached_property
    def predicted(self):
        """(H, W) uint8."""
        if not self.logits:
            return self.scores.max(0)[1].to(torch.uint8).cpu().numpy()
        return predicted(self.scores, self.size, self.align_corners)

    def feature(self):
        depth, *cells = self.features.shape
        features = np.ascontiguousarray(self.features.detach().float().cpu().numpy().transpose(1, 2, 0))
        out = np.zeros((len(self.regions), depth))
        runs = cpu.joined_runs([self.regions])[2]
        neighbours.cell_means(runs, self.size, features, np.zeros(cells, np.int64), out)
        return out.astype(np.float32)

    @cached_property
    def ensemble(self):
        """The three entropies of the passes, each (n,); a pass is let go as soon as it is counted."""
        n_pixels, n = len(self.inside), 0
        mean, votes = np.zeros((2, self.n_classes, n_pixels), np.float32)
        expected = np.zeros(n_pixels, np.float32)
        for logits in self.passes:
            found = self.pixels(["predicted", "entropy", "probabilities"], of=logits)
            mean += found["probabilities"]
            votes[found["predicted"], np.arange(n_pixels)] += 1
            expected += found["entropy"]
            n += 1
        if not n:
            raise InputError("the statistics of stochastic passes need one pass at least, got none")
        return self._entropy(mean / n), expected / n, self._entropy(votes / n)

    def _entropy(self, p):
        """(n,) nats from (C, n)."""
        if not p.size:
            return p[0]
        row, labels = torch.from_numpy(p[:, None]), np.zeros((1, p.shape[1]), np.uint8)
        return cpu.pixelwise(["entropy"], row, labels, _whole(labels.shape), False, False)["entropy"]

    def predictive_entropy_sum(self):
        return self.sum(self.ensemble[0])

    def expected_entropy_sum(self):
        return self.sum(self.ensemble[1])

    def vote_entropy_sum(self):
        return self.sum(self.ensemble[2])

    def tempered_entropy_sum(self, temperature):
        return self.sum(self.pixels(["entropy"], temperature=temperature)["entropy"])

    def tempered_ratio_sum(self, temperature):
        found = self.pixels(["best", "second"], temperature=temperature)
        return self.sum(found["second"] / found["best"])

    def impurity_entropy_sum(self, window):
        reach, predicted = window // 2, self.predicted
        edges, counts = np.zeros(self.size, np.uint8), np.empty(self.size[1], np.int64)
        across, down = predicted[:, 1:] != predicted[:, :-1], predicted[1:] != predicted[:-1]
        for here, differ in ((np.s_[:, 1:], across), (np.s_[:, :-1], across), (np.s_[1:], down), (np.s_[:-1], down)):
            edges[here] |= differ
        mixed, read = np.empty_like(edges), np.empty_like(edges)
        neighbours.near(edges, reach, counts, mixed)  # the windows of the others hold one class: their impurity is 0
        covered = np.zeros(self.size, np.uint8)
        covered.ravel()[self.inside] = 1
        mixed &= covered
        neighbours.near(mixed, reach, counts, read)
        where, entropy = regions_of(read), np.zeros(self.size, np.float32)
        entropy.ravel()[where.all_pixels()] = self.pixels(["entropy"], where=where)["entropy"]
        n = np.arange(window * window + 2)
        times_log, out = n * np.log(np.maximum(n, 1)), np.zeros(self.size)
        neighbours.impurity(predicted, entropy, mixed, reach, times_log, np.empty(256, np.int64), out)
        return self.sum(out.ravel()[self.inside]) / np.log(max(self.n_classes, 2)) ** 2

    def colour_gradient_sum(self):
        if np.shape(self.image) != (*self.size, 3):
            raise InputError(
                f"the image has shape {np.shape(self.image)}, expected {(*self.size, 3)} as the labels have"
            )
        colours = np.ascontiguousarray(np.moveaxis(self.image, 2, 0), np.float32)
        total, out = np.empty(self.size[1], np.float32), np.empty(self.size, np.float32)
        neighbours.colour_gradients(colours, total, out)
        return self.sum(out.ravel()[self.inside])

    def aiou_sum(self):
        known = np.where(self.labels == VOID, self.predicted, self.labels)
        n_pixels = known.size
        parts, targets, parent = (np.empty(self.size, np.int32) for _ in range(3))
        n_parts, n_targets = (
            neighbours.components(of, ids, parent.ravel()) for of, ids in ((self.predicted, parts), (known, targets))
        )
        area, overlap, missed = (np.zeros(n, np.int64) for n in (n_parts, n_parts, n_targets))
        pairs = np.empty((n_pixels, 2), np.int32)
        n = neighbours.overlaps(self.predicted, known, parts, targets, area, overlap, missed, pairs)
        # a label component's pixels that no prediction of its class covers are missed by each component that meets it
        part, target = np.divmod(np.unique(pairs[:n, 0] * np.int64(n_targets) + pairs[:n, 1]), n_targets)
        union = area + np.bincount(part, missed[target], n_parts)
        return self.sum((overlap / union)[parts.ravel()[self.inside]])

    def confident_count(self):
        found, labels = self.pixels(["predicted", "best"]), self.labels.ravel()[self.inside]
        confident = found["best"] >= (np.asarray(self.thresholds) - 1e-6)[found["predicted"]]
        return self.sum(confident & (labels != VOID) & (labels != found["predicted"]))


def _whole(size) -> Regions:
    """All pixels of a map, as one superpixel."""
    height, width = size
    rows, ones = np.arange(height, dtype=np.int32), np.ones(height, np.int32)
    one, n = np.ones(1, np.int64), np.array([height * width])
    return Regions((height, width), one, n, rows, 0 * ones, width * ones, np.array([0, height]))
