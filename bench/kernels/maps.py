"""Statistics of a superpixel that need more than one trip over one softmax: features, passes, windows, components.

Same form and symbols as `bench.kernels.columns`; sums are over S. A name may carry parameters:
``impurity_entropy_sum[window=3]``.
"""

from functools import cached_property

import numpy as np
import torch
from scipy.sparse import csr_matrix
from skimage.measure import label
from torch.nn.functional import avg_pool2d, interpolate, one_hot

from bench.registry import parse
from bench.types import VOID, InputError

QUALITY_BINS = 64

PASSES = tuple((scale, flip) for scale in (1.0, 0.75, 1.25) for flip in (False, True))
"""The stochastic passes: (factor on height and width, mirrored left to right). Logits come back unmirrored."""

MAP_COLUMNS = {
    # name: (width, formula). Width "" is (N,), "C" is (N, C), "D" is (N, D).
    "feature": (
        "D",
        "mean of the decode head's last features; a pixel has those of the cell it lies in, not interpolated",
    ),
    "predictive_entropy_sum": ("", "Σ H(mean of p over the passes)"),
    "expected_entropy_sum": ("", "Σ mean of H(p) over the passes"),
    "vote_entropy_sum": ("", "Σ H(share of the passes with ŷ = c)"),
    "tempered_ratio_sum": ("", "Σ p2/p1 of softmax(logits/temperature) = Σ (p2/p1)^(1/temperature)"),
    "impurity_entropy_sum": (
        "",
        "Σ H(shares of ŷ)/ln C · mean H/ln C, both over the window round the pixel, cut at the border",
    ),
    "colour_gradient_sum": ("", "Σ mean absolute difference of RGB, in [0, 1], to the 4 neighbours inside the image"),
    "aiou_sum": ("", "Σ adjusted IoU of the pixel's 8-connected component of ŷ with the components of ỹ"),
    "label_probability_sum": ("C", "Σ p[c] over {y = c}"),
    "confident_count": ("", "#{ŷ ≠ y ≠ 255, p1 ≥ threshold of ŷ}, pixels: second trip"),
    "quality_histogram": ("128", "pixels by ⌊-4·log2 p[y]⌋ from 0 to 63 where ŷ ≠ y ≠ 255, then the same where ŷ = y"),
}

INPUTS = {
    # what a statistic reads besides logits, labels and superpixels
    "feature": "features",
    "predictive_entropy_sum": "passes",
    "expected_entropy_sum": "passes",
    "vote_entropy_sum": "passes",
    "colour_gradient_sum": "image",
    "confident_count": "thresholds",
}

THRESHOLDS_NEED = ("label_probability_sum", "label_histogram")
"""What the first trip must give besides, for `thresholds`."""


def is_map(name: str) -> bool:
    """Whether ``name``, with or without parameters, is a statistic of this module."""
    return parse(name)[0] in MAP_COLUMNS


def inputs(names) -> set[str]:
    """Which of ``image``, ``features``, ``passes`` and ``thresholds`` these statistics read."""
    return {INPUTS[base] for base in (parse(name)[0] for name in names) if base in INPUTS}


def thresholds(columns) -> np.ndarray:
    """(C,) float64: mean p[c] over the pool's pixels labelled c, infinite for a class without any; from the first trip.

    ``columns`` has `THRESHOLDS_NEED` of the whole pool. Northcutt et al., JAIR 2021.
    """
    total = columns["label_probability_sum"].sum(0)
    n = columns["label_histogram"][:, : len(total)].sum(0)
    return np.where(n > 0, total / np.maximum(n, 1), np.inf)


def map_statistics(
    names, logits, labels, superpixels, *, image=None, features=None, passes=None, thresholds=None, align_corners=False
) -> dict[str, np.ndarray]:
    """The statistics ``names`` of every superpixel of one image, rows as in `bench.kernels.superpixel_statistics`.

    ``logits`` (C, h, w) floating tensor on any device, upsampled to the labels' size; ``labels`` (H, W) uint8;
    ``superpixels`` (H, W) integers; ``image`` (H, W, 3) uint8; ``features`` (D, h', w'); ``passes``: an iterable of
    logits of any size, one a pass of `PASSES`; ``thresholds`` (C,) from `thresholds`. Counts are int64
    (``quality_histogram`` int32), ``feature`` float32, the rest float64.

    Raises InputError for an unknown name or parameter, an input that is missing, and an image of another size.
    """
    given = {"image": image, "features": features, "passes": passes, "thresholds": thresholds}
    scene = _Scene(logits, np.asarray(labels), np.asarray(superpixels), align_corners, **given)
    table = {}
    for name in names:
        base, parameters = parse(name)
        if base not in MAP_COLUMNS:
            raise InputError(f"unknown statistic {name!r}; there are: {', '.join(MAP_COLUMNS)}")
        if base in INPUTS and given[INPUTS[base]] is None:
            raise InputError(f"the statistic {name!r} needs {INPUTS[base]}, and there are none")
        try:
            table[name] = getattr(scene, base)(**parameters)
        except TypeError as error:
            raise InputError(f"the statistic {name!r} does not take these parameters: {error}") from error
    return table


class _Scene:
    """One image: what statistics share, computed once, and a method a statistic."""

    def __init__(self, logits, labels, superpixels, align_corners, image, features, passes, thresholds):
        self.logits, self.align_corners = logits, align_corners
        self.labels, self.size, self.n_classes = labels.astype(int), labels.shape, len(logits)
        self.image, self.features, self.passes, self.thresholds = image, features, passes, thresholds
        self.inside = np.flatnonzero(superpixels > 0)
        ids, self.rows = np.unique(superpixels.ravel()[self.inside], return_inverse=True)
        self.n = len(ids)

    def softmax(self, logits):
        sizes = {"size": self.size, "mode": "bilinear", "align_corners": self.align_corners}
        return interpolate(logits[None].float(), **sizes)[0].softmax(0)

    @cached_property
    def probabilities(self):
        return self.softmax(self.logits)

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
        mean, votes, expected, n = 0, 0, 0, 0
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
        colours = self.image.astype(np.float64) / 255
        total, n = np.zeros(self.size), np.zeros(self.size)
        for axis in (0, 1):
            step = np.abs(np.diff(colours, axis=axis)).mean(2)
            for side in ((1, 0), (0, 1)):
                padding = [(0, 0), (0, 0)]
                padding[axis] = side
                total += np.pad(step, padding)
                n += np.pad(np.ones_like(step), padding)
        return self.sum(total / np.maximum(n, 1))

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
