"""Every strategy in a real run, and the bounds above and below all the others."""

from pathlib import Path

import pandas as pd
import pytest

from bench import registry

pytestmark = [pytest.mark.slow, pytest.mark.first]

TINY = Path(__file__).parent / "tiny_preset.py"
BOUNDS = ["clairvoyant_gain", "clairvoyant_worst"]
WRAPPED = {"power": "power[of=sim,beta=2]", "softrank": "softrank[of=sim,beta=2]"}
WRAPPED["net_gain"] = "net_gain[rate=0.1]"  # with auto it takes a rule that asks second people
NAMES = [WRAPPED.get(name, name) for name in registry.catalogue("strategies").classes]
LABEL_ONLY = ["random", "area", "cil_area", "cil_pixel", "power[of=area]", "softrank[of=cil_area]", "clairvoyant_miou"]


def run(alc, out, strategies, *arguments):
    """``rounds.csv`` of all strategies, one of them a row of the command line."""
    chosen = [word for name in strategies for word in ("--strategy", name)]
    done = alc("run", *chosen, *arguments, "--seeds", 1, "--out", out, report_too=False)
    assert done.code == 0, done.err
    return pd.read_csv(out / "rounds.csv")


def assert_bounds_hold(rounds):
    """By pixel accuracy of the labels, at every budget: those that correct, and all, whatever they ask.

    What a refiner relabels costs no question: it has no bound.
    """
    accuracy = rounds[~rounds.strategy.str.contains("+", regex=False)].pivot(
        index="round", columns="strategy", values="data_accuracy"
    )
    kinds = pd.Series({name: registry.load("strategies", name).question for name in accuracy})
    correcting = accuracy.loc[:, kinds == "correction"]
    assert (accuracy.clairvoyant_gain >= correcting.max(axis=1)).all(), accuracy.T
    assert (accuracy.clairvoyant_worst <= correcting.min(axis=1)).all(), accuracy.T
    if "clairvoyant_best" in accuracy:
        assert (accuracy.clairvoyant_best >= accuracy.max(axis=1)).all(), accuracy.T


def test_all_run_on_shapes_and_none_passes_the_bounds_with_one_model(alc, tmp_path):
    other_kinds = ["sim[question=dominant]", "cil[question=classification]", "clairvoyant_gain[question=dominant]"]
    names = [*NAMES, *other_kinds, "sim+lcm"]
    small = ("--preset", TINY, "--dataset", "shapes[train=10,val=4,size=64]", "--rounds", 1, "--budget", 8)
    rounds = run(alc, tmp_path / "run", names, *small, "--jobs", 1)
    last = rounds[rounds["round"] == 1].set_index("strategy")
    assert set(last.index) == set(names) and len(names) > 34
    stops = [name for name in names if registry.load_strategy(name).strategy.may_stop or name.startswith("clairvoyant")]
    assert (last.n_queries.drop(stops) == 8).all()
    assert_bounds_hold(rounds)


def test_none_passes_the_bounds_at_any_budget_on_the_released_pascal_files(alc, real_data, tmp_path):
    voc = real_data / "pascal-voc"
    files = ("--foundation", f"files[root={voc / 'grounded-sam'}]", "--scores", voc / "grounded-sam" / "cil_pixel.csv")
    labels = ("--dataset", "pascal", "--data-root", voc / "VOCdevkit", "--model", "none", *files)
    asked = [word for gate in ("pixel", "superpixel") for word in ("--oracle", f"perfect[gate={gate}]")]
    rounds = run(alc, tmp_path / "run", [*LABEL_ONLY, *BOUNDS], *labels, "--rounds", 3, *asked)
    assert rounds["round"].max() == 3 and (rounds.n_queries[rounds["round"] == 3] > 0).all()
    assert rounds.oracle.nunique() == 2
    for _, of_one in rounds.groupby("oracle"):
        assert_bounds_hold(of_one)
