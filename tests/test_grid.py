"""The grid: what is left to do, and in which order workers are given it."""

from problems import setup_of

from bench.experiment.grid import Grid
from bench.experiment.workers import local


def test_the_cells_of_a_seed_wait_for_its_round_0_only(tmp_path):
    """One seed's cells run while another seed has not begun."""
    setup, done = setup_of(rounds=1, cache=str(tmp_path)), []
    cells = Grid(setup, ["area"], ["perfect"], 3, tmp_path / "run")

    with local.here(setup, setup.read(), lambda *_: None) as submit:

        def noted(task, out, what, needs):
            done.append((task.__name__, getattr(what, "seed", what)))
            return submit(task, out, what, needs)

        assert cells.run_on(noted) == []
    assert sorted(done) == [("begin", 0), ("begin", 1), ("begin", 2), ("work", 0), ("work", 1), ("work", 2)]
    assert all(done.index(("begin", seed)) < done.index(("work", seed)) for seed in range(3))


def test_what_is_left_counts_rounds_of_questions(tmp_path):
    setup = setup_of(rounds=2, cache=str(tmp_path))
    grid = Grid(setup, ["area", "random", "area"], ["perfect"], 2, tmp_path / "run")
    assert [(c.strategy, c.seed) for c in grid.cells] == [("area", 0), ("random", 0), ("area", 1), ("random", 1)]
    assert grid.left() == dict.fromkeys(grid.cells, 2) and grid.seeds_to_begin() == set()
    assert grid.fits_left() == grid.n_steps() == 8
    with local.here(setup, setup.read(), lambda *_: None) as submit:
        assert grid.run_on(submit) == []
    assert grid.left() == {}
    more = Grid(setup, ["area", "random"], ["perfect"], 3, tmp_path / "run")
    assert [cell.seed for cell in more.left()] == [2, 2]
