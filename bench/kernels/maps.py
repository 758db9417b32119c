"""Statistics of a superpixel that need more than one pass over one softmax: features, passes, windows, components.

`bench.kernels.statistics` says what each one is, in the order and with the symbols used here.
"""

from functools import cached_property

import numpy as np
import torch
from scipy.sparse import csr_matrix
from skimage.measure import label
from torch.nn.functional import avg_pool2d, interpolate, one_hot

from bench.kernels.statistics import QUALITY_BINS
from bench.registry import parse
from bench.types import VOID, InputError

# From a pixel to each other one within 4 of it, (rows down, columns right); the opposite ones are left out.
GRADIENT_OFFSETS = tuple((r, c) for r in range(5) for c in range(-4, 5) if r * r + c * c <= 16 and (r > 0 or c > 0))


def statistics(names, scores, labels, regions, logits, align_corners, given) -> dict[str, np.ndarray]:
    """The statistics ``names`` of every superpixel of one image, as `bench.kernels.superpixel_statistics` gives them.

    ``given``: the image, features, passes and thresholds by these names. Raises InputError for a parameter that a
    statistic does not take, no passes, and an image of another size.
    """
    scene = _Scene(scores, labels, regions, logits, align_corners, given)
    table = {}
    for name in names:
        base, parameters = parse(name)
        try:
            table[name] = getattr(scene, base)(**parameters)
        except TypeError as error:
            raise InputError(f"the statistic {name!r} does not take these parameters: {error}") from error
    return table


class _Scene:
    """One image: what statistics share, computed once, and a method for each statistic."""

    def __init__(self, scores, labels, regions, logits, align_corners, given):
        self.scores, self.logits, self.align_corners = scores, logits, align_corners
        self.labels, self.size, self.n_classes = labels.astype(int), labels.shape, len(scores)
        self.image, self.features, self.passes = given["image"], given["features"], given["passes"]
        self.thresholds = given["thresholds"]
        self.n, self.inside = len(regions), regions.all_pixels()
        self.rows = np.repeat(np.arange(self.n), regions.sizes)  # of the table, for each pixel of ``inside``

    def softmax(self, logits):
        sizes = {"size": self.size, "mode": "bilinear", "align_corners": self.align_corners}
        return interpolate(logits[None].float(), **sizes)[0].softmax(0)

    @cached_property
    def probabilities(self):
        return self.softmax(self.scores) if self.logits else self.scores.float()

    @cached_property
    def predicted(self):
        return self.probabilities.max(0)[1].cpu().numpy()

    @cached_property
    def best(self):
        return self.probabilities.max(0)[0].cpu().numpy()

    def sum(self, pixels):
        """(N,) float64 from (H, W)."""
        pixels = pixels.cpu().numpy() if torch.is_tensor(pixels) else pixels
        return np.bincount(self.rows, pixels.ravel()[self.inside], self.n)

    def count(self, classes, where, k, weights=None):
        """(N, k) pixels by ``classes`` (H, W) among ``where`` (H, W), or their sums of ``weights``."""
        where = where.ravel()[self.inside]
        keys = (self.rows * k + classes.ravel()[self.inside])[where]
        weights = None if weights is None else weights.ravel()[self.inside][where]
        return np.bincount(keys, weights, self.n * k).reshape(self.n, k)

    def feature(self):
        depth, height, width = self.features.shape
        row, column = np.divmod(self.inside, self.size[1])
        cell = row * height // self.size[0] * width + column * width // self.size[1]
        pixels = csr_matrix((np.ones(len(cell)), (self.rows, cell)), shape=(self.n, height * width))
        features = self.features.detach().float().cpu().numpy().reshape(depth, -1).T.astype(np.float64)
        return (pixels @ features / np.asarray(pixels.sum(1))).astype(np.float32)

    @cached_property
    def ensemble(self):
        """The three entropies of the passes, each (H, W); a pass is let go as soon as it is counted."""
        mean = votes = expected = torch.zeros(())
        n = 0
        for logits in self.passes:
            p = self.softmax(logits)
            mean, expected, n = mean + p, expected + _entropy(p), n + 1
            votes = votes + torch.zeros_like(p).scatter_(0, p.max(0)[1][None], 1)
        if not n:
            raise InputError("the statistics of stochastic passes need one pass at least, got none")
        return _entropy(mean / n), expected / n, _entropy(votes / n)

    def predictive_entropy_sum(self):
        return self.sum(self.ensemble[0])

    def expected_entropy_sum(self):
        return self.sum(self.ensemble[1])

    def vote_entropy_sum(self):
        return self.sum(self.ensemble[2])

    def tempered_entropy_sum(self, temperature):
        return self.sum(_entropy((self.probabilities.log() / temperature).softmax(0)))

    def class_entropy_sum(self):
        entropy = _entropy(self.probabilities)
        return np.stack([self.sum(entropy * p) for p in self.probabilities], axis=1)

    def tempered_ratio_sum(self, temperature):
        best = self.probabilities.topk(2, dim=0)[0]
        return self.sum((best[1] / best[0]) ** (1 / temperature))

    def impurity_entropy_sum(self, window):
        def mean(maps):  # a box's mean is the mean along rows of the mean along columns, at the border too
            maps = avg_pool2d(maps[None], (window, 1), 1, (window // 2, 0), count_include_pad=False)
            return avg_pool2d(maps, (1, window), 1, (0, window // 2), count_include_pad=False)[0]

        classes = one_hot(self.probabilities.max(0)[1], self.n_classes).permute(2, 0, 1).float()
        impurity = _entropy(mean(classes)) * mean(_entropy(self.probabilities)[None])[0]
        return self.sum(impurity / np.log(max(self.n_classes, 2)) ** 2)

    def colour_gradient_sum(self):
        if np.shape(self.image) != (*self.size, 3):
            raise InputError(
                f"the image has shape {np.shape(self.image)}, expected {(*self.size, 3)} as the labels have"
            )
        colours, (height, width) = self.image.astype(np.int16), self.size
        total, n = np.zeros(self.size, np.int32), np.ones(self.size, np.int32)  # a pixel is one of its own nearest
        for down, right in ((r, c) for r, c in GRADIENT_OFFSETS if r < height and abs(c) < width):
            here = np.s_[: height - down, max(-right, 0) : width - max(right, 0)]
            there = np.s_[down:, max(right, 0) : width + min(right, 0)]
            step = np.abs(colours[here] - colours[there]).sum(2, dtype=np.int32)
            for end in (here, there):
                total[end] += step
                n[end] += 1
        return self.sum(np.minimum(total / (3 * 255 * n), 0.1))

    def aiou_sum(self):
        known = np.where(self.labels == VOID, self.predicted, self.labels)
        parts, targets = (label(m, background=-1, connectivity=2) for m in (self.predicted, known))
        agree = self.predicted == known
        n_targets = targets.max() + 1
        # a label component's pixels that no prediction of its class covers are missed by each component that meets it
        missed = np.bincount(targets[~agree], minlength=n_targets)
        part, target = np.divmod(np.unique(parts[agree] * n_targets + targets[agree]), n_targets)
        union = np.bincount(parts.ravel()) + np.bincount(part, missed[target], parts.max() + 1)
        overlap = np.bincount(parts[agree], minlength=parts.max() + 1)
        return self.sum((overlap / np.maximum(union, 1))[parts])

    @cached_property
    def labelled(self):
        return self.labels != VOID

    @cached_property
    def quality(self):
        """p[y] (H, W), and p[0] where y = 255."""
        classes = torch.as_tensor(np.where(self.labelled, self.labels, 0), device=self.probabilities.device)
        return self.probabilities.gather(0, classes[None])[0].double().cpu().numpy()

    def label_probability_sum(self):
        return self.count(self.labels, self.labelled, self.n_classes, self.quality)

    def confident_count(self):
        confident = self.best >= np.asarray(self.thresholds)[self.predicted] - 1e-6
        return self.count(np.zeros_like(self.labels), confident & self.labelled & (self.predicted != self.labels), 1)[
            :, 0
        ]

    def quality_histogram(self):
        bins = np.clip(-4 * np.log2(np.maximum(self.quality, 1e-12)), 0, QUALITY_BINS - 1).astype(int)
        bins += QUALITY_BINS * (self.predicted == self.labels)
        return self.count(bins, self.labelled, 2 * QUALITY_BINS).astype(np.int32)


def _entropy(p):
    """(H, W) nats from (K, H, W)."""
    return -torch.special.xlogy(p, p).sum(0)
