"""Draw one question of active label correction, docs/images/question.png: ``python tools/picture_of_a_question.py``

The scene, its pseudo label and its superpixels are generated; the annotator is `perfect`.
"""

from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap

from bench import VOID, Dataset, Foundation, Question, Truth, registry, seeds
from bench.labels import corrected
from bench.types import Region

OUT = Path(__file__).parent.parent / "docs" / "images" / "question.png"


@dataclass(frozen=True)
class Example:
    """A superpixel with a wrong label: its image (H, W, 3), label map, superpixel map and truth (H, W), and mask."""

    image: np.ndarray
    labels: np.ndarray
    superpixels: np.ndarray
    truth: np.ndarray
    mask: np.ndarray


def best_example(dataset: Dataset, foundation: Foundation) -> Example:
    """The largest superpixel inside an image that has one label and one other true class."""
    examples = []
    for name, labels, superpixels in foundation.generate(dataset):
        truth = dataset.truth("train", name)
        for number in np.unique(superpixels[superpixels > 0]):
            mask = superpixels == number
            one_label = len(np.unique(labels[mask])) == 1
            share_of_answer = np.bincount(truth[mask]).max() / mask.sum()
            wrong = (labels[mask] != truth[mask]).mean()
            inside = mask[1:-1, 1:-1].sum() == mask.sum()
            if one_label and inside and min(wrong, share_of_answer) > 0.9:
                examples.append(Example(dataset.image("train", name), labels, superpixels, truth, mask))
    return max(examples, key=lambda example: example.mask.sum())


def draw(example: Example, dataset: Dataset, out: Path) -> None:
    """Six panels, from the image to the label map after the answer, in the file ``out``."""
    places = np.argwhere(example.mask)
    row, column = places[np.argmin(((places - places.mean(0)) ** 2).sum(1))].tolist()
    shown = int(example.labels[row, column])
    question = Question("correction", 0, 1, row, column, shown, example.labels[example.mask], 0, len(dataset.classes))
    truth = Truth(example.truth, Region.of(np.flatnonzero(example.mask)))
    answer = registry.load("oracles", "perfect").answer(question, truth, seeds.generator(0, "picture"))
    after = example.labels.copy()
    after[example.mask] = corrected(question.labels, answer)

    colours = np.zeros((VOID + 1, 3), np.uint8)
    colours[: len(dataset.palette)] = dataset.palette
    right = [np.mean(labels == example.truth) for labels in (example.labels, after)]
    panels = (
        ("1 Image\n", example.image),
        (f"2 Pseudo label\n{right[0]:.0%} is right", colours[example.labels]),
        ("3 Superpixel\n", example.image),
        (f"4 Question\nIs it '{dataset.classes[shown]}'?", example.image),
        (f"5 Answer\nNo, '{dataset.classes[answer.labels[0]]}'", example.image),
        (f"6 Label after\n{right[1]:.0%} is right", colours[after]),
    )
    figure, axes = plt.subplots(1, len(panels), figsize=(14, 3.0), layout="constrained")
    for number, (ax, (title, picture)) in enumerate(zip(axes, panels, strict=True), 1):
        ax.imshow(picture)
        ax.set(xticks=[], yticks=[])
        ax.set_title(title, fontsize=16)
        if number == 3:
            borders(ax, example.superpixels)
        if number > 1:
            ax.contour(example.mask, [0.5], colors="white", linewidths=3)
            ax.contour(example.mask, [0.5], colors="black", linewidths=1.2)
        if number in (4, 5):
            zoom(ax, places, example.mask.shape)
            colour = dataset.palette[shown if number == 4 else answer.labels[0]] / 255
            ax.imshow(np.where(example.mask, 1.0, np.nan), cmap=ListedColormap([colour]), alpha=0.45)
            ax.plot(column, row, "o", color="white", markeredgecolor="black", markersize=9)
    figure.savefig(out, dpi=120, metadata={"Software": None})
    plt.close(figure)


def borders(ax: Axes, superpixels: np.ndarray) -> None:
    """The outline of each superpixel."""
    for number in np.unique(superpixels[superpixels > 0]):
        ax.contour(superpixels == number, [0.5], colors="white", linewidths=0.8)


def zoom(ax: Axes, places: np.ndarray, shape: tuple[int, ...]) -> None:
    """Show the superpixel with a margin around it."""
    (top, left), (bottom, right) = places.min(0), places.max(0)
    side = min(1.4 * max(bottom - top, right - left), shape[0] - 1, shape[1] - 1)
    first_row, first_column = (
        np.clip((low + high - side) / 2, 0, length - 1 - side)
        for low, high, length in ((top, bottom, shape[0]), (left, right, shape[1]))
    )
    ax.set(xlim=(first_column, first_column + side), ylim=(first_row + side, first_row))


def main(out: Path = OUT) -> None:
    shapes = registry.load("datasets", "shapes[train=40,val=1]")
    draw(best_example(shapes, registry.load("foundations", "simulated")), shapes, out)


if __name__ == "__main__":
    main()
