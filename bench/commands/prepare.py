"""``alc-bench prepare``: pseudo labels and superpixels of a dataset in files, in the papers' layout; and fits."""

import json
import sys
from pathlib import Path
from typing import Any

from bench import files, foundation, registry
from bench.commands import progress, quality, subset
from bench.foundation import fit, jobs, observers, pseudo
from bench.foundation.simulated import Simulated
from bench.runs.folder import claimed, environment, remember
from bench.types import InputError

COMPARED = ("data_miou", "covered", "per_image_mean", "wrong", "ceiling_miou", "n_superpixels", "size_median_px")


EXAMPLES = (
    "alc-bench prepare --dataset pascal --data-root DIR/VOCdevkit --out OUT --detector FOLDER --jobs 2",
    'alc-bench prepare --fit-annotator "A/*.png" "B/*.png" --out fit.csv',
)


def add_arguments(parser) -> None:
    parser.add_argument("--dataset", help="the dataset; parameters in brackets")
    parser.add_argument("--data-root", help="the dataset's folder")
    parser.add_argument("--out", type=Path, required=True, help="folder; with --fit and --fit-annotator: a file")
    parser.add_argument(
        "--foundation", help="any but files and those that train; default: grounded_sam, with --prompts boxed_sam"
    )
    parser.add_argument("--detector", help="Grounding DINO: a folder, or a model id of the hub")
    parser.add_argument("--sam", help="SAM: a checkpoint file; default: MobileSAM's, as installed")
    parser.add_argument("--sam-type", help="vit_t (MobileSAM), vit_b, vit_l, vit_h or tiny")
    parser.add_argument("--prompts", metavar="FILE", help="boxes of any detector, in COCO's JSON or CSV, for boxed_sam")
    parser.add_argument("--superpixels", metavar="MAKER", help="in the place of the foundation's own: everything, ...")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes that share the images")
    parser.add_argument("--fit", type=Path, metavar="FILES", help="instead: the parameters of simulated from FILES")
    parser.add_argument(
        *("--fit-annotator",),
        nargs=2,
        metavar=("FIRST", "SECOND"),
        help="instead: the width of boundary from two people's label maps of the same images; two patterns, in quotes",
    )


def main(args) -> int:
    if args.fit_annotator:
        return _fit_annotator(args)
    if args.dataset is None:
        raise InputError("--dataset is needed: whose images are labels made for? see alc-bench list")
    if args.jobs < 1:
        raise InputError(f"--jobs must be 1 or more, got {args.jobs}")
    dataset = registry.load("datasets", args.dataset, root=args.data_root)
    return _fit(args, dataset) if args.fit else _prepare(args, dataset)


def _prepare(args, dataset) -> int:
    spec = args.foundation or ("boxed_sam" if args.prompts else "grounded_sam")
    if args.superpixels:
        spec = f"recut[of={spec},superpixels={args.superpixels}]"
    given = dict(detector=args.detector, sam=args.sam, sam_type=args.sam_type, boxes=args.prompts)
    source = registry.load("foundations", spec, **given)
    if source.folder is not None or source.trains:
        raise InputError(f"--foundation {spec}: prepare writes what is not in files yet and needs no model")
    subset.tell(dataset)
    names = dataset.names("train")
    folder = args.out / str(getattr(source, "threshold", ""))
    protocol = {
        "dataset": args.dataset,
        "names": files.digest(names),
        "foundation": {"name": registry.parse(spec)[0], **foundation.parameters(source)},
    }
    protocol = json.loads(json.dumps(protocol))  # as it will be read back
    record = {"command": args.command, **environment()}
    failed: dict[str, Exception] = {}
    with progress.bar() as bar, claimed(folder, protocol, record):
        remember(folder, args.command)
        for left in folder.glob("*_jpg/.*.png-*"):  # by a process that was killed
            left.unlink()
        bar.begin("making labels", len(names))
        step = lambda: bar.step("label", 1)  # noqa: E731
        jobs.write(folder, source, dataset, args.jobs, step, failed.__setitem__)
        if not failed:
            bar.begin("measuring", len(names))
            found = quality.measure(dataset, pseudo.PseudoLabels(folder, names), lambda: bar.step("read", 1))
            files.write_json(folder / "quality.json", found)
    for name, error in failed.items():
        print(f"failed: {name}: {str(error).splitlines()[0]}", file=sys.stderr)
    if failed:
        print(f"{len(failed)} of {len(names)} images failed; the same command makes them alone", file=sys.stderr)
        return 1
    quality.show(found)
    if source.leaky:
        print("leaky: made from the truth of these images; for tests and bounds, not for claims")
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
        files.write_json(args.out, {"classes": dataset.classes, "parameters": parameters})
        bar.begin("simulating and measuring", 2 * len(names))
        step = lambda: bar.step("read", 1)  # noqa: E731
        measured = quality.measure(dataset, maps, step)
        simulated = quality.measure(dataset, Simulated(like=str(args.out)).generate(dataset), step)
    rows: list[dict[str, Any]] = [
        {"measure": name, "measured": measured[name], "simulated": simulated[name]}
        | {"ratio": simulated[name] / measured[name] if measured[name] else float("nan")}
        for name in COMPARED
    ]
    files.write_csv(args.out.with_suffix(".csv"), rows)
    for row in rows:
        print("{measure:16} measured {measured:10.5g}  simulated {simulated:10.5g}  ratio {ratio:.3f}".format(**row))
    print(f"parameters: {args.out}; use them with --foundation simulated[like={args.out}]")
    return 0


def _fit_annotator(args) -> int:
    if args.out.suffix != ".csv":
        raise InputError(f"--out {args.out}: --fit-annotator writes a CSV file; name it *.csv")
    pairs = observers.pairs(*args.fit_annotator)
    with progress.bar() as bar:
        bar.begin("comparing", len(pairs))
        profile = observers.profile(pairs, lambda: bar.step("read", 1))
    found = observers.fit(profile)
    files.write_csv(args.out, profile)
    print(f"{len(pairs)} images, two people each: {100 * found.disagree:.2f} % of pixels differ")
    print(f"within {found.width_px} px of another class {100 * found.near:.1f} %, further away {100 * found.far:.2f} %")
    print(f"by distance: {args.out}; use it with --oracle boundary[width_px={found.width_px},rate={found.rate:.2f}]")
    return 0
