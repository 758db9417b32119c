"""Label maps in files: the values and colours that are stored, and the classes that are meant.

The same picture gives the same classes, in whichever mode and bit depth it was saved, or one line says why not.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from bench.datasets.files import class_ids, open_whole, spread, stored_values
from bench.types import VOID, InputError

N_COLOURS = 256
NUMPY = ".npy"
GREYS = np.repeat(np.arange(N_COLOURS, dtype=np.uint8)[:, None], 3, axis=1)
ADVICE = "save all masks of the folder in one way"


class Masks:
    """Reads the label maps of a dataset, those of one folder in one way.

    ``colours`` (n_classes + 1, 3) uint8 RGB: of each class, void's last, where the dataset knows them; None: values
    are class ids. By these rules:

    - RGB is read by its colours, and refused without ``colours``;
    - a palette whose colours are all among ``colours`` is read by them, wherever it has them; one that gives a colour
      of theirs to another id beside unknown colours is refused; another palette says nothing, and indices are ids;
    - grey values are ids, unless they are none and their greys are all among ``colours``;
    - where greys may be either, where one index has two colours, and where a folder is read in two ways: InputError.
    """

    def __init__(self, n_classes: int, colours: np.ndarray | None = None):
        self.n_classes, self.colours = n_classes, colours
        self._ways: dict[Path, tuple[str, Path]] = {}  # by folder: how it is read, and the first file that was so
        self._palettes: dict[tuple[Path, int], tuple[bytes, Path]] = {}  # by folder and index: its colour, likewise
        self._twos: dict[Path, dict[str, Path]] = {}  # by folder of two classes: the values that files have

    def read(self, path: Path) -> np.ndarray:
        """(H, W) uint8 class ids, ``VOID`` where there is none. InputError names the file and the reason."""
        image = open_whole(path, lossless=True)
        if image.mode == "RGB":
            if self.colours is None:
                raise InputError(
                    f"{path}: expected one channel of class ids (grey or palette), got mode RGB; to read its colours, "
                    "give each class its own: in the dataset `folder`, a line of classes.txt is: name r g b"
                )
            self._settle(path, "colour")
            return self._by_colour(path, np.asarray(image))
        values = stored_values(image, path)
        used = np.flatnonzero(np.bincount(values.ravel())) if values.dtype == np.uint8 else np.unique(values)
        shades = _shades(image, used)
        if shades is not None and self._has_colours(path, image, used, shades):
            return self._by_colour(path, shades[np.searchsorted(used, values)])
        if self.colours is None and self.n_classes == 2:
            kind = "both" if {1, VOID} <= set(used.tolist()) else "255" if VOID in used else "1" if 1 in used else ""
            self._twos.setdefault(path.parent, {}).setdefault(kind, path)
        return class_ids(values, self.n_classes, path)

    def by_colour(self, path: Path) -> bool:
        """Whether the files of the folder of ``path`` that were read had the colours of classes, and no ids."""
        return self._ways.get(path.parent, ("",))[0] == "colour"

    def check(self) -> None:
        """Raise InputError where some masks of two classes hold 0 and 1, and others 0 and 255, which is void."""
        for seen in self._twos.values():
            if {"1", "255"} <= seen.keys() and "both" not in seen:
                raise InputError(
                    f"{seen['255']}: holds no 1 but 255, which is void, and {seen['1'].name} holds 1; save both with "
                    "1, or give every class, and void, a colour in classes.txt"
                )

    def _has_colours(self, path: Path, image: Image.Image, used: np.ndarray, shades: np.ndarray) -> bool:
        """Whether an image of indices or greys is to be read by its colours."""
        is_palette = image.mode == "P" and not np.array_equal(shades, GREYS[used.clip(max=VOID)])
        if self.colours is None:
            if is_palette:
                self._same_palette(path, used, shades)
            return False
        classes = self._classes(shades)
        ids = np.where(used < self.n_classes, used, np.where(used == VOID, self.n_classes, -1))
        colours_fit, ids_fit = (classes >= 0).all(), (ids >= 0).all()
        contradict = (classes >= 0) & (classes != ids)
        if is_palette and not colours_fit and contradict.any():
            index, strange = used[contradict][0], shades[classes < 0][0].tolist()
            raise InputError(
                f"{path}: its palette gives index {index} the colour of the class with id "
                f"{classes[contradict][0]}, and has colours of no class, first {strange}: ids or colours? "
                "Save it as grey, or give each class its colour in classes.txt"
            )
        if colours_fit and ids_fit and not contradict.any():
            return False  # both say the same
        if not is_palette and colours_fit and ids_fit:
            raise InputError(
                f"{path}: its values {used.tolist()[:8]} may be class ids or the greys of classes; save it as RGB"
            )
        self._settle(path, "colour" if colours_fit else "id")
        return bool(colours_fit)

    def _same_palette(self, path: Path, used: np.ndarray, shades: np.ndarray) -> None:
        for index, shade in zip(used.tolist(), shades, strict=True):
            colour, first = self._palettes.setdefault((path.parent, index), (shade.tobytes(), path))
            if colour != shade.tobytes():
                before, now = (" ".join(map(str, c)) for c in (colour, shade.tobytes()))
                raise InputError(
                    f"{path}: index {index} of its palette is {now}, and {before} in {first.name}: is it the same "
                    "class? Give each class its colour in classes.txt, or save the masks as grey"
                )

    def _settle(self, path: Path, way: str) -> None:
        known, first = self._ways.setdefault(path.parent, (way, path))
        if known != way:
            raise InputError(f"{path}: is read by {way}, but {first.name} by {known}; {ADVICE}")

    def _classes(self, rgb: np.ndarray) -> np.ndarray:
        """The row of ``colours`` that each pixel (..., 3) has, -1 for none."""
        assert self.colours is not None
        keys = lambda of: of.astype(np.int64) @ (65536, 256, 1)  # noqa: E731
        found, known = keys(rgb), keys(self.colours)
        order = np.argsort(known)
        place = np.searchsorted(known[order], found).clip(max=len(known) - 1)
        return np.where(known[order][place] == found, order[place], -1)

    def _by_colour(self, path: Path, rgb: np.ndarray) -> np.ndarray:
        classes = self._classes(rgb)
        if (wrong := classes < 0).any():
            listed = ", ".join(" ".join(map(str, c)) for c in np.unique(rgb[wrong], axis=0)[:5].tolist())
            raise InputError(f"{path}: colours that no class has: {listed}; in {wrong.sum()} px")
        return np.where(classes == self.n_classes, VOID, classes).astype(np.uint8)


def read_ids(path: Path) -> np.ndarray:
    """(H, W) integers of a file of segments or superpixels: a grey or palette image, RGB codes, or NumPy's ``.npy``.

    A code is red + 256 green + 65536 blue, as in COCO's panoptic files. Raises InputError for another kind of content
    than the file's name says, and for numbers below 0.
    """
    if path.suffix.lower() == NUMPY:
        values = _read_numpy(path)
    elif (image := open_whole(path, lossless=True)).mode == "RGB":
        values = np.asarray(image).astype(np.int64) @ (1, 256, 65536)
    else:
        values = stored_values(image, path)
    if values.min() < 0:
        raise InputError(f"{path}: ids are 0, which is outside, or more; got {values.min()}")
    return values


def _read_numpy(path: Path) -> np.ndarray:
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # the parser of a damaged header fails in any way
        raise InputError(f"{path}: no array of NumPy, as its name says: {' '.join(str(error).split())}") from error
    if not isinstance(values, np.ndarray) or values.ndim != 2 or values.dtype.kind not in "iu" or not values.size:
        kind = f"{values.dtype} of shape {values.shape}" if isinstance(values, np.ndarray) else "an archive"
        raise InputError(f"{path}: expected ids, whole numbers (height, width); got {kind}")
    return np.array(values)


def read_two(path: Path) -> np.ndarray:
    """(H, W) uint8, 1 in the foreground of a mask of two values: black and another, or darker and brighter greys.

    Where a file has two values, and black is one of them, the other is foreground, however dark. Of several, as JPEG
    makes them, those above half of the brightest that its format holds are. InputError names a mask that is dark.
    """
    image = open_whole(path)
    if image.mode == "P":
        image = image.convert("RGB")
    if image.mode == "RGB":
        colours = image.getcolors(2)
        rgb = np.asarray(image)
        if colours is not None and (len(colours) < 2 or (0, 0, 0) in [colour for _, colour in colours]):
            return np.asarray((rgb > 0).any(axis=2), np.uint8)
        values, whole = np.asarray(image.convert("L")), 255
    else:
        values = stored_values(image, path)
        whole = 255 if values.max() <= VOID else 65535
        values = values * spread(image) if image.mode == "L" else values
    brightest = int(values.max())
    if ((values == 0) | (values == brightest)).all():
        return np.asarray(values > 0, np.uint8)
    if brightest <= whole // 2:
        raise InputError(f"{path}: its brightest value is {brightest} of {whole}; save it with black and white alone")
    return np.asarray(values > whole // 2, np.uint8)


def _shades(image: Image.Image, used: np.ndarray) -> np.ndarray | None:
    """(k, 3) uint8 RGB: what the ``used`` (k,) values look like; None where that is not known."""
    if image.mode == "P":
        palette = np.zeros((N_COLOURS, 3), np.uint8)
        stored = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
        palette[: len(stored)] = stored
        return palette[used]
    if image.mode == "1":
        return GREYS[np.where(used, VOID, 0)]
    if image.mode == "L":
        return GREYS[used * spread(image)]
    return None
