"""The contract that every strategy keeps, whatever it computes."""

import inspect

import numpy as np
import pytest
from pools import pool, random_columns

from bench import registry
from bench.registry import parse
from bench.testing import check_strategy
from bench.types import QUESTIONS, Candidates, InputError

NAMES = sorted(registry.catalogue("strategies").classes)
SPECS = [
    *NAMES,
    "power[of=tta_bald]",
    "priced[of=entropy,unit=bits]",
    "priced[of=sim,question=multiclass]",
    "class_balanced_entropy[share=1]",
    "clue[temperature=0.1]",
    "softrank[of=normalized_margin]",
    "bvsb[temperature=0.1]",
    "class_balanced[over=pixels]",
]
SPECS += ["net_gain[of=cil_area,rate=0.2]", "net_gain[of=cil]"]
SPECS += ["pixelpick[score=entropy,share=0.3]", "ripu[window=5]", "redal[clusters=3]", "clue[iterations=2]"]
CATALOGUE = {
    "random", "area", "entropy", "confidence", "margin", "bvsb", "pixelpick", "tta_bald",
    "tta_predictive_entropy", "tta_expected_entropy", "tta_vote_entropy", "class_balanced",
    "class_balanced_entropy", "priced", "pixbal", "coreset", "badge", "clue", "falcun", "power",
    "softrank", "redal", "ripu", "ripu_region", "cil_pixel", "cil", "cil_area", "sim", "abc", "softmin",
    "confident_learning", "normalized_margin", "weighted_entropy", "cross_entropy", "label_cleaning", "aiou",
    "clairvoyant_best", "clairvoyant_gain", "clairvoyant_miou", "clairvoyant_worst",
}  # fmt: skip
N = 60


def made(spec, n=N, asked=(), seed=0):
    strategy = registry.load("strategies", spec)
    return strategy, pool(random_columns(strategy.needs, n, seed=seed), 5, asked)


def ask(strategy, p, budget, seed=1):
    return strategy.acquire(p, budget, np.random.default_rng(seed)).rows


def ids(p, rows):
    return p.candidates.superpixel[rows].tolist()


def test_the_whole_catalogue_is_there_and_nothing_is_broken():
    assert set(NAMES) >= CATALOGUE
    assert not registry.catalogue("strategies").broken


@pytest.mark.parametrize("spec", SPECS)
def test_keeps_the_contract(spec):
    check_strategy(spec)
    strategy = registry.load("strategies", spec)
    assert ":" in inspect.getdoc(type(strategy)).partition("\n")[0]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", QUESTIONS)
def test_asks_any_kind_of_question(name, kind):
    strategy, p = made(f"{name}[question={kind}]")
    assert strategy.acquire(p, 3, np.random.default_rng(1)).kind == kind
    entry = next(e for e in registry.describe("strategies") if e["name"] == name)
    assert any(parameter.startswith("question=") for parameter in entry["parameters"])


@pytest.mark.parametrize("spec", SPECS)
def test_equal_rows_are_asked_in_the_order_of_the_seeded_hash(spec):
    strategy, p = made(spec)
    columns = dict(p.candidates.columns)
    for name in columns.keys() - {"image", "superpixel", "row", "column"}:
        columns[name] = np.repeat(columns[name][:1], N, axis=0)
    columns["image"] = np.zeros(N, np.int32)
    p = pool(columns, 5)
    rows = ask(strategy, p, N)
    assert sorted(rows.tolist()) == list(range(N)) or strategy.may_stop
    draws = {"badge", "falcun", "clue", "pixelpick", "power", "softrank", "redal", "coreset", "class_balanced_entropy"}
    draws |= {"clasp_pe"}
    if parse(spec)[0] not in draws:
        assert rows.tolist() == np.argsort(p.ties)[: len(rows)].tolist()


@pytest.mark.parametrize("spec", [s for s in SPECS if registry.load("strategies", s).needs])
def test_nan_is_refused(spec):
    strategy, p = made(spec)
    for need in strategy.needs:
        if p.candidates.columns[need].dtype.kind == "f":
            spoilt = p.candidates.columns[need].copy()
            spoilt[2] = np.nan
            with pytest.raises(InputError, match="NaN"):
                Candidates(dict(p.candidates.columns) | {need: spoilt})


@pytest.mark.parametrize("name", [n for n in NAMES if not registry.load("strategies", n).reads_truth])
def test_no_truth_is_reachable(name):
    module = inspect.getmodule(registry.catalogue("strategies").classes[name])
    assert not {"Truth", "oracles", "datasets"} & set(vars(module))
    assert not any(n.startswith("truth") for n in registry.load("strategies", name).needs)


def test_wrappers_read_the_truth_when_what_they_wrap_does():
    assert registry.load("strategies", "softrank[of=clairvoyant_worst]").reads_truth


def test_random_subsets_nest_and_are_used_up_round_after_round():
    strategy, p = made("random")
    rows = ask(strategy, p, 30, seed=1).tolist()
    assert ask(strategy, p, 12, seed=2).tolist() == rows[:12]
    assert ask(strategy, made("random", asked=rows[:12])[1], 18, seed=3).tolist() == rows[12:]


SENSELESS = [
    "bvsb[temperature=0]",
    "class_balanced[over=all]",
    "pixbal[nu=-1]",
    "pixelpick[score=sim]",
    "ripu[window=4]",
]
SENSELESS += ["power[of=coreset]", "power[beta=0]", "softrank[of=nothing]", "redal[decay=0]", "clue[iterations=0]"]
SENSELESS += ["clue[temperature=0]", "priced[of=badge]", "priced[unit=euros]", "class_balanced_entropy[share=2]"]
SENSELESS += ["class_balanced_entropy[background=sky]"]
SENSELESS += ["pixelpick[share=0]", "falcun[gamma=-1]"]


@pytest.mark.parametrize("spec", SENSELESS)
def test_parameters_that_make_no_sense_are_refused(spec):
    with pytest.raises(InputError):
        registry.load("strategies", spec)


def test_power_refuses_scores_below_zero():
    strategy, p = made("power[of=normalized_margin]")
    with pytest.raises(InputError, match="softrank"):
        ask(strategy, p, 3)
