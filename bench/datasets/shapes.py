"""Generated scenes: textured objects before a cluttered background, with the truth by construction."""

from functools import cached_property
from itertools import combinations

import numpy as np

from bench import seeds
from bench.datasets import Dataset
from bench.datasets.files import VOID_COLOR
from bench.files import digest
from bench.types import InputError

HUES = {"red": (0.68, 0.24, 0.19), "green": (0.34, 0.55, 0.21), "blue": (0.24, 0.40, 0.70)}
# name: hue, brightness, corners (0 is a disc), how often, waves across and along the object, rings. Every class has a
# twin of its hue and one of its outline.
CLASSES = {
    "apple": ("red", 1.0, 0, 0.30, (0, 0, 0)),
    "tile": ("blue", 0.85, 4, 0.21, (7, 7, 0)),
    "fir": ("green", 0.85, 3, 0.17, (0, 9, 0)),
    "brick": ("red", 1.0, 4, 0.13, (0, 8, 0)),
    "lime": ("green", 1.2, 0, 0.11, (0, 0, 9)),
    "sail": ("blue", 1.2, 3, 0.08, (9, 0, 0)),
}


class Shapes(Dataset):
    """Generated scenes of discs, squares and triangles in three colours, six classes with a long tail.

    Each class shares its colour with one class and its outline with another; textures tell them apart. Objects hide
    each other. ``train``, ``val``: images in the splits; ``size``: height and width in pixels.
    """

    classes = ("background", *CLASSES)
    palette = np.array(
        [(0, 0, 0), (200, 60, 50), (60, 100, 200), (80, 160, 50), (150, 90, 60), (190, 220, 70), (110, 200, 230)],
        np.uint8,
    )
    colours = np.array([*palette, VOID_COLOR], np.uint8)
    background = 0
    foundation = "simulated"
    twins = tuple(
        (i, j) for (i, a), (j, b) in combinations(enumerate(CLASSES.values(), 1), 2) if a[0] == b[0] or a[2] == b[2]
    )

    def __init__(self, train: int = 200, val: int = 80, size: int = 96, seed: int = 0):
        for name, value, least in (("train", train, 1), ("val", val, 1), ("size", size, 16)):
            if not isinstance(value, int) or value < least:
                raise InputError(f"shapes: {name} must be a whole number of at least {least}, got {value!r}")
        self.n_images, self.side, self.seed = {"train": train, "val": val}, size, seed

    def names(self, split: str) -> tuple[str, ...]:
        return tuple(f"{i:05d}" for i in range(self.n_images[split]))

    def image(self, split: str, name: str) -> np.ndarray:
        return self._scene(split, name)[0]

    def truth(self, split: str, name: str) -> np.ndarray:
        return self._scene(split, name)[1]

    def objects(self, split: str, name: str) -> np.ndarray:
        return self._scene(split, name)[2]

    def size(self, split: str, name: str) -> tuple[int, int]:
        return self.side, self.side

    def digests(self, split: str) -> dict[str, str]:
        made_from = digest([split, self.names(split), self.side, self.seed])
        return {"images": made_from, "truth": made_from}

    @cached_property
    def _scenes(self) -> dict:
        return {}

    def _scene(self, split, name):
        if (split, name) not in self._scenes:
            self._scenes[split, name] = _paint(seeds.generator(self.seed, "shapes", split, int(name)), self.side)
        return self._scenes[split, name]


def _paint(rng: np.random.Generator, side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image (H, W, 3) uint8, truth (H, W) uint8, objects (H, W) int32, painted from back to front."""
    row, column = np.mgrid[:side, :side] / side
    horizon = rng.uniform(0.25, 0.6) + _waves(rng, side, 3, 0.02)
    sky = rng.uniform(0.55, 0.8) + rng.normal(0, 0.04, 3) + (-0.04, 0, 0.06)
    ground = rng.uniform(0.35, 0.5) + rng.normal(0, 0.04, 3) + (0.05, 0.02, -0.07)
    canvas = np.where((row < horizon)[..., None], sky, ground) + _waves(rng, side, 8, 0.03)[..., None]
    truth, objects = np.zeros((side, side), np.uint8), np.zeros((side, side), np.int32)

    for _ in range(rng.poisson(3)):  # clutter: dull stones that are no class
        u, v = _place(rng, row, column, rng.uniform(0.03, 0.12), np.pi)
        stone = _alpha(np.hypot(u, 1.5 * v) + _waves(rng, side, 6, 0.2) - 1, 4)
        canvas += stone * (rng.uniform(0.3, 0.6) + rng.normal(0, 0.06, 3) - canvas)

    kinds = list(CLASSES.values())
    often = np.array([kind[3] for kind in kinds])
    n_objects = 1 + rng.poisson(2.3)
    radii = np.sort(np.clip(rng.lognormal(np.log(0.165), 0.5, n_objects), 0.06, 0.36))[::-1]
    for number, radius in enumerate(radii, 1):
        which = rng.choice(len(kinds), p=often / often.sum())
        hue, bright, corners, _, (across, along, rings) = kinds[which]
        u, v = _place(rng, row, column, radius, 0.35)
        edge = _outline(u, v, corners)
        texture = np.cos(across * u) * np.cos(along * v) * np.cos(rings * np.hypot(u, v)) * any((across, along, rings))
        light = bright + 0.3 * texture - 0.18 * (u + v) / 2
        surface = light[..., None] * (np.array(HUES[hue]) + rng.normal(0, 0.05, 3))
        canvas += _alpha(edge, radius * side) * (surface - canvas)
        truth[edge < 0], objects[edge < 0] = 1 + which, number

    canvas = canvas * rng.uniform(0.8, 1.15) + rng.normal(0, 0.04, canvas.shape)
    return (255 * canvas).clip(0, 255).astype(np.uint8), truth, objects


def _place(rng, row, column, radius, turn):
    """Coordinates in radii around a drawn centre, rotated by up to ``turn`` to either side."""
    (r, c), angle = rng.uniform(0.05, 0.95, 2), rng.uniform(-turn, turn)
    r, c = (row - r) / radius, (column - c) / radius
    return c * np.cos(angle) + r * np.sin(angle), r * np.cos(angle) - c * np.sin(angle)


def _outline(u, v, corners):
    """Signed distance, in radii, to a regular polygon of area π (0 corners: a disc); inside is negative."""
    if corners == 0:
        return np.hypot(u, v) - 1
    angles = np.pi / 2 + 2 * np.pi * np.arange(corners) / corners
    apothem = np.sqrt(np.pi / (corners * np.tan(np.pi / corners)))
    return np.max([u * np.cos(a) + v * np.sin(a) for a in angles], axis=0) - apothem


def _alpha(edge, scale):
    """(H, W, 1) opacity in [0, 1] of an outline with a unit of ``scale`` pixels."""
    return np.clip(0.5 - edge * scale, 0, 1)[..., None]


def _waves(rng, side, n, amplitude):
    """(H, W) smooth noise: a sum of ``n`` plane waves, as cos(a + b) = cos a cos b - sin a sin b."""
    row, column = 2 * np.pi * rng.normal(0, 4, (2, n, 1)) * np.arange(side) / side
    row += rng.uniform(0, 2 * np.pi, (n, 1))
    return amplitude * (np.cos(row).T @ np.cos(column) - np.sin(row).T @ np.sin(column))
