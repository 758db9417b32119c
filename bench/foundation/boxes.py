"""Boxes of any detector, read from a file: COCO's JSON, or CSV."""

import csv
import io
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.datasets import Dataset
from bench.datasets.names import composed, name_of
from bench.files import read_text
from bench.foundation.prompting import phrases
from bench.types import InputError

COLUMNS = ("image", "x0", "y0", "x1", "y1", "class")

Boxes = dict[str, tuple[np.ndarray, np.ndarray]]


def read(path: str | Path, dataset: Dataset, threshold: float = 0.0) -> Boxes:
    """For each train image of ``dataset``: boxes (n, 4) float32 and their class ids (n,) int64, in the file's order.

    A box is (left, top, right, bottom) in pixels. Those with a score of at most ``threshold`` are left out; a box
    without a score has 1. Boxes of images that are not in the train split are left out, so that one file may serve
    several splits; boxes without area are, and counted on standard error. Two forms are read:

    - ``*.csv``: the columns image, x0, y0, x1, y1, class and maybe score;
    - ``*.json``: COCO's ``images`` (id, file_name), ``categories`` (id, name) and ``annotations`` (image_id,
      category_id, bbox = left, top, width, height, maybe score).

    An image is the name of one of the train split or of its file. A class is a name of the dataset's, or a phrase of
    its prompts. Raises InputError, with its place, for a box that cannot be used, and if no train image has one.
    """
    path = Path(path)
    try:
        rows = list((_coco if path.suffix.lower() == ".json" else _csv)(path))
    except (csv.Error, json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{path}: not readable as boxes in JSON or CSV: {error}") from error
    known, classes = image_names(dataset), class_words(dataset)
    found: dict[str, list] = {name: [] for name in dataset.names("train")}
    here, empty = 0, []
    for place, image, box, word, score in rows:
        if (name := known.get(image.strip()) or known.get(name_of(image, known))) is None:
            continue
        here += 1
        if score <= threshold:
            continue
        if box[0] == box[2] or box[1] == box[3]:
            empty.append(place)
            continue
        if (class_id := classes.get(word_of(word))) is None:
            raise InputError(f"{path}, {place}: unknown class {word!r}; there are: {', '.join(dataset.classes)}")
        if not all(map(math.isfinite, (*box, score))) or box[2] <= box[0] or box[3] <= box[1]:
            raise InputError(f"{path}, {place}: a box goes from left and top to right and bottom, got {box}, {score}")
        found[name].append((box, class_id))
    if empty:
        print(f"{path}: {len(empty)} boxes without area are left out, the first is {empty[0]}", file=sys.stderr)
    if not here:
        first = f"; the first box is of {rows[0][1]!r}" if rows else ""
        raise InputError(f"{path}: {len(rows)} boxes, none of a train image{first}")
    return {name: _arrays(boxes) for name, boxes in found.items()}


def _arrays(boxes):
    return (
        np.array([box for box, _ in boxes], np.float32).reshape(-1, 4),
        np.array([class_id for _, class_id in boxes], np.int64),
    )


Row = tuple[str, str, tuple[float, ...], str, float]  # place in the file, image, box, class, score


def _csv(path: Path) -> Iterator[Row]:
    table = csv.DictReader(io.StringIO(read_text(path)), restkey="more")
    if missing := [name for name in COLUMNS if name not in (table.fieldnames or ())]:
        raise InputError(f"{path}: no column {', '.join(missing)}; expected {','.join(COLUMNS)} and maybe score")
    for row in table:
        place = f"line {table.line_num}"
        try:
            box = tuple(float(row[name]) for name in COLUMNS[1:5])
            yield place, row["image"].strip(), box, row["class"], float(row.get("score") or 1)
        except (TypeError, ValueError, AttributeError) as error:
            raise InputError(f"{path}, {place}: expected {','.join(COLUMNS)} and maybe score: {error}") from error


def _coco(path: Path) -> Iterator[Row]:
    whole = json.loads(read_text(path))
    if not isinstance(whole, dict) or not {"images", "categories", "annotations"} <= whole.keys():
        raise InputError(
            f"{path}: expected COCO's images, categories and annotations; a list of results alone names neither images "
            "nor classes: put it in as annotations"
        )
    k = 0
    try:
        images = {image["id"]: str(image["file_name"]) for image in whole["images"]}
        words = {category["id"]: str(category["name"]) for category in whole["categories"]}
        for k, row in enumerate(whole["annotations"], 1):
            left, top, width, height = map(float, row["bbox"])
            box = left, top, left + width, top + height
            yield f"annotation {k}", images[row["image_id"]], box, words[row["category_id"]], float(row.get("score", 1))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}, annotation {k}: not as COCO has it: {error!r}") from error


def image_names(dataset: Dataset) -> dict[str, str]:
    """Names of train images, by all that a file may call them; what two images may be called is none of these."""
    found: dict[str, set[str]] = {}
    for name in dataset.names("train"):
        file = Path(dataset.where("train", name))
        for called in (composed(file.stem), composed(file.name), name):
            found.setdefault(called, set()).add(name)
    return {called: min(names) for called, names in found.items() if len(names) == 1}


def class_words(dataset: Dataset) -> dict[str, int]:
    """Class ids by their names, and by the phrases of the dataset's prompts, as `word_of` has them."""
    by_phrase = {word_of(phrase): class_id for phrase, class_id in phrases(dataset)}
    return by_phrase | {word_of(name): i for i, name in enumerate(dataset.classes)}


def word_of(text: str) -> str:
    """A phrase in small letters, with single spaces."""
    return " ".join(composed(str(text)).lower().split())
