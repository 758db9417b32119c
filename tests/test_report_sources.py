"""A run beside the results of others: what has the same name is not the same thing. And files without a run."""

import io
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console
from runs import write_run

from bench import report
from bench.costs import seconds
from bench.report import cell_files, claims, detection, layout, prices, results, tables
from bench.report.figures import curves, panels
from bench.report.layout import Layout
from bench.report.page import document
from bench.report.study import Study
from bench.types import InputError

pytestmark = pytest.mark.slow

RESULTS = Path(__file__).parent.parent / "results"
ORACLES = ("perfect", "noisy[rate=0.1]")
FRIEND = "sim @ friend"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run, and a friend's file of a strategy with the same name that reaches far more."""
    folder = tmp_path_factory.mktemp("sources")
    out = write_run(folder / "run", strategies=("random", "sim"), n_seeds=5, rounds=2, oracles=ORACLES)
    rounds = pd.read_csv(out / "rounds.csv")
    for name in ("auroc", "auprc", "auroc_px", "auprc_px", "precision", "precision_px"):
        rounds[name] = rounds.data_miou
    rounds.to_csv(out / "rounds.csv", index=False)
    friend = rounds[rounds.strategy.eq("sim")]
    better = {name: 0.9 for name in ("data_miou", "data_miou_labelled", "model_miou", "auprc", "precision")}
    friend.assign(**better).to_csv(folder / "friend.csv", index=False)
    return out, folder / "friend.csv"


@pytest.fixture(scope="module")
def both(runs):
    return Study(results.read(list(runs)))


@pytest.fixture(scope="module")
def alone(runs):
    return Study(results.read([runs[0]]))


def test_every_table_gives_an_own_strategy_its_own_numbers(both, alone):
    summary = tables.summarise(both)
    own = summary[summary.strategy.ne(FRIEND)].reset_index(drop=True)
    pd.testing.assert_frame_equal(own, tables.summarise(alone), check_dtype=False)
    assert set(summary.kind[summary.strategy.eq(FRIEND)]) == {"published"}
    assert summary.data_end_mean[summary.strategy.eq(FRIEND)].tolist() == pytest.approx([0.9, 0.9])
    for table in (tables.pairs, claims.aggregate, claims.robustness):
        assert not table(alone).empty
        pd.testing.assert_frame_equal(table(both), table(alone))
    for table in (tables.coverage, detection.summarise, lambda r: prices.table(r, seconds.read("measured"))):
        assert not table(alone.results).empty
        pd.testing.assert_frame_equal(table(both.results), table(alone.results))


def test_screen_and_markdown_have_a_row_for_each(both, tmp_path):
    shown, console = Layout(both), Console(file=io.StringIO(), width=200)
    layout.show(shown, console)
    layout.write(shown, tmp_path)
    for text in (console.file.getvalue(), (tmp_path / "summary.md").read_text()):
        assert text.count(f"{FRIEND} (published)") == len(ORACLES)
    assert "sim (published)" not in console.file.getvalue()


def test_legends_call_an_own_strategy_ours(both):
    for figure in (curves.curves(both), panels.costs(both.results)):
        names = [text.get_text() for part in figure.subfigs for legend in part.legends for text in legend.get_texts()]
        assert names == ["random", "sim", f"{FRIEND} (published)"]


def lines(figure) -> list:
    """The coordinates of all that a figure draws, in order."""
    parts = [axes for part in figure.subfigs or [figure] for axes in part.axes]
    drawn = [line.get_xydata().round(9).tolist() for axes in parts for line in axes.lines]
    return drawn + [p.get_offsets().round(9).tolist() for axes in parts for p in axes.collections]


def test_figures_of_what_only_runs_measure_are_the_same_beside_a_friend(both, alone):
    for draw in (panels.penalty, panels.robustness):
        assert lines(draw(both)) == lines(draw(alone))
    for draw in (panels.classes, panels.time, panels.quality, panels.detection):
        assert lines(draw(both.results)) == lines(draw(alone.results))


def test_a_friends_curve_is_one_more_line(both, alone):
    for with_friend, without in (
        (curves.curves(both), curves.curves(alone)),
        (panels.costs(both.results), panels.costs(alone.results)),
    ):
        assert all(line in lines(with_friend) for line in lines(without))
        assert len(lines(with_friend)) > len(lines(without))


def test_the_page_has_a_curve_for_each(both, tmp_path):
    path = tmp_path / "report.html"
    document.write(Layout(both), path)
    text = path.read_text(encoding="utf-8")
    assert text.count(f'"strategy":"{FRIEND}","kind":"published"') == len(ORACLES)
    assert text.count('"strategy":"sim","kind":"ranked","color"') == len(ORACLES)


def test_seconds_are_priced_anew_for_own_strategies_alone(both):
    rounds = cell_files.reprice(both.results, seconds.read("measured").mean).rounds
    assert rounds.cost_s[rounds.strategy.eq(FRIEND)].isna().all()
    assert rounds.cost_s[rounds.strategy.eq("sim")].notna().all()


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path, runs):
    friends = []
    for name in ("jane", "joe"):
        (tmp_path / name).mkdir()
        friends.append(tmp_path / name / "rounds.csv")
        friends[-1].write_bytes(runs[1].read_bytes())
    found = results.read([runs[0], *friends])
    assert set(found.rounds.strategy) == {"random", "sim", "sim @ jane", "sim @ joe"}


@pytest.mark.parametrize("name", ["shapes/demo", "published/a2lc-pascal"])
def test_a_file_alone_makes_a_report(name, tmp_path):
    file = tmp_path / f"{Path(name).name}.csv"
    file.write_bytes((RESULTS / f"{name}.csv").read_bytes())
    to = report.write([file], console=Console(file=io.StringIO()))
    assert to == tmp_path / f"{file.stem}-report" and (to / "report.html").exists() and (to / "curves.png").exists()
    rows, summary = pd.read_csv(file), pd.read_csv(to / "summary.csv").set_index("strategy")
    last = rows[rows["round"].eq(rows["round"].max())].groupby("strategy").model_miou.mean()
    assert summary.model_end_mean.to_dict() == pytest.approx(last.to_dict(), abs=1e-5)
    assert set(summary.kind) == {"ranked" if file.stem == "demo" else "published"}


def test_bounds_of_a_file_alone_stay_bounds():
    summary = tables.summarise(Study(results.read([RESULTS / "shapes/strategies.csv"]))).set_index("strategy")
    assert summary.kind["clairvoyant_gain"] == "bound" and summary.kind["sim"] == "ranked"


def test_several_files_need_a_folder(runs):
    with pytest.raises(InputError, match="0 runs and 2 files needs a folder of its own"):
        report.write([runs[1], RESULTS / "shapes/demo.csv"])
