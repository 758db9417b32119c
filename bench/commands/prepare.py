"""``alc-bench prepare``: pseudo labels and superpixels of a dataset in files, in the papers' layout."""

import inspect
import json
import sys
from pathlib import Path

from bench import datasets, files, foundation, registry
from bench.commands import progress, quality
from bench.datasets import coverage
from bench.foundation import jobs, pseudo
from bench.runs.folder import claimed, environment, remember
from bench.types import InputError

PARAMETERS = {"detector": "--detector", "sam": "--sam", "sam_type": "--sam-type", "boxes": "--prompts"}
EXAMPLES = (
    "alc-bench prepare --dataset pascal --data-root DIR/VOCdevkit --out OUT --detector FOLDER --jobs 2",
    "alc-bench prepare --dataset shapes --foundation simulated --out OUT",
)


def add_arguments(parser) -> None:
    parser.add_argument("--dataset", required=True, help="the dataset; parameters in brackets")
    parser.add_argument("--data-root", help="the dataset's folder")
    parser.add_argument("--out", type=Path, required=True, help="the folder of the files")
    parser.add_argument(
        "--foundation", help="any but files and those that train; default: grounded_sam, with --prompts boxed_sam"
    )
    parser.add_argument("--detector", help="Grounding DINO: a folder, or a model id of the hub")
    parser.add_argument("--sam", help="SAM: a checkpoint file; default: MobileSAM's, as installed")
    parser.add_argument("--sam-type", help="vit_t (MobileSAM), vit_b, vit_l, vit_h or tiny")
    parser.add_argument("--prompts", metavar="FILE", help="boxes of any detector, in COCO's JSON or CSV, for boxed_sam")
    parser.add_argument("--superpixels", metavar="MAKER", help="in the place of the foundation's own: everything, ...")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes that share the images")


def main(args) -> int:
    if args.jobs < 1:
        raise InputError(f"--jobs must be 1 or more, got {args.jobs}")
    dataset = datasets.load(args.dataset, args.data_root)
    spec = args.foundation or ("boxed_sam" if args.prompts else "grounded_sam")
    if args.superpixels:
        spec = f"recut[of={spec},superpixels={args.superpixels}]"
    given = dict(detector=args.detector, sam=args.sam, sam_type=args.sam_type, boxes=args.prompts)
    source = registry.load("foundations", spec, **given)
    accepted = inspect.signature(type(source)).parameters
    if useless := [flag for name, flag in PARAMETERS.items() if given[name] is not None and name not in accepted]:
        name = registry.parse(spec)[0]
        raise InputError(f"{useless[0]} has no effect on the foundation {name!r}: leave it out, or see {name}[...]")
    if source.folder is not None or source.trains:
        raise InputError(f"--foundation {spec}: prepare writes what is not in files yet and needs no model")
    coverage.tell(dataset)
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
    with progress.bar() as bar, claimed(folder, protocol, record) as begin:
        begin()
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
