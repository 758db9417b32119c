"""Every statistic of a superpixel that one trip over the pixels gives: its name, shape and formula.

For a superpixel S of n pixels: p = P[:, x] the softmax at pixel x; ŷ = argmax p (tie: lowest class); p1 ≥ p2 its two
largest values; H = -Σ p ln p in nats, with 0 ln 0 = 0; y the current label; ỹ = y, or ŷ where y = 255; q = p[ỹ];
CIL = 1 - q; p̂ = p/‖p‖₂; d = mode of ŷ over S (tie: lowest class); μ = mean of p over {x ∈ S : ŷ(x) = d};
r = argmax cos(p, μ) over {x ∈ S : ŷ(x) = d} (tie: first in row-major order), the representative pixel.
Logarithms and divisions take max(q, 1e-12) for q. Sums are over S.
Sources: Kim et al., ICML 2024 (SIM, CIL); the catalogue for the rest.
"""

COLUMNS = {
    # name: (width, formula). Width "" is (N,), "C" is (N, C), "C+1" is (N, C + 1).
    "entropy_sum": ("", "Σ H"),
    "top1_sum": ("", "Σ p1"),
    "top2_sum": ("", "Σ p2"),
    "ratio_sum": ("", "Σ p2/p1"),
    "cil_sum": ("", "Σ CIL"),
    "nll_sum": ("", "Σ -ln q"),
    "excess_entropy_sum": ("", "Σ max(H - 0.3, 0)"),
    "label_margin_sum": ("", "Σ (q - max of p over the classes other than ỹ)"),
    "entropy_ratio_sum": ("", "Σ H/q"),
    "softmin_numerator": ("", "Σ q·exp(-q/0.1)"),
    "softmin_denominator": ("", "Σ exp(-q/0.1)"),
    "agree_count": ("", "#{ŷ = y}, pixels"),
    "dominant": ("", "d, a class id"),
    "prediction_histogram": ("C", "#{ŷ = c}, pixels"),
    "label_histogram": ("C+1", "#{y = c}, pixels; the last column counts y = 255"),
    "probability_sum": ("C", "Σ p"),
    "dominant_probability_sum": ("C", "Σ p over {ŷ = d}"),
    "ratio_by_class": ("C", "Σ p2/p1 over {ŷ = c}"),
    "cil_vector": ("C", "V = Σ CIL·p̂"),
    "cil": ("", "CIL(r)"),
    "representative_probability": ("C", "p at r"),
    "sim": ("", "Σ cos(p, p(r))·CIL = ⟨V, p̂(r)⟩"),
    "cil_cosine_by_label": ("C", "Σ cos(p, μ)·CIL over {ỹ = c}"),
}
