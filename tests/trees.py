"""What the small trees of images are made from."""

from pathlib import Path

import numpy as np
from PIL import Image


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def scene(index: int, n_classes: int, size: tuple[int, int] = (12, 16)) -> tuple[np.ndarray, np.ndarray]:
    """Image (H, W, 3) uint8 and truth (H, W) uint8: a rectangle of one class on class 0, one void pixel."""
    rng = np.random.default_rng(index)
    truth = np.zeros(size, np.uint8)
    truth[2:7, 3:9] = 1 + index % (n_classes - 1)
    truth[0, 0] = 255
    return rng.integers(0, 256, (*size, 3), dtype=np.uint8), truth


def same_areas(a, b):
    """Whether two superpixel maps differ in their ids alone."""
    pairs = np.unique(np.stack([a.ravel(), b.ravel()]), axis=1)
    return all(len(np.unique(side)) == pairs.shape[1] for side in pairs) and ((a > 0) == (b > 0)).all()
