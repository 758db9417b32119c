"""The catalogue of all statistics of a superpixel: their names, shapes, types, formulas and inputs.

For a superpixel S of n pixels: p = P[:, x] the softmax at pixel x; ŷ = argmax p (tie: lowest class); p1 ≥ p2 its two
largest values; H = -Σ p ln p in nats, with 0 ln 0 = 0; y the current label; ỹ = y, or ŷ if y = 255; q = p[ỹ];
CIL = 1 - q; p̂ = p/‖p‖₂; d = mode of ŷ over S (tie: lowest class); μ = mean of p over {x ∈ S : ŷ(x) = d};
r = argmax cos(p, μ) over {x ∈ S : ŷ(x) = d} (tie: first in row-major order), the representative pixel; t the truth.
Logarithms and divisions take max(q, 1e-12) for q. Sums are over S.
Sources: Kim et al., ICML 2024 (SIM, CIL); Northcutt et al., JAIR 2021 (thresholds).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from bench.registry import one_of, parse
from bench.types import InputError

BASE = {
    "image": np.int32,
    "superpixel": np.int64,
    "size": np.int64,
    "row": np.int32,
    "column": np.int32,
    "label": np.uint8,
}
"""The columns that are always there (`bench.types.Candidates`), and their types. ``image`` only of a batch."""

QUALITY_BINS = 64

PASSES = tuple((scale, flip) for scale in (1.0, 0.75, 1.25) for flip in (False, True))
"""The stochastic passes: (factor on height and width, mirrored left to right). Logits come back unmirrored."""

THRESHOLDS_NEED = ("label_probability_sum", "label_histogram")
"""The statistics of the whole pool from which `thresholds` are computed."""


@dataclass(frozen=True)
class Statistic:
    """One statistic: a row of the table for each superpixel.

    ``width``: the kind of a row, with C classes and features of depth D: "" a number, else a vector of "C", "C+1",
    "3C", "D" or a fixed number of values. ``dtype``: of the column. ``reads``: the inputs besides scores, labels and
    superpixels, any of "image", "features", "passes" (see `PASSES`), "thresholds" (see `thresholds`) and "truth" (the
    experiment fills these columns in, and only for strategies that declare it). ``fused``: whether every implementation
    computes it in its one pass over the scores; the others are computed from whole maps, one after another.
    """

    name: str
    width: str
    dtype: type
    reads: frozenset[str]
    formula: str
    fused: bool = False

    def shape(self, n_classes: int, depth: int = 0) -> tuple[int, ...]:
        """The shape of one row."""
        if self.width == "":
            return ()
        sizes = {"C": n_classes, "C+1": n_classes + 1, "3C": 3 * n_classes, "D": depth}
        return (sizes[self.width] if self.width in sizes else int(self.width),)


def _fused(name, width, formula, dtype=np.float64):
    return Statistic(name, width, dtype, frozenset(), formula, fused=True)


def _of_maps(name, width, formula, dtype=np.float64, reads=()):
    return Statistic(name, width, dtype, frozenset(reads), formula)


def _of_truth(name, width, formula, dtype=np.int64):
    return Statistic(name, width, dtype, frozenset({"truth"}), formula)


_ALL = (
    _fused("entropy_sum", "", "Σ H"),
    _fused("top1_sum", "", "Σ p1"),
    _fused("top2_sum", "", "Σ p2"),
    _fused("ratio_sum", "", "Σ p2/p1"),
    _fused("cil_sum", "", "Σ CIL"),
    _fused("nll_sum", "", "Σ -ln q"),
    _fused("excess_entropy_sum", "", "Σ max(H - 0.3·ln C, 0)"),
    _fused("label_margin_sum", "", "Σ (q - max of p over the classes other than ỹ)"),
    _fused("weighted_entropy_sum", "", "Σ ln(1 + s)/s with s = H/(q·ln C), and 1 where s = 0"),
    _fused("softmin_numerator", "", "Σ q·exp(-q/0.1)"),
    _fused("softmin_denominator", "", "Σ exp(-q/0.1)"),
    _fused("agree_count", "", "#{ŷ = y}, pixels", np.int64),
    _fused("dominant", "", "d, a class id", np.int64),
    _fused("prediction_histogram", "C", "#{ŷ = c}, pixels", np.int64),
    _fused("label_histogram", "C+1", "#{y = c}, pixels; the last column counts y = 255", np.int64),
    _fused("probability_sum", "C", "Σ p"),
    _fused("dominant_probability_sum", "C", "Σ p over {ŷ = d}"),
    _fused("ratio_by_class", "C", "Σ p2/p1 over {ŷ = c}"),
    _fused("cil_vector", "C", "V = Σ CIL·p̂"),
    _fused("cil", "", "CIL(r)"),
    _fused("representative_probability", "C", "p at r"),
    _fused("sim", "", "Σ cos(p, p(r))·CIL = ⟨V, p̂(r)⟩"),
    _fused("cil_cosine_by_label", "C", "Σ cos(p, μ)·CIL over {ỹ = c}"),
    _fused("class_entropy_sum", "C", "Σ H·p[c]"),
    _fused("label_probability_sum", "C", "Σ p[c] over {y = c}"),
    _fused(
        "quality_histogram",
        str(2 * QUALITY_BINS),
        f"pixels by ⌊-4·log2 p[y]⌋ from 0 to {QUALITY_BINS - 1} where ŷ ≠ y ≠ 255, then the same where ŷ = y",
        np.int32,
    ),
    _of_maps(
        "feature",
        "D",
        "mean of the decode head's last features; a pixel has those of the cell it lies in, not interpolated",
        np.float32,
        {"features"},
    ),
    _of_maps("predictive_entropy_sum", "", "Σ H(mean of p over the passes)", reads={"passes"}),
    _of_maps("expected_entropy_sum", "", "Σ mean of H(p) over the passes", reads={"passes"}),
    _of_maps("vote_entropy_sum", "", "Σ H(share of the passes with ŷ = c)", reads={"passes"}),
    _of_maps("tempered_entropy_sum", "", "Σ H of softmax(logits/temperature)"),
    _of_maps("tempered_ratio_sum", "", "Σ p2/p1 of softmax(logits/temperature) = Σ (p2/p1)^(1/temperature)"),
    _of_maps(
        "impurity_entropy_sum",
        "",
        "Σ H(shares of ŷ)/ln C · mean H/ln C, both over the window round the pixel, cut at the border",
    ),
    _of_maps(
        "colour_gradient_sum",
        "",
        "Σ min(mean absolute difference of RGB, in [0, 1], to the pixels of the image within 4 px, itself too, 0.1)",
        reads={"image"},
    ),
    _of_maps("aiou_sum", "", "Σ adjusted IoU of the pixel's 8-connected component of ŷ with the components of ỹ"),
    _of_maps("confident_count", "", "#{ŷ ≠ y ≠ 255, p1 ≥ threshold of ŷ}, pixels", np.int64, {"thresholds"}),
    _of_truth(
        "truth_answer",
        "",
        "the class that the annotator would write if asked; 255 deletes the labels, -1 leaves them",
        np.int16,
    ),
    _of_truth("truth_histogram", "C+1", "#{t = c}, pixels; the last column counts t = 255"),
    _of_truth("truth_agree_histogram", "C", "#{t = y = c}, pixels"),
    _of_truth("truth_label_histogram", "C", "#{y = c, t ≠ 255}, pixels"),
    _of_truth(
        "truth_totals", "3C", "#{t = y = c}, #{t = c}, #{y = c, t ≠ 255} over the whole split; every row holds the same"
    ),
)
STATISTICS: dict[str, Statistic] = {s.name: s for s in _ALL}
OF_TRUTH = frozenset(s.name for s in _ALL if "truth" in s.reads)


def statistic(name: str) -> Statistic:
    """The statistic of this name, which may carry parameters: ``impurity_entropy_sum[window=3]``.

    Raises InputError for an unknown name, and for parameters of a fused statistic, which takes none.
    """
    base, parameters = parse(name)
    one_of(base, STATISTICS, "statistic")
    if parameters and STATISTICS[base].fused:
        raise InputError(f"the statistic {base!r} takes no parameters, got {name!r}")
    return STATISTICS[base]


def reads(names: Iterable[str]) -> set[str]:
    """The inputs of these statistics besides scores, labels and superpixels (`Statistic.reads`). Raises InputError."""
    return set().union(*(statistic(name).reads for name in names if name not in BASE))


def trips(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """The statistics to compute in a first trip over the predictions, and those left for a second one.

    The second are those that compare with thresholds over the whole pool; the first then has the statistics that
    `thresholds` need as well. Raises InputError for an unknown name.
    """
    names = list(dict.fromkeys(names))
    second = [name for name in names if "thresholds" in reads([name])]
    first = [name for name in names if name not in second]
    return list(dict.fromkeys([*first, *THRESHOLDS_NEED])) if second else first, second


def thresholds(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """(C,) float64: mean p[c] over the pool's pixels labelled c, infinite for a class without any.

    ``columns`` has `THRESHOLDS_NEED` of the whole pool. Northcutt et al., JAIR 2021.
    """
    total = columns["label_probability_sum"].sum(0)
    n = columns["label_histogram"][:, : len(total)].sum(0)
    return np.where(n > 0, total / np.maximum(n, 1), np.inf)
