"""Pseudo labels as a detector with a mask model makes them, simulated from the truth."""

import inspect
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench import files, seeds
from bench.datasets import Dataset
from bench.datasets.painting import depth, paint
from bench.foundation import Foundation, TrainAndPredict
from bench.types import VOID, InputError


class Simulated(Foundation):
    """Masks of the true objects, redrawn, merged, missed or misnamed, and masks of no object.

    An object is missed with probability ``miss``, else its mask swallows its nearest neighbour with probability
    ``merge``, and it is found twice with probability ``duplicate``. Each time it gets an outline that is moved by
    ``jitter`` (standard deviation) and inwards by ``erode``, both in units of the square root of its area, and a class
    that is drawn from ``confusion`` (n_classes, n_classes), P(label | true class). By default that is the right one but
    for ``flip``, and three wrong ones of four are among the class's twins, if it has any.

    ``extra`` false masks an image (mean; geometric) lie anywhere, inside one object or the background. Their area is
    log-normal: median ``extra_area`` (share of the image), standard deviation of the logarithm ``extra_spread``. Their
    classes are drawn from the background's row of ``confusion``, by default uniformly over the foreground. One inside
    an object has the object's class with probability ``part``.

    An object of ``small`` times the image's area is missed half of the time beside ``miss``, smaller ones more often.
    One of area a is found with probability (1 - miss) a / (a + small).

    ``like`` takes all of these from a fit to real label maps (tools/fit_simulated.py): ``pascal``, the released files
    of Kim et al., ICML 2024, or the path of a fit's JSON file. If the dataset has other classes than the fit, the
    confusion is the mean rate of wrong classes, as ``flip``.

    Smaller masks are painted over larger ones, and the rest of the image is background. Masks are made object by
    object, false ones last; their superpixels get other ids when they are written, since these would tell. Defaults
    resemble the PASCAL files of Kim et al., ICML 2024, in superpixels an image, share of wrong ones and covered area.
    """

    leaky = True

    def __init__(
        self,
        miss: float = 0.05,
        flip: float = 0.33,
        merge: float = 0.05,
        duplicate: float = 0.1,
        jitter: float = 0.04,
        erode: float = -0.01,
        extra: float = 4.6,
        extra_area: float = 0.006,
        extra_spread: float = 2.2,
        part: float = 0.0,
        small: float = 0.0,
        confusion=None,
        like: str | None = None,
        seed: int = 0,
    ):
        for name, rate in (("miss", miss), ("flip", flip), ("merge", merge), ("duplicate", duplicate), ("part", part)):
            if not 0 <= rate <= 1:
                raise InputError(f"simulated: {name} is a probability, expected 0 to 1, got {rate}")
        for name, amount in (("jitter", jitter), ("extra", extra), ("extra_spread", extra_spread), ("small", small)):
            if not amount >= 0:
                raise InputError(f"simulated: {name} must be 0 or more, got {amount}")
        if not 0 < extra_area <= 1:
            raise InputError(f"simulated: extra_area is a share of the image, expected above 0 to 1, got {extra_area}")
        self.miss, self.flip, self.merge, self.duplicate = miss, flip, merge, duplicate
        self.jitter, self.erode, self.part, self.seed = jitter, erode, part, seed
        self.extra, self.extra_area, self.extra_spread, self.small = extra, extra_area, extra_spread, small
        self.confusion, self.classes = None if confusion is None else tuple(map(tuple, confusion)), None
        if like is not None:
            defaults = inspect.signature(Simulated).parameters
            mine = {k: v for k, v in vars(self).items() if k in defaults and k != "seed"}
            if given := [k for k, v in mine.items() if v != defaults[k].default]:
                raise InputError(f"simulated: like={like} sets {', '.join(given)} too; leave out one of them")
            fit, self._like = _read_fit(like), like
            vars(self).update(vars(Simulated(**fit["parameters"], seed=seed)), classes=tuple(fit["classes"]))

    def digests(self, names: tuple[str, ...]) -> dict[str, str]:
        like = vars(self).get("_like")
        return {"like": files.file_digest(Path(like))} if like and Path(like).is_file() else {}

    def generate(
        self, dataset: Dataset, train_and_predict: TrainAndPredict | None = None
    ) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        confusion = self._confusion(dataset)
        foreground = [c for c in range(len(dataset.classes)) if c != dataset.background]
        false = None  # uniform
        if self.confusion is not None and dataset.background != VOID:
            row = confusion[dataset.background, foreground]
            false = row / row.sum() if row.any() else None
        for name in dataset.names("train"):
            rng = seeds.generator(self.seed, "simulated", name)
            truth, objects = dataset.truth("train", name), dataset.objects("train", name)
            masks, labels = [], []
            for mask, true_class in self._found(truth, objects, rng):
                masks.append(mask)
                labels.append(rng.choice(len(confusion), p=confusion[true_class]))
            for _ in range(rng.geometric(1 / (1 + self.extra)) - 1):
                masks.append(_false_mask(objects, self.extra_area * rng.lognormal(0, self.extra_spread), rng))
                true_class, label = truth[masks[-1]][0], rng.choice(foreground, p=false)
                part = self.part > 0 and true_class in foreground and rng.random() < self.part
                labels.append(true_class if part else label)
            yield name, *paint(masks, labels, truth.shape, dataset.background)

    def _confusion(self, dataset):
        n = len(dataset.classes)
        if self.confusion is not None and self.classes in (None, dataset.classes):
            matrix = np.array(self.confusion, float)
            if matrix.shape != (n, n) or (matrix < 0).any() or not np.allclose(matrix.sum(1), 1):
                raise InputError(f"simulated: confusion must be {n} × {n} probabilities with rows that sum to 1")
            return matrix
        foreground = np.arange(n) != dataset.background
        matrix = np.zeros((n, n))
        for c in range(n):
            others = foreground & (np.arange(n) != c)
            twins = [b if a == c else a for a, b in dataset.twins if c in (a, b)]
            if others.any():
                matrix[c, others] = self.flip * (0.25 if twins else 1) / others.sum()
            if twins:
                matrix[c, twins] += self.flip * 0.75 / len(twins)
            matrix[c, c] = 1 - matrix[c].sum()
        return matrix

    def _found(self, truth, objects, rng):
        """(mask (H, W) bool, true class) of each object that is detected."""
        ids, first, areas = np.unique(objects, return_index=True, return_counts=True)
        rows, columns = divmod(first, objects.shape[1])
        for k in np.flatnonzero(ids):
            area = areas[k]
            if rng.random() < 1 - (1 - self.miss) * area / (area + self.small * objects.size):
                continue
            mask = objects == ids[k]
            distance = np.where((ids == 0) | (ids == ids[k]), np.inf, np.hypot(rows - rows[k], columns - columns[k]))
            if rng.random() < self.merge and np.isfinite(distance.min()):
                mask |= objects == ids[distance.argmin()]
            for _ in range(1 + (rng.random() < self.duplicate)):
                yield self._redrawn(mask, np.sqrt(area), rng), truth.flat[first[k]]

    def _redrawn(self, mask, length, rng):
        """The mask with its outline moved by smooth noise; ``length`` is the unit of jitter and erosion, in pixels."""
        margin = int(3 * self.jitter * length + abs(self.erode) * length) + 2
        window = tuple(slice(max(0, found.min() - margin), found.max() + margin + 1) for found in np.nonzero(mask))
        inside = mask[window]
        row, column = np.ogrid[: inside.shape[0], : inside.shape[1]]
        noise = 0
        for angle_row, angle_column, phase in rng.uniform(0, 2 * np.pi, (4, 3)):
            waves = 2 * (np.sin(angle_row) * row + np.cos(angle_column) * column) / length * np.pi
            noise = noise + np.sqrt(0.5) * np.cos(waves + phase)
        out = np.zeros_like(mask)
        out[window] = depth(inside) > length * (self.erode + self.jitter * noise)
        return out


def _false_mask(objects, share, rng):
    """A rough ellipse (H, W) bool of a share of the image round a drawn pixel, in the object or background there."""
    height, width = objects.shape
    radius = np.sqrt(min(share, 0.5) * height * width / np.pi)
    row, column = rng.integers(height), rng.integers(width)
    reach = int(2 * radius) + 1
    top, left = max(0, row - reach), max(0, column - reach)
    window = np.s_[top : row + reach + 1, left : column + reach + 1]
    v, u = np.indices(objects[window].shape)
    stretch, turn, phase = rng.uniform(1, 1.6), rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi)
    v, u = v + top - row, u + left - column
    v, u = (v * np.cos(turn) - u * np.sin(turn)) * stretch, (u * np.cos(turn) + v * np.sin(turn)) / stretch
    rough = radius * (1 + 0.2 * np.cos(3 * np.arctan2(v, u) + phase))
    mask = np.zeros(objects.shape, bool)
    mask[window] = (np.hypot(v, u) <= rough) & (objects[window] == objects[row, column])
    mask[row, column] = True
    return mask


def _read_fit(like: str) -> dict:
    """A fit's parameters and classes, by its name in this folder or by its path."""
    here = Path(__file__).parent
    path = here / f"simulated-{like}.json"
    if not path.is_file() and not Path(like).is_file():
        known = ", ".join(sorted(p.stem.removeprefix("simulated-") for p in here.glob("simulated-*.json")))
        raise InputError(f"simulated: like={like} is no fit; there are: {known}, or the path of a fit's JSON file")
    fit = files.read_json(path if path.is_file() else Path(like))
    if not isinstance(fit, dict) or not {"parameters", "classes"} <= fit.keys():
        raise InputError(f"simulated: {like} is no fit: it needs parameters and classes")
    return fit
