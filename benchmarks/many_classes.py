"""Time and memory of a run on labels alone with 150 classes: does either grow faster than the images?

    python benchmarks/many_classes.py results/speed/many-classes.csv 100 1000 20000

Each image has 64 × 64 px and 16 superpixels, of any of the classes; a fifth of the pseudo labels is wrong. A row is one
``alc-bench run --model none`` in a process of its own, with its report: ``area``, one seed, three rounds of questions.
Times are of the CPU, which other processes do not change; those of an image leave out the first row: it is the start.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from bench import seeds
from bench.datasets.files import write_lines

N_CLASSES, SIDE, BLOCK, WRONG = 150, 64, 16, 0.2
GIB = 2**20  # of the KiB in which Linux counts the most memory that a process held


def generate(root: Path, n: int) -> None:
    """A tree for the dataset `folder`, and beside it label maps and superpixels for the foundation `files`."""
    rng = seeds.generator(0, "many classes")
    blocks = np.ones((BLOCK, BLOCK), np.uint8)
    superpixels = np.kron(np.arange(1, 17, dtype=np.uint8).reshape(4, 4), blocks)
    places = [root / "annotations" / "train", root / "mask_jpg", root / "obj_jpg"]
    for place in places:
        place.mkdir(parents=True)
    write_lines(root / "classes.txt", (f"class {i:03d}" for i in range(N_CLASSES)))
    for i in range(n):
        truth = rng.integers(N_CLASSES, size=(4, 4), dtype=np.uint8)
        labels = np.where(rng.random((4, 4)) < WRONG, rng.integers(N_CLASSES, size=(4, 4), dtype=np.uint8), truth)
        for place, values in zip(places, (np.kron(truth, blocks), np.kron(labels, blocks), superpixels), strict=True):
            Image.fromarray(values).save(place / f"{i:06d}.png", compress_level=1)


def measure(root: Path, n: int) -> dict:
    """Time and memory of a run in a process of its own."""
    options = ["--dataset", "folder", "--data-root", root, "--foundation", f"files[root={root}]", "--model", "none"]
    options += ["--strategy", "area", "--seeds", "1", "--rounds", "3", "--jobs", "1", "--no-bundle"]
    command = [sys.executable, "-m", "bench", "run", *map(str, options), "--out", str(root / "run")]
    environment = os.environ | {"ALC_BENCH_CACHE": str(root / "cache"), "OMP_NUM_THREADS": "1"}
    began = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    if status:
        raise SystemExit(f"the run of {n} images ended with {os.waitstatus_to_exitcode(status)}")
    return {
        "images": n,
        "classes": N_CLASSES,
        "peak_gib": round(used.ru_maxrss / GIB, 2),
        "wall_s": round(seconds, 1),
        "cpu_s": round(used.ru_utime + used.ru_stime, 1),
    }


def main(out: str, *counts: str) -> None:
    rows = []
    for n in map(int, counts):
        with tempfile.TemporaryDirectory(prefix="many-classes-") as folder:
            generate(Path(folder), n)
            rows.append(measure(Path(folder), n))
            print(rows[-1], flush=True)
    table = pd.DataFrame(rows)
    more = table - table.iloc[0]
    table["cpu_ms_an_image"] = (1000 * more.cpu_s / more.images).round(2)
    table.to_csv(out, index=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
