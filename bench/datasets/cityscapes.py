"""Cityscapes (Cordts et al., 2016): urban streets, in its own layout."""

from pathlib import Path

import numpy as np

from bench.datasets import Tree
from bench.datasets.files import VOID_COLOR, below, class_ids, read_png, write_png
from bench.datasets.names import IMAGES, MASKS, by_name
from bench.types import VOID, InputError

# The 19 evaluated classes: label id in the *_labelIds files, and colour.
CLASSES = {
    "road": (7, (128, 64, 128)),
    "sidewalk": (8, (244, 35, 232)),
    "building": (11, (70, 70, 70)),
    "wall": (12, (102, 102, 156)),
    "fence": (13, (190, 153, 153)),
    "pole": (17, (153, 153, 153)),
    "traffic light": (19, (250, 170, 30)),
    "traffic sign": (20, (220, 220, 0)),
    "vegetation": (21, (107, 142, 35)),
    "terrain": (22, (152, 251, 152)),
    "sky": (23, (70, 130, 180)),
    "person": (24, (220, 20, 60)),
    "rider": (25, (255, 0, 0)),
    "car": (26, (0, 0, 142)),
    "truck": (27, (0, 0, 70)),
    "bus": (28, (0, 60, 100)),
    "train": (31, (0, 80, 100)),
    "motorcycle": (32, (0, 0, 230)),
    "bicycle": (33, (119, 11, 32)),
}
N_LABEL_IDS = 34
IMAGE = "_leftImg8bit"  # how the names of images end
TRUTHS = ("_gtFine_labelTrainIds", "_gtFine_labelIds")  # and those of their truth, the better one first


class Cityscapes(Tree):
    """Cityscapes, fine annotations, 19 classes; everything else is void.

    ``root`` holds leftImg8bit/{train,val}/<city> and gtFine/{train,val}/<city>. Truth is *_gtFine_labelTrainIds.png
    if it is there, else *_gtFine_labelIds.png, converted. Labels are written as grey *_gtFine_labelTrainIds.png.
    """

    classes = tuple(CLASSES)
    palette = np.array([colour for _, colour in CLASSES.values()], np.uint8)
    colours = np.array([*palette, VOID_COLOR], np.uint8)
    background = VOID

    def __init__(self, root: str | Path | None = None):
        super().__init__(root)
        self._listed: dict[tuple[str, str], dict[str, Path]] = {}

    def names(self, split: str) -> tuple[str, ...]:
        found = self._files("gtFine", split)
        names = sorted({stem.removesuffix(end) for stem in found for end in TRUTHS if stem.endswith(end)})
        if not names:
            raise InputError(
                f"{self.root}: no gtFine/{split}/<city>/*_gtFine_labelIds.png; set --data-root to its parent"
            )
        return tuple(names)

    def gap(self, split: str) -> str | None:
        images = {stem.removesuffix(IMAGE) for stem in self._files("leftImg8bit", split) if stem.endswith(IMAGE)}
        if not (absent := sorted(images - set(self.names(split)))):
            return None
        return f"{len(absent):,} images of {split} have no annotation in gtFine and are left out; first: {absent[0]}"

    def paths(self, split: str, name: str) -> tuple[Path, Path]:
        images, truths = self._files("leftImg8bit", split), self._files("gtFine", split)
        image, city = images.get(f"{name}{IMAGE}"), _city(name)
        truth = next((truths[name + end] for end in TRUTHS if name + end in truths), None)
        return (
            image or self.root / "leftImg8bit" / split / city / f"{name}{IMAGE}.png",
            truth or self.root / "gtFine" / split / city / f"{name}{TRUTHS[-1]}.png",
        )

    def _files(self, part: str, split: str) -> dict[str, Path]:
        """The files of a split of ``leftImg8bit`` or ``gtFine`` by name without suffix, listed once."""
        if (part, split) not in self._listed:
            cities = sorted(path for path in (self.root / part / split).glob("*") if path.is_dir())
            suffixes = IMAGES if part == "leftImg8bit" else MASKS
            self._listed[part, split] = {n: path for city in cities for n, path in by_name(city, suffixes).items()}
        return self._listed[part, split]

    def truth(self, split: str, name: str) -> np.ndarray:
        path = self.paths(split, name)[1]
        if path.stem.endswith(TRUTHS[0]):
            return super().truth(split, name)
        to_train = np.full(256, VOID, np.uint8)
        to_train[[label_id for label_id, _ in CLASSES.values()]] = np.arange(len(CLASSES))
        return to_train[class_ids(read_png(path), N_LABEL_IDS, path)]

    def write_labels(self, to: Path, name: str, labels: np.ndarray) -> None:
        write_png(below(to, "gtFine", "train", _city(name), f"{name}_gtFine_labelTrainIds.png"), labels)


def _city(name: str) -> str:
    return name.rsplit("_", 2)[0]
