"""Claims hold at the level at which they are made, in settings that broke former tests."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from runs import write_run
from scipy import stats

from bench import seeds
from bench.report import claims, results, tables
from bench.report.statistics import inference
from bench.report.study import Study

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
import claims_simulation as simulation


def allowed(share: float, n: int) -> float:
    """The share that n draws with this chance exceed one time in a thousand."""
    return stats.binom.ppf(0.999, n, share) / n


@pytest.mark.parametrize("n_seeds", [5, 10, 20])
@pytest.mark.parametrize("kind", simulation.NOISES)
def test_a_report_makes_false_claims_at_its_level_alone(kind, n_seeds):
    """C1, C2: a noisy strategy, heavy tails, skewed noise, correlated strategies; at a twentieth of the level too."""
    n_pages = 2000
    for ratio in simulation.RATIOS:
        rng = seeds.generator(0, "false claims", kind, n_seeds, ratio)
        for correlated in (False, True):
            drawn = simulation.scores(rng, kind, ratio, correlated, (n_pages, 7, n_seeds))
            assert simulation.false_pages(drawn, 1) <= allowed(0.05, n_pages)
            assert simulation.false_pages(drawn, 20) <= allowed(0.05 / 20, n_pages)


@pytest.mark.parametrize("kind", simulation.NOISES)
@pytest.mark.parametrize("correlated", [False, True])
def test_a_board_shows_few_false_differences(kind, correlated):
    """C1: 30 tables with a noisy strategy each; where nothing differs, and where half of the strategies are better."""
    n_boards = 60
    for ratio in simulation.RATIOS:
        rng = seeds.generator(0, "board", kind, correlated, ratio)
        equal, halves = simulation.false_discoveries(rng, kind, ratio, correlated, 5, n_boards)
        assert equal <= allowed(0.05, n_boards) and halves <= 0.05


@pytest.mark.parametrize("n_seeds", [5, 10, 20])
@pytest.mark.parametrize("kind", simulation.NOISES)
def test_the_printed_margin_is_found_four_times_in_five(kind, n_seeds):
    rng = seeds.generator(0, "power", kind, n_seeds)
    assert simulation.power(rng, kind, False, (2000, 7, n_seeds)) == pytest.approx(inference.POWER, abs=0.05)


def test_no_strategy_lends_its_calm_to_a_pair():
    """C2: the p of a pair rests on the spread of its own differences, whatever other strategies do."""
    drawn = 0.01 * seeds.generator(0, "calm").normal(size=(6, 5))
    level = inference.family_level(15)
    alone, among = inference.all_pairs(drawn[:2], level), inference.all_pairs(drawn, level)
    assert alone.p[0, 1] == pytest.approx(among.p[0, 1]) and alone.low[0, 1] == pytest.approx(among.low[0, 1])
    assert alone.p[0, 1] == pytest.approx(min(15 * stats.ttest_rel(drawn[0], drawn[1]).pvalue, 1))
    assert np.isfinite(alone.p[0, 1])


def alike(tmp_path, model: float | None = None) -> Study:
    """`entropy` has the curves of `sim`; ``model``: the mIoU of every model, whatever the labels."""
    out = write_run(tmp_path / "run", strategies=("random", "sim", "entropy"), n_seeds=5)
    for seed in range(5):
        sim, entropy = (out / "cells" / f"{name}__perfect__seed{seed}" / "rounds.csv" for name in ("sim", "entropy"))
        pd.read_csv(sim).assign(strategy="entropy").to_csv(entropy, index=False)
    table = pd.concat(map(pd.read_csv, sorted(out.glob("cells/*/rounds.csv"))))
    table.assign(**{} if model is None else {"model_miou": model}).to_csv(out / "rounds.csv", index=False)
    return Study(results.read([out]))


def remarks(study: Study) -> str:
    (setting,) = study.verdicts
    return " ".join(tables.remarks(study.verdicts[setting], tables.summarise(study, {setting[0]: 0.1})))


def test_equal_curves_and_targets_that_need_no_question_are_said(tmp_path):
    said = remarks(alike(tmp_path))
    assert "the same data mIoU in every round and seed, so that no test separates them: entropy, sim" in said
    assert "may predict one class" not in said
    assert "90 % of the supervised model is there before the first question" in said


def test_a_model_that_never_changes_is_said(tmp_path):
    study = alike(tmp_path, model=0.25)
    assert "model mIoU is the same after every round: the model may predict one class" in remarks(study)
    assert claims.reach(next(iter(study.verdicts.values()))["model"], 0.2).cost_to_95.isna().all()
