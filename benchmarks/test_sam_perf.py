"""How long MobileSAM takes, and what its masks are worth, on real photographs.

``python benchmarks/test_sam_perf.py VOCDEVKIT [n_images]`` writes ``results/speed/sam-mobilesam.csv``, a row an image:
the seconds of the encoder, of the prompts (a mask for each box of a true object, its sides moved by 5 % of noise) and
of everything at a grid of 8 × 8 points, in the first 4 images also of 4 × 4 and 16 × 16; the mean IoU of the masks with
their objects; and how many superpixels everything finds. It prints the means, and the data mIoU with every superpixel
at its dominant class, beside that of felzenszwalb with about as many. Seconds are the processor's, on one thread, so
that other work on the machine counts little. Under pytest one image shows that it goes through.
"""

import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from bench import files, metrics, registry, seeds
from bench.datasets.pascal import Pascal
from bench.foundation import weights
from bench.foundation.boxed_sam import true_boxes
from bench.foundation.models import Sam
from bench.types import VOID, InputError

GRIDS, FEW, N_FEW = (8,), (4, 8, 16), 4


def measure(dataset: Pascal, sam: Sam, name: str, grids: tuple[int, ...]) -> tuple[dict, dict]:
    """A row, and by kind of superpixels the confusion matrix with every superpixel at its dominant class."""
    image, truth = dataset.image("train", name), dataset.truth("train", name)
    objects, known = dataset.objects("train", name), truth != VOID
    seconds, matrices = {}, {}
    started = time.process_time()
    sam.embed(image)
    seconds["encoder_s"] = time.process_time() - started
    boxes, exact = true_boxes(dataset, name, 0.05)[0], true_boxes(dataset, name)[0]
    started = time.process_time()
    masks = sam.masks(boxes)
    seconds["prompts_s"] = time.process_time() - started
    overlaps = []
    for mask, box in zip(masks, exact.astype(int), strict=True):
        window = np.s_[box[1] : box[3], box[0] : box[2]]
        ids = [k for k in np.unique(objects[window]) if k and _box(objects == k) == box.tolist()]
        thing = objects == ids[0]
        overlaps.append((mask & thing).sum() / ((mask | thing) & known).sum())
    row = dict(image=name, n_boxes=len(boxes), mask_iou=float(np.mean(overlaps))) | seconds
    for points in grids:
        maker = registry.load("superpixels", f"everything[points={points}]")
        maker.__dict__["_model"] = sam  # no door gives it a network that is loaded; each image would load it anew
        started = time.process_time()
        areas = maker.segment(dataset, name)
        row[f"everything_{points}_s"] = time.process_time() - started
        row[f"superpixels_{points}"] = len(np.unique(areas))
        matrices[f"everything_{points}"] = _dominant(areas, truth, len(dataset.classes))
        plain = _as_many(dataset, name, row[f"superpixels_{points}"])
        row[f"felzenszwalb_for_{points}"] = len(np.unique(plain))
        matrices[f"felzenszwalb_for_{points}"] = _dominant(plain, truth, len(dataset.classes))
    return row, matrices


def _as_many(dataset, name, n):
    """Felzenszwalb's superpixels: of a few attempts, those that are most nearly ``n``."""
    found = [
        registry.load("superpixels", f"felzenszwalb[n={k}]").segment(dataset, name)
        for k in (n, 3 * n // 2, 2 * n, 3 * n)
    ]
    return min(found, key=lambda areas: abs(len(np.unique(areas)) - n))


def _box(mask):
    rows, columns = np.nonzero(mask)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def _dominant(areas, truth, n_classes):
    """(C, C + 1): truth against every superpixel's most frequent known class."""
    ids, place = np.unique(areas, return_inverse=True)
    seen = np.bincount(place.ravel() * 256 + truth.ravel(), minlength=256 * len(ids)).reshape(-1, 256)[:, :n_classes]
    return metrics.confusion(truth, seen.argmax(1)[place].reshape(truth.shape).astype(np.uint8), n_classes)


def main(root: str, n_images: int = 20, to: Path | None = None) -> tuple[dict, dict]:
    torch.set_num_threads(1)
    dataset, sam = Pascal(root), Sam(weights.installed("MobileSAM"), "vit_t", torch.device("cpu"))
    names = dataset.names("train")
    chosen = [names[i] for i in seeds.generator(0, "sam").permutation(len(names))[:n_images]]
    rows, total = [], {}
    for i, name in enumerate(chosen):
        row, matrices = measure(dataset, sam, name, FEW if i < N_FEW else GRIDS)
        rows.append(row)
        for kind, matrix in matrices.items():
            total[kind] = total.get(kind, 0) + matrix
        print(row, flush=True)
        if to is not None:
            files.write_csv(to, rows)
    numbers = [key for key in rows[0] if key != "image"]
    mean = {key: float(np.mean([row[key] for row in rows if key in row])) for key in numbers}
    return mean, {kind: metrics.miou(matrix) for kind, matrix in total.items()}


def test_stages_and_ceilings(real_data):
    try:
        weights.installed("test")
    except InputError as error:
        pytest.skip(str(error))
    mean, ceilings = main(str(real_data / "pascal-voc-images" / "VOCdevkit"), 1)
    assert mean["everything_16_s"] > mean["everything_4_s"] > 0 and 0 < ceilings["everything_8"] <= 1


if __name__ == "__main__":
    out = Path(__file__).parents[1] / "results" / "speed" / "sam-mobilesam.csv"
    print(*main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 20, to=out), sep="\n")
