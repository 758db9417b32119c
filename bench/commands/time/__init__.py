"""``alc-bench time``: how long the parts take that decide how long a run takes, `kernels` and `fit`."""

import importlib
from pathlib import Path

from rich.console import Console

from bench import files
from bench.commands import Help, examples
from bench.types import InputError

PARTS = {  # the modules of this package that have a command, in the order of --help
    "kernels": "the acquisition kernels, checked for equality and then timed",
    "fit": "what presets learn from the truth and from pseudo labels, and for how many seconds",
}
EXAMPLES = (
    "alc-bench time kernels --sizes voc,shapes",
    "alc-bench time fit --preset cpu --preset quick --seeds 1",
)


def add_arguments(parser) -> None:
    parts = parser.add_subparsers(required=True, metavar="part", dest="part")
    for name, what in PARTS.items():
        module = importlib.import_module(f"bench.commands.time.{name}")
        part = parts.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.", formatter_class=Help)
        module.add_arguments(part)
        part.add_argument("--out", type=Path, help="FILE.csv; a figure is drawn beside it, FILE.png")
        part.epilog = examples(module.EXAMPLES)
        part.set_defaults(measured=module.measured)


def main(args) -> int:
    """Exit code 0, or 1 when an implementation of the kernels disagrees with the reference."""
    if args.out and args.out.suffix != ".csv":
        raise InputError(f"--out must end in .csv, got {str(args.out)!r}")
    code, rows, draw = args.measured(args)
    if args.out:
        files.write_csv(args.out, rows)
        draw(args.out.with_suffix(".png"))
        Console().print(f"{args.out}\n{args.out.with_suffix('.png')}")
    return code
