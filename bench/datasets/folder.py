"""Any dataset as a plain tree of images and label maps."""

from pathlib import Path

import numpy as np

from bench.datasets import Tree
from bench.datasets.files import read_text
from bench.types import VOID, InputError


class Folder(Tree):
    """Any dataset: images/{train,val}/*, annotations/{train,val}/*.png of class ids (255 = void), and classes.txt.

    classes.txt has a class a line, by id, optionally followed by its colour: ``dining table 200 120 0``. A class
    called background, if there is one, is what pixels outside every object have.
    """

    lists = ("classes.txt",)

    def __init__(self, root: str | Path | None = None):
        super().__init__(root)
        path = self.root / "classes.txt"
        if not path.is_file():
            raise InputError(f"{path}: no such file; it must name the classes, one a line, maybe followed by r g b")
        rows = [_class(line, n, path) for n, line in enumerate(read_text(path).splitlines(), 1) if line.strip()]
        if not 2 <= len(rows) <= VOID or len({name for name, _ in rows}) != len(rows):
            raise InputError(f"{path}: expected 2 to {VOID} classes, each once; got {len(rows)} lines")
        self.classes = tuple(name for name, _ in rows)
        # Colours that are not given are spread over the hues by the golden ratio, so that neighbours differ.
        self.palette = np.array([colour or _hue(i * 0.618) for i, (_, colour) in enumerate(rows)], np.uint8)
        self.background = self.classes.index("background") if "background" in self.classes else VOID

    def names(self, split: str) -> tuple[str, ...]:
        folder = self.root / "annotations" / split
        names = tuple(sorted(path.stem for path in folder.glob("*.png")))
        if not names:
            raise InputError(f"{folder}: no *.png there; --data-root needs annotations/{split}/*.png")
        return names

    def paths(self, split: str, name: str) -> tuple[Path, Path]:
        folder = self.root / "images" / split
        found = [path for suffix in (".jpg", ".jpeg", ".png") if (path := folder / f"{name}{suffix}").is_file()]
        if len(found) > 1:
            raise InputError(f"{folder}: two images are called {name!r}: {', '.join(path.name for path in found)}")
        return found[0] if found else folder / f"{name}.jpg", self.root / "annotations" / split / f"{name}.png"

    def check(self, split: str, images: bool = True) -> None:
        alone = {path.stem for path in (self.root / "images" / split).glob("*.*")} - set(self.names(split))
        if images and alone:
            first = self.root / "annotations" / split / f"{min(alone)}.png"
            raise InputError(f"{first}: no such file; {len(alone)} images of {split} have no annotation")
        super().check(split, images)


def _class(line: str, number: int, path: Path) -> tuple[str, tuple[int, ...] | None]:
    words = line.split()
    if len(words) < 4 or not all(word.isdecimal() for word in words[-3:]):
        return " ".join(words), None
    colour = tuple(map(int, words[-3:]))
    if max(colour) > 255:
        raise InputError(f"{path}, line {number}: a colour is three numbers from 0 to 255, got {' '.join(words[-3:])}")
    return " ".join(words[:-3]), colour


def _hue(turn: float) -> tuple[int, ...]:
    return tuple(int(128 + 110 * np.cos(2 * np.pi * (turn - third / 3))) for third in range(3))
