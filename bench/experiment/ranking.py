"""The pool before any question, as a strategy sees it: for those who want its scores alone."""

from pathlib import Path

from bench.experiment.cell import check, needs
from bench.experiment.problem import MEMORY_BYTES, Problem, Setup, Step
from bench.experiment.round0 import load_round0
from bench.experiment.session import Session
from bench.labels import LabelMaps
from bench.types import Candidates, Pool


def first_pool(
    setup: Setup, problem: Problem, strategy: str, oracle: str, out: Path, seed: int, on_step: Step
) -> tuple[Candidates, Pool]:
    """The candidates of round 1, with their ids, and the pool that the ``strategy`` sees: its rows are the same.

    A model is trained first, unless the folder ``out`` has that of the seed. Raises InputError for a cell that could
    not run.
    """
    check(strategy, oracle, setup)
    round0 = load_round0(problem, setup.learner, out, seed, needs(strategy, oracle), on_step)
    session = Session(problem, oracle, seed, LabelMaps(problem.pseudo.labels, MEMORY_BYTES))
    table = session.drawn_order(round0.candidates)
    return table, session.pool(1, table)
