"""Run folders to tables, figures and one offline page. Imports no torch."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.progress import Progress

from bench import folders
from bench.costs.seconds import Times
from bench.report import budgets, cell_files, claims, detection, layout, paper, tables
from bench.report.board import committed, datasets, markdown, pages, picture
from bench.report.figures import curves, panels
from bench.report.layout import Layout
from bench.report.page import document, index
from bench.report.results import COSTS, read
from bench.report.study import Study
from bench.runs import pack
from bench.types import InputError

Paths = str | Path | Sequence[str | Path]
REPORT = "report"  # in the folder of a run: the only thing that its report adds there
SUFFIXES = ("png", "pdf", "svg")  # of the files of each figure


def load_results(paths: Paths, mixed: bool = False) -> pd.DataFrame:
    """The tidy table of one or many runs: a row for each round of each done cell, with the columns of rounds.csv.

    ``paths``: folders of runs, packs of them, and foreign rounds.csv files. Beside those columns stand ``run`` (folder
    or file), ``foreign``, ``leaky``, ``bound`` and ``protocol``. ``mixed``: take runs of different protocols together.
    Raises InputError for runs that cannot be read or compared.
    """
    return read(_listed(paths), mixed).rounds


def compare(paths: Paths, cost: str = "queries", mixed: bool = False) -> dict[str, pd.DataFrame]:
    """The tables of a report: ``summary``, ``coverage``, ``pairs``, ``detection``, ``aggregate``
    and ``robustness``.

    ``cost``: the axis, a key of `COSTS`. Raises InputError as `load_results` does.
    """
    return _tables(Layout(Study(read(_listed(paths), mixed), cost)))


def _listed(paths: Paths) -> list[Path]:
    paths = [paths] if isinstance(paths, (str, Path)) else paths
    return [pack.opened(Path(path)) for path in paths]


def write(
    outs: list[Path],
    *,
    to: Path | None = None,
    cost: str = "queries",
    times: Times | None = None,
    mixed: bool = False,
    html: bool = True,
    at: Sequence[float] = (),
    against: str = "",
    console: Console | None = None,
) -> Path:
    """The report of these runs (folders or packs) and foreign rounds.csv files, in ``to``: by default the
    folder `REPORT` of the only run, for a pack the folder of its name, for one file ``<its name>-report`` beside it.

    ``cost``: the axis, a key of `COSTS`. ``times``: prices ``cost_s`` anew, with these means; without them, only the
    table of prices is of measured seconds. ``mixed``: compare runs of different protocols. ``html``: write the page
    too, and an index if there are several runs. ``at``: budgets in ``cost`` and ``against``: a strategy, for the
    tables of `bench.report.paper`. Returns the folder. Raises InputError for runs that cannot be read
    or compared; then nothing is written.
    """
    if cost not in COSTS:
        raise InputError(f"unknown cost {cost!r}; there are: {', '.join(COSTS)}")
    if to is None and len(outs) == 1 and Path(outs[0]).suffix == ".zip":
        to = Path(outs[0]).with_suffix("")  # beside the pack, which is opened in the cache
    outs = _listed(outs)
    results = read(outs, mixed)
    runs = [out for out in outs if out.is_dir()]
    if to is None and len(runs) != 1 and len(outs) != 1:
        raise InputError(
            f"a report over {len(runs)} runs and {len(outs) - len(runs)} files needs a folder of its own: "
            "name it with --out"
        )
    if to is None:
        to = runs[0] / REPORT if runs else Path(outs[0]).with_name(f"{Path(outs[0]).stem}-report")
    to = Path(to)
    if times is not None:
        results = cell_files.reprice(results, times.mean)
    study = Study(results, cost)
    shown = Layout(study, times) if times else Layout(study)
    found, summary = _tables(shown), shown.numbers
    for_paper = paper.tables_of(study, at, against)
    drawn = {} if summary.empty else _figures(study)
    console = console or Console()
    try:
        with folders.writing(to, replaced=f"{layout.TABLES}/[0-9]*-*.csv") as work:
            layout.write(shown, work)
            tables.write_csv(work / "summary.csv", summary)
            tables.write_csv(work / "prices.csv", shown.priced)
            tables.write_csv(work / "budgets.csv", budgets.table(study))
            for name in ("coverage", "pairs", "detection", "aggregate", "robustness"):
                if name in ("coverage", "pairs") or not found[name].empty:
                    tables.write_csv(work / f"{name}.csv", found[name])
            for_paper_files = [to / path.name for path in paper.write(for_paper, work)]
            with Progress(console=Console(stderr=True), transient=True) as progress:
                for name, figure in progress.track(drawn.items(), description="figures"):
                    curves.save(figure, work, name, SUFFIXES)
                if html:
                    progress.add_task("page", total=None)
                    document.write(shown, work / "report.html")
            if html and len(runs) > 1:
                index.write(results, summary, work / "index.html", to)
    except OSError as error:
        raise InputError(f"{to}: cannot write the report there: {error.strerror}") from error
    layout.show(shown, console)  # last: whoever reads may stop reading
    if at or against:
        console.print(f"for a paper: {', '.join(map(str, for_paper_files))}", soft_wrap=True, markup=False)
    for what, name in (("curves", "curves.png"), ("page", "report.html")):
        if (to / name).exists():
            console.print(f"{what}: {to / name}", soft_wrap=True, markup=False, highlight=False)
    return to


def write_board(folder: Path, to: Path | None = None, console: Console | None = None) -> Path:
    """The board of all results of ``folder`` (`bench.report.board`): board.html, board.md, and board.png if anything is
    tested, in ``to``, by default the folder itself; returned. Raises InputError as `board.committed.read` does.
    """
    found, to, console = committed.read(folder), to or folder, console or Console()
    try:
        with folders.writing(to) as work:
            sections = [pages.section(result) for result in found.results]
            pages.write(found, sections, work / "board.html")
            drawn = picture.draw(found)
            if drawn is not None:
                curves.save(drawn, work, "board", ("png",))
            markdown.write(found, work / "board.md", drawn is not None)
    except OSError as error:
        raise InputError(f"{to}: cannot write the board there: {error.strerror}") from error
    for sentence in (datasets.headline(found).replace("`", ""), *datasets.skipped(found), f"page: {to / 'board.html'}"):
        console.print(sentence, soft_wrap=True, markup=False, highlight=False)
    return to


def _tables(layout: Layout) -> dict[str, pd.DataFrame]:
    study = layout.study
    return {
        "summary": layout.numbers,
        "coverage": tables.coverage(study.results),
        "pairs": tables.pairs(study),
        "detection": detection.summarise(study.results),
        "aggregate": claims.aggregate(study),
        "robustness": claims.robustness(study),
    }


def _figures(study: Study) -> dict:
    found = {
        "curves": curves.curves(study),
        "costs": panels.costs(study.results),
        "classes": panels.classes(study.results),
        "penalty": panels.penalty(study),
        "time": panels.time(study.results),
        "quality": panels.quality(study.results),
        "detection": panels.detection(study.results),
        "robustness": panels.robustness(study),
    }
    return {name: figure for name, figure in found.items() if figure is not None}
