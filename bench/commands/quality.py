"""``alc-bench quality``: the quality of a foundation's labels and superpixels against the truth, and their ceiling."""

import json
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
from rich.console import Console

from bench import metrics
from bench.commands import progress, run
from bench.datasets import Dataset, coverage
from bench.experiment.problem import Setup
from bench.report.table import Table
from bench.types import InputError

Maps = Iterable[tuple[str, np.ndarray, np.ndarray]]
# name: (how it is shown, what it is)
ROWS = {
    "n_images": ("{}", "images"),
    "data_miou": ("{:.5f}", "data mIoU; a void label where the truth is known is wrong"),
    "data_miou_labelled": ("{:.5f}", "data mIoU with void labels left out, as released"),
    "data_accuracy": ("{:.5f}", "share of known pixels with the right label"),
    "ceiling_miou": ("{:.5f}", "data mIoU if every superpixel got its dominant class"),
    "covered": ("{:.4f}", "share of pixels in a superpixel"),
    "n_superpixels": ("{}", "superpixels"),
    "per_image_mean": ("{:.2f}", "superpixels an image, mean"),
    "per_image_median": ("{:g}", "superpixels an image, median"),
    "per_image_max": ("{}", "superpixels an image, most"),
    "size_median_px": ("{:g}", "pixels of a superpixel, median"),
    "size_mean_px": ("{:.1f}", "pixels of a superpixel, mean"),
    "size_max_px": ("{}", "pixels of a superpixel, most"),
    "n_single_pixel": ("{}", "superpixels of one pixel"),
    "largest_1000_share": ("{:.4f}", "share of the covered area in the 1,000 largest superpixels"),
    "wrong": ("{:.4f}", "share of superpixels with at most half of their pixels right"),
    "mixed": ("{:.4f}", "share of superpixels that hold more than one label"),
}


def measure(dataset: Dataset, maps: Maps, step: Callable[[], object] = lambda: None) -> dict[str, float]:
    """The values that `ROWS` lists, over ``maps`` of the train split; mIoU and shares in [0, 1]. ``step``: called after
    every one.

    ``maps``: name, labels (H, W) uint8 and superpixels (H, W) of each image, as `PseudoLabels` gives them. The ceiling:
    every superpixel gets the class that most of its known pixels have (of equal ones the lowest), if it has any. Pixels
    outside every superpixel keep their label. Raises InputError for maps that do not fit.
    """
    n_classes = len(dataset.classes)
    now = np.zeros((n_classes, n_classes + 1), np.int64)
    best = np.zeros_like(now)
    sizes, hits, mixed, per_image, n_px = [], [], 0, [], 0
    for name, labels, superpixels in maps:
        truth = dataset.truth("train", name)
        try:
            now += metrics.confusion(truth, labels, n_classes)
        except InputError as error:
            raise InputError(f"train image {name!r}: {error}") from error
        superpixels = superpixels.ravel()
        ids = np.flatnonzero(np.bincount(superpixels))
        place = np.searchsorted(ids, superpixels)
        seen, held = (
            np.bincount((place << 8) | values.ravel(), minlength=len(ids) << 8).reshape(-1, 256)
            for values in (truth, labels)
        )
        known = seen[:, :n_classes]
        dominant = np.where((known.sum(1) > 0) & (ids > 0), known.argmax(1), -1)[place].reshape(truth.shape)
        best += metrics.confusion(truth, np.where(dominant < 0, labels, dominant).astype(np.uint8), n_classes)
        inside = ids > 0
        sizes.append(held.sum(1)[inside])
        hits.append(np.bincount(place, (truth == labels).ravel(), len(ids))[inside])
        mixed += int(((held > 0).sum(1)[inside] > 1).sum())
        per_image.append(int(inside.sum()))
        n_px += truth.size
        step()
    size, right = np.concatenate(sizes), np.concatenate(hits)
    some = np.append(size, [] if len(size) else [0])  # a pool without superpixels has sizes of 0
    n = max(len(size), 1)
    return {
        "n_images": len(per_image),
        "data_miou": metrics.miou(now),
        "data_miou_labelled": metrics.miou(now, void_counts=False),
        "data_accuracy": metrics.accuracy(now),
        "ceiling_miou": metrics.miou(best),
        "covered": float(size.sum() / n_px),
        "n_superpixels": len(size),
        "per_image_mean": float(np.mean(per_image)),
        "per_image_median": float(np.median(per_image)),
        "per_image_max": max(per_image),
        "size_median_px": float(np.median(some)),
        "size_mean_px": float(some.mean()),
        "size_max_px": int(some.max()),
        "n_single_pixel": int((size == 1).sum()),
        "largest_1000_share": float(np.sort(size)[-1000:].sum() / max(size.sum(), 1)),
        "wrong": int((right <= size / 2).sum()) / n,
        "mixed": mixed / n,
    }


EXAMPLES = (
    "alc-bench quality --dataset shapes --foundation simulated",
    'alc-bench quality --dataset kvasir --data-root DIR --foundation "weak[n=40]" --json',
)


def add_arguments(parser) -> None:
    run.add_settings(parser, ("dataset", "data_root", "foundation", "device"))
    parser.add_argument("--strict", action="store_true", help="refuse a dataset of which images are missing")
    parser.add_argument("--json", action="store_true", help="for programs")


def main(args) -> int:
    settings = replace(run.settings_of(args), model="none")  # images need not be there
    with progress.bar() as bar:
        setup = Setup.of(settings)
        coverage.tell(setup.dataset, args.strict)
        coverage.tell_classes(setup.dataset.classes, setup.pixels)
        n_images = len(setup.dataset.names("train"))
        bar.begin("making labels", n_images)
        pseudo = setup.make_pseudo_labels(bar.step)
        bar.begin("reading labels", n_images)
        found = measure(setup.dataset, pseudo, lambda: bar.step("read", 1))
    if args.json:
        print(json.dumps({**setup.called, **found}, indent=2))
    else:
        show(found)
    return 0


def show(found: dict[str, float]) -> None:
    """`measure`'s result as a table on standard output."""
    rows = [[what, form.format(found[name])] for name, (form, what) in ROWS.items()]
    Table(["", "value"], rows).show(Console())
