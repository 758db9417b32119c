"""``alc-bench prepare``: pseudo labels and superpixels of a dataset in files, in the papers' layout; and ``--fit``."""

import json
import shlex
import sys
from pathlib import Path
from typing import Any

from bench import foundation, registry, store
from bench.commands import progress, quality
from bench.foundation import fit, pseudo
from bench.foundation.simulated import Simulated
from bench.types import InputError

COMPARED = ("data_miou", "covered", "per_image_mean", "wrong", "ceiling_miou", "n_superpixels", "size_median_px")


def add_arguments(parser) -> None:
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--data-root", help="the dataset's folder")
    parser.add_argument("--out", type=Path, required=True, help="folder; with --fit: the JSON file to write")
    parser.add_argument("--foundation", default="grounded_sam", help="any foundation but files and those that train")
    parser.add_argument("--detector", help="Grounding DINO: a folder, or a model id of the hub")
    parser.add_argument("--sam", help="SAM: a checkpoint file")
    parser.add_argument("--sam-type", help="vit_b, vit_l, vit_h or tiny")
    parser.add_argument("--fit", type=Path, metavar="FILES", help="instead: the parameters of simulated from FILES")


def main(args) -> int:
    dataset = registry.load("datasets", args.dataset, root=args.data_root)
    return _fit(args, dataset) if args.fit else _prepare(args, dataset)


def _prepare(args, dataset) -> int:
    source = registry.load("foundations", args.foundation, detector=args.detector, sam=args.sam, sam_type=args.sam_type)
    if source.folder is not None or source.trains:
        raise InputError(f"--foundation {args.foundation}: prepare writes what is not in files yet and needs no model")
    names = dataset.names("train")
    folder = args.out / str(getattr(source, "threshold", ""))
    protocol = {
        "dataset": args.dataset,
        "names": store.digest(names),
        "foundation": {"name": registry.parse(args.foundation)[0], **foundation.parameters(source)},
    }
    protocol = json.loads(json.dumps(protocol))  # as it will be read back
    record = {"command": shlex.join(["alc-bench", *sys.argv[1:]]), **store.environment()}
    failed: dict[str, Exception] = {}
    with progress.bar() as bar, store.claimed(folder, protocol, record):
        for left in folder.glob("*_jpg/.*.png-*"):  # by a process that was killed
            left.unlink()
        bar.begin("making labels", len(names))
        step = lambda: bar.step("label", 1)  # noqa: E731
        pseudo.write(folder, source, dataset, step=step, on_failure=failed.__setitem__)
        if not failed:
            bar.begin("measuring", len(names))
            found = quality.measure(dataset, pseudo.PseudoLabels(folder, names), lambda: bar.step("read", 1))
            store.write_json(folder / "quality.json", found)
    for name, error in failed.items():
        print(f"failed: {name}: {str(error).splitlines()[0]}", file=sys.stderr)
    if failed:
        print(f"{len(failed)} of {len(names)} images failed; the same command makes them alone", file=sys.stderr)
        return 1
    quality.show(found)
    if sum((seconds := getattr(source, "seconds", {})).values()):
        total_s = sum(seconds.values())
        shares = ", ".join(f"{stage} {100 * s / total_s:.0f} %" for stage, s in seconds.items())
        print(f"{total_s:.1f} s on {source.device}: {shares}")
    print(f"files: {folder}; use them with --foundation files[root={folder}]")
    return 0


def _fit(args, dataset) -> int:
    released = registry.load("foundations", f"files[root={args.fit}]")
    if args.out.suffix != ".json":
        raise InputError(f"--out {args.out}: --fit writes a JSON file; name it *.json")
    names = dataset.names("train")
    maps = pseudo.PseudoLabels(released.folder, names)
    with progress.bar() as bar:
        bar.begin("fitting", len(names))
        parameters = fit.estimate(dataset, maps, lambda: bar.step("read", 1))
        store.write_json(args.out, {"classes": dataset.classes, "parameters": parameters})
        bar.begin("simulating and measuring", 2 * len(names))
        step = lambda: bar.step("read", 1)  # noqa: E731
        measured = quality.measure(dataset, maps, step)
        simulated = quality.measure(dataset, Simulated(like=str(args.out)).generate(dataset), step)
    rows: list[dict[str, Any]] = [
        {"measure": name, "measured": measured[name], "simulated": simulated[name]}
        | {"ratio": simulated[name] / measured[name] if measured[name] else float("nan")}
        for name in COMPARED
    ]
    store.write_csv(args.out.with_suffix(".csv"), rows)
    for row in rows:
        print("{measure:16} measured {measured:10.5g}  simulated {simulated:10.5g}  ratio {ratio:.3f}".format(**row))
    print(f"parameters: {args.out}; use them with --foundation simulated[like={args.out}]")
    return 0
