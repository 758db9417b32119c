"""labelme (github.com/wkentaro/labelme): a JSON file with shapes beside each image."""

import base64
import io
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from bench.datasets import Tree, layouts
from bench.datasets.annotated import Annotated, check_rest, split_of, with_rest
from bench.datasets.annotations import BEYOND, is_number, read_json
from bench.datasets.classes import Row, is_void, read_classes
from bench.datasets.files import check_pixels, check_png, image_size
from bench.datasets.names import IMAGES, composed, is_foreign, plain_names
from bench.files import short
from bench.types import VOID, InputError

LISTS = ("labels.txt", "classes.txt")
AREAS = {"polygon": 3, "rectangle": 2, "circle": 2, "mask": 2}  # shapes with an area, and their least points
NO_AREAS = ("line", "linestrip", "point", "points")


class Labelme(Annotated, Tree):
    """labelme's JSON files and their images, in ``root`` or in its folders; those in train/ and val/ are the splits.

    Shapes are drawn as labelme draws them, in their order: polygons, rectangles, circles, and masks of any outline.
    Lines and points have no area, and are left aside. Labels are those of labels.txt or classes.txt in ``root``, in
    that order; without such a file all that occur, sorted. A label called ``__ignore__`` or void is void. Pixels in
    no shape, by ``rest``: ``background`` or ``void``. By default they are of the label called background; without
    one, void if there is a list of labels, else of a class background with id 0. An image without a JSON file has no
    true mask, and one with an empty one has no object.
    """

    layout = layouts.Labelme

    def __init__(self, root: str | Path | None = None, rest: str | None = None):
        super().__init__(root)
        check_rest("labelme", rest)
        paths = [path for path in sorted(self.root.rglob("*")) if not is_foreign(path.relative_to(self.root))]
        images = {self._place(path): path for path in paths if path.suffix.lower() in IMAGES}
        jsons = {self._place(path): path for path in paths if path.suffix.lower() == ".json"}
        self._drawn = {place: _read(path) for place, path in jsons.items()}
        if not self._drawn:
            raise InputError(f"{self.root}: no *.json in it; --data-root must hold labelme's files")
        self._files = {place: (self._image(path, images), path) for place, path in jsons.items()}
        used = {image for image, _ in self._files.values()}
        self._files |= {place: (path, path.with_suffix(".json")) for place, path in images.items() if path not in used}
        self._set_classes(rest)

    def _set_classes(self, rest: str | None) -> None:
        listed = next((path for name in LISTS if (path := self.root / name).is_file()), None)
        if listed is None:
            labels = {shape.label for drawing in self._drawn.values() for shape in drawing.shapes}
            rows: list[Row] = [(f"{self.root}: label {label!r}", label, None) for label in sorted(labels)]
            found, self._rest = with_rest(rows, self.root, rest)
        else:
            found = read_classes(listed, numbered=False)
            if rest == "background" and found.background == VOID:
                raise InputError(f"{listed}: no label is called background, and rest=background; add it")
            self._rest = VOID if rest == "void" else found.background
        self.classes, self.palette, self.background = found.names, found.palette, found.background
        self._class_ids = {name: i for i, name in enumerate(found.names)}

    def _place(self, path: Path) -> str:
        return composed(path.relative_to(self.root).with_suffix("").as_posix())

    def _image(self, json: Path, images: dict[str, Path]) -> Path:
        """The image of a JSON file: the one beside it of its name, or the one that it names."""
        if self._place(json) in images:
            return images[self._place(json)]
        named = json.parent / self._drawn[self._place(json)].image.replace("\\", "/")
        inside = named.resolve().is_relative_to(self.root.resolve())
        return named if inside else json.parent / named.name

    @cached_property
    def _places(self) -> dict[str, dict[str, str]]:
        """By split, or under ``all``: the place of each image, by name."""
        found: dict[str, list[str]] = {}
        for place in self._files:
            found.setdefault(split_of(Path(place).parent) or "all", []).append(place)
        parts: dict[str, list[str]] = {split: found[split] for split in ("train", "val") if split in found}
        parts = parts if "train" in parts else {"all": list(self._files)}
        names = {
            split: plain_names([f"{place}.json" for place in places], self.root) for split, places in parts.items()
        }
        return {split: {name: place[:-5] for name, place in of.items()} for split, of in names.items()}

    def parts(self) -> dict[str, dict[str, bool]]:
        return {split: {n: p in self._drawn for n, p in places.items()} for split, places in self._places.items()}

    def _at(self, split: str, name: str) -> str:
        return self._places["all" if "all" in self._places else split][name]

    def paths(self, split: str, name: str) -> tuple[Path, Path]:
        return self._files[self._at(split, name)]

    def gap(self, split: str) -> str | None:
        n = sum(self._drawn[p].n_left for name in self.names(split) if (p := self._at(split, name)) in self._drawn)
        aside = f"{n:,} lines and points of {split} have no area and are left aside" if n else None
        return "; ".join(filter(None, (super().gap(split), aside))) or None

    def size(self, split: str, name: str) -> tuple[int, int]:
        drawing = self._drawn.get(self._at(split, name))
        return (drawing and drawing.size) or image_size(self.paths(split, name)[0])

    def truth(self, split: str, name: str) -> np.ndarray:
        path = self.paths(split, name)[1]
        if not self.has_truth(split, name):
            raise InputError(f"{path}: no such file; the image has no true mask")
        labels = np.full(self.size(split, name), self._rest, np.uint8)
        for shape in self._drawn[self._at(split, name)].shapes:
            if not is_void(shape.label) and shape.label not in self._class_ids:
                raise InputError(f"{path}: unknown label {shape.label!r}; there are: {', '.join(self.classes)}")
            _draw(labels, shape, self._class_ids.get(shape.label, VOID), f"{path}, a shape of {shape.label!r}")
        return labels


class Shape(NamedTuple):
    """A shape: its label and kind, its points (n, 2) x, y in pixels, and the PNG of a mask in base64."""

    label: str
    kind: str
    points: np.ndarray
    mask: str


class Drawing(NamedTuple):
    """A JSON file: the image's file, (height, width) if it is told, its shapes, and how many have no area."""

    image: str
    size: tuple[int, int] | None
    shapes: list[Shape]
    n_left: int


def _read(path: Path) -> Drawing:
    whole = read_json(path)
    if not (isinstance(whole, dict) and isinstance(whole.get("shapes"), list)):
        raise InputError(f"{path}: expected labelme's JSON, an object with shapes; got {short(whole)}")
    height, width, image = (whole.get(key) for key in ("imageHeight", "imageWidth", "imagePath"))
    size = None
    if height is not None or width is not None:
        if not (type(height) is int and type(width) is int):
            raise InputError(f"{path}: imageHeight and imageWidth must be whole numbers, got {short([height, width])}")
        check_pixels(height, width, path)
        size = height, width
    rows = [_shape(row, f"{path}, shape {i}") for i, row in enumerate(whole["shapes"], 1)]
    shapes = [row for row in rows if row is not None]
    return Drawing(image if isinstance(image, str) else f"{path.stem}.jpg", size, shapes, len(rows) - len(shapes))


def _shape(row: Any, place: str) -> Shape | None:
    """None for a line or a point."""
    if not (isinstance(row, dict) and isinstance(row.get("label"), str) and isinstance(row.get("points"), list)):
        raise InputError(f"{place}: expected an object with label and points, got {short(row)}")
    kind = row.get("shape_type") or "polygon"
    if kind in NO_AREAS:
        return None
    if kind not in AREAS:
        raise InputError(f"{place}: unknown shape_type {short(kind)}; there are: {', '.join((*AREAS, *NO_AREAS))}")
    points, mask = row["points"], row.get("mask")
    if not all(isinstance(p, list) and len(p) == 2 and all(map(is_number, p)) for p in points):
        raise InputError(f"{place}: points must be pairs of finite numbers, got {short(points)}")
    if len(points) < AREAS[kind] or (kind != "polygon" and len(points) != AREAS[kind]):
        raise InputError(f"{place}: a {kind} of {len(points)} points; expected {AREAS[kind]}")
    if kind == "mask" and not isinstance(mask, str):
        raise InputError(f"{place}: a mask without its PNG in base64")
    label = " ".join(composed(row["label"]).split())
    return Shape(label, kind, np.array(points, float), mask if isinstance(mask, str) else "")


def _draw(labels: np.ndarray, shape: Shape, class_id: int, place: str) -> None:
    """Set the pixels of a shape in a label map, as labelme's ``shape_to_mask`` does."""
    height, width = labels.shape
    if (abs(shape.points / (width, height) - 0.5) > 0.5 + BEYOND).any():
        raise InputError(f"{place}: a point lies far outside of the image of {width} × {height} px")
    if shape.kind == "mask":
        (left, top), (right, bottom) = shape.points.astype(int).tolist()
        area = labels[max(top, 0) : bottom + 1, max(left, 0) : right + 1]
        mask = _mask(shape.mask, place)
        if mask.shape != area.shape:
            raise InputError(f"{place}: its mask has {mask.shape} px, its place in the image {area.shape}")
        area[mask] = class_id
        return
    image = Image.fromarray(labels)
    draw, points = ImageDraw.Draw(image), list(map(tuple, shape.points.tolist()))
    if shape.kind == "circle":
        (x, y), radius = points[0], float(np.hypot(*(shape.points[1] - shape.points[0])))
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], outline=class_id, fill=class_id)
    elif shape.kind == "rectangle":
        draw.rectangle([*shape.points.min(axis=0), *shape.points.max(axis=0)], outline=class_id, fill=class_id)
    else:
        draw.polygon(points, outline=class_id, fill=class_id)
    labels[:] = np.asarray(image)


def _mask(text: str, place: str) -> np.ndarray:
    """(H, W) bool from a PNG in base64."""
    try:
        data = base64.b64decode(text, validate=True)
        check_png(data)
        image = Image.open(io.BytesIO(data), formats=["PNG"])
        return np.asarray(image.convert("L")) > 0
    except (ValueError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"{place}: its mask is no whole PNG in base64: {error}") from error
