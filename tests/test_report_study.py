"""The test behind a comparison: budgets, images, kinds of question, other costs and metrics."""

import shutil

import numpy as np
import pandas as pd
import pytest
from runs import write_run

from bench import metrics, seeds
from bench.report import claims, results, tables
from bench.report.comparison import Comparison
from bench.report.figures import curves
from bench.report.layout import Layout
from bench.report.statistics import inference
from bench.report.study import Study, Verdict
from bench.runs import confusions
from bench.runs.confusions import Counts, Images
from bench.types import InputError


def compare(outs):
    (setting, block), *_ = results.read(outs).settings()
    return Comparison(setting, block)


def edit(file, change):
    change(pd.read_csv(file, dtype=str, keep_default_na=False)).to_csv(file, index=False)


def sentences(verdict):
    return [claim.text for claim in claims.claims([verdict])]


def test_penalties_are_corrected_for_budgets_too(tmp_path):
    """Row 15: by hand, at each budget, with a tenth of the level; and only for pairs that differ by area."""
    verdict = Verdict(compare([write_run(tmp_path / "run", n_seeds=5)]))
    of, found = verdict.of, claims.penalties(verdict)
    budgets = np.linspace(*of.span, 11)[1:]
    expected = np.zeros((4, 4))
    for budget in budgets:
        values = [[np.interp(budget, *of.curves[name][seed]) for seed in of.seeds] for name in of.ranked]
        expected += inference.all_pairs(np.array(values), verdict.pair_level / 10).better / 10
    apart = verdict.pairs.better | verdict.pairs.better.T
    off = ~np.eye(4, dtype=bool)
    assert found[off] == pytest.approx((expected * apart)[off]) and found[off].max() > 0.5


def test_images_of_each_cell_give_label_only_runs_a_spread(tmp_path):
    """Row 6: seeds without a spread say nothing; the confusion matrices by image do, and the page says so."""
    out = write_run(tmp_path / "run", strategies=("entropy", "random", "sim"), n_seeds=3, model=False, rounds=2)
    right = {"random": 0.70, "entropy": 0.701, "sim": 0.9}
    value = {}
    for file in sorted(out.glob("cells/*/rounds.csv")):
        name = file.parent.name.partition("__")[0]
        counts = Counts.of(np.stack([_matrices(share, name) for share in (0.5, (0.5 + right[name]) / 2, right[name])]))
        confusions.write(file.parent / "images.npz", Images(counts))
        value[name] = [f"{metrics.miou(total):.6f}" for total in counts.totals()]

    def measured(table):
        return table.assign(data_miou=[value[s][int(r)] for s, r in table[["strategy", "round"]].to_numpy()])

    edit(out / "rounds.csv", measured)
    verdict = Verdict(compare([out]))
    assert verdict.over_images and claims.ranking(verdict).rank_low.to_dict() == {"entropy": 2, "random": 2, "sim": 1}
    assert any(s.startswith("tests over 3 seeds and images") for s in sentences(verdict))
    assert claims.penalties(verdict)[2, 0] > 0.5
    found = results.read([out])
    one = results.Results(found.rounds.query("seed == 0"), found.cells.query("seed == 0"), {})
    (verdict,) = (row["data"] for row in Study(one).verdicts.values())
    assert claims.ranking(verdict).rank_low.to_dict() == {"entropy": 2, "random": 2, "sim": 1}
    assert any(
        s.startswith("tests over images") and s.endswith("other seeds are not tested") for s in sentences(verdict)
    )
    cut = out / "cells/sim__perfect__seed0/images.npz"
    confusions.write(cut, Images(confusions.read(cut).data.until(1)))
    with pytest.raises(InputError, match=r"images\.npz: expected 3 rounds of the data, as in rounds\.csv; got 2"):
        claims.ranking(Verdict(compare([out])))
    shutil.rmtree(cut.parent)
    verdict = Verdict(compare([out]))
    assert any(s.startswith("1 of 9 cells have no images.npz, or their folder is gone") for s in sentences(verdict))
    assert not verdict.over_images and np.isnan(verdict.pairs.p[np.triu_indices(3, 1)]).all()
    assert any("no difference varies over the 3 seeds" in s for s in sentences(verdict))
    assert claims.ranking(verdict).isna().all(axis=None)


def _matrices(right: float, name: str) -> np.ndarray:
    """(40, 2, 3): images of which a share of about ``right`` of the pixels is right."""
    share = np.clip(right + seeds.generator(0, "images", name).normal(0, 0.05, 40), 0, 1)
    hit = np.round(1000 * share).astype(int)
    found = np.zeros((40, 2, 3), int)
    for c in (0, 1):
        found[:, c, c], found[:, c, 1 - c] = hit, 1000 - hit
    return found


def test_kinds_of_question_have_rankings_of_their_own(tmp_path):
    """Row 16: over the number of questions each kind is ranked alone; over what they cost, all together."""
    out = write_run(tmp_path / "run", n_seeds=5, model=False)
    found = results.read([out])
    asked = found.cells.strategy.map(lambda name: "multiclass" if name in ("entropy", "random") else "correction")
    found = results.Results(found.rounds, found.cells.assign(question=asked), found.specs)
    (verdict,) = (row["data"] for row in Study(found).verdicts.values())
    assert {kind: sorted(names) for kind, names in verdict.of.kinds.items()} == {
        "correction": ["cil_pixel", "sim"],
        "multiclass": ["entropy", "random"],
    }
    assert claims.ranking(verdict).rank_low.to_dict() == {"sim": 1, "cil_pixel": 2, "entropy": 1, "random": 2}
    assert claims.ranking(verdict).rank_high.max() == 2
    across = claims.pairs(verdict)
    assert set(zip(across.a, across.b, strict=True)) == {
        ("entropy", "random"), ("random", "entropy"), ("sim", "cil_pixel"), ("cil_pixel", "sim")
    }  # fmt: skip
    (section,) = Layout(Study(found)).sections
    assert section.summary.headings[1] == "question"
    assert [row[1].text for row in section.summary.cells] == ["correction"] * 2 + ["multiclass"] * 2
    (by_cost,) = (row["data"] for row in Study(found, "bits").verdicts.values())
    assert claims.ranking(by_cost).rank_high.max() == 4


def test_the_end_of_another_cost_is_named(tmp_path):
    """Row 8: a value where the shortest curve ends is no last round; where that is stands below."""
    out = write_run(tmp_path / "run", strategies=("random", "sim"), n_seeds=3, model=False)

    def spend_more(table):
        each = table.strategy.map({"sim": 100, "random": 60})
        return table.assign(cost_bits=each * table["round"].astype(int))

    edit(out / "rounds.csv", spend_more)
    for cost, heading, share in (("bits", "data mIoU end", 0.6), ("queries", "data mIoU last round", 1)):
        study = Study(results.read([out]), cost)
        summary = tables.summarise(study)
        assert heading in Layout(study).sections[0].summary.headings
        assert summary.set_index("strategy").end_share.to_dict() == pytest.approx({"random": 1, "sim": share})
        (said,) = (tables.remarks(row, summary) for row in study.verdicts.values())
        text = "curves end apart: all are compared up to 240 bits, which is 60 % of sim's"
        assert (text in said) == (cost == "bits")


def test_labelled_pixels_are_a_metric_where_others_published_that_alone(tmp_path):
    """Row 7: drawn, ranked and tested beside the others; without such a file there is no third metric."""
    out = write_run(tmp_path / "run", strategies=("random", "sim"), n_seeds=4, model=False)
    assert set(*(row for row in Study(results.read([out])).verdicts.values())) == {"data", "model"}
    theirs = pd.read_csv(out / "rounds.csv").query("strategy == 'sim'").assign(strategy="A2LC", model_miou=0.5)
    columns = ["dataset", "strategy", "round", "n_queries", "data_miou_labelled", "model_miou"]
    theirs.groupby(["dataset", "strategy", "round"], as_index=False).mean(numeric_only=True)[columns].to_csv(
        tmp_path / "published.csv", index=False
    )
    study = Study(results.read([out, tmp_path / "published.csv"]))
    (verdicts,) = study.verdicts.values()
    assert list(verdicts["labelled"].of.foreign) == ["A2LC"] and "A2LC" not in verdicts["data"].of.foreign
    summary = tables.summarise(study).set_index("strategy")
    assert summary.labelled_rank_low.dropna().to_dict() == {"random": 2, "sim": 1}
    assert summary.labelled_area_mean["A2LC"] == pytest.approx(summary.labelled_area_mean["sim"])
    assert "data mIoU, labelled pixels, area" in Layout(study).sections[0].summary.headings
    axes = curves.curves(study).subfigs[1].axes
    assert axes[-1].get_title(loc="left") == "data mIoU, labelled (%)"
    assert [line.get_linestyle() for line in axes[-1].lines].count(":") == 1


def test_a_run_says_what_each_of_its_strategies_asks(alc, tmp_path):
    """Audit, row 16. And the report ranks within a kind."""
    words = ("--dataset", "shapes[train=12,val=6,size=64]", "--model", "none", "--rounds", 1, "--budget", 4)
    names = ("area", "random", "area[question=dominant]", "random[question=dominant]")
    asked = [word for name in names for word in ("--strategy", name)]
    done = alc("run", *words, *asked, "--seeds", 1, "--out", tmp_path / "out", report_too=False)
    assert done.code == 0, done.err
    ((setting, block),) = results.read([tmp_path / "out"]).settings()
    assert {kind: sorted(found) for kind, found in Comparison(setting, block).kinds.items()} == {
        "correction": ["area", "random"],
        "dominant": ["area[question=dominant]", "random[question=dominant]"],
    }
