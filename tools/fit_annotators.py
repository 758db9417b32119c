"""Fit the oracle `boundary` to two people who labelled the same images: how often they differ near an outline.

``python tools/fit_annotators.py "A/*.png" "B/*.png" --out fit.csv``: the patterns find the label maps of the one and of
the other, in the same order.
"""

import argparse
import glob
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.ndimage import distance_transform_cdt

from bench import files
from bench.commands import Parser, exit_code, progress
from bench.datasets.files import read_png
from bench.types import VOID, InputError

FURTHEST = 50  # pixels: what lies further from every outline is counted together


@dataclass(frozen=True)
class Fit:
    """A step: two people differ at a share ``near`` of the pixels up to ``width_px`` from another class, and at a share
    ``far`` of the others. ``disagree``: the share over all pixels. ``rate``: how often one of them is wrong near an
    outline, if their errors are equally frequent and independent: near = 2·rate·(1 - rate).
    """

    width_px: int
    rate: float
    near: float
    far: float
    disagree: float


def pairs(first: str, second: str) -> list[tuple[Path, Path]]:
    """The files that two glob patterns find, each sorted, one by one. Raises InputError if their numbers differ."""
    a, b = (sorted(map(Path, glob.glob(pattern))) for pattern in (first, second))
    if not a or len(a) != len(b):
        raise InputError(f"two people's label maps: {first} finds {len(a)} files, {second} {len(b)}; expected as many")
    return list(zip(a, b, strict=True))


def profile(pairs_of_files: list[tuple[Path, Path]], step: Callable[[], object] = lambda: None) -> pd.DataFrame:
    """Pixels by their distance to another class: columns distance_px, pixels, differing; a row a distance from 1.

    The distance is that to the nearest pixel of another class in the same map (Chebyshev, as in `boundary`), void
    aside. The last row has all that are further. Each person's map is read as the truth in turn, so that a pixel counts
    twice. Maps of two values are masks, for any two values. Raises InputError for maps that do not fit.
    """
    counts = np.zeros((2, FURTHEST + 2), np.int64)
    for pair in pairs_of_files:
        maps = [_labels(path) for path in pair]
        if maps[0].shape != maps[1].shape:
            raise InputError(f"{pair[0]} and {pair[1]}: label maps of one image must be equal in size")
        known = (maps[0] != VOID) & (maps[1] != VOID)
        differing = maps[0] != maps[1]
        for labels in maps:
            distance = np.minimum(_to_another_class(labels), FURTHEST + 1)[known]
            counts[0] += np.bincount(distance, minlength=FURTHEST + 2)
            counts[1] += np.bincount(distance[differing[known]], minlength=FURTHEST + 2)
        step()
    distances = np.arange(1, FURTHEST + 2)
    return pd.DataFrame(dict(distance_px=distances, pixels=counts[0, 1:], differing=counts[1, 1:]))


def fit(found: pd.DataFrame) -> Fit:
    """The likeliest step for a `profile`: each pixel differs with one probability up to a distance, another beyond.

    Raises InputError if the two people never differ.
    """
    n, k = (np.cumsum(found[name].to_numpy(np.float64)) for name in ("pixels", "differing"))
    if not k[-1]:
        raise InputError("the two people's label maps are equal: there is no width to fit")
    likelihood = _log_likelihood(k, n) + _log_likelihood(k[-1] - k, n[-1] - n)
    best = int(np.argmax(likelihood[:-1]))  # the last row has no distance of its own
    near, far = k[best] / n[best], (k[-1] - k[best]) / max(n[-1] - n[best], 1)
    rate = 0.5 * (1 - np.sqrt(max(0.0, 1 - 2 * near)))
    return Fit(int(found.distance_px.iloc[best]), float(rate), float(near), float(far), float(k[-1] / n[-1]))


def _log_likelihood(k: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Of k of n at the likeliest probability."""
    p = np.clip(k / np.maximum(n, 1), 1e-300, 1)
    q = np.clip(1 - k / np.maximum(n, 1), 1e-300, 1)
    return k * np.log(p) + (n - k) * np.log(q)


def _labels(path: Path) -> np.ndarray:
    labels = read_png(path)
    if len(values := np.unique(labels)) == 2:
        return (labels == values[1]).astype(np.uint8)
    return labels.astype(np.uint8)


def _to_another_class(labels: np.ndarray) -> np.ndarray:
    """(H, W) int64: Chebyshev distance to the nearest pixel of another class, void aside; large if there is none."""
    distance = np.full(labels.shape, np.iinfo(np.int32).max, np.int64)
    for label in np.unique(labels):
        other = (labels != label) & (labels != VOID)
        if label != VOID and other.any():
            here = labels == label
            distance[here] = distance_transform_cdt(~other, "chessboard")[here]
    return distance


def arguments(argv: list[str]) -> argparse.Namespace:
    parser = Parser(prog="fit_annotators.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", help="a pattern of one person's label maps, in quotes")
    parser.add_argument("second", help="a pattern of the other's")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.csv", help="differences by distance")
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    args = arguments(argv)
    if args.out.suffix != ".csv":
        raise InputError(f"--out must end in .csv, got {str(args.out)!r}")
    both = pairs(args.first, args.second)
    with progress.bar() as bar:
        bar.begin("comparing", len(both))
        by_distance = profile(both, lambda: bar.step("read", 1))
    found = fit(by_distance)
    files.write_csv(args.out, by_distance)
    print(f"{len(both)} images, two people each: {100 * found.disagree:.2f} % of pixels differ")
    print(f"within {found.width_px} px of another class {100 * found.near:.1f} %, further away {100 * found.far:.2f} %")
    print(f"by distance: {args.out}; use it with --oracle boundary[width_px={found.width_px},rate={found.rate:.2f}]")
    return 0


if __name__ == "__main__":
    sys.exit(exit_code(lambda: main(sys.argv[1:])))
