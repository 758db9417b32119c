"""classes.txt: the classes of a dataset, by id, as people and their tools write them."""

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.datasets.files import VOID_COLOR, Colour
from bench.datasets.names import composed
from bench.files import read_text
from bench.types import CONTROL, VOID, InputError

HEADERS = ("name,r,g,b", "name r g b", "label,r,g,b", "class,r,g,b")
CVAT = re.compile(r"(?P<name>[^:]+):(?P<colour>\d+,\d+,\d+):[^:]*:[^:]*")  # a line of its labelmap.txt
BEHIND = re.compile(r"(?P<name>.*?\S)[\s,:;]+(?P<colour>\d+[\s,]+\d+[\s,]+\d+)")
BEFORE = re.compile(r"(?P<colour>\d+[\s,]+\d+[\s,]+\d+)[\s,]+(?P<name>.*[^\W\d].*)")
NUMBERED = re.compile(r"(?P<id>\d+)\s*[\s,:;]\s*(?P<name>.*[^\W\d].*)")
NO_CLASS = ("void", "ignore", "ignored", "unlabeled", "unlabelled")
BACKGROUND = "background"
BLACK = (0, 0, 0)
Row = tuple[str, str, Colour | None]  # place, name, colour


@dataclass(frozen=True)
class Classes:
    """``names`` by id, their ``palette`` (n, 3) uint8 RGB, and ``background``, an id or ``VOID``.

    ``colours`` (n + 1, 3) uint8 RGB: those of the file, void's last; None where a class has none of its own.
    """

    names: tuple[str, ...]
    palette: np.ndarray
    background: int
    colours: np.ndarray | None


def read_classes(path: Path, numbered: bool = True) -> Classes:
    """The classes of a text file: a class a line, by id, maybe with its colour; empty lines and # lines are no class.

    Read are ``dining table 200 120 0``, ``200 120 0 dining table``, ``dining table,200,120,0``, CVAT's labelmap.txt
    (``dining table:200,120,0::``), and ids before the names that count the lines from 0. A class called background, in
    any letters and with underscores around it, is the background. A last line ``void 0 0 0`` is the colour of void.
    Not ``numbered``: the order is that of the ids, but void may stand anywhere, as no file holds an id; without a
    colour of its own it is black, if no class is.
    Raises InputError, with the line, for all else.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; it must name the classes, one a line, maybe followed by r g b")
    rows = _without_ids(_lines(path), path)
    void: Colour | None = None
    if not numbered:
        void = next((colour for _, name, colour in rows if is_void(name)), None)
        rows = [row for row in rows if not is_void(row[1])]
        if all(colour != BLACK for _, _, colour in rows):
            void = void or BLACK
    elif rows and is_void(rows[-1][1]) and rows[-1][2]:
        void = rows.pop()[2]
    return classes_of(rows, path, void)


def classes_of(rows: list[Row], source: Path, void: Colour | None = None) -> Classes:
    """The classes of ``rows``, by id, from the file or folder ``source``; ``void``: its colour, if it has one.

    Raises InputError, with the place of the row, for names and colours that cannot be used.
    """
    for place, name, _ in rows:
        _check_name(place, name)
    names = [name for _, name, _ in rows]
    if not 2 <= len(rows) <= VOID or len(set(names)) != len(rows):
        raise InputError(f"{source}: expected 2 to {VOID} classes, each once; got {len(rows)}")
    ground = [i for i, name in enumerate(names) if is_background(name)]
    if len(ground) > 1:
        raise InputError(f"{rows[ground[1]][0]}: {names[ground[0]]!r} and {names[ground[1]]!r} are both the background")
    # Colours that are not given are spread over the hues by the golden ratio, so that neighbours differ.
    palette = np.array([colour or _spread(i) for i, (_, _, colour) in enumerate(rows)], np.uint8)
    return Classes(tuple(names), palette, ground[0] if ground else VOID, _colours(rows, void))


def is_void(name: str) -> bool:
    """Whether a name says that pixels have no class."""
    return _bare(name) in NO_CLASS


def is_background(name: str) -> bool:
    """Whether a name says that pixels lie outside every object."""
    return _bare(name) == BACKGROUND


def _lines(path: Path) -> list[Row]:
    rows: list[Row] = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        line, place = " ".join(composed(line).split()), f"{path}, line {number}"
        if line and not line.startswith("#") and not (not rows and line.lower().replace(", ", ",") in HEADERS):
            rows.append((place, *_class(line, place)))
    return rows


def _class(line: str, place: str) -> tuple[str, Colour | None]:
    found = next(filter(None, (form.fullmatch(line) for form in (CVAT, BEHIND, BEFORE))), None)
    if not found:
        return line, None
    red, green, blue = map(int, re.split(r"[\s,]+", found["colour"]))
    if max(red, green, blue) > 255:
        raise InputError(f"{place}: a colour is three numbers from 0 to 255, got {red} {green} {blue}")
    return found["name"], (red, green, blue)


def _without_ids(rows: list[Row], path: Path) -> list[Row]:
    """The rows without the ids before their names, if every line has one."""
    found = [NUMBERED.fullmatch(name) for _, name, _ in rows]
    if not all(found):
        return rows
    for i, ((place, _, _), match) in enumerate(zip(rows, found, strict=True)):
        assert match
        if int(match["id"]) != i:
            raise InputError(f"{place}: the id {match['id']}, where classes are counted from 0: expected {i}")
    return [(place, match["name"], colour) for (place, _, colour), match in zip(rows, found, strict=True) if match]


def _check_name(place: str, name: str) -> None:
    if is_void(name):
        raise InputError(
            f"{place}: {name!r} is no class: its pixels are {VOID} in the masks. Take the line away, or, if the masks "
            "are RGB, make it the last one, with its colour: void 0 0 0"
        )
    if CONTROL.search(name) or any(unicodedata.category(c) in ("Cf", "Co", "Cn") for c in name):
        raise InputError(f"{place}: {name!r} holds characters that cannot be seen")
    if not any(c.isalpha() for c in name):
        raise InputError(f"{place}: expected the name of a class, maybe followed by its colour r g b; got {name!r}")


def _bare(name: str) -> str:
    return name.strip("_ -").casefold()


def _colours(rows: list[Row], void: Colour | None) -> np.ndarray | None:
    first: dict[Colour, str] = {}
    for place, name, colour in [*rows, ("the last line", "void", void)]:
        if colour and first.setdefault(colour, name) != name:
            raise InputError(f"{place}: {name!r} has the colour {' '.join(map(str, colour))} of {first[colour]!r}")
    found = [colour for _, _, colour in rows if colour]
    if len(found) < len(rows):
        return None
    return np.array([*found, void or VOID_COLOR], np.uint8)


def _spread(i: int) -> Colour:
    """Of the i-th class: neighbours differ in hue, and in lightness, which is what remains in grey."""
    light = (0.4, 1.0, 0.7)[i % 3]
    red, green, blue = (int(light * (128 + 110 * np.cos(2 * np.pi * (i * 0.618 - third / 3)))) for third in range(3))
    return red, green, blue
