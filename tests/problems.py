"""Small problems for tests: generated data, read, with what works through their cells."""

from bench import runfiles
from bench.experiment.problem import Problem, Setup
from bench.experiment.settings import Settings
from bench.experiment.workers import local

SHAPES = "shapes[train=12,val=6,size=64]"
TIMINGS = runfiles.names(runfiles.ROUNDS, "time")


def setup_of(dataset=SHAPES, model="none", **settings) -> Setup:
    return Setup.of(Settings(dataset, model=model, **settings))


def read(setup: Setup) -> Problem:
    return setup.read()


def here(setup: Setup, problem: Problem | None = None):
    """Opens a worker in this process."""
    return lambda: local.here(setup, problem or setup.read(), lambda what, n: None)
