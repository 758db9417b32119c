"""``alc-bench pack RUN``: one zip of a run that ``report`` and ``merge`` read as it is, to share: no images in it."""

from pathlib import Path

from bench.runs import pack
from bench.types import InputError

EXAMPLES = ("alc-bench pack results/runs/demo", "alc-bench pack RUN --to sim-on-kvasir.zip")


def add_arguments(parser) -> None:
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a run")
    parser.add_argument("--to", type=Path, metavar="FILE", help="default: RUN.zip")


def main(args) -> int:
    run = args.run.resolve()
    to = args.to or run.with_name(f"{run.name}.zip")  # of exp.1 and exp.2 two packs
    if to.suffix != ".zip":
        raise InputError(f"--to {to}: a pack is a zip; name it *.zip")
    n_bytes = pack.write(args.run, to)
    print(f"{to}: {n_bytes / 1e6:.1f} MB; alc-bench report {to} reads it")
    return 0
