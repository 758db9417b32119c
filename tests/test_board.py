"""The board of the committed results: what it says is what their files say, and what anyone can make again."""

import csv
import re
import shlex
import shutil
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from chromium import errors
from runs import write_run

from bench import report
from bench.commands import parser
from bench.report import budgets
from bench.report.board import chooser, datasets, pages, picture
from bench.report.board.committed import Board, n_seeds, read, read_record
from bench.report.results import COSTS
from bench.report.statistics import inference
from bench.report.study import Verdict
from bench.report.table import Table
from bench.runs import schema

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parent.parent
RESULTS = REPOSITORY / "results"
SHAPES = ("shapes", "simulated", "perfect")  # the setting of a synthetic run
SMALLEST = "shapes/labels.csv"


@pytest.fixture(scope="module")
def made(alc, tmp_path_factory) -> Path:
    """What ``alc-bench board results/`` writes."""
    to = tmp_path_factory.mktemp("board")
    done = alc("board", RESULTS, "--out", to)
    assert done.code == 0, done.err
    return to


@pytest.fixture(scope="module")
def committed() -> Board:
    return read(RESULTS)


def folder_of(tmp_path, **files) -> Path:
    """A folder of results, each the rounds.csv of a synthetic run with these settings."""
    folder = tmp_path / "results"
    folder.mkdir()
    for name, settings in files.items():
        shutil.copy(write_run(tmp_path / f"run-{name}", **settings) / "rounds.csv", folder / f"{name}.csv")
    return folder


def read_tables(board: Board) -> list[tuple[str, str, pd.DataFrame]]:
    """(section, caption, rows as text) of each table of a page."""
    found = [("", shown) for shown in (pages.overview(board), *pages.over_datasets(board))]
    for result in board.results:
        section = pages.section(result)
        for setting in section["settings"]:
            found += [(section["heading"], setting[name]) for name in ("quality", "against") if setting[name]]
        found += [(section["heading"], shown) for shown in section["robustness"]]
    return [(name, shown.caption, _frame(shown)) for name, shown in found]


def _frame(shown: Table) -> pd.DataFrame:
    return pd.DataFrame([[cell.text for cell in row] for row in shown.cells], columns=_unique(shown.headings))


def _unique(names: list[str]) -> list[str]:
    return [name if names.index(name) == i else f"{name} {i}" for i, name in enumerate(names)]


def test_board_md_is_what_the_command_makes_of_the_committed_results(made):
    assert (made / "board.md").read_text() == (RESULTS / "board.md").read_text(), "run alc-bench board results"
    assert (RESULTS / "board.png").is_file() and (made / "board.png").is_file()


@cache
class Plain:
    """A setting of committed files, by pandas alone; each is read once."""

    def __init__(self, section: str, setting: str):
        names = section.split(", ")
        rounds = pd.concat([pd.read_csv(RESULTS / name) for name in names])
        parts = rounds[["dataset", "foundation", "oracle"]].drop_duplicates()
        titles = [" · ".join(re.sub(r"[^\[=,]*/(?=[^/])", "", part) for part in row) for row in parts.to_numpy()]
        key = parts.iloc[titles.index(setting.removesuffix(" (leaky)"))]
        self.rounds = rounds[rounds[list(key.index)].eq(key).all(axis=1)]
        bounds = self.rounds.strategy.str.startswith("clairvoyant")
        self.ranked = set(self.rounds.strategy[~bounds])
        self.seeds = set.intersection(*map(set, self.rounds[~bounds].groupby("strategy").seed.unique()))
        cells = self.rounds[self.rounds.seed.isin(self.seeds)].groupby(["strategy", "seed"])
        self.curves = {key: cell.sort_values("round") for key, cell in cells}
        own = [cell.n_queries for (name, _), cell in self.curves.items() if name in self.ranked]
        self.span = max(x.iloc[0] for x in own), min(x.iloc[-1] for x in own)
        reference = RESULTS / f"{names[0].removesuffix('.csv')}-reference.csv"
        self.reference = pd.read_csv(reference).model_miou.mean() if reference.is_file() else None

    def start(self, metric: str) -> float:
        own = self.rounds[self.rounds.strategy.isin(self.ranked) & self.rounds.seed.isin(self.seeds)]
        return own[own["round"].eq(0)][f"{metric}_miou"].mean()

    def area(self, name: str, metric: str = "data") -> float:
        return self.over_seeds(metric)[name][0, 0]

    @cache  # noqa: B019
    def over_seeds(self, metric: str) -> dict[str, np.ndarray]:
        """strategy -> means and sample stds over the seeds (rows) of area and last value (columns)."""
        found: dict[str, list] = {}
        for (name, _), cell in self.curves.items():
            found.setdefault(name, []).append(_area_and_end(cell, f"{metric}_miou", *self.span))
        return {name: np.array([np.mean(rows, axis=0), np.std(rows, axis=0, ddof=1)]) for name, rows in found.items()}

    def auprc(self, name: str) -> float:
        cells = self.rounds[self.rounds.strategy.eq(name)]
        return cells.groupby("seed").auprc.mean().mean() if "auprc" in cells else np.nan

    def cost_to(self, name: str, share: float, metric: str) -> str:
        best = max(found[0, 1] for found in self.over_seeds(metric).values())
        target = share * (best if metric == "data" or self.reference is None else self.reference)
        cells = [cell for (strategy, _), cell in self.curves.items() if strategy == name]
        costs = [_reach(cell, f"{metric}_miou", target) for cell in cells]
        cost = np.median(costs)
        return "at the start" if max(costs) == 0 else "never" if np.isinf(cost) else f"{cost:,.0f}"


def test_numbers_stand_in_the_committed_files(committed):
    """Areas, last values, their spread, costs, AUPRC, seconds, differences and numbers of seeds. What the tests say,
    ranks, intervals and p, is theirs: `test_tables_share_one_level_and_are_the_suites_own_test`."""
    n_checked, quality, overview = 0, [], None

    def check(text: str, value: float, unit: float = 0.01):
        nonlocal n_checked
        n_checked += 1
        assert text == "–" if np.isnan(value) else abs(_number(text) - value) <= 0.501 * unit

    for section, caption, table in read_tables(committed):
        against = caption.startswith("Against random: ")
        setting, _, seeds = caption.removeprefix("Against random: ").rpartition(": ")
        if caption == "Rank groups":
            overview = table
        across = re.fullmatch("(data|model) mIoU over .+, annotator (.+)", setting)
        if across:
            metric, oracle = across.groups()
            found = [(r, v.of.setting) for r, v in committed.across(oracle, metric)]
            plains = [Plain(", ".join(result.files), " · ".join(key)) for result, key in found]
            means = {
                name: np.mean([plain.area(name, metric) for plain in plains])
                for name in table.strategy
                if name != datasets.NOBODY
            }
            means[datasets.NOBODY] = np.mean([plain.start(metric) for plain in plains])
            best_mean = max(value for name, value in means.items() if name != datasets.NOBODY)
            for name, row in table.set_index("strategy").iterrows():
                check(row["mean area"], 100 * means[name])
                check(row["behind"], 100 * (means[name] - best_mean))
        if not (RESULTS / section.partition(", ")[0]).is_file():
            continue
        if robustness := re.match(r"Area of (data|model) mIoU by annotator.*?: ", caption):
            metric, place = robustness[1], setting.removeprefix(robustness[0])
            perfect = Plain(section, f"{place} · perfect")
            for oracle in table.columns[1:]:
                plain = Plain(section, f"{place} · {oracle}")
                for name, text in table.set_index("strategy")[oracle].items():
                    if text != "–":
                        area, _, change = text.partition(" (")
                        check(area, 100 * plain.area(name, metric))
                        if change:
                            moved = plain.area(name, metric) - perfect.area(name, metric)
                            check(change.partition(",")[0].rstrip(")"), 100 * moved)
            continue
        plain, shown = Plain(section, setting), table.set_index("strategy")
        quality += [] if against else [plain]
        assert seeds.split()[0] == str(len(plain.seeds)) and ("fewer than 5" in seeds) == (len(plain.seeds) < 5)
        metrics = [m for m in ("data", "model") if plain.rounds[f"{m}_miou"].notna().any()]
        if not against:
            nobody = shown.loc[datasets.NOBODY]
            for metric in metrics:
                for column in nobody.index[nobody.index.str.startswith(f"{metric} mIoU")]:
                    check(nobody[column], 100 * plain.start(metric))
        for name in plain.rounds.strategy.unique():
            row = shown.loc[name if name in plain.ranked else f"{name} (bound)"] if not against else None
            if against and name in shown.index:
                for metric in metrics:
                    less = shown.loc[name].get(f"{metric} mIoU, area less random's", "–")
                    if less != "–":
                        check(less, 100 * (plain.area(name, metric) - plain.area("random", metric)))
            if row is None:
                continue
            for metric in metrics:
                end = next(c for c in row.index if re.match(f"{metric} mIoU (last round|end)", c))
                for column, (mean, std) in zip(
                    (f"{metric} mIoU area", end), plain.over_seeds(metric)[name].T, strict=True
                ):
                    check(row[column].partition("±")[0], 100 * mean)
                    check(row[column].partition("±")[2] or "–", 100 * std)
                for share in (90, 95):
                    if name in plain.ranked:
                        text = row[f"{metric}: questions to {share} %"]
                        assert text == plain.cost_to(name, share / 100, metric)
            check(row.AUPRC, 100 * plain.auprc(name))
            own = plain.rounds[plain.rounds.strategy.eq(name) & plain.rounds["round"].gt(0)]
            check(row["acquisition, s a round"], own.acquire_s.mean(), 0.001)
    for plain, (_, extent, _, lead, _, finder) in zip(quality, overview.itertuples(index=False), strict=True):
        assert extent.startswith(f"{len(plain.ranked)} strategies, {len(plain.seeds)} seeds")
        if lead != "–":
            name, _, numbers = lead.partition(": ")
            check(numbers.partition(" ")[0], 100 * (plain.area(name) - plain.area("random")))
        found = {name: plain.auprc(name) for name in plain.ranked}
        name, _, auprc = finder.rpartition(", ")
        assert found[name] == max(found.values())
        check(auprc, 100 * found[name])
    assert n_checked > 300


def _number(text: str) -> float:
    return float(text.replace(",", ""))


def _area_and_end(cell: pd.DataFrame, column: str, low: float, high: float) -> tuple[float, float]:
    at = np.unique([low, *cell.n_queries[cell.n_queries.between(low, high)], high])
    heights = np.interp(at, cell.n_queries, cell[column])
    return float(np.trapezoid(heights, at) / (high - low)), float(heights[-1])


def _reach(cell: pd.DataFrame, column: str, target: float) -> float:
    x, y = cell.n_queries.to_numpy(), cell[column].to_numpy()
    if y.max() < target:
        return np.inf
    i = int(np.argmax(y >= target))
    return float(x[0] if i == 0 else np.interp(target, y[i - 1 : i + 1], x[i - 1 : i + 1]))


def test_every_result_has_a_record_that_fits_its_rows(made, committed):
    """A record: title, command, protocol, seeds, commit and date; the command is one that the program takes."""
    text = (made / "board.md").read_text()
    kept_off = {name: read_record(RESULTS / name) for name in committed.aside}
    assert kept_off and not any(record.board for record in kept_off.values())
    for name, record in {
        n: r for result in committed.results for n, r in result.files.items()
    }.items() | kept_off.items():
        assert record.title and re.fullmatch("[0-9a-f]{7}", record.commit) and record.date, name
        assert record.protocol or name == "shapes/demo.csv"
        assert record.seeds == pd.read_csv(RESULTS / name).seed.nunique()
        program, *words = shlex.split(record.command)
        assert program == "alc-bench" and parser(words).parse_args(words).main
        assert f"results/{Path(name).with_suffix('.toml')}" in words
        assert (f" {record.command} |" in text) is record.board


def test_the_smallest_result_is_made_again_to_the_byte(alc, committed, tmp_path, monkeypatch):
    (files,) = (result.files for result in committed.results if SMALLEST in result.files)
    words = shlex.split(files[SMALLEST].command)
    monkeypatch.chdir(REPOSITORY)
    assert words[0] == "alc-bench" and alc(*words[1:], "--out", tmp_path / "run", report_too=False).code == 0
    assert _without_seconds(tmp_path / "run" / "rounds.csv") == _without_seconds(RESULTS / SMALLEST)


def _without_seconds(path: Path) -> list[list[str]]:
    """The cells of a rounds.csv as they are written, but for measured seconds."""
    with path.open(newline="") as file:
        head, *rows = csv.reader(file)
    seconds = {head.index(name) for name in schema.names(schema.ROUNDS, "time")}
    return [head, *([cell for i, cell in enumerate(row) if i not in seconds] for row in rows)]


def test_the_readme_says_and_shows_what_the_board_does(made):
    readme = " ".join((REPOSITORY / "README.md").read_text().split())
    sentence = (made / "board.md").read_text().splitlines()[2]
    assert sentence in readme and "(results/board.png)" in readme


def test_tables_share_one_level_and_are_the_suites_own_test(tmp_path):
    folder = folder_of(tmp_path, a=dict(n_seeds=5), b=dict(n_seeds=5, dataset="kvasir"), few=dict(n_seeds=2))
    found = read(folder)
    # data and model in two files, and once more over both datasets; two seeds are not tested
    assert len(found.p) == (2 * 2 + 2) * 6
    assert {result.study.level for result in found.results} == {inference.discovery_level(found.p)}
    data, model = pages.over_datasets(found)
    assert data.caption == "data mIoU over shapes, kvasir, annotator perfect: 5 seeds"
    assert model.caption.startswith("model mIoU") and len(model.rows) == 4 + 1  # and nobody
    ranks = {row[0].text: row[1].text for row in data.cells}
    assert ranks["sim"] == "1.0 (1.0 to 1.0)" and ranks["random"] == "4.0 (4.0 to 4.0)"
    headline = datasets.headline(found)
    assert headline.startswith("With a noise-free annotator, `sim` is among the best by label quality")
    assert " on 2 of 2 datasets, `random` on none; there, the intervals leave a deficit of at most" in headline
    assert headline.endswith(" points. Asking nobody is worse on each.")
    alone = report.compare([tmp_path / "run-a"])["pairs"].set_index(["metric", "a", "b"]).loc[("data", "sim", "random")]
    (against,) = (s["against"] for s in pages.section(found.results[0])["settings"])
    row = next([cell.text for cell in row] for row in against.cells if row[0].text == "sim")
    assert row[1] == f"{100 * alone.difference:.2f}"
    low, high = map(float, row[2].split(" to "))
    assert low > 100 * alone.low and high < 100 * alone.high  # most pairs differ, so each may be claimed more easily


def test_a_row_of_the_chooser_has_its_difference_to_one_above_it(tmp_path):
    (result,) = read(folder_of(tmp_path, a=dict(n_seeds=5))).results
    rows = budgets.of_setting(result.study, SHAPES, ["queries"])["data"]["queries"][-1]["rows"]
    sim, *_, random = sorted(rows, key=lambda row: -row["mean"])
    assert (sim["strategy"], sim["to"], sim["difference"]) == ("sim", "sim", 0)
    assert (random["strategy"], random["to"]) == ("random", "sim") and random["p"] < 0.05
    assert random["difference"] == pytest.approx(random["mean"] - sim["mean"])
    assert random["difference_low"] < random["difference"] < random["difference_high"] < 0


def test_few_seeds_are_said_and_nothing_is_claimed_of_them(tmp_path):
    folder = folder_of(tmp_path, few=dict(n_seeds=2))
    found = read(folder)
    assert datasets.headline(found) == "Which labels should a person check first? The data does not say."
    (row,) = pages.overview(found).cells
    assert [cell.text for cell in row][1:5] == [
        "4 strategies, 2 seeds, fewer than 5",
        "not tested",
        "–",
        "not tested",
    ]
    (part,) = pages.section(found.results[0])["settings"]
    assert "fewer than 5" in part["quality"].caption and part["against"] is None


def test_annotators_stand_side_by_side(tmp_path):
    folder = folder_of(tmp_path, a=dict(n_seeds=5, oracles=("noisy[rate=0.3]", "perfect")))
    of_data, of_model = pages.section(read(folder).results[0])["robustness"]
    rounds = pd.read_csv(folder / "a.csv").query("strategy == 'sim'")
    for table, column in ((of_data, "data_miou"), (of_model, "model_miou")):
        assert table.headings == ["strategy", "perfect", "noisy[rate=0.3]"]
        areas = {
            oracle: np.array([_area_and_end(cell, column, 0, 200)[0] for _, cell in of.groupby("seed")])
            for oracle, of in rounds.groupby("oracle")
        }
        (row,) = (row for row in table.cells if row[0].text == "sim")
        change = 100 * (areas["noisy[rate=0.3]"] - areas["perfect"])
        low, high = scipy.stats.ttest_1samp(change, 0).confidence_interval(0.95)
        expected = f"{100 * areas['noisy[rate=0.3]'].mean():.2f} ({change.mean():+.2f}, {low:.2f} to {high:.2f})"
        assert row[2].text == expected and row[1].bold


def test_what_is_a_result_is_told_by_its_columns(alc, tmp_path):
    folder = folder_of(tmp_path, a=dict(n_seeds=5), **{"published-b": dict(n_seeds=5, strategies=("random", "sim"))})
    common = dict(dataset="shapes", strategy="theirs", n_queries=[0, 200], data_miou=[0.3, 0.9], seed=[0, 0])
    pd.DataFrame(common | {"round": [0, 1]}).to_csv(folder / "a-paper.csv", index=False)
    pd.DataFrame(dict(size=[1], median_ms=[2.0])).to_csv(folder / "time.csv", index=False)
    pd.DataFrame(dict(seed=[0, 1], model_miou=[0.6, 0.7])).to_csv(folder / "a-reference.csv", index=False)
    done = alc("board", folder)
    assert done.code == 0 and "No results, as they lack columns of rounds.csv: time.csv." in done.out
    assert "drawn dotted and never ranked: a-paper.csv, published-b.csv." in done.out
    found = read(folder)
    assert [result.name for result in found.results] == ["a"] and found.published == ("a-paper.csv", "published-b.csv")
    assert found.results[0].reference == pytest.approx({"shapes": 0.65})
    (part,) = pages.section(found.results[0])["settings"]
    theirs = next(row for row in part["quality"].cells if row[0].text == "theirs (published)")
    assert theirs[1].text == "–"
    assert "65.00 (model), training on the truth" in " ".join(part["quality"].notes)
    assert all("theirs" not in verdict.of.ranked for verdict in found.results[0].study.verdicts[SHAPES].values())
    (shown,) = chooser.data(found)["results"][0]["settings"]
    assert shown["looks"]["theirs"][0] == "published" and "theirs" in shown["curves"]["data"]["queries"]


@pytest.mark.parametrize(("images", "beside"), [(10, True), (99, False)])
def test_published_numbers_stand_only_beside_results_of_as_many_images(tmp_path, images, beside):
    folder = folder_of(tmp_path, a=dict(n_seeds=5))
    (folder / "a.toml").write_text(f"[result]\nimages = {images}\n")
    theirs = dict(dataset="shapes", strategy="theirs", n_queries=[0, 200], data_miou=[0.3, 0.9], n_images=10)
    pd.DataFrame(theirs | {"round": [0, 1]}).to_csv(folder / "a-paper.csv", index=False)
    (result,) = read(folder).results
    assert ("theirs" in set(result.study.results.cells.strategy)) == beside


def test_the_chooser_says_what_data_and_annotators_are(tmp_path):
    folder = folder_of(tmp_path, a=dict(n_seeds=3, oracles=("noisy[rate=0.3]",)), b=dict(n_seeds=3))
    (folder / "a.toml").write_text('seeds = 3\n[result]\ntitle = "Roads, at night"\ncommand = "alc-bench run"\n')
    a, b = chooser.data(read(folder))["results"]
    assert a["name"] == "Roads, at night · with a model (a)" and b["name"] == "shapes · simulated · with a model (b)"
    assert a["made"] == ["a.csv: alc-bench run"]
    _, annotator = a["settings"][0]["notes"]
    assert annotator.startswith("noisy[rate=0.3]: Names another class") and " Here of=perfect" in annotator


def test_someone_elses_file_joins_by_its_name(alc, tmp_path):
    folder = folder_of(tmp_path, a=dict(n_seeds=5), theirs=dict(n_seeds=5, strategies=("new_one",)))
    (folder / "theirs.csv").rename(folder / "a@ann.csv")
    (result,) = read(folder).results
    assert list(result.files) == ["a.csv", "a@ann.csv"]
    assert "new_one" in result.study.verdicts[SHAPES]["data"].of.ranked
    shutil.copy(folder / "a.csv", folder / "a@bob.csv")
    done = alc("board", folder)
    assert done.code == 2 and "is in a.csv already; call the strategy otherwise" in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_subfolders_are_read_and_records_checked(alc, tmp_path):
    folder = folder_of(tmp_path, a=dict(n_seeds=5), b=dict(n_seeds=5))
    for name in ("roads", "published", "runs/one"):
        (folder / name).mkdir(parents=True)
        shutil.copy(folder / "a.csv", folder / name / "a.csv")
    (folder / "b.csv").rename(folder / "roads" / "rules.csv")
    (folder / "roads" / "rules.toml").write_text("[result]\nboard = false\n")
    found = read(folder)
    assert [result.name for result in found.results] == ["a", "roads/a"]  # a run's own folder lies deeper
    assert found.published == ("published/a.csv",) and found.aside == ("roads/rules.csv",)
    assert len(found.p) == 2 * 2 * 6  # the file kept off shares no level
    for text, message in (("seeds = '5'", "[result] has seeds = '5'; expected title (str)"), ("seeds", "as TOML")):
        (folder / "roads" / "rules.toml").write_text(f"[result]\n{text}\n")
        done = alc("board", folder)
        assert done.code == 2 and message in done.err and len(done.err.strip().splitlines()) == 1


def _edited(file: Path, change) -> None:
    change(pd.read_csv(file)).to_csv(file, index=False)


def test_one_run_that_puts_a_strategy_below_takes_it_off_the_top(tmp_path):
    folder = folder_of(tmp_path, a=dict(n_seeds=5), b=dict(n_seeds=5, strategies=("sim", "random")))
    (before,) = datasets.datasets(read(folder), "perfect")
    assert before.top == ("sim",)
    _edited(folder / "b.csv", lambda rows: rows.assign(strategy=rows.strategy.map({"sim": "random", "random": "sim"})))
    board = read(folder)
    (found,) = datasets.datasets(board, "perfect")
    assert found.top == () and len(found.runs) == 2
    pairs = board.results[1].study.verdicts[SHAPES]["data"]
    names = pairs.of.ranked
    assert found.deficit("sim") == pytest.approx(pairs.pairs.high[names.index("random"), names.index("sim")])
    assert found.deficit("sim") > 0.01 and "none: runs differ" in str(pages.opening(board).rows)
    assert datasets.headline(board) == "Which labels should a person check first? The data does not say."


def test_labels_worse_than_before_any_question_are_said(tmp_path):
    folder = folder_of(tmp_path, a=dict(n_seeds=5, oracles=("perfect", "noisy[rate=0.1]")))

    def spoil(rows):
        noisy = rows.oracle.ne("perfect") & rows["round"].gt(0)
        return rows.assign(data_miou=rows.data_miou.mask(noisy, 0.3 * rows.data_miou))

    _edited(folder / "a.csv", spoil)
    board = read(folder)
    free, noisy = (datasets.datasets(board, oracle)[0] for oracle in ("perfect", "noisy[rate=0.1]"))
    assert not free.worse and noisy.worse == set(noisy.verdict.of.ranked)
    free_part, noisy_part = datasets.headline(board).split(" With 10 % label noise, ")
    assert free_part.endswith("Asking nobody is worse on each.")
    assert noisy_part.endswith(
        "The labels become worse than the pseudo labels on shapes with `sim`: there, ask nobody."
    )
    rows = pages.opening(board).cells
    assert rows[0][4].text.endswith("worse than asking nobody)")
    assert rows[0][1].text == f"{100 * free.start:.2f}"
    shown = chooser.data(board)["results"][0]["settings"][1]
    assert "sim" in shown["answers"]["data"]["queries"][-1]["worse"]
    costs, values = shown["curves"]["data"]["queries"][datasets.NOBODY]
    assert costs[1] > costs[0] and values == pytest.approx([free.start] * 2)


def test_the_picture_has_the_strategies_of_most_datasets_on_top(committed):
    found = datasets.datasets(committed, "perfect")
    order = picture.strategies(found)
    on = [sum(name in dataset.verdict.of.ranked for dataset in found) for name in order]
    assert on == sorted(on) and on[-1] == len(found)
    panels = [axes for axes in picture.draw(committed).axes if axes.get_visible()]
    assert {axes.get_title().partition(", ")[2] for axes in panels} == {"noise-free", "10 % label noise"}


def test_the_readme_of_the_results_has_the_opening_table(committed):
    text = (RESULTS / "README.md").read_text()
    for row in pages.opening(committed).cells:
        assert f"| {' | '.join(cell.text for cell in row)} |" in text


def test_names_that_are_no_specs_and_markup_do_no_harm(alc, browser, tmp_path):
    folder = folder_of(
        tmp_path, a=dict(n_seeds=5, dataset="my <b>data</b> [1", strategies=("random", "<script>alert(1)"))
    )
    assert alc("board", folder).code == 0
    browser.get((folder / "board.html").as_uri())
    assert browser.execute_script("return document.body.dataset.ready") == "yes" and errors(browser) == []
    assert browser.execute_script("return document.querySelectorAll('b').length") == 0


def test_a_folder_without_results_is_refused_in_one_line(alc, tmp_path):
    done = alc("board", tmp_path)
    assert done.code == 2 and "expected CSV files with the columns of rounds.csv" in done.err


@pytest.mark.parametrize(("width", "scheme"), [(400, "dark"), (1400, "light")])
def test_the_page_opens_from_disk_and_chooses(browser, made, committed, width, scheme):
    page = made / "board.html"
    assert page.stat().st_size < 5e6
    text = page.read_text(encoding="utf-8")
    assert not re.findall(r"(?:src|href)=[\"']?(?:https?:)?//", text)
    assert "default-src 'none'" in text and "'unsafe-inline'; script-src 'sha256-" in text
    size = dict(width=width, height=900, deviceScaleFactor=1, mobile=width < 500)
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    scheme = dict(features=[dict(name="prefers-color-scheme", value=scheme)])
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)
    browser.get(page.as_uri())
    assert browser.execute_script("return document.body.dataset.ready") == "yes"
    for result in committed.results:
        for place, (setting, _) in enumerate(result.settings):
            _check_choice(browser, result, place, setting, budget=6)
            assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert errors(browser) == []


def _check_choice(browser, result, place, setting, budget):
    """The page's answer for a setting, data mIoU and questions, is what the test at that budget leaves."""
    choose = """
    const [name, ...chosen] = arguments, at = (id) => document.getElementById(id);
    const set = (id, value) => { at(id).value = value; at(id).dispatchEvent(new Event('input', {bubbles: true})); };
    set('result', [...at('result').options].findIndex((option) => option.text.endsWith(`(${name})`)));
    ['oracle', 'metric', 'cost', 'budget'].forEach((id, i) => set(id, chosen[i]));
    return ['choice', 'evidence', 'made'].map((id) => at(id).textContent);
    """
    chosen = (result.name, place, "data", "queries", budget)
    choice, evidence, command = browser.execute_script(choose, *chosen)
    verdict = result.study.verdicts[setting]["data"]
    tests = Verdict(verdict.of, verdict.pair_level / len(COSTS)).budgets
    low = tests.ranks[0][budget]
    group = [name for name, rank in zip(verdict.of.ranked, low, strict=True) if rank == 1]
    if 0 < len(group) < np.isfinite(low).sum():
        shown = choice.replace(" (worse than asking nobody)", "").replace(" and ", ", ").split(", ")
        assert set(shown[:6]) <= set(group) and len(shown[:6]) == min(len(group), 6)
        assert "is below" in evidence and " p " in evidence
    else:
        assert choice == "The data does not say."
    start = 100 * datasets.at_start(verdict.of)
    assert f" Asking nobody leaves {start:.2f}. " in evidence
    assert evidence.endswith(f"Evidence: {n_seeds(verdict)}.")
    assert all(f"{name}: {record.command}" in command for name, record in result.files.items())
