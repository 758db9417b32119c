"""Tables for a paper: by hand, and against the tests of the report."""

import argparse

import numpy as np
import pandas as pd
import pytest
from runs import write_run

from bench import report
from bench.commands import report as command
from bench.report import claims, paper, results
from bench.report.study import Study
from bench.types import InputError


def test_values_at_budgets_of_ones_choice(tmp_path):
    out = write_run(tmp_path / "run", n_seeds=3)
    study = Study(results.read([out]))
    table = paper.values(study, [75, 200]).set_index(["metric", "strategy", "budget"])
    rounds = (
        results.read([out])
        .rounds.query("strategy == 'sim'")
        .pivot(index="seed", columns="n_queries", values="data_miou")
    )
    between = (rounds[50] + rounds[100]) / 2
    assert table.loc[("data", "sim", 75), "mean"] == pytest.approx(between.mean())
    assert table.loc[("data", "sim", 75), "std"] == pytest.approx(between.std())
    assert table.loc[("data", "sim", 200), "mean"] == pytest.approx(rounds[200].mean())
    with pytest.raises(InputError, match="--at 500: expected 0 to 200 queries, which all curves of shapes"):
        paper.values(study, [500])


def test_differences_from_a_baseline_are_those_of_the_pairs(tmp_path):
    study = Study(results.read([write_run(tmp_path / "run", n_seeds=5)]))
    table = paper.against(study, "random").query("metric == 'data'").set_index("strategy")
    (verdicts,) = study.verdicts.values()
    pairs = claims.pairs(verdicts["data"]).query("b == 'random'").set_index("a")
    for name in ("difference", "low", "high", "p"):
        assert table[name].to_dict() == pytest.approx(pairs[name].to_dict())
    with pytest.raises(InputError, match="--against sum: expected a ranked strategy; there are: cil_pixel, entropy"):
        paper.against(study, "sum")


def test_the_command_writes_tables_of_numbers_and_latex(tmp_path, capsys):
    out = write_run(tmp_path / "run", n_seeds=3, rounds=2)
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    args = parser.parse_args([str(out), "--at", "50,100", "--against", "random", "--no-html"])
    args.command = "alc-bench report"
    assert command.main(args) == 0 and "for a paper: " in capsys.readouterr().out
    to = out / "report"
    assert pd.read_csv(to / "at.csv").budget.unique().tolist() == [50, 100]
    text = (to / "against.tex").read_text(encoding="utf-8")
    assert "difference from random" in text and "toprule" in text
    classes = pd.read_csv(to / "classes.csv")
    last = report.load_results(out).query("strategy == 'sim' and round == 2").data_miou.mean()
    assert classes.query("strategy == 'sim'").data_iou.mean() == pytest.approx(last, abs=0.02)
    assert np.isfinite(classes.model_iou).any()
    with pytest.raises(SystemExit):
        parser.parse_args([str(out), "--at", "many"])
