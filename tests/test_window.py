"""The window of a learner: rows by seed and labels, and what they come to."""

import numpy as np
import pandas as pd
import pytest
from problems import Nearest, by_hand

from bench.commands import main
from bench.experiment import window


def test_rows_are_seed_by_seed_on_truth_and_pseudo_labels(tmp_path):
    problems = {("near", Nearest(3)): by_hand(tmp_path, learner=Nearest(3))}
    rows = pd.DataFrame(list(window.rows(problems, 2)))
    assert list(rows) == list(window.ROW)
    assert rows["labels"].tolist() == ["truth", "pseudo"] * 2 and rows["seed"].tolist() == [0, 0, 1, 1]
    assert (rows.loc[rows["labels"] == "truth", "data_miou"] == 1).all()
    assert (rows.loc[rows["labels"] == "pseudo", "data_miou"] < 1).all()
    assert (rows["model_miou"] == 1).sum() >= 2 and (rows["fit_s"] > 0).all()


def test_the_window_and_its_spread_by_hand():
    miou = {"truth": (0.8, 0.82), "pseudo": (0.7, 0.74)}
    rows = [
        dict(preset="a", n_steps=5, labels=labels, seed=seed, model_miou=x, fit_s=2.0 + seed, fit_cpu_s=1.0)
        for labels, values in miou.items()
        for seed, x in enumerate(values)
    ]
    found = window.summary(pd.DataFrame(rows)).iloc[0]
    assert (found["truth"], found["pseudo"], found["window"]) == pytest.approx((0.81, 0.72, 0.09))
    assert found["spread"] == pytest.approx(np.sqrt((0.0002 + 0.0008) / 2))
    assert found["ratio"] == pytest.approx(0.09 / np.sqrt(0.0005)) and found["fit_s"] == 2.5


def test_time_fit_writes_a_row_a_fit_and_a_figure(alc, tmp_path, capsys):
    out = tmp_path / "fit.csv"
    tiny = "shapes[train=12,val=6,size=64]"
    command = ["time", "fit", "--preset", "smoke", "--steps", "21,25", "--seeds", "1", "--dataset", tiny]
    assert main([*command, "--device", "cpu", "--out", str(out)]) == 0
    table = pd.read_csv(out)
    assert table[["preset", "n_steps", "labels"]].values.tolist() == [
        ["smoke", n, labels] for n in (21, 25) for labels in ("truth", "pseudo")
    ]
    assert out.with_suffix(".png").stat().st_size > 0 and "gap" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", [["--steps", "many"], ["--seeds", "0"], ["--preset", "none.py"]])
def test_time_fit_refuses_in_one_line(wrong, capsys):
    assert main(["time", "fit", "--device", "cpu", *wrong]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
