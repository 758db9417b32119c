"""Pseudo labels and superpixels from the instance masks of any detector, in COCO's format of results."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Set
from pathlib import Path

import numpy as np

from bench import files
from bench.datasets import Dataset
from bench.datasets.annotations import Annotation, Annotations, Decoded, masks, numbered, read, read_json
from bench.datasets.coco import Coco
from bench.datasets.names import name_of
from bench.foundation import Foundation, TrainAndPredict, reporting
from bench.foundation.box_masks import check, maps
from bench.foundation.boxes import class_words, image_names, word_of
from bench.types import InputError


class CocoResults(Foundation):
    """Masks with scores from a file, painted from large to small, as those of `GroundedSam` are.

    ``file``: JSON, a list of results (image_id, category_id, segmentation, score), or an object that has COCO's images
    and categories too, and the results as annotations. A segmentation is run lengths or polygons. ``images``: an
    annotation file with the images and categories of a list; the dataset `coco` has them itself. Images are found by
    file name, categories by name or by a phrase of the dataset's prompts. A mask is kept if its score is above
    ``threshold``; one without a score has 1. Masks of other categories, and of images that are not in the train split,
    are left out, the former with their number. ``uncovered`` as in `GroundedSam`.
    """

    resumes = True

    def __init__(self, file: str, images: str | None = None, threshold: float = 0.0, uncovered: str = "background"):
        check("coco_results", threshold, uncovered)
        self.threshold, self.uncovered = threshold, uncovered
        self._file, self._images = Path(file), Path(images) if images else None
        self.content = [files.file_digest(path) for path in (self._file, self._images) if path]

    def digests(self, names: tuple[str, ...]) -> dict[str, str]:
        return dict(zip(("file", "images"), self.content, strict=False))

    def generate(
        self,
        dataset: Dataset,
        train_and_predict: TrainAndPredict | None = None,
        done: Set[str] = frozenset(),
        on_failure: Callable[[str, Exception], object] | None = None,
    ) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        drawn = self._read(dataset)
        for name in dataset.names("train"):
            if name in done:
                continue
            found = None
            with reporting([name], on_failure):
                rows, shape = drawn[name], dataset.size("train", name)
                found = maps(
                    dataset, name, Decoded([row for row, _ in rows], shape), [c for _, c in rows], shape, self.uncovered
                )
            if found:
                yield name, *found

    def _read(self, dataset: Dataset) -> dict[str, list[tuple[Annotation, int]]]:
        """Of each train image: the masks that are kept, and their class ids."""
        of, names = self._results(dataset)
        classes = class_words(dataset)
        found: dict[str, list[tuple[Annotation, int]]] = {name: [] for name in dataset.names("train")}
        others: Counter[str] = Counter()
        here = 0
        for image_id, rows in of.of_image.items():
            if (name := names.get(image_id)) not in found:
                continue
            assert name is not None
            here += len(rows)
            for row in rows:
                category = of.categories[row.category]
                if (class_id := classes.get(word_of(category))) is None:
                    others[category] += 1
                elif row.score > self.threshold:
                    found[name].append((row, class_id))
        n_other, n_rows = others.total(), sum(map(len, of.of_image.values()))
        if n_other == here:
            of_others = f", all of other categories: {', '.join(list(others)[:5])}" if here else ""
            raise InputError(f"{self._file}: {n_rows} masks, {here} of them of train images{of_others}")
        if others:
            listed = ", ".join(list(others)[:5]) + ("" if len(others) < 6 else ", ...")
            print(f"{self._file}: {n_other:,} masks are of no class and are left out: {listed}", file=sys.stderr)
        return found

    def _results(self, dataset: Dataset) -> tuple[Annotations, Mapping[int | str, str | None]]:
        """The masks of the file, with its images and categories or those of the other file or the dataset; and the
        names in the dataset of image ids."""
        whole = read_json(self._file)
        if isinstance(whole, dict):
            of = read(self._file)
            return of, _by_file(of, dataset)
        if not isinstance(whole, list):
            raise InputError(f"{self._file}: expected a JSON list of results, or an object with COCO's parts")
        if self._images is not None:
            source = read(self._images)
            names: Mapping[int | str, str | None] = _by_file(source, dataset)
        elif isinstance(dataset, Coco):
            source, names = dataset.train_file
        else:
            raise InputError(f"{self._file}: a list of results names no images: coco_results[file=...,images=FILE]")
        rows = list(numbered(self._file, "result", whole))
        drawn = masks(rows, source.pictures, source.categories, others=True)
        return Annotations(source.pictures, source.categories, drawn, None), names


def _by_file(of: Annotations, dataset: Dataset) -> dict[int | str, str | None]:
    """The names of train images by the ids that a file gives them."""
    known = image_names(dataset)
    files_of = {image_id: picture.file for image_id, picture in of.pictures.items()}
    return {image_id: known.get(file) or known.get(name_of(file, known)) for image_id, file in files_of.items()}
