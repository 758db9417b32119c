"""The rows of ``time kernels`` for statistics of maps: windows, components, colours, cells, thresholds and passes."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from bench import seeds
from bench.kernels import superpixel_statistics

FAMILIES = {
    "windows": ("impurity_entropy_sum[window=3]",),
    "components": ("aiou_sum",),
    "colours": ("colour_gradient_sum",),
    "cells": ("feature",),
    "temperature": ("tempered_entropy_sum[temperature=0.1]",),
    "thresholds": ("confident_count",),
    "passes": ("predictive_entropy_sum", "expected_entropy_sum", "vote_entropy_sum"),
}
DEPTH, CELLS, N_PASSES, THRESHOLD = 64, 40, 3, 0.5


def functions(logits: torch.Tensor, labels, superpixels, **options) -> dict[str, Callable[[], dict[str, np.ndarray]]]:
    """The function of each of `FAMILIES`, which computes nothing else, of an image: logits (C, h, w), and two (H,
    W)."""
    rng = seeds.generator(0, "time maps", *labels.shape)
    features = torch.from_numpy(rng.normal(size=(DEPTH, CELLS, CELLS)).astype(np.float32)).to(logits.device)
    given: dict[str, Any] = {
        "images": rng.integers(0, 256, (*labels.shape, 3)).astype(np.uint8),
        "features": features,
        "passes": [logits.roll(k, -1) for k in range(N_PASSES)],
        "thresholds": np.full(len(logits), THRESHOLD),
    }
    given |= {"logits": True, "base": False} | options

    def of(needs):
        return partial(superpixel_statistics, logits, labels, superpixels, needs, **given)

    return {family: of(needs) for family, needs in FAMILIES.items()}


def disagreement(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> float:
    """The largest difference of any column, over that column's largest value."""
    largest = {name: max(float(np.abs(column).max()), 1e-12) for name, column in expected.items()}
    return max(float(np.abs(found[name] - expected[name]).max()) / largest[name] for name in expected)
