"""COCO's JSON: images, categories, and annotations with polygons or run lengths. Every refusal names the annotation.

Source: Lin et al., ECCV 2014; the encodings are those of pycocotools, which makes masks of polygons.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pycocotools import mask as coco

from bench.datasets.files import check_pixels
from bench.datasets.names import composed
from bench.files import read_text, short
from bench.types import InputError

PARTS = ("images", "categories", "annotations")
MOST = 1e15  # of a number; nan and infinity are none
BEYOND = 1  # a polygon may leave the image by so many times its size; masks of others would take all memory
COMPRESSED = re.compile(r"(?:[P-o]{0,5}[0-O])*")  # pycocotools' numbers: six bits a letter, the sixth says "more"


class Picture(NamedTuple):
    """An image of the file: its file name, and height and width in pixels."""

    file: str
    height: int
    width: int


class Annotation(NamedTuple):
    """``place`` in the file, the id of its ``category``, its ``segmentation`` as the file has it, its ``score``."""

    place: str
    category: int
    segmentation: Any
    score: float


@dataclass(frozen=True)
class Annotations:
    """``pictures`` by image id, names of ``categories`` by their ids, and of each image the annotations with masks.

    ``panoptic``: by image id, the file name of its PNG and the category of each of its segments; None in other files.
    """

    pictures: dict[int | str, Picture]
    categories: dict[int, str]
    of_image: dict[int | str, list[Annotation]]
    panoptic: dict[int | str, tuple[str, dict[int, int]]] | None


def read_json(path: Path) -> Any:
    """The value in a JSON file. Raises InputError for a file that is none."""
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError) as error:  # no JSON, or brackets without end
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: not readable as JSON: {error}") from error


def read(path: Path) -> Annotations:
    """Raises InputError, with its place, for a part that is not as COCO has it."""
    whole = read_json(path)
    if not (isinstance(whole, dict) and all(isinstance(whole.get(part, []), list) for part in PARTS)):
        raise InputError(f"{path}: expected a JSON object with lists: {', '.join(PARTS)}; got {short(whole)}")
    if "images" not in whole or "categories" not in whole:
        raise InputError(f"{path}: no images or no categories in it; expected COCO's {', '.join(PARTS)}")
    pictures: dict[int | str, Picture] = {}
    for place, row in numbered(path, "image", whole["images"]):
        key, file = _field(row, "id", (int, str), place), _field(row, "file_name", str, place)
        height, width = (_field(row, side, int, place) for side in ("height", "width"))
        check_pixels(height, width, place)
        if pictures.setdefault(key, picture := Picture(file, height, width)) != picture:
            raise InputError(f"{place}: the id {key} is that of {pictures[key].file!r} too")
    categories: dict[int, str] = {}
    for place, row in numbered(path, "category", whole["categories"]):
        key, name = _field(row, "id", int, place), " ".join(composed(_field(row, "name", str, place)).split())
        if categories.setdefault(key, name) != name:
            raise InputError(f"{place}: the id {key} is that of {categories[key]!r} too")
    rows = list(numbered(path, "annotation", whole.get("annotations", [])))
    if any("segments_info" in row for _, row in rows):
        return Annotations(pictures, categories, {}, _panoptic(rows, pictures, categories))
    return Annotations(pictures, categories, masks(rows, pictures, categories), None)


def masks(
    rows: list[tuple[str, dict]], pictures: dict, categories: dict, others: bool = False
) -> dict[int | str, list[Annotation]]:
    """Annotations with masks by image id, from ``rows`` with their places; ``others``: some may be of other images.

    Raises InputError for ids that are not known.
    """
    found: dict[int | str, list[Annotation]] = {}
    for place, row in rows:
        image, category = _field(row, "image_id", (int, str), place), _field(row, "category_id", int, place)
        if others and image not in pictures:
            continue
        for what, key, known in (("image", image, pictures), ("category", category, categories)):
            if key not in known:
                raise InputError(f"{place}: no {what} has the id {key!r}")
        score = row.get("score", 1.0)
        if not is_number(score):
            raise InputError(f"{place}: score must be a number, got {short(score)}")
        if not row.get("segmentation"):
            raise InputError(f"{place}: no segmentation in it; expected polygons or run lengths")
        found.setdefault(image, []).append(Annotation(place, category, row["segmentation"], float(score)))
    return found


def _panoptic(rows, pictures, categories) -> dict[int | str, tuple[str, dict[int, int]]]:
    found = {}
    for place, row in rows:
        image, segments = _field(row, "image_id", (int, str), place), _field(row, "segments_info", list, place)
        pairs = [(_field(s, "id", int, place), _field(s, "category_id", int, place)) for s in segments]
        if image not in pictures or any(category not in categories for _, category in pairs):
            raise InputError(f"{place}: its image or one of its categories is not in the file")
        if image in found or len(dict(pairs)) != len(pairs):
            raise InputError(f"{place}: the image or one of its segments is there twice")
        found[image] = _field(row, "file_name", str, place), dict(pairs)
    return found


class Decoded(Sequence):
    """The masks (H, W) bool of annotations of an image of ``shape`` (H, W), each decoded when it is asked for."""

    def __init__(self, annotations: list[Annotation], shape: tuple[int, int]):
        self.annotations, self.shape = annotations, shape

    def __len__(self) -> int:
        return len(self.annotations)

    def __getitem__(self, k):
        return decode(self.annotations[k].segmentation, self.shape, self.annotations[k].place)


def decode(segmentation: Any, shape: tuple[int, int], place: str) -> np.ndarray:
    """(H, W) bool: the mask of polygons or of run lengths, of an image of ``shape`` (H, W).

    Polygons are lists x, y, x, y, ... in pixels, united. Run lengths are down the columns, from 0, as numbers or as
    pycocotools' text. Raises InputError with the ``place`` for what is neither, and for a mask of another size.
    """
    if isinstance(segmentation, list):
        return _of_polygons(segmentation, shape, place)
    if not isinstance(segmentation, dict) or not {"size", "counts"} <= segmentation.keys():
        raise InputError(f"{place}: expected polygons, or run lengths with size and counts; got {short(segmentation)}")
    if segmentation["size"] != list(shape):
        raise InputError(f"{place}: its mask has {short(segmentation['size'])} px, its image {list(shape)}")
    counts = segmentation["counts"]
    runs = _decompressed(counts) if isinstance(counts, str) else _whole_numbers(counts)
    if runs is None or (runs < 0).any() or runs.sum() != shape[0] * shape[1]:
        raise InputError(f"{place}: its run lengths do not add up to the {shape[0]} × {shape[1]} px of its image")
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(shape[::-1]).T


def encode(mask: np.ndarray) -> dict:
    """Run lengths of a mask (H, W) bool, as pycocotools' text."""
    found = coco.encode(np.asfortranarray(mask, np.uint8))
    return {"size": list(mask.shape), "counts": found["counts"].decode()}


def _of_polygons(polygons: list, shape: tuple[int, int], place: str) -> np.ndarray:
    height, width = shape
    for polygon in polygons:
        if not (isinstance(polygon, list) and len(polygon) >= 6 and len(polygon) % 2 == 0):
            raise InputError(f"{place}: a polygon is x, y of three points or more; got {short(polygon)}")
        if not all(map(is_number, polygon)):
            raise InputError(f"{place}: a polygon is of finite numbers; got {short(polygon)}")
        points = np.array(polygon, float).reshape(-1, 2)
        if (abs(points / (width, height) - 0.5) > 0.5 + BEYOND).any():
            raise InputError(f"{place}: a point lies far outside of the image of {width} × {height} px")
    return coco.decode(coco.merge(coco.frPyObjects(polygons, height, width))).astype(bool)


def _decompressed(counts: str) -> np.ndarray | None:
    """Run lengths (n,) int64 from pycocotools' text; None for another text.

    A number is written five bits a letter, the lowest first, with its sign; from the fourth on, it is the difference
    from the number two before it. pycocotools itself reads beyond the end of a damaged text.
    """
    if not COMPRESSED.fullmatch(counts):
        return None
    letters = np.frombuffer(counts.encode(), np.uint8).astype(np.int64) - 48
    last = letters & 32 == 0
    first = np.flatnonzero(np.append(True, last[:-1])[: len(letters)])
    place = np.arange(len(letters)) - np.repeat(first, np.diff(np.append(first, len(letters))))
    values = np.add.reduceat((letters & 31) << 5 * place, first) if len(first) else first
    values = values - np.where(letters[last] & 16, 1 << 5 * (place[last] + 1), 0)
    values[1::2], values[2::2] = values[1::2].cumsum(), values[2::2].cumsum()
    return values


def _whole_numbers(counts: Any) -> np.ndarray | None:
    whole = isinstance(counts, list) and all(type(n) is int and 0 <= n < 2**40 for n in counts)
    return np.array(counts, np.int64) if whole else None


def numbered(path: Path, what: str, rows: list) -> Iterator[tuple[str, dict]]:
    """The rows of a list with their places. Raises InputError for one that is no JSON object."""
    for i, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise InputError(f"{path}, {what} {i}: expected a JSON object, got {short(row)}")
        yield f"{path}, {what} {i}", row


def _field(row: Any, name: str, kind: type | tuple[type, ...], place: str) -> Any:
    value = row.get(name) if isinstance(row, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise InputError(f"{place}: {name} is not as COCO has it: {short(value)}")
    return value


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < MOST
