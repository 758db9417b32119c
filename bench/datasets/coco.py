"""COCO (Lin et al., ECCV 2014) and data in its format, as most annotation tools export it."""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

import numpy as np

from bench.datasets import Tree, digests, layouts
from bench.datasets.annotated import Annotated, check_rest, split_of, with_rest
from bench.datasets.annotations import Annotations, Decoded, read
from bench.datasets.classes import Row
from bench.datasets.masks import read_ids
from bench.datasets.names import IMAGES, composed, is_foreign, plain_names
from bench.datasets.painting import paint
from bench.files import digest
from bench.types import VOID, InputError


class Coco(Annotated, Tree):
    """COCO's JSON in ``root``, in its annotations/, or beside the images: instances, stuff or panoptic.

    ``annotations``: a part of the names of the JSON files, where there are several: ``stuff``, ``panoptic``; those
    called instances come first. A file is of train or of val by a word of its path; a single one is divided, 12 % for
    val. Images lie anywhere in ``root``, by their file names.

    Classes are the categories by ascending id. Of masks that overlap, the smaller is on top, as in ALC's pseudo
    labels. Crowds are of their class. Pixels in no mask, by ``rest``: ``background`` or ``void``. By default they are
    of the category called background; else void, where a category is called so (also unlabeled, ignore), and in
    panoptic files; else of a class background that is put before the others, with id 0. A file without annotations
    says nothing: its images have no true masks. Panoptic PNGs lie in a folder called like their JSON.
    """

    layout = layouts.Coco

    def __init__(self, root: str | Path | None = None, annotations: str | None = None, rest: str | None = None):
        super().__init__(root)
        check_rest("coco", rest)
        self._files = _json_files(self.root, annotations)
        self._read = {split: read(path) for split, path in self._files.items()}
        (split, first), *others = self._read.items()
        if any(other.categories != first.categories for _, other in others):
            listed = " and ".join(map(str, self._files.values()))
            raise InputError(f"{listed}: the categories differ; expected the same ids and names")
        self._panoptic = first.panoptic is not None
        rows: list[Row] = [
            (f"{self._files[split]}, category {key}", name, None) for key, name in sorted(first.categories.items())
        ]
        rest = "void" if rest is None and self._panoptic else rest
        found, self._rest = with_rest(rows, self._files[split], rest)
        self.classes, self.palette, self.background = found.names, found.palette, found.background
        ids = {name: i for i, name in enumerate(found.names)}
        self.category_ids = {key: ids.get(name, VOID) for key, name in first.categories.items()}

    def parts(self) -> dict[str, dict[str, bool]]:
        return {split: {n: self._known(split, i) for n, i in self._ids(split).items()} for split in self._files}

    def _known(self, split: str, image_id: int | str) -> bool:
        of = self._read[split]
        return bool(of.of_image) if of.panoptic is None else image_id in of.panoptic

    def _ids(self, split: str) -> dict[str, int | str]:
        """The image ids of a file by name."""
        pictures = self._read[split].pictures
        by_file = {composed(picture.file.replace("\\", "/")): key for key, picture in pictures.items()}
        names = plain_names([picture.file for picture in pictures.values()], self._files[split])
        return {name: by_file[file] for name, file in names.items()}

    @cached_property
    def image_ids(self) -> dict[str, dict[str, int | str]]:
        """By split, or under ``all``: the id in the file of each image, by name."""
        return {split: self._ids(split) for split in self._files}

    @property
    def train_file(self) -> tuple[Annotations, dict[int | str, str]]:
        """The file that has the train split, and the names of its images by their ids there."""
        key = "all" if "all" in self._files else "train"
        return self._read[key], {image_id: name for name, image_id in self.image_ids[key].items()}

    def _of(self, split: str, name: str) -> tuple[Annotations, int | str, str]:
        """The file of an image, its id there, and the key of the file."""
        key = "all" if "all" in self._files else split
        return self._read[key], self.image_ids[key][name], key

    def paths(self, split: str, name: str) -> tuple[Path, Path]:
        of, image_id, key = self._of(split, name)
        json, file = self._files[key], of.pictures[image_id].file
        truth = json
        if of.panoptic is not None and image_id in of.panoptic:
            truth = self._find(of.panoptic[image_id][0], json, json.stem)
        return self._find(file, json, split), truth

    def _find(self, file: str, json: Path, hint: str) -> Path:
        """The file in ``root`` of this name; of several, the one beside the JSON file, or below a folder ``hint``."""
        wanted = tuple(composed(file).replace("\\", "/").strip("/").split("/"))
        found = [path for path in self._there.get(wanted[-1], []) if path.parts[-len(wanted) :] == wanted]
        found = found or self._there.get(wanted[-1], [])
        if len(found) > 1:
            beside = [path for path in found if path.parent == json.parent]
            near = [p for p in found if hint in p.parts or split_of(p.relative_to(self.root).parent) == hint]
            found = beside or near or found
        if len(found) > 1:
            raise InputError(f"{json}: the image {file!r} may be {found[0]} or {found[1]}; name its folder in the file")
        return found[0] if found else json.parent.joinpath(*(part for part in wanted if part != ".."))

    @cached_property
    def _there(self) -> dict[str, list[Path]]:
        """The images in ``root`` by their file names."""
        found: dict[str, list[Path]] = {}
        for path in sorted(self.root.rglob("*")):
            if path.suffix.lower() in IMAGES and not is_foreign(path.relative_to(self.root)):
                found.setdefault(composed(path.name), []).append(path)
        return found

    def size(self, split: str, name: str) -> tuple[int, int]:
        of, image_id, _ = self._of(split, name)
        return of.pictures[image_id].height, of.pictures[image_id].width

    def truth(self, split: str, name: str) -> np.ndarray:
        return self._maps(split, name)[0]

    def objects(self, split: str, name: str) -> np.ndarray:
        labels, objects = self._maps(split, name)
        return np.where((labels == self.background) | (labels == VOID), 0, objects).astype(np.int32)

    def _maps(self, split: str, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The label map, and objects by their place in the file."""
        of, image_id, key = self._of(split, name)
        if not self.has_truth(split, name):
            raise InputError(f"{self._files[key]}: {name} has no true mask in it")
        shape = self.size(split, name)
        if of.panoptic is not None:
            return self._segments(split, name, of.panoptic[image_id][1])
        rows = of.of_image.get(image_id, [])
        labels = [self.category_ids[row.category] for row in rows]
        return paint(Decoded(rows, shape), labels, shape, self._rest)

    def _segments(self, split: str, name: str, segments: dict[int, int]) -> tuple[np.ndarray, np.ndarray]:
        path = self.paths(split, name)[1]
        codes = read_ids(path)
        if codes.shape != self.size(split, name):
            size, wanted = (" × ".join(map(str, shape)) for shape in (codes.shape, self.size(split, name)))
            raise InputError(f"{path}: has {size} px, its image {wanted}; they must be equal")
        found, places = np.unique(codes, return_inverse=True)
        if unknown := set(found.tolist()) - segments.keys() - {0}:
            raise InputError(f"{path}: no segment has the id {min(unknown)}; of {len(unknown)} ids nothing is told")
        classes = [self._rest if c == 0 else self.category_ids[segments[c]] for c in found.tolist()]
        return np.array(classes, np.uint8)[places].reshape(codes.shape), 1 + places.reshape(codes.shape)

    def digests(self, split: str) -> dict[str, str]:
        of = digests.content(self._files["all" if "all" in self._files else split])
        return super().digests(split) | {"truth": digest([of, super().digests(split)["truth"], self.names(split)])}


def _json_files(root: Path, part: str | None) -> dict[str, Path]:
    """The annotation files of ``train`` and ``val``, or the only one as ``all``. Raises InputError for several."""
    places = (path for pattern in ("*.json", "*/*.json") for path in sorted(root.glob(pattern)))
    there = [path for path in places if not is_foreign(path.relative_to(root))]
    wanted = part or "instances"
    named = [path for path in there if wanted in path.name]
    if part is not None and not named:
        raise InputError(f"{root}: no *.json with {part!r} in its name; there are: {_listed(there, root)}")
    files = named or there
    if not files:
        raise InputError(f"{root}: no *.json in it or in its annotations/; --data-root must hold COCO's annotations")
    found: dict[str, list[Path]] = {}
    for path in files:
        found.setdefault(split_of(path.relative_to(root)) or "", []).append(path)
    if len(files) == 1:
        return {"all": files[0]}
    if len(found.get("train", [])) != 1 or len(found.get("val", [])) > 1:
        raise InputError(
            f"{root}: expected one JSON file of train and one of val, or one alone; there are {_listed(files, root)}; "
            "choose with coco[annotations=PART OF THE NAME]"
        )
    return {split: found[split][0] for split in ("train", "val") if split in found}


def _listed(paths: Iterable[Path], root: Path) -> str:
    names = [str(path.relative_to(root)) for path in paths]
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "") or "none"
