"""ALC: confidence in label (CIL), at a pixel, over a superpixel, and with its look-ahead.

Source: Kim, Hwang, Kwak and Ok, Active Label Correction for Semantic Segmentation with Foundation Models, ICML 2024.
"""

from bench.acquisition import Strategy

_SOURCE = "Kim et al. (ALC), ICML 2024"


class CilPixel(Strategy):
    """CIL at the pixel: 1 - p[current label] at the representative pixel; the rest of the superpixel does not count."""

    needs = ("cil",)
    source = _SOURCE

    def score(self, pool):
        return pool.candidates.cil


class Cil(Strategy):
    """CIL of the superpixel: mean over it of 1 - p[current label]."""

    needs = ("cil_sum",)
    source = _SOURCE

    def score(self, pool):
        c = pool.candidates
        return c.cil_sum / c.size


class CilArea(Strategy):
    """CIL x area: 1 - p[current label] at the representative pixel, times the pixels; the cheap look-ahead."""

    needs = ("cil",)
    source = _SOURCE + "; the product is this suite's control for SIM"

    def score(self, pool):
        c = pool.candidates
        return c.cil * c.size


class Sim(Strategy):
    """SIM, ALC's look-ahead: sum over the superpixel of (1 - p[current label]) x cosine to the representative pixel."""

    needs = ("sim",)
    source = _SOURCE

    def score(self, pool):
        return pool.candidates.sim
