"""``alc-bench time kernels``: the acquisition kernels, checked for equality and then timed.

A time is shown only if the statistics agree. Everything of one size is timed in one process, interleaved, beside
a copy of the (C, H, W) probabilities into memory that is already there, and torch's ``F.interpolate`` + softmax.
"""

import ctypes
import gc
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from rich.console import Console
from scipy.spatial import cKDTree

from bench import files, seeds
from bench.commands.time import maps
from bench.kernels import fastest, superpixel_statistics
from bench.kernels.per_pixel import look_ahead
from bench.report.table import Cell, Table
from bench.timing import Timings, compare
from bench.types import VOID, InputError

SIZES = {"voc": (21, 375, 500), "cityscapes": (19, 1024, 2048), "kvasir": (2, 352, 352), "shapes": (7, 96, 96)}
N_SUPERPIXELS = 200
NEEDS = ("sim",)
CHECKED = ("sim", "cil_vector", "cil_sum", "entropy_sum", "top1_sum", "probability_sum", "dominant_probability_sum")
TOLERANCE = 1e-5
CROP_PX = 96  # the plain loop sees this much of each side
SAMPLE_PX = 3000  # pixels that the per-pixel method is timed on
COPY, SOFTMAX, PER_PIXEL = "copy", "upsample + softmax", "scipy, extrapolated"
COLUMNS = ["size", "n_classes", "height", "width", "n_superpixels", "source", "implementation", "statistics", "device",
           "threads", "median_ms", "iqr_ms", "ratio_to_copy", "ratio_to_softmax", "ratio_to_scipy", "max_rel_error",
           "n_other_pixels", "peak_extra_mib"]  # fmt: skip


EXAMPLES = (
    "alc-bench time kernels --sizes voc,shapes",
    "alc-bench time kernels --threads 1 --out times.csv",
)


def add_arguments(parser) -> None:
    parser.add_argument("--sizes", default=",".join(SIZES), help=f"of {', '.join(SIZES)}, with commas (default: all)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="default: %(default)s")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=9, help="timed rounds (default: %(default)s)")


def measured(args) -> tuple[int, list[dict], Callable[[Path], None]]:
    """Print the tables of the kernels. Returns the exit code, the rows, and the function that draws them."""
    sizes = [name.strip() for name in args.sizes.split(",")]
    if unknown := [name for name in sizes if name not in SIZES]:
        raise InputError(f"unknown size {unknown[0]!r}; there are: {', '.join(SIZES)}")
    if args.threads < 1 or args.rounds < 1:
        raise InputError(f"threads and rounds must be 1 or more, got {args.threads} and {args.rounds}")
    if args.device.startswith("cuda") and not torch.cuda.is_available():
        raise InputError("--device cuda: torch finds no GPU here; leave --device out")
    console, before = Console(), torch.get_num_threads()
    torch.set_num_threads(args.threads)
    try:
        rows = []
        for name in sizes:
            with console.status(f"{name}: {' × '.join(map(str, SIZES[name]))}"):
                rows += measure(name, *SIZES[name], args.device, args.threads, args.rounds)
            show(rows, name, console)
    finally:
        torch.set_num_threads(before)
    console.print(
        f"Equality first: with the plain loop on a {CROP_PX} × {CROP_PX} crop, with torch on the whole (of maps, with "
        f"torch alone). Per-pixel scipy: timed on about {SAMPLE_PX} pixels, extrapolated. MiB: the most memory held "
        "during a call.",
        style="dim",
    )
    code = int(any(row["median_ms"] is None for row in rows))
    return code, [{key: row[key] for key in COLUMNS} for row in rows], partial(draw, rows)


def scene(n_classes: int, height: int, width: int) -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    """Quarter-size logits (C, h, w), labels (H, W) with errors and 255 among them, about 200 compact superpixels."""
    rng = seeds.generator(0, "time", n_classes, height, width)
    logits = torch.from_numpy(rng.normal(0, 3, (n_classes, -(-height // 4), -(-width // 4))).astype(np.float32))
    labels = F.interpolate(logits[None], (height, width), mode="nearest")[0].argmax(0).byte().numpy()
    blocks = rng.random((-(-height // 16), -(-width // 16))).repeat(16, 0).repeat(16, 1)[:height, :width]
    labels[blocks < 0.3] = 0
    labels[blocks > 0.9] = VOID
    centres = rng.uniform(0, (height, width), (N_SUPERPIXELS, 2))
    pixels = np.stack(np.mgrid[:height, :width], -1)
    return logits, labels, (cKDTree(centres).query(pixels)[1] + 1).astype(np.int32)


def measure(name, n_classes, height, width, device, threads, rounds) -> list[dict]:
    """Rows of the table for one size."""
    logits, labels, superpixels = scene(n_classes, height, width)
    logits = logits.to(device)

    def upsample():
        return F.interpolate(logits[None], (height, width), mode="bilinear")[0].softmax(0)

    full = upsample().contiguous()
    on_device = [torch.from_numpy(a).to(device) for a in (labels, superpixels)]
    target = torch.empty_like(full)
    sources = {"probabilities": full, "logits": logits}
    functions = {(COPY, "probabilities"): lambda: target.copy_(full), (SOFTMAX, "logits"): upsample}
    rows = {}
    quickest = fastest(torch.device(device).type)
    for implementation in dict.fromkeys((quickest, "torch")):
        for source, scores in sources.items():
            options = {"logits": source == "logits", "implementation": implementation, "threads": threads}
            errors = disagreement(scores, labels, superpixels, options)
            key = implementation, source
            rows[key] = dict(zip(("max_rel_error", "n_other_pixels"), errors, strict=True)) | {"statistics": NEEDS[0]}
            if errors[0] <= TOLERANCE:
                functions[key] = lambda s=scores, o=options: superpixel_statistics(s, *on_device, NEEDS, **o)
    ours, twins = (
        maps.functions(logits, *on_device, implementation=name, threads=threads) for name in (quickest, "torch")
    )
    for family, function in ours.items():
        key = f"{quickest}: {family}", "logits"
        error = maps.disagreement(function(), twins[family]())
        rows[key] = {"max_rel_error": error, "statistics": " ".join(maps.FAMILIES[family])}
        if error <= TOLERANCE:
            functions[key] = function
    timings = compare(functions, rounds, device=device)
    per_pixel_s = timings.seconds[PER_PIXEL, "probabilities"] = per_pixel(full.cpu().numpy(), labels, superpixels)
    shared = {"size": name, "n_classes": n_classes, "height": height, "width": width, "n_superpixels": N_SUPERPIXELS}
    result = []
    for key in dict.fromkeys((*timings.seconds, *rows)):
        row = dict.fromkeys(COLUMNS) | shared | {"implementation": key[0], "source": key[1]} | rows.get(key, {})
        row |= {"device": "cpu" if key[0] == PER_PIXEL else device, "threads": 1 if key[0] == PER_PIXEL else threads}
        if key in timings.seconds:
            row |= figures(timings, key, float(np.median(per_pixel_s)))
            if key in functions:
                row["peak_extra_mib"] = peak_extra_mib(functions[key], device)
        result.append(row)
    return result


def figures(timings: Timings, key, per_pixel_s) -> dict:
    def ratio(to):
        if key[0] == PER_PIXEL:  # timed apart, so no round of the others to compare with
            return timings.median_ms(key) / timings.median_ms(to)
        return timings.ratio(key, to)

    return {
        "median_ms": timings.median_ms(key),
        "iqr_ms": timings.iqr_ms(key),
        "ratio_to_copy": ratio((COPY, "probabilities")),
        "ratio_to_softmax": ratio((SOFTMAX, "logits")),
        "ratio_to_scipy": timings.median_ms(key) / 1e3 / per_pixel_s,
    }


def disagreement(scores, labels, superpixels, options) -> tuple[float, int]:
    """The largest relative error of any of `CHECKED`, and how many representatives are others (ties within rounding).

    The reference checks a crop, the torch implementation the whole. ``sim`` is compared if the pixels are the same.
    """
    crop = np.s_[:CROP_PX, :CROP_PX]
    part = scores[:, : CROP_PX // 4, : CROP_PX // 4] if options["logits"] else scores[:, :CROP_PX, :CROP_PX]
    worst, n_other = 0.0, 0
    images = {"reference": (part.contiguous(), labels[crop], superpixels[crop]), "torch": (scores, labels, superpixels)}
    for twin, image in images.items():
        table = superpixel_statistics(*image, CHECKED, **options)
        expected = superpixel_statistics(*image, CHECKED, **options | {"implementation": twin})
        same = (table["row"] == expected["row"]) & (table["column"] == expected["column"])
        n_other += int((~same).sum())
        for name in CHECKED:
            error = np.abs(table[name] - expected[name]) / np.maximum(np.abs(expected[name]), 1e-6)
            worst = max(worst, float(error[same if name == "sim" else slice(None)].max(initial=0)))
    return worst, n_other


def per_pixel(probabilities, labels, superpixels) -> np.ndarray:
    """(3,) seconds that `look_ahead` would take for all superpixels, from a sample of about `SAMPLE_PX` pixels."""
    sizes = np.bincount(superpixels.ravel())[1:]
    order = seeds.generator(0, "time sample").permutation(np.flatnonzero(sizes))
    sample = order[: 1 + np.searchsorted(np.cumsum(sizes[order]), SAMPLE_PX)]
    members = [superpixels == i + 1 for i in sample]
    timings = compare({PER_PIXEL: lambda: [look_ahead(probabilities, labels, m) for m in members]}, rounds=3, warm_up=1)
    return timings.seconds[PER_PIXEL] * sizes.sum() / sizes[sample].sum()


def peak_extra_mib(function, device) -> float | None:
    """The most memory that a call holds beyond the memory held before; None if the system does not tell."""
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        function()
        return (torch.cuda.max_memory_allocated(device) - before) / 2**20
    try:
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)  # or what earlier calls gave back to malloc would hide what this one takes
        Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM, the highest resident size
        before = status_kib("VmRSS")
    except (OSError, AttributeError):
        return None
    function()
    return max(0, status_kib("VmHWM") - before) / 1024


def status_kib(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key))


def show(rows, name, console) -> None:
    rows = [row for row in rows if row["size"] == name]
    first = rows[0]
    title = f"{name}: {first['n_classes']} × {first['height']} × {first['width']}, {first['n_superpixels']} superpixels"
    title += f", {first['device']}, threads: {first['threads']}"
    lines: list[list[Cell | str]] = []
    for row in rows:
        name = row["implementation"] + (f", {row['source']}" if row["n_other_pixels"] is not None else "")
        error = "" if row["max_rel_error"] is None else f"{row['max_rel_error']:.0e}"
        if row["median_ms"] is None:
            lines.append([Cell(text, kind="failed") for text in (name, "differs", *[""] * 4, error, "")])
            continue
        numbers = [row[key] for key in ("median_ms", "iqr_ms", "ratio_to_copy", "ratio_to_softmax")]
        numbers.append(1 / row["ratio_to_scipy"])
        extra = "" if row["peak_extra_mib"] is None else f"{row['peak_extra_mib']:.1f}"
        lines.append([name, *(f"{x:,.0f}" if x >= 100 else f"{x:.3g}" for x in numbers), error, extra])
    Table(["", "ms", "iqr", "/ copy", "/ softmax", "scipy /", "error", "MiB"], lines, title).show(console)


def draw(rows, path: Path) -> None:
    """Roofline-style: probabilities dealt with per second against the size of their array; the roof is the copy."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.5, 4.5), layout="constrained")
    axes = figure.subplots()
    for key in dict.fromkeys((r["implementation"], r["source"]) for r in rows if r["statistics"] in (None, *NEEDS)):
        chosen = [r for r in rows if (r["implementation"], r["source"]) == key and r["median_ms"]]
        mib = np.array([r["n_classes"] * r["height"] * r["width"] * 4 / 2**20 for r in chosen])
        order = np.argsort(mib)
        rate = (mib / 1024 / np.array([r["median_ms"] / 1e3 for r in chosen]))[order]
        yardstick = key[0] in (COPY, SOFTMAX, PER_PIXEL)
        dashes = {COPY: "-", SOFTMAX: "--", PER_PIXEL: ":"}
        style = {"color": "black", "linestyle": dashes[key[0]]} if yardstick else {}
        label = key[0] if yardstick else f"{key[0]}, from {key[1]}"
        axes.loglog(mib[order], rate, marker="o", markersize=4, label=label, **style)
    sizes = {r["size"]: r["n_classes"] * r["height"] * r["width"] * 4 / 2**20 for r in rows}
    axes.set_xticks(list(sizes.values()), [f"{name}\n{mib:.3g} MiB" for name, mib in sizes.items()])
    axes.minorticks_off()
    axes.set_ylabel("probabilities dealt with, GiB/s of the full-size array")
    axes.set_title(
        f"SIM of {N_SUPERPIXELS} superpixels: {rows[0]['device']}, threads: {rows[0]['threads']}", loc="left"
    )
    axes.grid(alpha=0.3)
    figure.legend(fontsize=8, frameon=False, loc="outside right center")
    with files.replacing(path) as temporary:
        figure.savefig(temporary, dpi=150)
