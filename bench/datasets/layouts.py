"""Labels and images of any dataset in the layouts of annotation tools: COCO, CVAT, labelme. Their datasets read them
back, pixel by pixel."""

import base64
import io
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as coco

from bench import files
from bench.datasets.annotations import encode
from bench.datasets.classes import is_background, read_classes
from bench.datasets.files import VOID_COLOR, below, voc_colours, write_lines
from bench.types import VOID, InputError

SUFFIX = ".jpg"  # of an image that is not there


class Layout(ABC):
    """Writes the labels of ``dataset``, and the rest of it, as `Dataset.write_labels` and its neighbours do."""

    def __init__(self, dataset):
        self.dataset = dataset
        ground = [c for c, name in enumerate(dataset.classes) if is_background(name)]
        self.ground = ground[0] if ground else None  # the class that needs no mask: nobody draws it

    @abstractmethod
    def write(self, to: Path, split: str, name: str, labels: np.ndarray) -> None:
        """Write the label map (H, W) uint8 of an image of ``split`` below the folder ``to``."""

    @abstractmethod
    def finish(self, to: Path) -> None:
        """Write below ``to`` the files that belong to all images."""

    @abstractmethod
    def place(self, split: str, file: str) -> PurePosixPath:
        """The place of an image that is called ``file``."""

    def write_labels(self, to: Path, name: str, labels: np.ndarray) -> None:
        self.write(to, "train", name, labels)

    def write_rest(self, to: Path) -> None:
        for name in self.names("val"):
            self.write(to, "val", name, self.dataset.truth("val", name))
        for split in ("train", "val"):
            for name in self.names(split):
                if isinstance(pixels := self.dataset.original(split, name), np.ndarray):
                    place = below(to, *self.place(split, self.file(split, name)).parts)
                    Image.fromarray(pixels).save(place)
        self.finish(to)

    def kept(self) -> Iterator[tuple[Path, Path]]:
        for split in ("train", "val"):
            for name in self.names(split):
                if isinstance(path := self.dataset.original(split, name), Path):
                    yield Path(self.place(split, self.file(split, name))), path

    def names(self, split: str) -> tuple[str, ...]:
        try:
            return self.dataset.names(split)
        except InputError:  # as in a run without a model, which needs no val split
            return ()

    def file(self, split: str, name: str) -> str:
        """The file name of an image."""
        there = self.dataset.original(split, name)
        return name + (there.suffix if isinstance(there, Path) else SUFFIX if there is None else ".png")

    def present(self, labels: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """The classes of a label map that need a mask, void last, and where each is (H, W) bool."""
        found = np.unique(labels).tolist()
        return ((c, labels == c) for c in found if c != self.ground)


class Coco(Layout):
    """annotations/instances_{train,val}.json, one annotation with run lengths for each class of an image.

    Category ids are class ids. Pixels of a class called background have no annotation. Void is a category, 255, where
    there is some, or no background.
    """

    def __init__(self, dataset):
        super().__init__(dataset)
        self.rows: dict[str, tuple[list[dict], list[dict]]] = {"train": ([], []), "val": ([], [])}
        self.has_void = self.ground is None

    def place(self, split: str, file: str) -> PurePosixPath:
        return PurePosixPath(split, file)

    def write(self, to: Path, split: str, name: str, labels: np.ndarray) -> None:
        images, rows = self.rows[split]
        (height, width), number = labels.shape, len(images) + 1
        images.append({"id": number, "file_name": self.file(split, name), "height": height, "width": width})
        for c, mask in self.present(labels):
            found, self.has_void = encode(mask), self.has_void or c == VOID
            box = coco.toBbox(found).tolist()
            told = {"id": len(rows) + 1, "image_id": number, "category_id": c, "iscrowd": 0}
            rows.append(told | {"segmentation": found, "area": int(mask.sum()), "bbox": box})

    def finish(self, to: Path) -> None:
        names = [*enumerate(self.dataset.classes), *[(VOID, "void")] * self.has_void]
        categories = [{"id": c, "name": name, "supercategory": ""} for c, name in names]
        for split, (images, rows) in self.rows.items():
            if images:
                whole = {"images": images, "annotations": rows, "categories": categories}
                files.write_json(below(to, "annotations", f"instances_{split}.json"), whole)


class Cvat(Layout):
    """CVAT's "Segmentation mask 1.1": labelmap.txt, SegmentationClass/*.png in its colours, and ImageSets.

    Where an image of train is called like one of val, those of each lie in a folder.
    """

    def __init__(self, dataset):
        super().__init__(dataset)
        self.colours = _colours(dataset, self.ground)
        self.listed: dict[str, list[str]] = {"train": [], "val": []}
        self.divided = not set(self.names("train")).isdisjoint(self.names("val"))

    def place(self, split: str, file: str) -> PurePosixPath:
        return PurePosixPath("JPEGImages", *[split] * self.divided, file)

    def write(self, to: Path, split: str, name: str, labels: np.ndarray) -> None:
        self.listed[split].append(f"{split}/{name}" if self.divided else name)
        rgb = self.colours[np.where(labels == VOID, len(self.colours) - 1, labels)]
        Image.fromarray(rgb).save(below(to, "SegmentationClass", *[split] * self.divided, f"{name}.png"))

    def finish(self, to: Path) -> None:
        rows = zip([*self.dataset.classes, "void"], self.colours.tolist(), strict=True)
        lines = [f"{name}:{','.join(map(str, colour))}::" for name, colour in rows]
        write_lines(below(to, "labelmap.txt"), ["# label:color_rgb:parts:actions", *lines])
        _check_written(to / "labelmap.txt", self.dataset.classes)
        for split, names in self.listed.items():
            if names:
                write_lines(below(to, "ImageSets", "Segmentation", f"{split}.txt"), sorted(names))


class Labelme(Layout):
    """labelme's JSON beside each image, in train/ and val/, one shape of the type ``mask`` for each class.

    labels.txt has the classes. A polygon would not hold every pixel; the type ``mask`` does, since labelme 5.2.
    """

    def place(self, split: str, file: str) -> PurePosixPath:
        return PurePosixPath(split, file)

    def write(self, to: Path, split: str, name: str, labels: np.ndarray) -> None:
        told: dict[str, Any] = {"version": "5.5.0", "flags": {}, "imagePath": self.file(split, name), "imageData": None}
        told |= {"imageHeight": labels.shape[0], "imageWidth": labels.shape[1]}
        names = {c: name for c, name in enumerate(self.dataset.classes)} | {VOID: "__ignore__"}
        shapes = [_shape(names[c], mask) for c, mask in self.present(labels)]
        files.write_json(below(to, split, f"{name}.json"), told | {"shapes": shapes})

    def finish(self, to: Path) -> None:
        write_lines(below(to, "labels.txt"), ["__ignore__", *self.dataset.classes])
        _check_written(to / "labels.txt", self.dataset.classes)


LAYOUTS: dict[str, type[Layout]] = {"coco": Coco, "cvat": Cvat, "labelme": Labelme}


def _shape(label: str, mask: np.ndarray) -> dict:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, bottom, left, right = (int(side) for side in (rows[0], rows[-1], columns[0], columns[-1]))
    file = io.BytesIO()
    Image.fromarray(mask[top : bottom + 1, left : right + 1].astype(np.uint8)).save(file, "PNG")
    told: dict[str, Any] = {
        "label": label,
        "points": [[left, top], [right, bottom]],
        "group_id": None,
        "description": "",
    }
    return told | {"shape_type": "mask", "flags": {}, "mask": base64.b64encode(file.getvalue()).decode()}


def _colours(dataset, ground: int | None) -> np.ndarray:
    """(n_classes + 1, 3) uint8 RGB, void's last: the dataset's own where they are all different and black is the
    background's alone, as CVAT has it; else PASCAL's, which are CVAT's too."""
    own = np.array([*dataset.palette, VOID_COLOR], np.uint8)
    black = np.flatnonzero(~own.any(axis=1)).tolist()
    if len(np.unique(own, axis=0)) == len(own) and black in ([], [ground]):
        return own
    others = iter(voc_colours(256)[1:])
    return np.array(
        [(0, 0, 0) if c == ground else next(others) for c in range(len(dataset.classes))] + [VOID_COLOR], np.uint8
    )


def _check_written(path: Path, classes: tuple[str, ...]) -> None:
    if read_classes(path, numbered=False).names != classes:
        raise InputError(f"{path.name}: cannot hold these names of classes as they are: {', '.join(classes)}")
