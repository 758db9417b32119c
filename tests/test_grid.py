"""The grid: what is left to do, and in which order workers are given it."""

import pandas as pd
import pytest
from problems import TIMINGS, Hand, Nearest, by_hand, setup_of

from baselines.uncertainty import Entropy
from bench import costs
from bench.costs.seconds import ASSUMED
from bench.experiment.grid import Grid
from bench.experiment.problem import Setup
from bench.experiment.settings import Settings
from bench.experiment.workers import local
from bench.foundation.files import Files
from bench.types import InputError


def test_the_cells_of_a_seed_wait_for_its_round_0_only(tmp_path):
    """One seed's cells run while another seed has not begun."""
    setup, done = setup_of(rounds=1, cache=str(tmp_path)), []
    cells = Grid(setup, ["area"], ["perfect"], range(3), tmp_path / "run")

    with local.here(setup, setup.read(), lambda *_: None) as submit:

        def noted(task, out, what, needs):
            done.append((task.__name__, getattr(what, "seed", what)))
            return submit(task, out, what, needs)

        assert cells.run_on(noted) == []
    assert sorted(done) == [("begin", 0), ("begin", 1), ("begin", 2), ("work", 0), ("work", 1), ("work", 2)]
    assert all(done.index(("begin", seed)) < done.index(("work", seed)) for seed in range(3))


def test_what_is_left_counts_rounds_of_questions(tmp_path):
    setup = setup_of(rounds=2, cache=str(tmp_path))
    grid = Grid(setup, ["area", "random", "area"], ["perfect"], range(2), tmp_path / "run")
    assert [(c.strategy, c.seed) for c in grid.cells] == [("area", 0), ("random", 0), ("area", 1), ("random", 1)]
    assert grid.left() == dict.fromkeys(grid.cells, 2) and grid.seeds_to_begin() == set()
    assert grid.fits_left() == 8 and grid.n_steps() == 12  # without a model, round 0 is a step
    with local.here(setup, setup.read(), lambda *_: None) as submit:
        assert grid.run_on(submit) == []
    assert grid.left() == {}
    more = Grid(setup, ["area", "random"], ["perfect"], range(3), tmp_path / "run")
    assert [cell.seed for cell in more.left()] == [2, 2]


def grown(folder, rounds, start="cold") -> Grid:
    """`Hand`, with a learner, in ``folder/run``."""
    by_hand(folder / str(rounds[0]))
    for n in rounds:
        settings = Settings("hand", foundation="files", rounds=n, budget="1", start=start, cache=str(folder))
        files = Files(folder / str(rounds[0]))
        setup = Setup(settings, Hand(), files, Nearest(3), costs.budget("1"), ASSUMED)
        grid = Grid(setup, ["entropy"], ["perfect"], range(1), folder / "run")
        with local.here(setup, setup.read(), lambda *_: None) as submit:
            assert grid.run_on(submit) == []
    return grid


def test_more_rounds_later_are_the_rounds_of_one_run(tmp_path):
    """The model that the last round left is gone, and trained again on the labels that it was trained on."""
    later, at_once = grown(tmp_path / "a", (1, 3)), grown(tmp_path / "b", (3,))
    tables = [pd.read_csv(g.out / "rounds.csv").drop(columns=TIMINGS) for g in (later, at_once)]
    assert tables[0]["round"].tolist() == [0, 1, 2, 3]
    pd.testing.assert_frame_equal(*tables)
    assert later.setup.protocol() == at_once.setup.protocol()
    questions = [(g.cells[0].folder(g.out) / "queries.csv").read_text() for g in (later, at_once)]
    assert questions[0] == questions[1]


def test_a_warm_run_that_is_done_takes_no_more_rounds(tmp_path):
    with pytest.raises(InputError, match="--start warm cannot add rounds"):
        grown(tmp_path, (1, 2), start="warm")


def test_a_strategy_that_needs_what_is_not_there_is_refused_with_a_hint(tmp_path, monkeypatch):
    monkeypatch.setattr(Entropy, "needs", ("entropy_summ",))
    by_hand(tmp_path / "p")
    settings = Settings("hand", foundation="files", budget="1")
    setup = Setup(settings, Hand(), Files(tmp_path / "p"), Nearest(3), costs.budget("1"), ASSUMED)
    with pytest.raises(InputError, match=r"'entropy' needs what .* did you mean 'entropy_sum'\?"):
        Grid(setup, ["entropy"], ["perfect"], range(1), tmp_path / "run")
