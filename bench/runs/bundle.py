"""A run's own copy of its data, to draw and export the run if the data or the cache is not there.

``bundle/`` in the run's folder has the label maps and superpixels that the run began with (mask_jpg/, obj_jpg/), the
true label maps where there are any (truth/), their checksums by name (sums.json), small images (small/), and data.json:
names, classes, colours and background.
"""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from bench import files
from bench.datasets import Dataset
from bench.datasets.files import below, file_size, is_plain, read_png, read_rgb, stored_size, write_lines
from bench.foundation.pseudo import KINDS, REMEDY, PseudoLabels
from bench.runs import specs
from bench.types import InputError

FOLDER = "bundle"
LIMIT_BYTES = 200_000_000  # up to which a run is bundled unless it is said otherwise
SIDE_PX, SMALL_BYTES = 320, 20_000  # the longer side of a small image, and about what it takes


def size(pseudo: PseudoLabels) -> int:
    """About how many bytes `write` would take; the truth is counted as if it were another label map."""
    files = (pseudo.folder / kind / f"{name}.png" for kind in (*KINDS, KINDS[0]) for name in pseudo.names)
    return sum(map(file_size, files)) + SMALL_BYTES * len(pseudo)


def write(dataset: Dataset, pseudo: PseudoLabels, out: Path) -> None:
    """Write the bundle of the run in ``out``, whole or not at all; images that are not there are left out."""
    final, work = out / FOLDER, out / f".{FOLDER}-unfinished"
    if final.is_dir():
        return
    shutil.rmtree(work, ignore_errors=True)

    def one(name: str) -> None:
        for kind in KINDS:
            shutil.copyfile(pseudo.folder / kind / f"{name}.png", below(work, kind, f"{name}.png"))
        if dataset.has_truth("train", name):
            truth = Image.fromarray(dataset.truth("train", name))
            truth.save(below(work, "truth", f"{name}.png"), compress_level=1)
        try:
            image = Image.fromarray(dataset.image("train", name))
        except InputError:  # as in a run without a model
            return
        image.thumbnail((SIDE_PX, SIDE_PX))
        image.save(below(work, "small", f"{name}.webp"), quality=70)

    with files.writing(final):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(one, pseudo.names))
        parts = [path.relative_to(work).as_posix() for kind in (*KINDS, "truth") for path in work.glob(f"{kind}/*")]
        files.record(work, {part: files.checksum((work / part).read_bytes()) for part in sorted(parts)})
        told = {"names": pseudo.names, "classes": dataset.classes, "palette": dataset.palette.tolist()}
        files.write_spec(work / "data.json", told | {"background": int(dataset.background)})
        os.replace(work, final)


class Bundled(Dataset):
    """The dataset of a run as its bundle has it: the train split alone, its images small ones brought to size."""

    def __init__(self, folder: Path):
        told, self._sums = specs.read(folder / "data.json", specs.BUNDLE), files.recorded(folder)
        try:
            self.folder, self.classes, self.background = folder, tuple(told["classes"]), told["background"]
            self.palette, self._names = np.array(told["palette"], np.uint8), tuple(told["names"])
        except KeyError as error:
            raise InputError(f"{folder}/data.json: not what a run keeps of its data: it has no {error}") from error
        if not 0 < len(self.palette) == len(self.classes):
            got = f"{len(self.classes)} classes, {len(self.palette)} colours"
            raise InputError(f"{folder}/data.json: expected classes, and a colour for each; got {got}")
        if not all(map(is_plain, self._names)):
            raise InputError(f"{folder}/data.json: an image's name must be a plain file name; some lead elsewhere")

    def names(self, split: str) -> tuple[str, ...]:
        return self._names if split == "train" else ()

    def image(self, split: str, name: str) -> np.ndarray:
        small = Image.fromarray(read_rgb(self.folder / "small" / f"{name}.webp"))
        return np.asarray(small.resize(self.size(split, name)[::-1], Image.Resampling.BICUBIC))

    def original(self, split: str, name: str) -> None:
        """It has small images alone."""
        return None

    def has_truth(self, split: str, name: str) -> bool:
        return (self.folder / "truth" / f"{name}.png").is_file()

    def size(self, split: str, name: str) -> tuple[int, int]:
        return stored_size(self.folder / KINDS[0] / f"{name}.png")

    def truth(self, split: str, name: str) -> np.ndarray:
        path = self.folder / "truth" / f"{name}.png"
        if known := self._sums.get(f"truth/{path.name}"):
            files.check(path, known, REMEDY)
        return read_png(path).astype(np.uint8)

    def write_rest(self, to: Path) -> None:
        rows = zip(self.classes, self.palette.tolist(), strict=True)
        write_lines(below(to, "classes.txt"), (f"{name} {' '.join(map(str, color))}" for name, color in rows))
