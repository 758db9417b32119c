"""``alc-bench export RUN --strategy S --seed K --to DIR``: the corrected train labels of one cell, in the dataset's
own layout.

Label maps are played back from the audit log. Beside them lies changes.csv: a row for each answer, and for each
superpixel that a refiner relabelled, that changed a label map, in order. Label maps are palette PNGs in the dataset's
colours; Cityscapes gets train ids, Kvasir-SEG its grey JPEGs. A dataset that lies in no files is written as the
dataset ``folder`` reads it, images included.
"""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from bench import store
from bench.datasets import Dataset
from bench.report import audit
from bench.report.replay import Source, replay
from bench.report.results import CELL, read
from bench.types import VOID, InputError

VOID_COLOR = (224, 224, 192)  # as in PASCAL VOC's own files
LISTS = ("classes.txt", "train.txt", "val.txt", "ImageSets/Segmentation/train.txt", "ImageSets/Segmentation/val.txt")


def add_arguments(parser) -> None:
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a run")
    parser.add_argument("--strategy", required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--oracle", help="needed where the run has several")
    parser.add_argument(
        "--to", type=Path, required=True, metavar="DIR", help="a folder that does not exist yet, or is empty"
    )
    parser.set_defaults(main=main)


def main(args) -> int:
    n_images, n_changes = export(args.run, args.strategy, args.seed, args.to, args.oracle)
    print(f"{args.to}: {n_images} label maps, {n_changes} changes in changes.csv")
    return 0


def export(run: Path, strategy: str, seed: int, to: Path, oracle: str | None = None) -> tuple[int, int]:
    """Write the corrected labels of one cell to ``to``; returns how many label maps and how many changes.

    Raises InputError where there is no such cell, where its data is not there, or where ``to`` holds files already. The
    folder appears when it is whole.
    """
    cell = _cell(run, strategy, seed, oracle)
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise InputError(f"{to} holds something already; name a folder that does not exist yet")
    source = Source.of(run, store.read_json(run / "spec.json"))
    labels: dict[str, np.ndarray] = {}
    changes = []
    for step in replay(source, audit.changes(cell.folder)):
        labels[step.row.image] = step.after
        if step.after is not step.before:
            before = np.unique(step.before.ravel()[step.pixels])
            changes.append(step.row._asdict() | dict(label_before=" ".join(map(str, before))))
    work = to.with_name(f".{to.name}-unfinished")
    try:
        shutil.rmtree(work, ignore_errors=True)
        for i, name in enumerate(source.pseudo.names):
            _write(source.dataset, name, labels.get(name, source.pseudo.labels(i)), work)
        _write_lists(source.dataset, work)
        columns = ["number", "round", "image", "superpixel", "kind", "label_before", "answer", "actions"]
        store.write_csv(work / "changes.csv", pd.DataFrame(changes, columns=columns))
        if to.exists():
            to.rmdir()
        to.parent.mkdir(parents=True, exist_ok=True)
        work.rename(to)
    except OSError as error:
        raise InputError(f"{to}: cannot write the dataset there: {error.strerror}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return len(source.pseudo.names), len(changes)


def _cell(run: Path, strategy: str, seed: int, oracle: str | None):
    cells = read([run]).cells
    cells = cells[cells.status.eq("done") & cells.run.eq(str(run))]
    found = cells[cells.strategy.eq(strategy) & cells.seed.eq(seed) & (cells.oracle.eq(oracle) if oracle else True)]
    if len(found) > 1:
        raise InputError(
            f"{run}: {strategy}, seed {seed}, has several oracles; say --oracle: {', '.join(found.oracle)}"
        )
    if found.empty:
        known = ", ".join(sorted({f"{c.strategy} seed {c.seed} {c.oracle}" for c in cells[CELL].itertuples()}))
        raise InputError(
            f"{run}: no done cell of {strategy}, seed {seed}, {oracle or 'any oracle'}; there are: {known}"
        )
    return next(found.itertuples())


def label_path(dataset: Dataset, name: str) -> Path:
    """Where the dataset's layout has the label map of a train image, below its root."""
    root = getattr(dataset, "root", None)
    if root is None:
        return Path("annotations") / "train" / f"{name}.png"
    path = dataset.paths("train", name)[1].relative_to(root)
    return path.with_name(path.name.replace("_labelIds", "_labelTrainIds"))


def _write(dataset: Dataset, name: str, labels: np.ndarray, to: Path) -> None:
    path = to / label_path(dataset, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".jpg":
        if (labels == VOID).any():
            raise InputError(f"{name}: void pixels have no place in {path.name}; run with an oracle that keeps labels")
        grey = (labels * (255 // (len(dataset.classes) - 1))).astype(np.uint8)
        Image.fromarray(grey).save(path, quality=100, subsampling=0)
        return
    picture = Image.fromarray(np.ascontiguousarray(labels))
    if "TrainIds" not in path.name:
        palette = np.zeros((256, 3), np.uint8)
        palette[: len(dataset.palette)], palette[VOID] = dataset.palette, VOID_COLOR
        picture.putpalette(palette.tobytes())
    picture.save(path)


def _write_lists(dataset: Dataset, to: Path) -> None:
    """The lists beside the labels; for a dataset in no files also its images and its val split."""
    root = getattr(dataset, "root", None)
    if root is not None:
        for name in LISTS:
            if (root / name).is_file():
                (to / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(root / name, to / name)
        return
    lines = (
        f"{name} {' '.join(map(str, color))}"
        for name, color in zip(dataset.classes, dataset.palette.tolist(), strict=True)
    )
    (to / "classes.txt").write_text("\n".join(lines) + "\n")
    for split in ("train", "val"):
        for folder in (to / "images" / split, to / "annotations" / split):
            folder.mkdir(parents=True, exist_ok=True)
        for name in dataset.names(split):
            Image.fromarray(dataset.image(split, name)).save(to / "images" / split / f"{name}.png")
            if split == "val":
                Image.fromarray(dataset.truth(split, name)).save(to / "annotations" / split / f"{name}.png")
