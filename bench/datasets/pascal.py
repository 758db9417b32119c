"""PASCAL VOC 2012 segmentation (Everingham et al., 2015), in the layout of VOCdevkit."""

from pathlib import Path

import numpy as np

from bench.datasets import Tree
from bench.datasets.files import VOID_COLOR, voc_colours
from bench.datasets.names import IMAGES, MASKS, by_name, read_list
from bench.types import InputError

WHOLE = {"train": 1464, "val": 1449}  # images of the official splits


class Pascal(Tree):
    """PASCAL VOC 2012: 20 object classes and background, 255 along the outlines.

    ``root``: VOCdevkit, or its VOC2012. Splits are ImageSets/Segmentation/{train,val}.txt; truth is in
    SegmentationClass, as ids, palettes or the development kit's colours. Label-only runs need neither JPEGImages nor
    val.txt.

    Any part of it will do: a split has the names of its list that have their files. These are the truth and, if the
    folder JPEGImages holds any, the image. `gap` says how many these are.
    """

    classes = tuple(
        [
            "background",
            "aeroplane",
            "bicycle",
            "bird",
            "boat",
            "bottle",
            "bus",
            "car",
            "cat",
            "chair",
            "cow",
            "diningtable",
            "dog",
            "horse",
            "motorbike",
            "person",
            "pottedplant",
            "sheep",
            "sofa",
            "train",
            "tvmonitor",
        ]
    )
    palette = voc_colours(21)
    colours = np.array([*palette, VOID_COLOR], np.uint8)
    background = 0
    lists = ("ImageSets/Segmentation/train.txt", "ImageSets/Segmentation/val.txt")

    def __init__(self, root: str | Path | None = None):
        super().__init__(root)
        if (self.root / "VOC2012").is_dir():
            self.root = self.root / "VOC2012"
        if not (self.root / "SegmentationClass").is_dir():
            raise InputError(f"{self.root}: no SegmentationClass; --data-root must be VOCdevkit or VOCdevkit/VOC2012")
        self._images = by_name(self.root / "JPEGImages", IMAGES)
        self._truths = by_name(self.root / "SegmentationClass", MASKS)
        self._names: dict[str, tuple[str, ...]] = {}

    def names(self, split: str) -> tuple[str, ...]:
        if split not in self._names:
            listed = self._listed(split)
            there = self._truths.keys() & self._images.keys() if self._images else self._truths.keys()
            self._names[split] = tuple(name for name in listed if name in there)
            if not self._names[split]:
                raise InputError(
                    f"{self.root}: no file of the {len(listed)} images of {split}; expected {listed[0]}.png in "
                    f"SegmentationClass{' and its .jpg in JPEGImages' if self._images else ''}"
                )
        return self._names[split]

    def gap(self, split: str) -> str | None:
        n, listed = len(self.names(split)), len(self._listed(split))
        if n >= (whole := max(WHOLE[split], listed)):
            return None
        absent = sorted(set(self._listed(split)) - set(self.names(split)))
        missing = f", the files of {len(absent)} more are missing, the first is {absent[0]}" if absent else ""
        return f"{n:,} of {whole:,} images of PASCAL VOC 2012 {split} are used: {split}.txt names {listed:,}{missing}"

    def _listed(self, split: str) -> tuple[str, ...]:
        return read_list(self.root / "ImageSets" / "Segmentation" / f"{split}.txt", self._truths)

    def paths(self, split: str, name: str) -> tuple[Path, Path]:
        image, truth = self._images.get(name), self._truths.get(name)
        return (
            image or self.root / "JPEGImages" / f"{name}.jpg",
            truth or self.root / "SegmentationClass" / f"{name}.png",
        )
