"""From run folders to tables and figures."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from runs import write_run

from bench import report
from bench.report import claims, layout, style, tables
from bench.report import results as read
from bench.report.comparison import Comparison, drawn_out
from bench.report.figures import curves
from bench.report.layout import Layout
from bench.report.page import document
from bench.report.statistics.inference import area_weights
from bench.report.study import Study, Verdict
from bench.types import InputError

pytestmark = pytest.mark.slow


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "run")


def quiet():
    return Console(file=io.StringIO(), width=100, force_terminal=True)


def comparison(out, metric="data", cost="queries", mixed=False):
    (setting, block), *_ = read.read([out] if not isinstance(out, list) else out, mixed).settings()
    return Comparison(setting, block, metric, cost)


def edit(out, change):
    table = pd.read_csv(out / "rounds.csv", dtype=str, keep_default_na=False)
    change(table).to_csv(out / "rounds.csv", index=False)


def test_summary_matches_a_plain_loop(run):
    summary = tables.summarise(Study(read.read([run]))).set_index("strategy")
    rounds = pd.read_csv(run / "rounds.csv")
    for strategy, table in rounds.groupby("strategy"):
        for metric in ("data", "model"):
            last, area = [], []
            for _, cell in table.groupby("seed"):
                cost, value = cell.n_queries.tolist(), cell[f"{metric}_miou"].tolist()
                steps = zip(cost, cost[1:], value, value[1:], strict=False)
                area.append(sum((c1 - c0) * (v0 + v1) / 2 for c0, c1, v0, v1 in steps) / (cost[-1] - cost[0]))
                last.append(value[-1])
            for name, values in (("end", last), ("area", area)):
                mean = sum(values) / len(values)
                std = (sum((v - mean) ** 2 for v in values) / (len(values) - 1)) ** 0.5
                assert summary.loc[strategy, f"{metric}_{name}_mean"] == pytest.approx(mean, abs=1e-6)
                assert summary.loc[strategy, f"{metric}_{name}_std"] == pytest.approx(std, abs=1e-6)


def test_files_are_written_and_the_best_is_bold(tmp_path):
    """Row 12: bold is all that is tied with the best; with two seeds nothing is tested."""
    for n_seeds, bold in ((2, 0), (6, 1)):
        _files_are_written(write_run(tmp_path / str(n_seeds), n_seeds=n_seeds), bold)


def _files_are_written(run, bold):
    console = quiet()
    before = {path.name for path in run.iterdir()}
    report.write([run], console=console)
    assert {path.name for path in run.iterdir()} == {*before, "report"}
    for name in ("curves.png", "curves.pdf", "curves.svg", "summary.csv"):
        assert (run / "report" / name).stat().st_size > 100
    lines = [line for line in console.file.getvalue().splitlines() if "\x1b[1m" in line and line.count("±") == 4]
    assert len(lines) == bold and all(" sim " in line for line in lines)


def test_area_is_over_the_span_that_all_curves_cover(tmp_path):
    out = write_run(tmp_path / "run", strategies=("random", "sim"), n_seeds=1)

    def spend_more(table):
        table.loc[table.strategy.eq("sim"), "cost_clicks"] = ["0", "100", "200", "400", "800"]
        table.loc[table.strategy.eq("random"), "cost_clicks"] = ["0", "50", "100", "200", "300"]
        return table

    edit(out, spend_more)
    both = comparison(out, cost="clicks")
    assert both.span == (0, 300)
    _, value = both.curves["sim"][0]
    half = (value[2] + value[3]) / 2
    expected = (100 * (value[0] + value[1]) + 100 * (value[1] + value[2]) + 100 * (value[2] + half)) / 2 / 300
    assert both.areas.loc["sim", 0] == pytest.approx(expected)
    assert both.end.loc["sim", 0] == pytest.approx(half)


def test_a_curve_that_has_stopped_goes_on_at_its_height(run):
    """A strategy that asks nothing is compared over the budget of the others; one cut short is not drawn out."""
    names = pd.read_csv(run / "rounds.csv").strategy.unique()
    costs = [c for c in pd.read_csv(run / "rounds.csv").columns if c.startswith(("n_queries", "cost_"))]

    def stop(table):
        table.loc[table.strategy == names[0], costs] = "0"
        table.loc[table.strategy == names[0], "data_miou"] = "0.25"
        return table

    span = comparison(run).span
    edit(run, stop)
    found = comparison(run)
    assert found.span == span
    assert (found.areas.loc[names[0]] == 0.25).all() and (found.end.loc[names[0]] == 0.25).all()
    assert found.ends[names[0]] == 1 and found.stopped == {names[0]: 0}
    told = [claim.text for claim in claims.claims([Verdict(found)])]
    assert f"asked no more, so that the curve goes on as it was: {names[0]} after 0 queries" in told
    assert drawn_out(np.array([0.0, 5, 9]), 20).tolist() == [0, 5, 9]
    assert drawn_out(np.array([0.0, 5, 5]), 20).tolist() == [0, 5, 20]
    assert drawn_out(np.array([0.0]), 20).tolist() == [0]


def test_bounds_are_shown_and_never_ranked(tmp_path):
    out = write_run(tmp_path / "run", strategies=("random", "sim", "clairvoyant_gain"), n_seeds=4)
    both = comparison(out)
    assert both.ranked == ["random", "sim"] and both.bounds == ["clairvoyant_gain"]
    found = read.read([out])
    summary = tables.summarise(Study(found)).set_index("strategy")
    assert summary.kind.to_dict() == {"random": "ranked", "sim": "ranked", "clairvoyant_gain": "bound"}
    assert summary["data_rank_low"].dropna().to_dict() == {"random": 2, "sim": 1}
    (section,) = Layout(Study(found)).sections
    assert [row[0].text for row in section.summary.cells] == ["sim", "random", "clairvoyant_gain (bound)"]
    assert not any(cell.bold for cell in section.summary.cells[-1])


def test_label_only_runs_and_leaky_oracles(tmp_path):
    oracles = ("perfect[gate=superpixel]", "perfect")
    out = write_run(tmp_path / "run", oracles=oracles, leaky=oracles[:1], model=False, n_seeds=1)
    console = quiet()
    found = read.read([out])
    layout.show(Layout(Study(found)), console)
    text = console.file.getvalue()
    assert "perfect[gate=superpixel] (leaky)" in text and "model mIoU" not in text and text.count("(leaky)") == 1
    assert [len(part.axes) for part in curves.curves(Study(found)).subfigs] == [0, 1, 1]


def test_only_seeds_common_to_all_are_aggregated(tmp_path):
    statuses = {("random", 0): "failed", ("sim", 2): "missing", ("entropy", 3): "running"}
    out = write_run(tmp_path / "run", n_seeds=5, statuses=statuses)
    both = comparison(out)
    assert both.seeds == [1, 4]
    found = read.read([out]).cells.set_index(["strategy", "seed"]).status
    assert {key: found[key] for key in statuses} == statuses
    assert (found.drop(list(statuses)) == "done").all()


def test_order_of_rows_and_files_changes_nothing(tmp_path):
    a = write_run(tmp_path / "a", strategies=("random", "sim"))
    b = write_run(tmp_path / "b", strategies=("entropy", "cil_pixel"))
    report.write([a, b], to=tmp_path / "first", console=quiet())
    edit(a, lambda table: table.sample(frac=1, random_state=1))
    report.write([b, a], to=tmp_path / "second", console=quiet())
    for name in ("summary.csv", "curves.svg", "curves.png"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_mixed_protocols_are_refused_unless_asked(tmp_path):
    a = write_run(tmp_path / "a", strategies=("random",))
    b = write_run(tmp_path / "b", strategies=("sim",), protocol="fedcba9876543210")
    with pytest.raises(InputError, match=r"2 protocols .01234567, fedcba98.*--mixed"):
        read.read([a, b])
    assert comparison([a, b], mixed=True).ranked == ["random", "sim"]


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda t: t.drop(columns=["data_miou", "seed"]), "missing columns: seed, data_miou"),
        (lambda t: t.assign(data_miou=["nan", *t.data_miou[1:]]), "line 2: data_miou is nan"),
        (lambda t: t.assign(cost_bits=[*t.cost_bits[:-1], ""]), "line 41: cost_bits is empty"),
        (lambda t: t.assign(model_miou=["inf", *t.model_miou[1:]]), "line 2: model_miou is inf"),
        (lambda t: t.assign(data_miou="31.5"), "data_miou is 31.5; expected a share between 0 and 1"),
        (lambda t: pd.concat([t, t.tail(1)]), "round 4 of sim, seed 1, stands there twice"),
        (lambda t: t.head(0), "no rows"),
        (lambda t: t.assign(seed=-1), "line 2: seed is -1; expected a whole number, 0 or more"),
        (lambda t: t.assign(round=t["round"].astype(int) - 1), "line 2: round is -1"),
        (lambda t: t.assign(n_void=-1), "line 2: n_void is -1"),
        (lambda t: t.assign(cost_s=-0.5), "line 2: cost_s is -0.5"),
        (
            lambda t: t.assign(n_queries=[90, *t.n_queries[1:]]),
            "n_queries of random, seed 0, falls from 90 to 50 in round 1",
        ),
        (
            lambda t: t.assign(cost_bits=[*t.cost_bits[:-1], 1]),
            "cost_bits of sim, seed 1, falls from .* to 1 in round 4",
        ),
        (lambda t: t.assign(n_queries=7), "all 5 rounds of cil_pixel, seed 0, have n_queries 7"),
    ],
)
def test_broken_rounds_are_refused_in_one_line(run, change, message):
    edit(run, change)
    with pytest.raises(InputError, match=message) as error:
        report.write([run], to=run / "report", console=quiet())
    assert "\n" not in str(error.value) and not (run / "report").exists()


def test_a_published_curve_that_falls_is_refused_too(run, tmp_path):
    table = pd.read_csv(run / "rounds.csv")
    table.assign(seed="", n_queries=-table.n_queries.sub(200))[table.seed.eq(0)].to_csv(tmp_path / "other.csv")
    with pytest.raises(InputError, match=r"other.csv: n_queries of .*, falls from 200 to 150 in round 1"):
        read.read([run, tmp_path / "other.csv"])


def test_other_bad_input_is_refused_in_one_line(run, tmp_path):
    cases = [
        (dict(outs=[]), "nothing to report"),
        (dict(outs=[tmp_path / "none"]), "no such file"),
        (dict(outs=[run], cost="euros"), "unknown cost 'euros'; there are: queries, clicks, bits, seconds"),
        (dict(outs=[run, write_run(tmp_path / "b", dataset="kvasir")]), "needs a folder of its own"),
    ]
    (tmp_path / "empty").mkdir()
    cases.append((dict(outs=[tmp_path / "empty"]), "no such file; is this the folder of a run"))
    for arguments, message in cases:
        with pytest.raises(InputError, match=message) as error:
            report.write(**arguments, console=quiet())
        assert "\n" not in str(error.value)


def test_no_torch_is_imported():
    code = "import sys, bench.report, bench.report.figures.curves; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_column_without_a_cost_span_has_no_area():
    assert np.isnan(area_weights(np.array([3.0, 3.0]), (3, 3))).all()


def test_lines_are_named_at_their_ends_in_their_order_and_without_overlap():
    axes = curves.new_figure(2).subplots()
    axes.set_ylim(0, 1)
    ends = {"a": 0.5, "b": 0.9, "c": 0.501, "d": 0.499}
    curves.name_ends(axes, ends, style.looks(ends))
    found = sorted((text.get_position()[1], text.get_text()) for text in axes.texts)
    assert [name for _, name in found] == ["d", "a", "c", "b"]
    assert np.diff([place for place, _ in found]).min() >= curves.NAME_HEIGHT - 1e-9
    many = dict.fromkeys("abcdefghi", 0.5)
    curves.name_ends(axes, many, style.looks(many))
    assert len(axes.texts) == 4  # the legend alone names nine


@pytest.mark.parametrize("n_seeds", [curves.MANY_SEEDS - 1, curves.MANY_SEEDS])
def test_few_seeds_are_drawn_one_by_one_and_many_as_an_interval(tmp_path, n_seeds):
    out = write_run(tmp_path / "run", n_seeds=n_seeds, model=False)
    axes = curves.curves(Study(read.read([out]))).subfigs[1].axes[0]
    assert bool(axes.collections) == (n_seeds == curves.MANY_SEEDS)
    page = (Path(document.__file__).parent / "page.js").read_text(encoding="utf-8")
    assert f"c.seeds.length)) < {curves.MANY_SEEDS};" in page
