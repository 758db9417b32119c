"""Fit the parameters of the foundation `simulated` to real label maps and superpixels, measured against the truth.

``python tools/fit_simulated.py FILES --dataset pascal --data-root DIR --out fit.json`` writes the input of
``--foundation simulated[like=fit.json]``, and fit.csv, which compares the simulation with the files. FILES is a folder
that the foundation `files` reads.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import binary_erosion
from scipy.optimize import minimize

from bench import datasets, files, metrics, registry
from bench.commands import Parser, exit_code, progress, quality
from bench.datasets import Dataset
from bench.datasets.painting import depth
from bench.foundation.pseudo import PseudoLabels
from bench.foundation.simulated import Simulated
from bench.types import VOID, InputError

COMPARED = ("data_miou", "covered", "per_image_mean", "wrong", "ceiling_miou", "n_superpixels", "size_median_px")


def estimate(dataset: Dataset, pseudo: PseudoLabels, step: Callable[[], object] = lambda: None) -> dict:
    """The parameters of `Simulated`, as ``{name: value}``, from the train split. ``step`` is called after every image.

    A superpixel and an object belong together if each covers most of the other, void truth left out, and if superpixels
    cover more than half of the object. Then this object was found. It shows whether its superpixel holds most of the
    nearest object too, and how far the superpixel's outline lies from the object's. Every other superpixel is a false
    mask. Labels are confused as often as the pixels of found objects, and of the background in superpixels, have them.
    The area of false masks is raised until the simulation covers as much background. Raises InputError if no object is
    found.
    """
    n_classes = len(dataset.classes)
    pixels: np.ndarray = np.zeros((n_classes, n_classes + 1), np.int64)  # in superpixels: true class, label
    n_parts = n_right = 0
    shares, found, merged, outlines, n_false, false_shares = [], [], [], [], [], []
    for i, name in enumerate(pseudo.names):
        truth, labels = dataset.truth("train", name), pseudo.labels(i)
        masks, objects = _Areas(pseudo.superpixels(i)), _Areas(dataset.objects("train", name))
        known = truth != VOID
        both = np.bincount((masks.map * objects.n + objects.map)[known], minlength=masks.n * objects.n)
        both = both.reshape(masks.n, objects.n)
        mask = 1 + both[1:].argmax(0) if masks.n > 1 else np.zeros(objects.n, int)  # of each object
        there = (both.argmax(1)[mask] == np.arange(objects.n)) & (both[1:].sum(0) > both[0])
        there[0] = False
        false = np.setdiff1d(np.arange(1, masks.n), mask[there])
        own = np.isin(masks.map, mask[there]) | (truth == dataset.background) & (masks.map > 0)
        pixels += metrics.confusion(truth[own], labels[own], n_classes)
        thing = both[false].argmax(1)
        n_parts += int(np.count_nonzero(thing))
        right = truth.ravel()[objects.first[thing]] == labels.ravel()[masks.first[false]]
        n_right += int(right[thing > 0].sum())
        shares.append(objects.sizes[1:] / truth.size)
        found.append(there[1:])
        n_false.append(len(false))
        false_shares.append(masks.sizes[false] / truth.size)
        for t in np.flatnonzero(there).tolist():
            if (near := objects.nearest(t)) is not None:
                merged.append(both[mask[t], near] > objects.sizes[near] / 2)
            offsets = _outline(masks.map == mask[t], objects.map == t) / np.sqrt(objects.sizes[t])
            middle = np.median(offsets)
            outlines.append((middle, 1.4826 * np.median(np.abs(offsets - middle))))
        step()
    if not outlines:
        raise InputError("no superpixel fits an object of the truth: there is nothing to fit")
    miss, small = _detection(np.concatenate(shares), np.concatenate(found))
    sizes = np.log(np.concatenate(false_shares)) if sum(n_false) else np.zeros(1)
    erode, jitter = np.median(outlines, axis=0)
    pixels = pixels[:, :n_classes]
    confusion = (pixels + 1e-9 * np.eye(n_classes)) / (pixels.sum(1, keepdims=True) + 1e-9)
    objects = np.arange(n_classes) != dataset.background
    parameters = {
        "miss": miss,
        "small": small,
        "flip": float(1 - np.diag(pixels)[objects].sum() / max(pixels[objects].sum(), 1)),
        "merge": float(np.mean(merged)) if merged else 0.0,
        "duplicate": 0.0,
        "erode": float(erode),
        "jitter": float(jitter),
        "part": float(n_right / max(n_parts, 1)),
        "extra": float(np.mean(n_false)),
        "extra_area": float(np.exp(np.median(sizes))),
        "extra_spread": float(sizes.std()),
        "confusion": confusion.tolist(),
    }
    if dataset.background != VOID:
        _widen(parameters, dataset, pseudo)
    return parameters


def _widen(parameters: dict, dataset: Dataset, pseudo: PseudoLabels, n_images: int = 300, rounds: int = 6) -> None:
    """Raise ``extra_area`` until the simulation covers as much background: a mask is drawn larger than it is seen."""
    chosen = range(0, len(pseudo), max(1, len(pseudo) // n_images))
    some: Any = _Some(dataset, tuple(pseudo.names[i] for i in chosen))  # it stands in for the dataset

    def covered(superpixels):
        ground = [dataset.truth("train", name) == dataset.background for name in some.chosen]
        return sum(int((s[g] > 0).sum()) for s, g in zip(superpixels, ground, strict=True))

    wanted = covered(pseudo.superpixels(i) for i in chosen)
    for _ in range(rounds):
        made = covered(superpixels for _, _, superpixels in Simulated(**parameters).generate(some))
        if wanted and made:
            parameters["extra_area"] = float(np.clip(parameters["extra_area"] * (wanted / made) ** 2, 1e-6, 1))


class _Some:
    """A dataset with only the train images ``chosen``."""

    def __init__(self, dataset: Dataset, chosen: tuple[str, ...]):
        self.dataset, self.chosen = dataset, chosen

    def names(self, split: str) -> tuple[str, ...]:
        return self.chosen

    def __getattr__(self, name):
        return getattr(self.dataset, name)


class _Areas:
    """An id map with its ids made dense, 0 first: ``map``, ``n``, ``sizes`` and ``first`` pixels, each (n,)."""

    def __init__(self, ids: np.ndarray):
        dense = np.union1d(0, ids)
        self.map = np.searchsorted(dense, ids)
        self.n = len(dense)
        self.sizes = np.bincount(self.map.ravel(), minlength=self.n)
        self.first = np.zeros(self.n, np.intp)
        there, first = np.unique(self.map, return_index=True)
        self.first[there] = first
        self.row, self.column = np.divmod(self.first, ids.shape[1])

    def nearest(self, k: int) -> int | None:
        """The area with the first pixel nearest to that of area ``k``, as `Simulated` merges."""
        distance = np.hypot(self.row - self.row[k], self.column - self.column[k])
        distance[[0, k]] = np.inf
        return int(distance.argmin()) if np.isfinite(distance).any() else None


def _outline(mask: np.ndarray, thing: np.ndarray) -> np.ndarray:
    """Depth in ``thing``, in pixels, along the outline of ``mask``; negative outside."""
    window = tuple(slice(max(0, at.min() - 1), at.max() + 2) for at in np.nonzero(mask | thing))
    mask, thing = mask[window], thing[window]
    edge = mask & ~binary_erosion(mask, border_value=1)
    return depth(thing)[edge] - 0.5 if edge.any() else np.zeros(1)


def _detection(share: np.ndarray, found: np.ndarray) -> tuple[float, float]:
    """(miss, small) of the likeliest P(found) = (1 - miss) share / (share + small)."""

    def surprise(at):
        chance = np.clip((1 - at[0]) * share / (share + np.exp(at[1])), 1e-12, 1 - 1e-12)
        return -np.where(found, np.log(chance), np.log1p(-chance)).sum()

    miss, log_small = minimize(surprise, (0.05, np.log(1e-3)), bounds=((0, 1), (-30, 0))).x
    return float(miss), float(np.exp(log_small))


def arguments(argv: list[str]) -> argparse.Namespace:
    parser = Parser(prog="fit_simulated.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, help="the folder of the label maps and superpixels")
    parser.add_argument("--dataset", required=True, help="the dataset; parameters in brackets")
    parser.add_argument("--data-root", help="the dataset's folder")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.json", help="a table is written beside it")
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    args = arguments(argv)
    if args.out.suffix != ".json":
        raise InputError(f"--out must end in .json, got {str(args.out)!r}")
    dataset = datasets.load(args.dataset, args.data_root)
    names = dataset.names("train")
    maps = PseudoLabels(registry.load("foundations", f"files[root={args.files}]").folder, names)
    with progress.bar() as bar:
        bar.begin("fitting", len(names))
        parameters = estimate(dataset, maps, lambda: bar.step("read", 1))
        files.write_json(args.out, {"classes": dataset.classes, "parameters": parameters})
        bar.begin("simulating and measuring", 2 * len(names))
        step = lambda: bar.step("read", 1)  # noqa: E731
        measured = quality.measure(dataset, maps, step)
        simulated = quality.measure(dataset, Simulated(like=str(args.out)).generate(dataset), step)
    rows: list[dict[str, Any]] = [
        {"measure": name, "measured": measured[name], "simulated": simulated[name]}
        | {"ratio": simulated[name] / measured[name] if measured[name] else float("nan")}
        for name in COMPARED
    ]
    files.write_csv(args.out.with_suffix(".csv"), rows)
    for row in rows:
        print("{measure:16} measured {measured:10.5g}  simulated {simulated:10.5g}  ratio {ratio:.3f}".format(**row))
    print(f"parameters: {args.out}; use them with --foundation simulated[like={args.out}]")
    return 0


if __name__ == "__main__":
    sys.exit(exit_code(lambda: main(sys.argv[1:])))
