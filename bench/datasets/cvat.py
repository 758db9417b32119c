"""CVAT's "Segmentation mask 1.1" (cvat.ai), and other trees of its kind."""

from pathlib import Path

from bench.datasets import Tree, layouts
from bench.datasets.annotated import VAL, Annotated
from bench.datasets.classes import read_classes
from bench.datasets.files import image_size
from bench.datasets.names import IMAGES, MASKS, composed, is_foreign, plain_names, read_list
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

    def parts(self) -> dict[str, dict[str, bool]]:
        lists = self.root / "ImageSets" / "Segmentation"
        train, val = lists / "train.txt", next((p for v in VAL if (p := lists / f"{v}.txt").is_file()), None)
        if not train.is_file():
            return {"all": {name: name in self._masks for name in self._masks | self._images}}
        listed = {"train": read_list(train, self._masks)}
        if val is not None:
            listed["val"] = read_list(val, self._masks)
        return {split: {name: name in self._masks for name in names} for split, names in listed.items()}

    def paths(self, split: str, name: str) -> tuple[Path, Path]:
        both = (("JPEGImages", ".jpg", self._images), ("SegmentationClass", ".png", self._masks))
        image, mask = (files.get(name) or self.root / part / (name + suffix) for part, suffix, files in both)
        return image, mask

    def size(self, split: str, name: str) -> tuple[int, int]:
        return image_size(self.paths(split, name)[1 if self.has_truth(split, name) else 0])


def _files(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """The files of a folder and of those in it, by name."""
    paths = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*"))}
    paths = {p: path for p, path in paths.items() if path.suffix.lower() in suffixes and not is_foreign(Path(p))}
    by_place = {composed(place): path for place, path in paths.items()}
    return {name: by_place[place] for name, place in plain_names(list(paths), folder).items()}
