"""Pools for tests: a table of any statistics, in plausible ranges."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from bench import seeds
from bench.kernels.statistics import statistic
from bench.registry import parse
from bench.types import ACTIONS, Candidates, Pool


def pool(columns: dict, n_classes: int, asked: Iterable[int] = (), round: int = 1, seed: int = 0) -> Pool:
    """A pool round these columns (`Candidates`); ``asked``: rows asked before, with confirmed labels."""
    mask = np.zeros(len(columns["image"]), bool)
    mask[list(asked or ())] = True
    ties = seeds.uniform(seed, "ties", columns["image"], columns["superpixel"])
    answered = np.where(mask, np.asarray(columns["label"], np.int16), np.int16(-1))
    action = np.where(mask, ACTIONS.index("confirm"), -1).astype(np.int8)
    votes = np.zeros((len(mask), n_classes + 1), np.uint16)
    votes[mask, np.minimum(columns["label"], n_classes)[mask]] = 1
    return Pool(
        Candidates(columns),
        mask,
        ties,
        n_classes,
        round=round,
        spend=float(mask.sum()),
        answered=answered,
        action=action,
        votes=votes,
        contradicted=mask.astype(np.int8) - 1,
    )


def permuted(old: Pool, order: np.ndarray) -> Pool:
    """The same pool with its table in another order."""
    rows = {
        name: getattr(old, name)[order] for name in ("asked", "ties", "answered", "action", "votes", "contradicted")
    }
    return replace(old, candidates=old.candidates.take(order), **rows)


def random_columns(needs: Iterable[str], n: int, n_classes: int = 5, depth: int = 4, n_images: int = 7, seed: int = 0):
    """The columns of a pool of ``n`` superpixels with the statistics ``needs``, in plausible ranges, no more."""
    rng = np.random.default_rng(seed)
    size = rng.integers(1, 500, n)
    columns: dict[str, np.ndarray] = {
        "image": np.sort(rng.integers(0, n_images, n)).astype(np.int32),
        "superpixel": np.arange(1, n + 1),
        "row": rng.integers(0, 99, n).astype(np.int32),
        "column": rng.integers(0, 99, n).astype(np.int32),
        "label": rng.integers(0, n_classes, n).astype(np.uint8),
        "size": size,
    }
    p = rng.dirichlet(np.full(n_classes, 0.4), n)
    truth = _truth(size, n_classes, rng)
    for name in needs:
        base = parse(name)[0]
        if base in truth:
            columns[name] = truth[base]
            continue
        width = next(iter(statistic(base).shape(n_classes, depth)), None)
        if base == "dominant":
            columns[name] = rng.integers(0, n_classes, n)
        elif base.endswith(("_histogram", "_count")):
            shares = rng.dirichlet(np.full(width or 1, 0.5), n)
            counts = np.ceil(shares * size[:, None] * rng.random((n, 1))).astype(np.int64)
            columns[name] = counts if width else counts[:, 0]
        elif base == "feature":
            columns[name] = rng.normal(size=(n, width or depth)).astype(np.float32)
        elif base == "representative_probability":
            columns[name] = p
        elif width:
            columns[name] = p * size[:, None]
        else:
            columns[name] = rng.random(n) * size
    return columns


def _truth(size, n_classes, rng):
    """Superpixels of one true class under one wrong label: every answer is right, so that no bound stops early."""
    n = len(size)
    true = rng.integers(0, n_classes, n)
    histogram, labelled = np.zeros((n, n_classes + 1), np.int64), np.zeros((n, n_classes), np.int64)
    histogram[np.arange(n), true] = labelled[np.arange(n), (true + 1) % n_classes] = size
    totals = 10**7 + np.concatenate([np.zeros(n_classes, int), histogram[:, :n_classes].sum(0), labelled.sum(0)])
    return {
        "truth_answer": np.where(rng.random(n) < 0.2, -1, true).astype(np.int16),
        "truth_histogram": histogram,
        "truth_agree_histogram": np.zeros_like(labelled),
        "truth_label_histogram": labelled,
        "truth_totals": np.broadcast_to(totals, (n, len(totals))),
    }
