"""Pools for tests: consistent ones from pixels, and random ones of any size from the tables of statistics."""

from dataclasses import replace

import numpy as np
import torch

from bench import seeds
from bench.kernels import superpixel_statistics
from bench.kernels.statistics import statistic, thresholds, trips
from bench.registry import parse
from bench.types import ACTIONS, VOID, Candidates, Pool


def pool(columns, n_classes, asked=None, round=1, seed=0):
    """A pool round these columns; ``asked``: rows asked before, whose labels were confirmed."""
    n = len(columns["image"])
    mask = np.zeros(n, bool)
    mask[list(asked or [])] = True
    ties = seeds.uniform(seed, "ties", columns["image"], columns["superpixel"])
    answered = np.where(mask, np.asarray(columns["label"], np.int16), np.int16(-1))
    action = np.where(mask, ACTIONS.index("confirm"), -1).astype(np.int8)
    return Pool(Candidates(columns), mask, ties, n_classes, answered, round, float(mask.sum()), action)


def permuted(old, order):
    """The same pool with its table in another order."""
    rows = {name: getattr(old, name)[order] for name in ("asked", "ties", "answered", "action")}
    return replace(old, candidates=old.candidates.take(order), **rows)


def random_columns(needs, n, n_classes=5, depth=4, n_images=7, seed=0):
    """Columns of plausible ranges, no more; for contracts and speed."""
    rng = np.random.default_rng(seed)
    size = rng.integers(1, 500, n)
    columns = {
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
            columns[name] = rng.normal(size=(n, width)).astype(np.float32)
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


class Scene:
    """One image in pixels, and the columns it gives."""

    def __init__(self, seed=0, n_classes=4, height=14, width=11, n_superpixels=9, depth=3, void=0.1):
        rng = np.random.default_rng(seed)
        logits = rng.normal(0, 2, (n_classes, height, width)).astype(np.float32)
        self.logits = torch.from_numpy(np.cumsum(logits, axis=2) / np.sqrt(np.arange(1, width + 1)).astype(np.float32))
        self.probabilities = self.logits.double().softmax(0).numpy()
        self.predicted = self.probabilities.argmax(0)
        self.labels = np.where(
            rng.random((height, width)) < 0.6, self.predicted, rng.integers(0, n_classes, (height, width))
        )
        self.labels = np.where(rng.random((height, width)) < void, VOID, self.labels).astype(np.uint8)
        self.superpixels = (
            rng.integers(0, n_superpixels + 1, (height // 2 + 1, width // 2 + 1)).repeat(2, 0).repeat(2, 1)
        )
        self.superpixels = (3 * self.superpixels[:height, :width]).astype(np.int32)
        self.image = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
        self.features = torch.from_numpy(rng.normal(size=(depth, height // 2, width // 2)).astype(np.float32))
        self.passes = [
            self.logits + torch.from_numpy(rng.normal(size=logits.shape).astype(np.float32)) for _ in range(3)
        ]
        self.ids = np.unique(self.superpixels[self.superpixels > 0])
        self.n_classes = n_classes

    def pixels(self, superpixel):
        """Rows and columns of its pixels, row-major."""
        return list(zip(*np.nonzero(self.superpixels == superpixel), strict=True))

    def maps(self, names, **given):
        """The columns ``names`` of the door, from all that the scene has."""
        extra = {"images": self.image, "features": self.features, "passes": self.passes} | given
        return superpixel_statistics(self.logits, self.labels, self.superpixels, names, logits=True, **extra)


def scene_pool(scenes, needs, asked=None):
    """The pool of some scenes, in two trips where a statistic needs it."""
    first, second = trips(needs)
    tables = [s.maps(first, implementation="reference") for s in scenes]
    for i, table in enumerate(tables):
        table["image"] = np.full(len(table["size"]), i, np.int32)
    if second:
        tau = thresholds(_joined(tables))
        tables = [t | s.maps(second, thresholds=tau) for t, s in zip(tables, scenes, strict=True)]
    return pool(_joined(tables), scenes[0].n_classes, asked)


def _joined(tables):
    return {name: np.concatenate([t[name] for t in tables]) for name in tables[0]}
