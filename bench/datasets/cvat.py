"""CVAT's "Segmentation mask 1.1" (cvat.ai), and other trees of its kind."""

from collections import Counter
from functools import cached_property
from pathlib import Path

from bench.datasets import Tree, layouts
from bench.datasets.annotated import VAL, Annotated
from bench.datasets.classes import read_classes
from bench.datasets.files import image_size
from bench.datasets.names import IMAGES, MASKS, composed, is_foreign, plain_names
from bench.files import read_text
from bench.types import InputError


class Cvat(Annotated, Tree):
    """CVAT's export "Segmentation mask 1.1": labelmap.txt, SegmentationClass/ and ImageSets/Segmentation/.

    Classes are the lines of labelmap.txt. Masks are read by their colours; black is void where no class is black.
    train.txt and val.txt (also valid, validation) are the splits; without them, 12 % of the masks are val. Images lie
    in JPEGImages/ or images/, which an export without images lacks: runs on labels need none. Images of train that
    no list names and that have no mask are used without one.
    """

    layout = layouts.Cvat

    def __init__(self, root: str | Path | None = None):
        super().__init__(root)
        self._masks = _files(self.root / "SegmentationClass", MASKS)
        found = read_classes(self.root / "labelmap.txt", numbered=False)
        self.classes, self.palette, self.background = found.names, found.palette, found.background
        if found.colours is None:
            raise InputError(f"{self.root / 'labelmap.txt'}: expected lines as in CVAT's: name:r,g,b::")
        self.colours = found.colours
        folder = next((f for f in ("JPEGImages", "images") if (self.root / f).is_dir()), "JPEGImages")
        self._images = _files(self.root / folder, IMAGES)

    @cached_property
    def _places(self) -> dict[str, dict[str, str]]:
        """By split, or under ``all``: the place of each image in the folders, without suffix, by name."""
        lists = self.root / "ImageSets" / "Segmentation"
        train, val = lists / "train.txt", next((p for v in VAL if (p := lists / f"{v}.txt").is_file()), None)
        if not train.is_file():
            found = {"all": [*(self._masks | self._images)]}
        else:
            found = {split: self._listed(path) for split, path in (("train", train), ("val", val)) if path is not None}
        names = {split: plain_names([f"{place}.png" for place in of], lists) for split, of in found.items()}
        return {split: {name: place[:-4] for name, place in of.items()} for split, of in names.items()}

    def _listed(self, path: Path) -> list[str]:
        """The places that a list names: whole ones, or the last parts of ones that are the only such."""
        lines = [composed(line).strip().replace("\\", "/") for line in read_text(path).splitlines()]
        by_end = Counter(place.rpartition("/")[2] for place in self._masks)
        ends = {place.rpartition("/")[2]: place for place in self._masks}
        places = []
        for line in filter(None, lines):
            stem, dot, suffix = line.rpartition(".")
            place = stem if line not in self._masks and dot + suffix.lower() in IMAGES else line
            if ".." in place.split("/"):
                raise InputError(f"{path}: {line!r} leads elsewhere; expected names of images")
            end = place.rpartition("/")[2]
            places.append(ends[end] if place not in self._masks and by_end[end] == 1 else place.strip("/"))
        return places

    def parts(self) -> dict[str, dict[str, bool]]:
        return {split: {n: place in self._masks for n, place in of.items()} for split, of in self._places.items()}

    def paths(self, split: str, name: str) -> tuple[Path, Path]:
        place = self._places["all" if "all" in self._places else split][name]
        both = (("JPEGImages", ".jpg", self._images), ("SegmentationClass", ".png", self._masks))
        image, mask = (files.get(place) or self.root / part / (place + suffix) for part, suffix, files in both)
        return image, mask

    def size(self, split: str, name: str) -> tuple[int, int]:
        return image_size(self.paths(split, name)[1 if self.has_truth(split, name) else 0])


def _files(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """The files of a folder, and of those in it, by their places in it without suffix."""
    there = ((path, path.relative_to(folder)) for path in sorted(folder.rglob("*")))
    return {
        composed(place.with_suffix("").as_posix()): path
        for path, place in there
        if path.suffix.lower() in suffixes and not is_foreign(place)
    }
