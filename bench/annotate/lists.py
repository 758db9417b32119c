"""Questions as a list for other tools, and answers from such a list: a CSV and a JSON file of the same columns."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask

from bench import files
from bench.annotate.answers import Asked
from bench.types import ACTIONS, InputError

ANSWER = ("action", "label", "seconds", "annotator")  # the columns to fill, as in the contract
COLUMNS = {  # name: what it holds
    "id": "of the question, for its answer",
    "image": "name",
    "superpixel": "id within the image",
    "kind": "of question",
    "row": "of the pixel that is asked about",
    "column": "of this pixel",
    "left": "of the superpixel's box",
    "top": "of the box",
    "right": "of the box, exclusive",
    "bottom": "of the box, exclusive",
    "height": "of the image",
    "width": "of the image",
    "rle": "the superpixel, COCO's compressed run lengths",
    "shown": "the label, a class id; 255: void",
    "shown_name": "the name of this class",
    "suggested": "the class id that the model thinks likeliest; empty without a model",
    "suggested_name": "the name of this class",
    "score": "of the strategy: higher is asked first",
    "crop": "a picture of the superpixel, beside the list",
    "action": "to fill: confirm, correct, classify, void or give_up",
    "label": "to fill where the action is correct or classify: a class id",
    "seconds": "may be filled",
    "annotator": "may be filled: a name",
}


def row(asked: Asked, classes: Sequence[str], score: float, crop: str) -> dict[str, Any]:
    """The values of `COLUMNS` of a question; those of the answer are None."""
    question, (height, width) = asked.question, asked.shape
    suggested = None if asked.chances is None else int(asked.chances.argmax())
    inside = np.zeros(asked.shape, np.uint8)
    inside.ravel()[asked.where.pixels] = 1

    def name(label: int | None) -> str | None:
        return None if label is None else classes[label] if label < len(classes) else "void"

    values = (asked.id, asked.name, question.superpixel, question.kind, question.row, question.column, *asked.box)
    values += height, width, mask.encode(np.asfortranarray(inside))["counts"].decode()
    values += question.label, name(question.label), suggested, name(suggested), score, crop or None
    return dict(zip(COLUMNS, (*values, *[None] * len(ANSWER)), strict=True))


def write(folder: Path, rows: list[dict[str, Any]], classes: Sequence[str]) -> None:
    """``rank.csv`` and ``rank.json`` in a folder."""
    with files.replacing(folder / "rank.csv") as path, open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    with files.replacing(folder / "rank.json") as path:
        told = {"columns": COLUMNS, "classes": list(classes), "questions": rows}
        path.write_text(json.dumps(told, indent=1), encoding="utf-8")


def read(path: Path, n_classes: int) -> dict[str, dict[str, Any]]:
    """The answers in a list, CSV or JSON, by the ids of their questions, as the contract has them. Questions without an
    action are left out.

    Raises InputError for a file that is no such list, and for what no answer can say.
    """
    found = {}
    for number, line in enumerate(_rows(path), 1):
        if not (action := line["action"]):
            continue
        try:
            label, seconds = (
                None if line.get(name) in (None, "") else float(line[name]) for name in ("label", "seconds")
            )
            if seconds is not None and not seconds >= 0:
                raise ValueError(f"seconds must be 0 or more, got {seconds}")
        except (TypeError, ValueError) as error:
            raise InputError(f"{path}, question {number}: label and seconds must be numbers: {error}") from error
        names = action in ("correct", "classify")
        if action not in ACTIONS or (names and label not in range(n_classes)):
            expected = f"expected one of {', '.join(ACTIONS)}, with a label from 0 to {n_classes - 1} to name a class"
            raise InputError(f"{path}, question {number}: {expected}; got {files.short(action)} {files.short(label)}")
        found[str(line["id"])] = {
            "action": action,
            "label": int(label) if names and label is not None else None,  # a spreadsheet writes 1.0
            "seconds": seconds,
            "annotator": line.get("annotator") or None,
        }
    return found


def _rows(path: Path) -> Iterable[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = json.loads(text)["questions"] if path.suffix == ".json" else list(csv.DictReader(io.StringIO(text)))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not readable as a list that alc-bench rank writes: {error}") from error
    if not all(isinstance(one, dict) and {"id", "action"} <= one.keys() for one in rows):
        raise InputError(f"{path}: a list needs the columns id and action; see alc-bench rank")
    return rows
