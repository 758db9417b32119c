import glob
import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.annotation import Oracle, reply, true_classes
from bench.cache import Cache
from bench.datasets.files import class_ids, read_png
from bench.types import InputError

MEMORY_BYTES = 2**26  # of label maps that an annotator keeps


class Recorded(Oracle):
    """Real people: answers from the label maps that they drew, a folder of `maps` each.

    ``maps``: a folder of label maps, <image name>.png of class ids (255: none of the classes); several people are
    several folders, joined by colons or found by a pattern: ``recorded[maps=people/*]``. People are asked in the order
    of the folders' names, pattern by pattern: the first opinion on a superpixel is the first person's, and after the
    last person the first one is asked again, with the same answer.

    A person says what his map has where a person without error looks: at the representative pixel, or, for a dominant
    or multiclass question, over the superpixel. Nothing is simulated, so that seeds differ by their questions alone. It
    reads no truth.
    """

    def __init__(self, maps: str):
        found = [sorted(filter(os.path.isdir, glob.glob(part))) for part in maps.split(os.pathsep)]
        if not all(found):
            raise InputError(f"recorded: maps={maps} finds no folder; it takes a folder a person, or a pattern of them")
        self.folders = [Path(folder) for person in found for folder in person]
        self._kept = Cache(MEMORY_BYTES)

    def answer(self, question, truth, rng):
        path = self.folders[(truth.person - 1) % len(self.folders)] / f"{truth.name}.png"
        drawn = self._kept.get(path, lambda: class_ids(read_png(path), question.n_classes, path))
        if drawn.shape != truth.map.shape:
            sizes = ("{} x {}".format(*shape) for shape in (drawn.shape, truth.map.shape))
            raise InputError("{}: a label map of {} pixels; the image has {}".format(path, *sizes))
        return reply(question, true_classes(question, replace(truth, map=np.ascontiguousarray(drawn))))
