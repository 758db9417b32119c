"""``alc-bench report RUN [RUN ...]``: tables, figures and one offline page from any set of runs."""

from pathlib import Path

from bench import report
from bench.costs import seconds
from bench.report.results import COSTS
from bench.runs import source, specs
from bench.runs.folder import remember

FOLLOW = "read images and labels in the folders that the run's spec.json names, though it was not made here"
EXAMPLES = (
    "alc-bench report results/runs/demo",
    "alc-bench report RUN OTHER_RUN published.csv --out DIR --cost seconds",
)


def add_arguments(parser) -> None:
    parser.add_argument(
        "runs",
        nargs="+",
        type=Path,
        metavar="RUN",
        help="folder of a run, a pack, or rounds.csv of another method",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: report/ in the run")
    parser.add_argument("--cost", choices=list(COSTS), default="queries", help="the axis of effort")
    parser.add_argument(
        "--seconds",
        metavar="WHICH",
        help="measured, assumed, or a file: prices the answers anew",
    )
    parser.add_argument("--at", type=_budgets, default=(), metavar="N,N", help="a table of the values at these budgets")
    parser.add_argument("--against", default="", metavar="STRATEGY", help="a table of the differences from it, with p")
    parser.add_argument("--mixed", action="store_true", help="compare runs of different protocols")
    parser.add_argument("--no-html", dest="html", action="store_false", help="no page, only tables and figures")
    parser.add_argument("--follow", action="store_true", help=FOLLOW)
    parser.epilog = (
        "A RUN may be a CSV file: rounds of a method run elsewhere, with the columns dataset, strategy, round, "
        "n_queries and data_miou or model_miou (shares in [0, 1]); see results/published/README.md."
    )


def _budgets(text: str) -> tuple[float, ...]:
    """``500,1000`` to numbers; argparse names the option where a part is none."""
    return tuple(float(part) for part in text.split(","))


def main(args) -> int:
    for run in filter(Path.is_dir, args.runs if args.follow else ()):
        source.trust(specs.of_run(run / "spec.json"))
    times = seconds.read(args.seconds) if args.seconds else None
    options = dict(cost=args.cost, times=times, mixed=args.mixed, html=args.html)
    to = report.write(args.runs, to=args.out, at=args.at, against=args.against, **options)
    remember(to, args.command)
    return 0
