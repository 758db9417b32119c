"""One round is one trip round the loop: what the run files say is what happened, and the same command says it again."""

import dataclasses
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from problems import SHAPES, TIMINGS, read, setup_of

from adjudicators.first import First
from bench import costs, files, metrics, registry
from bench.acquisition import Strategy
from bench.experiment.cell import Cell, run_cell
from bench.experiment.round0 import Round0
from bench.learners.mmseg import Mmseg
from bench.types import ACTIONS, VOID, Query

pytestmark = pytest.mark.slow

TINY = Path(__file__).parent / "tiny_preset.py"
RARE = 'model.decode_head.loss_decode={"type":"CrossEntropyLoss","class_weight":[0.1,1,1,1,1,1,1]}'
FIT = ("--dataset", SHAPES, "--preset", TINY, "--cfg-options", RARE, "--jobs", 1)
LABELS = ("--dataset", SHAPES, "--model", "none", "--jobs", 1)
COUNTED = ("rounds.csv", "queries.csv", "classes.csv", "refined.csv")
CROWD = "crowd[n=3,of=noisy[rate=0.4],vote=dawid_skene]"


def run(alc, out, *arguments, seeds=1, rounds=2, budget=4):
    done = alc(
        "run", *arguments, "--seeds", seeds, "--rounds", rounds, "--budget", budget, "--out", out, report_too=False
    )
    assert done.code == 0, done.err
    return pd.read_csv(out / "rounds.csv", float_precision="round_trip")


def cell(out, strategy, oracle="perfect", seed=0) -> Path:
    return out / "cells" / files.slug(strategy, oracle, f"seed{seed}")


def queries(folder, name="queries.csv") -> pd.DataFrame:
    texts = dict.fromkeys(("image", "answer", "actions"), str)
    return pd.read_csv(folder / name, dtype=texts, keep_default_na=False)


def contents(out) -> dict[str, str]:
    """Everything that a run says, without its timings."""
    said = {}
    for path in sorted(p for name in COUNTED for p in out.rglob(name)):
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
        said[str(path.relative_to(out))] = frame.drop(columns=TIMINGS, errors="ignore").to_csv(index=False)
    return said


@pytest.fixture(scope="session")
def problem(alc):
    return read(setup_of(cache=os.environ["ALC_BENCH_CACHE"]))


@pytest.fixture(scope="session")
def trained(alc, tmp_path_factory):
    """Two strategies, two seeds, two rounds of training, and how often a network was fitted."""
    out, fits = tmp_path_factory.mktemp("trained") / "out", []
    with pytest.MonkeyPatch.context() as patch:
        fit = Mmseg.fit
        patch.setenv("ALC_BENCH_CACHE", str(tmp_path_factory.mktemp("no fits yet")))
        patch.setattr(Mmseg, "fit", lambda *a, **k: fits.append(1) or fit(*a, **k))
        run(alc, out, *FIT, "--strategy", "random", "--strategy", "sim", seeds=2)
    return out, len(fits)


def test_round_0_is_fitted_once_a_seed_and_shared(trained):
    out, n_fits = trained
    rows = pd.read_csv(out / "rounds.csv")
    first = rows[rows["round"] == 0]
    assert len(first) == 4 and (first.n_queries == 0).all()
    assert (first.groupby("seed").model_miou.nunique() == 1).all()
    assert first.model_miou.nunique() == 2
    assert n_fits == 2 + 4 * 2


def test_every_cell_has_a_row_a_round_and_counts_add_up(trained):
    rows = pd.read_csv(trained[0] / "rounds.csv")
    assert list(rows.columns[:6]) == ["dataset", "foundation", "strategy", "oracle", "seed", "round"]
    for key, one in rows.groupby(["strategy", "seed"]):
        assert one["round"].tolist() == [0, 1, 2]
        assert one.n_queries.tolist() == [0, 4, 8]
        assert (one.n_confirmed + one.n_corrected + one.n_void == one.n_queries).all()
        for name in ("cost_clicks", "cost_bits", "cost_s", "corrected_px", "harmed_px", "rewronged_px"):
            assert one[name].is_monotonic_increasing, (key, name)
        asked = queries(cell(trained[0], key[0], seed=key[1]))
        assert asked.number.tolist() == list(range(8))
        assert asked["round"].tolist() == [1] * 4 + [2] * 4
        assert not asked.duplicated(["image", "superpixel"]).any()
        for name in ("corrected_px", "harmed_px", "rewronged_px"):
            assert asked[name].sum() == one[name].iloc[-1]
        for unit, name in (("clicks", "cost_clicks"), ("bits", "cost_bits"), ("seconds", "cost_s")):
            assert costs.price(asked.kind, asked.actions, 7, unit).sum() == pytest.approx(one[name].iloc[-1])


def replayed(problem, folder) -> list[np.ndarray]:
    """Confusion matrices after every round, from scratch: queries and refinements over the pseudo labels."""
    labels = {name: problem.pseudo.labels(i).copy() for i, name in enumerate(problem.names)}
    areas = {name: problem.pseudo.superpixels(i) for i, name in enumerate(problem.names)}
    truth = {name: problem.dataset.truth("train", name) for name in problem.names}

    def matrix():
        return sum(metrics.confusion(truth[n], labels[n], problem.n_classes) for n in problem.names)

    asked, matrices = queries(folder), [matrix()]
    refined = queries(folder, "refined.csv") if (folder / "refined.csv").exists() else asked[:0]
    for number in range(1, asked["round"].max() + 1):
        for row in asked[asked["round"] == number].itertuples():
            inside = areas[row.image] == row.superpixel
            assert inside[row.row, row.column] and inside.sum() == row.size
            assert labels[row.image][row.row, row.column] == row.label_before
            if row.answer:
                labels[row.image][inside] = int(row.answer)
        for row in refined[refined["round"] == number].itertuples():
            labels[row.image][areas[row.image] == row.superpixel] = row.label
        matrices.append(matrix())
    return matrices


def check_replay(problem, rows, folder):
    found = replayed(problem, folder)
    assert rows.data_miou.tolist() == [metrics.miou(m) for m in found]
    assert rows.data_miou_labelled.tolist() == [metrics.miou(m, void_counts=False) for m in found]
    assert rows.data_accuracy.tolist() == [metrics.accuracy(m) for m in found]


@pytest.mark.parametrize("oracle", ["perfect", "noisy[rate=0.5]", "perfect[gate=superpixel,void=void]"])
def test_label_quality_kept_in_step_equals_that_from_scratch(alc, problem, tmp_path, oracle):
    rows = run(alc, tmp_path / "out", *LABELS, "--strategy", "random", "--oracle", oracle, rounds=4, budget=9)
    check_replay(problem, rows, cell(tmp_path / "out", "random", oracle))
    assert rows.model_miou.isna().all()


def test_of_training_too(problem, trained):
    rows = pd.read_csv(trained[0] / "rounds.csv", float_precision="round_trip")
    for (strategy, seed), one in rows.groupby(["strategy", "seed"]):
        check_replay(problem, one, cell(trained[0], strategy, seed=seed))


def test_classes_average_to_the_rounds(trained):
    folder = cell(trained[0], "sim", seed=1)
    rounds, classes = (pd.read_csv(folder / f"{name}.csv") for name in ("rounds", "classes"))
    means = classes.groupby("round")[["data_iou", "model_iou"]].mean()
    np.testing.assert_allclose(means.data_iou, rounds.data_miou)
    np.testing.assert_allclose(means.model_iou, rounds.model_miou)


def test_the_same_command_twice_says_the_same(alc, trained, tmp_path):
    run(alc, tmp_path / "out", *FIT, "--strategy", "random", "--strategy", "sim", seeds=2)
    assert contents(tmp_path / "out") == contents(trained[0])


def test_two_jobs_say_what_one_says(alc, trained, tmp_path):
    run(alc, tmp_path / "out", *FIT[:-1], 2, "--strategy", "random", "--strategy", "sim", seeds=2)
    assert contents(tmp_path / "out") == contents(trained[0])


def test_a_finished_run_is_not_done_again(alc, trained):
    before = contents(trained[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Mmseg, "fit", lambda *a, **k: pytest.fail("fitted again"))
        run(alc, trained[0], *FIT, "--strategy", "random", "--strategy", "sim", seeds=2)
    assert contents(trained[0]) == before


def test_more_strategies_join_a_finished_run(alc, trained, tmp_path):
    out = tmp_path / "out"
    run(alc, out, *FIT, "--strategy", "sim", seeds=2)
    rows = run(alc, out, *FIT, "--strategy", "random", seeds=2)
    assert sorted(rows.strategy.unique()) == ["random", "sim"]
    assert contents(out) == contents(trained[0])


class Crash(BaseException):
    """Nothing catches it: the process is gone."""


def crash_at(patch, n):
    """The process dies before its ``n``-th file is in its place. Returns the names of the files that were."""
    replace, made = os.replace, []

    def dying(source, target):
        made.append(Path(target).name)
        if len(made) == n:
            raise Crash
        replace(source, target)

    patch.setattr(os, "replace", dying)
    return made


def crashed(alc, out, n, *arguments, **options):
    with pytest.MonkeyPatch.context() as patch:
        crash_at(patch, n)
        with pytest.raises(Crash):
            run(alc, out, *arguments, **options)


@pytest.mark.parametrize(  # of an annotator that remembers, every write; of others, every third
    ("strategy", "oracle", "step"),
    [("random", "perfect", 3), ("random", CROWD, 1), ("area", "noisy[rate=0.5,of=tired]", 3)],
)
def test_a_run_that_dies_at_any_write_ends_the_same(alc, problem, tmp_path, strategy, oracle, step):
    assert problem.measured.confusion.any()  # the labels are in the cache: only the run's own files are counted
    command = (*LABELS, "--strategy", strategy, "--oracle", oracle)
    with pytest.MonkeyPatch.context() as patch:
        made = crash_at(patch, 10**9)
        run(alc, tmp_path / "whole", *command)
    assert "rounds.csv" in made and "queries.csv" in made
    for n in range(1, len(made) + 1, step):
        out = tmp_path / str(n)
        crashed(alc, out, n, *command)
        run(alc, out, *command)
        assert contents(out) == contents(tmp_path / "whole"), (n, made)
        assert not list(out.rglob("*partial*"))


@pytest.mark.parametrize("n", [3, 14, 20])
def test_a_training_run_that_dies_ends_the_same(alc, refined, n):
    out = refined.parent / f"crash{n}"
    crashed(alc, out, n, *FIT, "--strategy", "sim+lcm[tau=0.1]")
    run(alc, out, *FIT, "--strategy", "sim+lcm[tau=0.1]")
    assert contents(out) == contents(refined)


@pytest.fixture(scope="session")
def refined(alc, tmp_path_factory):
    out = tmp_path_factory.mktemp("refined") / "out"
    run(alc, out, *FIT, "--strategy", "sim+lcm[tau=0.1]")
    return out


def test_a_refiner_is_logged_counted_and_played_back(problem, refined):
    folder = cell(refined, "sim+lcm[tau=0.1]")
    rows, done = pd.read_csv(folder / "rounds.csv", float_precision="round_trip"), queries(folder, "refined.csv")
    assert rows.refined_px.iloc[0] == 0 and rows.refined_px.iloc[-1] == done.refined_px.sum() > 0
    assert rows.refined_harmed_px.iloc[-1] == done.refined_harmed_px.sum()
    asked = queries(folder)
    for number in (1, 2):  # only superpixels nobody was asked about so far
        seen = asked[asked["round"] <= number].merge(done[done["round"] == number], on=["image", "superpixel"])
        assert seen.empty
    check_replay(problem, rows, folder)


def test_a_warm_start_shares_round_0_and_then_goes_its_own_way(alc, trained, tmp_path):
    cold = pd.read_csv(trained[0] / "rounds.csv", float_precision="round_trip").query("strategy == 'sim' and seed == 0")
    warm = run(alc, tmp_path / "warm", *FIT, "--strategy", "sim", "--start", "warm")
    assert warm.model_miou.tolist()[0] == cold.model_miou.tolist()[0]
    assert warm.model_miou.tolist()[1:] != cold.model_miou.tolist()[1:]
    crashed(alc, tmp_path / "again", 16, *FIT, "--strategy", "sim", "--start", "warm")
    run(alc, tmp_path / "again", *FIT, "--strategy", "sim", "--start", "warm")
    assert contents(tmp_path / "again") == contents(tmp_path / "warm")


@pytest.mark.parametrize(("budget", "unit"), [("20s", "seconds"), ("7clicks", "clicks"), ("12.5bits", "bits")])
def test_a_budget_ends_with_the_answer_that_passes_it(alc, tmp_path, budget, unit):
    out, oracle = tmp_path / "out", "crowd[n=2,of=noisy[rate=0.2]]"
    rows = run(alc, out, *LABELS, "--strategy", "random", "--oracle", oracle, budget=budget)
    asked, amount = queries(cell(out, "random", oracle)), float(re.match(r"[\d.]+", budget)[0])
    for _, one in asked.groupby("round"):
        spent = costs.price(one.kind, one.actions, 7, unit).cumsum()
        assert spent[-1] >= amount and (spent[:-1] < amount).all()
    assert rows.n_queries.iloc[-1] == len(asked)


def test_a_budget_of_the_whole_pool_asks_all_once_and_then_nothing(alc, tmp_path):
    rows = run(alc, tmp_path / "out", *LABELS, "--strategy", "area", rounds=2, budget=10**6)
    n = len(queries(cell(tmp_path / "out", "area")))
    assert rows.n_queries.tolist() == [0, n, n]
    assert rows.data_miou.iloc[1] == rows.data_miou.iloc[2]


def test_no_budget_and_no_rounds(alc, tmp_path):
    rows = run(alc, tmp_path / "a", *LABELS, "--strategy", "random", budget=0)
    assert rows.n_queries.tolist() == [0, 0, 0]
    assert len(run(alc, tmp_path / "b", *LABELS, "--strategy", "random", rounds=0)) == 1
    for name in ("a", "b"):  # there is nothing to rank, and no reason to fail
        done = alc("report", tmp_path / name)
        assert done.code == 0, done.err


def test_a_seed_is_itself_whatever_its_company(alc, tmp_path):
    """Seed 0 alone is seed 0 among three; a strategy alone is the strategy among two: common random numbers."""
    alone = run(alc, tmp_path / "a", *LABELS, "--strategy", "random", "--oracle", "noisy[rate=0.5]")
    many = ("--strategy", "area", "--strategy", "random", "--oracle", "perfect", "--oracle", "noisy[rate=0.5]")
    run(alc, tmp_path / "b", *LABELS, *many, seeds=3)
    assert len(alone) == 3
    one = contents(cell(tmp_path / "a", "random", "noisy[rate=0.5]"))
    assert one == contents(cell(tmp_path / "b", "random", "noisy[rate=0.5]"))
    assert one["queries.csv"] != contents(cell(tmp_path / "b", "random", "noisy[rate=0.5]", 1))["queries.csv"]


def test_void_answers_by_both_rules(alc, tmp_path):
    """Shapes have no void truth: nothing may ever be voided there."""
    rows = run(alc, tmp_path / "out", *LABELS, "--strategy", "random", "--oracle", "perfect[void=void]", budget=30)
    assert (rows.n_void == 0).all()
    assert str(VOID) not in set(queries(cell(tmp_path / "out", "random", "perfect[void=void]")).answer)


class Watching(Strategy):
    """Asks the first rows, and keeps what it saw."""

    def __init__(self, seen):
        self.seen = seen

    def acquire(self, pool, budget, rng):
        self.seen.append(pool)
        return Query(np.flatnonzero(~pool.asked)[:budget])


@pytest.mark.parametrize(("oracle", "budget"), [("perfect", "12s"), ("abstaining[p=0.5]", "12")])
def test_a_pool_says_what_was_done_and_what_it_cost(problem, tmp_path, monkeypatch, oracle, budget):
    """Audit, row 22: a confirmed label, void and giving up are three actions; the spend has the unit of the budget."""
    seen, folder = [], tmp_path / "cell"
    monkeypatch.setattr(registry, "load_strategy", lambda spec: registry.Method(Watching(seen), First(), None))
    costly = dataclasses.replace(problem, budget=costs.budget(budget))
    run_cell(costly, None, Cell("watching", oracle, 0), Round0(problem.label_only, None, None, {}), folder)
    asked = queries(folder)
    for number, pool in enumerate(seen, 1):
        before = asked[asked["round"] < number]
        assert pool.asked.sum() == len(before)
        expected = costs.price(before.kind, before.actions, problem.n_classes, costly.budget.unit).sum()
        assert pool.spend == pytest.approx(expected)
        done = pool.action[pool.asked]
        assert sorted(ACTIONS[a] for a in done) == sorted(a.split()[-1] for a in before.actions)
        named = pool.answered[pool.asked]
        assert ((named == -1) == np.isin(done, [ACTIONS.index("void"), ACTIONS.index("give_up")])).all()
    assert seen[-1].asked.any() and len(set(seen[-1].action)) > 2


def test_a_cell_whose_maps_lie_on_disk_gives_the_same_results(tmp_path):
    problem, files = read(setup_of(rounds=3, cache=str(tmp_path))), []
    round0 = Round0(problem.label_only, None, None, {})
    for name, memory_bytes in (("memory", 2**20), ("disk", 1)):
        folder = tmp_path / name
        run_cell(problem, None, Cell("area", "perfect", 0), round0, folder, memory_bytes=memory_bytes)
        files.append((folder / "queries.csv").read_bytes() + (folder / "classes.csv").read_bytes())
    assert files[0] == files[1]
