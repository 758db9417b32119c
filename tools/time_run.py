"""Say how the seconds of a whole run were spent, beside the bytes and operations that the work amounts to.

``python tools/time_run.py RUN [--out FILE.csv]`` prints a table, and writes it with a figure.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import pandas as pd
from rich.console import Console
from torch.utils.flop_counter import FlopCounterMode

from bench import files, registry, report
from bench.commands import Parser, exit_code
from bench.report import results
from bench.report.table import Table
from bench.runs import schema, specs
from bench.runs.source import Source
from bench.timing import Stopwatch
from bench.types import InputError

# What a run does, and the column of timings.csv that has its seconds; the others are done again here, once.
PHASES = {"fit": "fit_s", "predict": "predict_s", "acquire": "acquire_s", "ask": "answer_s", "correct": "correct_s",
          "evaluate": "evaluate_s"}  # fmt: skip
UNITS = {"bytes": lambda n: f"{n / 2**20:,.1f} MiB", "FLOPs": lambda n: f"{n / 1e12:,.2f} TFLOP"}
COLUMNS = ("phase", "seconds", "share", "n", "of", "floor", "floor_unit", "measured")


def phases(run: Path) -> list[dict]:
    """A row of `COLUMNS` for each thing that a run does, its own seconds first.

    ``n`` ``of``: how often it was done, such as questions asked. ``floor`` and its unit: the bytes read or written, the
    operations of the network.
    ``measured``: "in the run" if its files say the seconds; reading the maps, writing the files and the report are
    done once more, "now". Round 0 is shared by the cells of a seed and counts once. Raises InputError for a folder
    that is no run, and for one without a cell that is done.
    """
    found = results.read([run])
    cells = [Path(folder) for folder in found.cells.folder[found.cells.status.eq("done")] if folder]
    if not cells:
        raise InputError(f"{run}: no cell is done; run it first")
    timings = pd.concat([schema.read(cell / "timings.csv").assign(cell=cell.name) for cell in cells])
    seeds = dict(zip((c.name for c in cells), found.cells.seed[found.cells.status.eq("done")], strict=True))
    timings["seed"] = timings.cell.map(seeds)
    shared = timings["round"].eq(0) & timings.duplicated(["seed", "round"])
    first = timings["round"].eq(1) & timings.duplicated(["seed", "round"])  # round 0's predictions serve all cells
    timings.loc[shared, list(PHASES.values())] = 0.0
    timings.loc[first, ["predict_s", "acquire_s"]] = 0.0
    n_asked = int(found.rounds.groupby(results.CELL).n_queries.max().sum())
    times = {"fit": "fits", "evaluate": "fits", "predict": "rounds", "acquire": "rounds"}
    rows = []
    for phase, column in PHASES.items():
        n = n_asked if phase not in times else int((timings[column] > 0).sum())
        rows.append(_row(phase, timings[column].sum(), n, times.get(phase, "questions"), None, "in the run"))
    rows += _again(run, found, cells)
    spec = specs.of_run(run / "spec.json")
    for phase, flops in _flops(spec, Source.of(run, spec)).items():
        row = next(row for row in rows if row["phase"] == phase)
        row |= {"floor": flops * row["n"], "floor_unit": "FLOPs"}
    whole = sum(row["seconds"] for row in rows)
    return [row | {"share": row["seconds"] / whole if whole else 0.0} for row in rows]


def _again(run: Path, found: results.Results, cells: list[Path]) -> list[dict]:
    """Reading, writing and reporting, done once more."""
    source = Source.of(run, specs.of_run(run / "spec.json"))
    maps = [path for kind in ("mask_jpg", "obj_jpg") for path in (source.pseudo.folder / kind).glob("*.png")]
    with Stopwatch() as reading:
        for i, name in enumerate(source.pseudo.names):
            source.pseudo.labels(i), source.pseudo.regions(i), source.dataset.truth("train", name)
    rows = [_row("read", reading.total_s, len(source.pseudo), "images", _bytes(maps), "now")]
    files = [cell / name for cell in cells for name in schema.FILES if (cell / name).is_file()]
    tables = [(path.name, schema.read(path)) for path in files]
    with tempfile.TemporaryDirectory(prefix="alc-bench-") as folder:
        with Stopwatch() as writing:
            for name, table in tables:
                schema.write(Path(folder) / name, table)
        rows.append(_row("write", writing.total_s, len(files), "files", _bytes(files), "now"))
        with Stopwatch() as reporting:
            report.write([run], to=Path(folder) / "report")
        rows.append(_row("report", reporting.total_s, len(cells), "cells", _bytes(files), "now"))
    return rows


def _flops(spec: dict, source: Source) -> dict[str, int]:
    """Floating-point operations of one fit and of predicting the pool once, counted on one training step and one image.

    Empty without a model, and if the preset has changed since the run was made.
    """
    protocol, names = spec["protocol"], source.pseudo.names
    if protocol["learner"] is None:
        return {}
    known = dict(dataset=registry.parse(protocol["dataset"])[0], n_classes=len(protocol["classes"]), device="cpu")
    known |= dict(preset=protocol["preset"], options=protocol["cfg_options"])
    learner = registry.load("learners", protocol["learner"], **known)
    if files.digest(learner.recipe()) != protocol["config"]:
        return {}
    samples = [(source.dataset.image("train", name), source.pseudo.labels(i)) for i, name in enumerate(names[:8])]
    step, image = FlopCounterMode(display=False), FlopCounterMode(display=False)
    one = learner.with_steps(1)
    with tempfile.TemporaryDirectory(prefix="alc-bench-") as logs:
        model = one.fit(samples * 8, 0, Path(logs))
        list(one.predict(model, [image for image, _ in samples]))  # frozen features are made once, and not counted
        with step:
            model = one.fit(samples * 8, 0, Path(logs))
        with image:
            list(one.predict(model, [samples[0][0]]))
    return {
        "fit": step.get_total_flops() * learner.n_steps,
        "predict": image.get_total_flops() * len(names),
    }


def _row(phase: str, seconds: float, n: int, of: str, floor: int | None, measured: str) -> dict:
    unit = "" if floor is None else "bytes"
    return dict(zip(COLUMNS, (phase, float(seconds), 0.0, n, of, floor, unit, measured), strict=True))


def _bytes(paths) -> int:
    return sum(path.stat().st_size for path in paths)


def show(rows: list[dict], title: str) -> None:
    lines = [
        [
            row["phase"],
            row["measured"],
            f"{row['seconds']:,.2f}",
            f"{row['share']:.1%}",
            f"{row['n']:,} {row['of']}",
            f"{row['seconds'] / row['n'] * 1e3:,.3g}" if row["n"] else "",
            "" if row["floor"] is None else UNITS[row["floor_unit"]](row["floor"]),
        ]
        for row in rows
    ]
    Table(["", "measured", "s", "share", "times", "ms each", "floor"], lines, title).show(Console())


def draw(rows: list[dict], path: Path) -> None:
    """One bar, a piece for each phase, longest first."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 1.8), layout="constrained")
    axes, left = figure.subplots(), 0.0
    for number, row in enumerate(sorted(rows, key=lambda row: -row["seconds"])):
        label = f"{row['phase']}, {row['share']:.1%}"
        axes.barh(0, row["seconds"], left=left, color=f"C{number}", label=label)
        left += row["seconds"]
    axes.set(yticks=[], xlabel="seconds", xlim=(0, left or 1))
    figure.legend(fontsize=8, frameon=False, loc="outside upper center", ncols=5)
    with files.replacing(path) as temporary:
        figure.savefig(temporary, dpi=150)


def arguments(argv: list[str]) -> argparse.Namespace:
    parser = Parser(prog="time_run.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the folder of a run")
    parser.add_argument("--out", type=Path, help="FILE.csv; a figure is drawn beside it, FILE.png")
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    args = arguments(argv)
    if args.out and args.out.suffix != ".csv":
        raise InputError(f"--out must end in .csv, got {str(args.out)!r}")
    rows = phases(args.run)
    show(rows, f"{args.run}: {rows[0]['n']} cells, seconds of all together")
    if args.out:
        files.write_csv(args.out, rows)
        draw(rows, args.out.with_suffix(".png"))
    return 0


if __name__ == "__main__":
    sys.exit(exit_code(lambda: main(sys.argv[1:])))
