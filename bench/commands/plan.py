"""``alc-bench plan``: the work of ``run`` with the same arguments, and its time and space."""

from bench.commands import run
from bench.experiment import plan
from bench.experiment.run import grid_of
from bench.experiment.workers import local

EXAMPLES = (
    "alc-bench plan --strategy random --strategy sim --seeds 5 --rounds 10",
    "alc-bench plan --config grid.toml",
)


def add_arguments(parser) -> None:
    run.add_arguments(parser)


def main(args) -> int:
    request = run.request_of(args)
    grid = grid_of(request, check=False)
    for heading, text in plan.plan(grid, request.jobs or local.default_jobs(grid.setup)).items():
        print(f"{heading:8}{text}")
    return 0
