"""How often the tests of reports and boards claim a difference that is none: a table over kinds of noise.

    python benchmarks/claims_simulation.py > benchmarks/claims-simulation.csv

`report`: the share of tables with any false difference, at the level of one table and of one among 20.
`board`: the mean share of false differences among those shown, of 30 tables, where no strategy, or half of them, are
better. `power`: the share of times that a true difference of the printed margin is found.
"""

import itertools
import sys

import numpy as np
import pandas as pd

from bench import seeds
from bench.report.statistics import inference

NOISES = ("normal", "t5", "skewed")
RATIOS, SEEDS, STRATEGIES = (1, 3, 5), (5, 10, 20), (4, 7, 12)
FAMILIES = 20
SCALE = 0.01  # of the noise: points of mIoU


def noise(rng: np.random.Generator, kind: str, shape: tuple[int, ...]) -> np.ndarray:
    """Draws with mean 0 and variance 1; `skewed` has skewness 1, as a gamma variable of shape 4."""
    if kind == "normal":
        return rng.standard_normal(shape)
    return rng.standard_t(5, shape) / np.sqrt(5 / 3) if kind == "t5" else (rng.gamma(4, 1, shape) - 4) / 2


def scores(
    rng: np.random.Generator, kind: str, ratio: float, correlated: bool, shape: tuple[int, int, int]
) -> np.ndarray:
    """(pages, s, n): equal strategies in n seeds. The first has ``ratio`` times the noise of the others; of
    ``correlated`` ones, half share 80 % of their noise within a seed."""
    pages, n_strategies, n_seeds = shape
    own = noise(rng, kind, shape)
    if correlated:
        common = noise(rng, kind, (pages, 1, n_seeds))
        half = n_strategies // 2
        own[:, half:] = np.sqrt(0.2) * own[:, half:] + np.sqrt(0.8) * common
    own[:, 0] *= ratio
    return SCALE * (own + 2 * rng.standard_normal((pages, 1, n_seeds)))


def false_pages(drawn: np.ndarray, families: int) -> float:
    """The share of tables with any false difference, where each is one of ``families`` alike."""
    n = inference.n_pairs(drawn.shape[1])
    return float(inference.all_pairs(drawn, inference.family_level(n * families)).better.any((-2, -1)).mean())


def false_discoveries(
    rng: np.random.Generator, kind: str, ratio: float, correlated: bool, n_seeds: int, n: int
) -> list[float]:
    """Mean share of false differences among those that a board of 30 tables shows, where all strategies are equal, and
    where half of them are three standard deviations of the noise better."""
    shares = []
    for gain in (0, 3 * SCALE):
        p, null = [], []
        for s in STRATEGIES:
            drawn = scores(rng, kind, ratio, correlated, (10 * n, s, n_seeds))
            better = gain * (np.arange(s) < s // 2)
            i, j = np.triu_indices(s, 1)
            found = inference.all_pairs(drawn + better[:, None], inference.ALPHA).p[:, i, j]
            p.append(found.reshape(n, -1))
            null.append(np.tile(better[i] == better[j], 10))
        equal, wrong = np.concatenate(null), []
        for values in np.concatenate(p, axis=1):
            shown = values <= inference.discovery_level(values)
            wrong.append((shown & equal).sum() / max(shown.sum(), 1))
        shares.append(float(np.mean(wrong)))
    return shares


def power(rng: np.random.Generator, kind: str, correlated: bool, shape: tuple[int, int, int]) -> float:
    """How often the first strategy, better than the others by the margin that is printed, is found better."""
    drawn = scores(rng, kind, 1, correlated, shape)
    margin = np.sqrt(np.mean(inference.all_pairs(drawn).margin[:, 0, 1:] ** 2, axis=0))
    shifted = drawn.copy()
    shifted[:, 1:] -= margin[:, None]
    return float(inference.all_pairs(shifted).better[:, 0, 1:].mean())


def table(n_pages: int = 3000, n_boards: int = 150) -> pd.DataFrame:
    rows = []
    for kind, ratio, correlated, n_seeds in itertools.product(NOISES, RATIOS, (False, True), SEEDS):
        rng = seeds.generator(0, "claims", kind, ratio, correlated, n_seeds)
        boards = false_discoveries(rng, kind, ratio, correlated, n_seeds, n_boards)
        for s in STRATEGIES:
            drawn = scores(rng, kind, ratio, correlated, (n_pages, s, n_seeds))
            row = dict(noise=kind, ratio=ratio, correlated=correlated, seeds=n_seeds, strategies=s)
            row |= dict(report=false_pages(drawn, 1), report_of_20=FAMILIES * false_pages(drawn, FAMILIES))
            row |= dict(zip(("board_equal", "board_halves"), boards, strict=True))
            row["power"] = power(rng, kind, correlated, (n_pages // 4, s, n_seeds)) if ratio == 1 else np.nan
            rows.append(row)
    return pd.DataFrame(rows)


if __name__ == "__main__":
    table().to_csv(sys.stdout, index=False, float_format="%.3f")
