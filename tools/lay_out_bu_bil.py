"""Lay the BU-BIL cells out for the dataset `folder`: one crowd worker's outlines as pseudo labels, others as people.

``python tools/lay_out_bu_bil.py SOURCE TARGET``: SOURCE has images/, gold/ (the experts) and crowd1/ to crowd7/, a PNG
an image each. TARGET gets images/ and annotations/ of train and val, classes.txt, labels/mask_jpg/ (the outlines of
crowd7), and people/crowd1/ to people/crowd6/. Every tenth image, by name, is for val.
Source of the data: Gurari et al., WACV 2015.
"""

import argparse
import shutil
import sys
from pathlib import Path

from bench.commands import Parser, exit_code
from bench.datasets.files import image_size, write_lines
from bench.types import InputError

CLASSES = ("background 40 40 40", "cell 230 160 40")
WORKERS = [f"crowd{k}" for k in range(1, 8)]


def lay_out(source: Path, target: Path) -> int:
    """Returns the number of images. Raises InputError where a folder lacks an image, or its size differs."""
    names = sorted(path.name for path in (source / "gold").glob("*.png"))
    if len(names) < 2:
        raise InputError(
            f"{source / 'gold'}: expected a PNG of the experts' outlines for each image; found {len(names)}"
        )
    for i, name in enumerate(names):
        sizes = {folder: image_size(source / folder / name) for folder in ("images", "gold", *WORKERS)}
        if odd := [folder for folder, size in sizes.items() if size != sizes["gold"]]:
            raise InputError(f"{source / odd[0] / name}: {sizes[odd[0]]} pixels, where gold has {sizes['gold']}")
        split = "train" if i % 10 else "val"
        _copy(source / "images" / name, target / "images" / split)
        _copy(source / "gold" / name, target / "annotations" / split)
        if split == "train":
            _copy(source / WORKERS[-1] / name, target / "labels" / "mask_jpg")
            for worker in WORKERS[:-1]:
                _copy(source / worker / name, target / "people" / worker)
    write_lines(target / "classes.txt", CLASSES)
    return len(names)


def _copy(path: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, folder / path.name)


def main(argv: list[str]) -> int:
    parser = Parser(prog="lay_out_bu_bil.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, metavar="SOURCE")
    parser.add_argument("target", type=Path, metavar="TARGET", help="the folder to make")
    args: argparse.Namespace = parser.parse_args(argv)
    n_images = lay_out(args.source, args.target)
    print(f"{args.target}: {n_images} images; use it with --dataset folder --data-root {args.target}")
    return 0


if __name__ == "__main__":
    sys.exit(exit_code(lambda: main(sys.argv[1:])))
