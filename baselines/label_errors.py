"""Scores of label-error detection: how well the current label agrees with the model."""

import numpy as np

from bench.acquisition import Strategy
from bench.kernels.statistics import QUALITY_BINS


class Softmin(Strategy):
    """Softmin: minus the superpixel's soft minimum of p[current label]: a mean that weighs the worst pixels most."""

    needs = ("softmin_numerator", "softmin_denominator")
    source = "Lad and Mueller, 2023; cleanlab"

    def score(self, pool):
        c = pool.candidates
        return -c.softmin_numerator / c.softmin_denominator


class ConfidentLearning(Strategy):
    """Confident learning: share of the superpixel's pixels flagged as wrong, by thresholds per class over the pool.

    Trip one gives each class its threshold, the mean p[c] over pixels labelled c. Trip two counts, over the pool, the N
    pixels with a prediction of another class at or above that class's threshold. Flagged are those of the N pixels of
    lowest p[current label] that the model disagrees with. p[current label] is known to a quarter of a power of two. So
    pixels at the cut count in part.
    """

    needs = ("confident_count", "quality_histogram")
    source = "Northcutt et al., JAIR 2021; Lad and Mueller, 2023; cleanlab's segmentation filter"

    def score(self, pool):
        c = pool.candidates
        wrong, agreeing = c.quality_histogram[:, :QUALITY_BINS], c.quality_histogram[:, QUALITY_BINS:]
        worst_first = (wrong.sum(0) + agreeing.sum(0))[::-1]
        before = np.cumsum(worst_first) - worst_first
        part = np.clip((c.confident_count.sum() - before) / np.maximum(worst_first, 1), 0, 1)[::-1]
        return wrong @ part / c.size


class NormalizedMargin(Strategy):
    """Normalized margin: minus the mean over the superpixel of (p[current label] - best other p + 1) / 2."""

    needs = ("label_margin_sum",)
    source = "Northcutt et al., JAIR 2021; cleanlab"

    def score(self, pool):
        c = pool.candidates
        return -(c.label_margin_sum / c.size + 1) / 2


class WeightedEntropy(Strategy):
    """Confidence-weighted entropy: 1 - mean over the superpixel of ln(1 + s)/s, with s = entropy / ln C / p[label].

    cleanlab's score of a pixel, from 0 to 1 and low if the label looks wrong, from 1. Its limit is 1 if the
    entropy is 0; cleanlab gives 0 there.
    """

    needs = ("weighted_entropy_sum",)
    source = "Kuan and Mueller, 2022; cleanlab"

    def score(self, pool):
        c = pool.candidates
        return 1 - c.weighted_entropy_sum / c.size


class CrossEntropy(Strategy):
    """Cross-entropy: mean over the superpixel of -ln p[current label]."""

    needs = ("nll_sum",)
    source = "Bernhardt et al., Nature Communications 2022"

    def score(self, pool):
        c = pool.candidates
        return c.nll_sum / c.size


class LabelCleaning(Strategy):
    """Active label cleaning: mean over the superpixel of -ln p[current label] - max(entropy - 0.3 ln C, 0).

    The source divides both by ln C before it takes 0.3 off; times ln C, which changes no order, they are in nats.
    """

    needs = ("nll_sum", "excess_entropy_sum")
    source = "Bernhardt et al., Nature Communications 2022; InnerEye-DataQuality"

    def score(self, pool):
        c = pool.candidates
        return (c.nll_sum - c.excess_entropy_sum) / c.size


class Aiou(Strategy):
    """Adjusted IoU: 1 - mean over the superpixel of the adjusted IoU of the pixel's predicted component.

    Components are 8-connected. A component that meets no label of its class has IoU 0: those are the source's
    candidates. That this is the AIoU which ALC compares with is inferred.
    """

    needs = ("aiou_sum",)
    source = "Rottmann and Reese, WACV 2023"

    def score(self, pool):
        c = pool.candidates
        return 1 - c.aiou_sum / c.size
