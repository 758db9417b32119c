"""What may be said: rankings, coverage, foreign results, other prices, noise, repeats."""

import argparse
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from runs import write_run
from scipy import stats

from bench.commands import report as command
from bench.costs import seconds
from bench.report import cell_files, claims, layout, results, tables
from bench.report.comparison import Comparison
from bench.report.figures import curves, panels
from bench.report.layout import Layout
from bench.report.page import document, index
from bench.report.statistics import inference
from bench.report.study import Study, Verdict
from bench.report.table import Cell, Table
from bench.types import InputError

pytestmark = pytest.mark.slow

PUBLISHED = Path(__file__).parents[1] / "results" / "published"


def quiet():
    return Console(file=io.StringIO(), width=100)


def compare(outs, metric="data", cost="queries", **options):
    (setting, block), *_ = results.read(outs, **options).settings()
    return Comparison(setting, block, metric, cost)


def edit(file, change):
    change(pd.read_csv(file, dtype=str, keep_default_na=False)).to_csv(file, index=False)


def sentences(verdict):
    return [claim.text for claim in claims.claims([verdict])]


def test_few_seeds_get_a_sentence_and_no_test(tmp_path):
    for n, said in ((1, "one seed: its spread is not known"), (2, "2 seeds are too few for tests and intervals")):
        verdict = Verdict(compare([write_run(tmp_path / str(n), n_seeds=n)]))
        assert any(said in sentence for sentence in sentences(verdict))
        found = claims.pairs(verdict)
        assert len(found) == 12 and found[["p", "low", "high", "margin", "wins"]].isna().all(axis=None)
        assert claims.ranking(verdict).isna().all(axis=None)
        assert panels.penalty(Study(verdict.of.results)) is None


def test_enough_seeds_get_tests_intervals_and_a_penalty_matrix(tmp_path):
    """Rows 2, 12 and 15: one test behind the pairs, the margin, the ranks and the penalties."""
    out = write_run(tmp_path / "run", n_seeds=6, model=False)
    verdict = Verdict(compare([out]))
    found = claims.pairs(verdict).set_index(["a", "b"])
    assert len(found) == 12
    row, mirror = found.loc[("sim", "random")], found.loc[("random", "sim")]
    assert row.difference == pytest.approx(-mirror.difference) and row.p == mirror.p < 0.001
    assert row.low == pytest.approx(-mirror.high) and 0 < row.low < row.difference < row.high
    assert row.p_improvement == 1 and mirror.p_improvement == mirror.wins == 0 and row.wins > 0.8
    table = claims.ranking(verdict)
    assert table.loc["sim"].tolist() == [1, 1] and table.loc["random"].tolist() == [4, 4]
    assert table.rank_low["entropy"] <= 3 and table.rank_high["cil_pixel"] >= 2
    (power,) = (s for s in sentences(verdict) if "80 % power" in s)
    margin = f"{100 * verdict.pairs.typical_margin:.2f} points (data)"
    assert power == f"a difference in area of {margin} is found with 80 % power by this test"
    (basis,) = (s for s in sentences(verdict) if "tests over" in s)
    assert basis.startswith("tests over 6 seeds, for normal errors: 5 %") and "other images are not tested" in basis
    texts = [text.get_text() for text in panels.penalty(Study(verdict.of.results)).subfigs[0].axes[0].texts]
    assert len(texts) == 12 and texts[-3:] == ["0", "0", "0"]


def test_common_cells_only_are_ranked_and_the_rest_is_shown(tmp_path):
    statuses = {("random", 0): "failed", ("sim", 1): "missing"} | {("entropy", seed): "failed" for seed in range(4)}
    out = write_run(tmp_path / "run", n_seeds=4, statuses=statuses)
    found = results.read([out])
    summary, console = tables.summarise(Study(found)), quiet()
    layout.show(Layout(Study(found)), console)
    text = console.file.getvalue()
    assert text.index("Coverage") < text.index("data mIoU") and text.count("failed") == 5
    status = tables.coverage(found).set_index("strategy")
    assert status.loc["random", [0, 1, 2, 3]].tolist() == ["failed", "done", "done", "done"]
    assert status.loc["sim", 1] == "missing"
    summary = summary.set_index("strategy")
    assert set(summary.index) == {"random", "sim", "cil_pixel"} and (summary.n_seeds == 2).all()
    assert "left out, as no seed of it is done: entropy" in text


def test_a_cell_that_never_began_is_missing(tmp_path):
    out = write_run(tmp_path / "run", statuses={(s, 1): "missing" for s in ("random", "entropy", "cil_pixel", "sim")})
    assert tables.coverage(results.read([out]))[1].tolist() == ["missing"] * 4


def test_repeats_are_no_new_seeds_and_set_the_least_difference(tmp_path):
    """Row 5: no difference that identical runs may have is significant."""
    a = write_run(tmp_path / "a", strategies=("entropy", "cil_pixel", "sim"), n_seeds=4)
    b = write_run(tmp_path / "b", strategies=("sim",), n_seeds=4)
    lift = 0.06
    edit(b / "rounds.csv", lambda t: t.assign(data_miou=[str(float(v) + lift) for v in t.data_miou]))
    comparison = compare([a, b])
    assert comparison.seeds == [0, 1, 2, 3]
    # two runs that differ by d have the sample std d/√2
    assert comparison.repeats == (pytest.approx(lift / np.sqrt(2)), 4)
    limit = stats.t.isf(0.025 / 3, 4)
    found = claims.pairs(Verdict(comparison)).set_index(["a", "b"]).loc[("sim", "entropy")]
    assert found.high - found.difference >= limit * lift / 2 - 1e-9
    assert claims.ranking(Verdict(comparison)).rank_low.tolist() == [1, 1, 1]
    assert claims.ranking(Verdict(compare([a]))).rank_low.to_dict() == {"sim": 1, "cil_pixel": 2, "entropy": 2}
    assert any("identical runs spread by 4.24 points" in s for s in sentences(Verdict(comparison)))


def test_repeats_within_a_run_folder_are_found(tmp_path):
    a = write_run(tmp_path / "a")
    write_run(a / "repeat1")
    assert compare([a]).repeats == (0, 8)


def test_protocols_are_told_apart_when_mixed(tmp_path):
    a = write_run(tmp_path / "a", strategies=("random", "sim"))
    b = write_run(tmp_path / "b", strategies=("sim",), protocol="f" * 16)
    assert compare([a, b], mixed=True).ranked == ["random", "sim @ a", "sim @ b"]


def test_published_figures_are_drawn_and_not_ranked(tmp_path):
    run = dict(dataset="pascal", foundation="files", rounds=5, budget=1000, n_seeds=1, model=False)
    out = write_run(tmp_path / "run", strategies=("area", "sim"), **run)
    found = results.read([out, PUBLISHED / "a2lc-pascal.csv"])
    summary = tables.summarise(Study(found)).set_index("strategy")
    theirs = summary.loc["A2LC"]
    assert (theirs.kind, theirs.labelled_end_mean, theirs.labelled_end_std) == ("published", 0.8808, 0.0044)
    curve = [58.63, 67.49, 74.88, 80.88, 84.81, 88.08]
    assert theirs.labelled_area_mean == pytest.approx((sum(curve) - (curve[0] + curve[-1]) / 2) / 500, abs=1e-6)
    alc = summary.loc["ALC by A2LC's authors"]
    assert alc.model_end_mean == 0.6548 and np.isnan(alc.labelled_area_mean)  # theirs begins at round 1
    assert summary.data_rank_low.dropna().empty  # one seed
    axes = curves.curves(Study(found)).subfigs[1].axes[-1]
    drawn = [line for line in axes.lines if line.get_linestyle() == ":"]
    assert drawn[0].get_ydata() == pytest.approx(curve) and len(drawn) == 2
    times = seconds.read("measured")
    document.write(Layout(Study(found), times), out / "report.html")
    assert '"kind":"published"' in (out / "report.html").read_text(encoding="utf-8")


def test_published_files_are_the_figures_of_the_paper():
    a2lc = pd.read_csv(PUBLISHED / "a2lc-cityscapes.csv").groupby("strategy").last()
    assert a2lc.loc["A2LC", ["n_queries", "data_miou_labelled", "model_miou_std"]].tolist() == [50000, 0.8526, 0.0033]
    assert a2lc.loc["ALC by A2LC's authors", ["data_miou_labelled", "model_miou"]].tolist() == [0.6701, 0.5859]


def test_foreign_rounds_with_seeds_are_ranked_when_mixed(tmp_path):
    out = write_run(tmp_path / "run", strategies=("random", "sim"))
    theirs = pd.read_csv(out / "rounds.csv").query("strategy == 'sim'").assign(strategy="theirs")
    file = tmp_path / "theirs.csv"
    theirs[["dataset", "foundation", "oracle", "strategy", "seed", "round", "n_queries", "data_miou"]].to_csv(
        file, index=False
    )
    assert compare([out, file]).ranked == ["random", "sim"]
    mixed = compare([out, file], mixed=True)
    assert mixed.ranked == ["random", "sim", "theirs"]
    assert mixed.areas.loc["theirs"].tolist() == mixed.areas.loc["sim"].tolist()
    assert compare([out, file], cost="clicks", mixed=True).ranked == ["random", "sim"]  # theirs has no clicks
    file.write_text("dataset,strategy,round,n_queries\nshapes,theirs,0,0\n")
    with pytest.raises(InputError, match="no values in any of data_miou, model_miou, data_miou_labelled"):
        results.read([out, file])


def test_another_price_changes_the_order(tmp_path):
    """The same answers: sim corrects all, random confirms all; under the new price a correction is dear."""
    out = write_run(tmp_path / "run", strategies=("random", "sim"), n_seeds=1, rounds=2, budget=10)
    for name, action in (("random", "confirm"), ("sim", "correct")):
        edit(out / f"cells/{name}__perfect__seed0/queries.csv", lambda t, a=action: t.assign(actions=a))
    curve = {"random": [0.3, 0.4, 0.6], "sim": [0.3, 0.5, 0.65]}
    edit(out / "rounds.csv", lambda t: t.assign(data_miou=np.concatenate([curve["random"], curve["sim"]])))
    found = results.read([out])

    def order(price):
        priced = cell_files.reprice(found, price)
        (setting, block), *_ = priced.settings()
        return Comparison(setting, block, "data", "seconds")

    cheap, dear = (order(seconds.ASSUMED | {"confirm": 2.0, "correct": price}) for price in (2.0, 20.0))
    assert cheap.curves["sim"][0][0].tolist() == [0, 20, 40]
    assert dear.curves["sim"][0][0].tolist() == [0, 200, 400]
    assert cheap.areas[0].idxmax() == "sim"
    assert dear.areas[0].idxmax() == "random"


def test_noise_panel_says_where_ranks_change(tmp_path):
    """Row 13: only reversals that the test supports; with too few seeds for a test, none."""
    oracles = ("perfect", "noisy[rate=0.2]", "noisy[rate=0.4]")
    out = write_run(tmp_path / "run", strategies=("random", "sim"), oracles=oracles, n_seeds=4)

    def swap(table):
        noisy = table.oracle.eq("noisy[rate=0.4]")
        return table.assign(strategy=table.strategy.mask(noisy, table.strategy.map({"sim": "random", "random": "sim"})))

    edit(out / "rounds.csv", swap)
    table = claims.robustness(Study(results.read([out])))
    assert table.family.unique().tolist() == ["noisy[rate=*]"] and sorted(table["value"].unique()) == [0, 0.2, 0.4]
    assert table[table.changed]["value"].tolist() == [0.4, 0.4]
    assert len(panels.robustness(Study(results.read([out]))).subfigs[1].axes[0].lines) == 2
    assert claims.robustness(Study(results.read([write_run(tmp_path / "plain")]))).empty
    edit(out / "rounds.csv", lambda table: table[table.seed.isin(["0", "1"])])
    table = claims.robustness(Study(results.read([out])))
    assert len(table) == 6 and not table.changed.any()


def test_cost_to_reach_the_reference_is_censored(tmp_path):
    out = write_run(tmp_path / "run", strategies=("random", "sim"), n_seeds=3)
    (out / "reference.csv").write_text("seed,model_miou\n0,0.46\n1,0.48\n")
    found = results.read([out])
    assert cell_files.references(found) == {"shapes": pytest.approx(0.47)}
    summary = tables.summarise(Study(found), cell_files.references(found)).set_index("strategy")
    assert summary.loc["sim", "n_reached_90"] == 3 and 100 < summary.loc["sim", "cost_to_90"] < 200
    assert summary.loc["random", "n_reached_90"] == 0 and summary.loc["random", "cost_to_90"] == np.inf


def test_aggregate_is_over_strategies_ranked_everywhere(tmp_path):
    a = write_run(tmp_path / "a", n_seeds=5)
    b = write_run(tmp_path / "b", n_seeds=5, strategies=("random", "sim"), dataset="kvasir", model=False)
    table = claims.aggregate(Study(results.read([a, b]))).set_index(["metric", "strategy"])
    assert table.index.tolist() == [("data", "random"), ("data", "sim")]
    assert (table.n_settings == 2).all() and (table.n_runs == 10).all() and table.rank_low.tolist() == [2, 1]
    level = Study(results.read([a, b])).pair_level
    found = [Verdict(c, level) for c in (compare([a]), compare([b]))]
    differences = [v.of.areas.loc["random"].mean() - v.of.areas.loc["sim"].mean() for v in found]
    assert table.behind.tolist() == pytest.approx([np.mean(differences), 0])
    assert table.behind_low["data", "random"] < np.mean(differences) < table.behind_high["data", "random"] < 0


def test_every_table_of_the_page_is_a_csv_file(tmp_path):
    study = Study(results.read([write_run(tmp_path / "run", strategies=("cil_pixel", "random"), n_seeds=4)]))
    shown, to = Layout(study), tmp_path / "to"
    to.mkdir()
    layout.write(shown, to)
    written = sorted((to / layout.TABLES).glob("[0-9]*.csv"))
    assert len(written) == len(shown.all) > 4
    for file, table in zip(written, shown.all, strict=True):
        read = pd.read_csv(file, dtype=str, keep_default_na=False, header=None).to_numpy().tolist()
        assert read == [list(table.headings), *([cell.text for cell in row] for row in table.cells)]
    curves_of = pd.read_csv(to / layout.TABLES / "curves.csv")
    assert curves_of.data_miou.tolist() == study.results.rounds.data_miou.tolist()


def test_a_cell_is_bold_marked_and_safe_wherever_its_table_is_shown():
    table = Table(
        ["a|b", "n_mIoU x"], [["x_1|", Cell("2±1", bold=True)], ["[b]", Cell("3", kind="failed")]], "c", ["n."]
    )
    console = Console(file=io.StringIO(), width=100, force_terminal=True, color_system="standard")
    table.show(console)
    text = console.file.getvalue()
    assert "[b]" in text and "\x1b[1m" in text and "\x1b[31m" in text and "n." in text
    assert "| x_1\\| | **2±1** |" in table.to_markdown() and "- n." in table.to_markdown()
    assert r"x\_1| & \textbf{2\,$\pm$\,1} \\" in table.to_latex() and "{}[b] & 3" in table.to_latex()


def test_tables_are_markdown_and_booktabs(tmp_path):
    out = write_run(tmp_path / "run", strategies=("cil_pixel", "random"), n_seeds=4)
    found = results.read([out])
    layout.write(Layout(Study(found)), out)
    markdown, latex = (out / "summary.md").read_text(), (out / "summary.tex").read_text()
    assert markdown.count("| **") == 2 and "| cil_pixel |" in markdown and "| ---: |" in markdown
    assert (
        r"cil\_pixel & " in latex and latex.count(r"\textbf{") == 2 and r"\toprule" in latex and r"\,$\pm$\,0" in latex
    )


def test_index_links_the_pages_of_many_runs(tmp_path):
    a, b = write_run(tmp_path / "a"), write_run(tmp_path / "b", dataset="kvasir")
    (a / "report").mkdir()
    (a / "report" / "report.html").write_text("its page")
    (tmp_path / "both").mkdir()
    found = results.read([a, b])
    index.write(found, tables.summarise(Study(found)), tmp_path / "both" / "index.html", tmp_path / "both")
    text = (tmp_path / "both" / "index.html").read_text(encoding="utf-8")
    assert 'href="../a/report/report.html"' in text and "../b/report" not in text and "8 of 8" in text


def test_run_files_of_the_loop_are_read(tmp_path):
    """Its cells keep dataset and foundation under ``settings``."""
    out = write_run(tmp_path / "run", n_seeds=1, strategies=("sim",))
    file = out / "cells/sim__perfect__seed0/spec.json"
    spec = json.loads(file.read_text())
    moved = {name: spec.pop(name) for name in ("dataset", "foundation")}
    file.write_text(json.dumps(spec | {"settings": moved}))
    assert results.read([out]).cells.dataset.tolist() == ["shapes"]
    file.write_text(json.dumps(spec))
    with pytest.raises(InputError, match=r"spec\.json: no dataset, foundation"):
        results.read([out])


def test_command_prices_anew_and_names_bad_files(tmp_path, capsys):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    out = write_run(tmp_path / "run", strategies=("random", "sim"), n_seeds=1, rounds=1, model=False)
    table = tmp_path / "seconds.csv"
    table.write_text("action,seconds\n" + "\n".join(f"{action},0.5" for action in seconds.ASSUMED))
    to = str(tmp_path / "to")
    args = parser.parse_args([str(out), "--cost", "seconds", "--seconds", str(table), "--out", to, "--no-html"])
    args.command = "alc-bench report"
    assert command.main(args) == 0 and "curves: " in capsys.readouterr().out
    assert not (tmp_path / "to/report.html").exists()
    assert pd.read_csv(tmp_path / "to/summary.csv").cost.tolist() == ["seconds"] * 2
    (out / "cells/sim__perfect__seed0/queries.csv").write_text("round,kind\n")
    with pytest.raises(InputError, match=r"queries\.csv: missing columns: number, image"):
        command.main(args)


def test_the_cost_to_reach_the_reference_is_the_censored_median_of_the_seeds(tmp_path):
    """Audit, row 11. An even number of seeds."""
    out = write_run(tmp_path / "run", strategies=("random", "sim"), n_seeds=2)
    ((setting, block),) = results.read([out]).settings()
    verdict = Verdict(Comparison(setting, block, "model"))
    each = [inference.cost_to_reach(*verdict.of.curves["sim"][seed], 0.9 * 0.4) for seed in verdict.of.seeds]
    assert each[0] != each[1] and np.isfinite(each).all()
    assert claims.reach(verdict, 0.4).loc["sim", "cost_to_90"] == pytest.approx(np.mean(each))
