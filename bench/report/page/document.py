"""One HTML file of a report: it opens from disk, with no network, and holds all that it shows."""

import base64
import hashlib
import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import jinja2
import numpy as np
import pandas as pd
from plotly.offline import get_plotlyjs

from bench import metrics
from bench.costs.seconds import Times
from bench.files import replacing
from bench.report import budgets, claims, detection, prices, tables
from bench.report.comparison import drawn_out
from bench.report.figures.curves import AXES
from bench.report.page import gallery
from bench.report.results import COSTS, SETTING, Results
from bench.report.study import Study, Verdict
from bench.report.style import Look, looks, percent, title
from bench.runs import schema

N_POINTS, MIN_POINTS = 20_000, 10  # of all curves of the page together, and of each whatever their number
NAMES = {"data": "data mIoU", "model": "model mIoU", "labelled": "data mIoU, labelled pixels"}
# column of rounds.csv, its name, whether it is a share
METRICS = [
    *((measure.column, measure.title, True) for measure in metrics.MEASURES),
    *((column.name, f"wrong labels found: {column.title}", True) for column in schema.DETECTION),
    ("corrected_px", "pixels corrected", False),
    ("harmed_px", "pixels harmed", False),
]


ROOMS = ("page", "board")  # whose folders hold templates, styles and scripts
TEMPLATES = jinja2.Environment(
    loader=jinja2.ChoiceLoader([jinja2.PackageLoader(f"bench.report.{room}", ".") for room in ROOMS]),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def write(study: Study, summary: pd.DataFrame, path: Path, priced: pd.DataFrame, times: Times) -> None:
    """The page of a study, with its cost as the first axis, and the costs of the answers (`bench.report.prices`)."""
    results, cost = study.results, study.cost
    style = looks(results.rounds.strategy)
    most = max(N_POINTS // max(len(results.cells), 1), MIN_POINTS)
    settings = [
        _setting(setting, block, study.verdicts[setting]["data"], style, most)
        | dict(answers=rounded(budgets.of_setting(study, setting)))
        for setting, block in study.settings
    ]
    pictures = _gallery(results)
    order = [cost, *(key for key in COSTS if key != cost)]
    data = dict(
        settings=settings,
        costs=[[COSTS[key], AXES[key]] for key in order],
        axes={COSTS[key]: key for key in order},
        columns={measure.column: measure.of for measure in metrics.MEASURES if measure.ranked},
        metrics=METRICS,
        gallery=pictures,
    )
    coverage = tables.coverage(results)
    seeds = [c for c in coverage if c not in (*SETTING, "strategy")]
    render(
        path,
        "page.html",
        scripts=[get_plotlyjs(), source("common.js") + source("page.js")],
        title=f"alc-bench: {', '.join(dict.fromkeys(s['key'][0] for s in settings))}",
        data=as_json(data),
        coverage=_coverage(coverage, seeds),
        all_done=bool((coverage[seeds] == "done").all(axis=None)),
        sections=_tables(study, summary),
        everywhere=[*_aggregate(claims.aggregate(study)), *_noise(claims.robustness(study))],
        prices=_prices(priced),
        price_note=prices.remark(times) if len(priced) else "",
        notes=pictures.pop("notes"),
        runs=_runs(results),
    )


def render(path: Path, template: str, scripts: Sequence[str] = (), **values) -> None:
    """A page of a template. Its content security policy lets these scripts run, known by their digests, and nothing
    else: no markup that data smuggles in."""
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"
    text = TEMPLATES.get_template(template).render(scripts=scripts, allowed=allowed, css=source("page.css"), **values)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def as_json(data: dict) -> str:
    """Data for a page's script: without a "<", so that no text in it ends the element."""
    return json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def source(name: str, room: str = "page") -> str:
    """A style sheet or script of ours, as it stands in its file: it is trusted, data is not."""
    return resources.files(f"bench.report.{room}").joinpath(name).read_text(encoding="utf-8")


def table(headings: Sequence[str], rows: list, caption: str = "", words: bool = False) -> dict:
    """A table for the templates. A cell is a text, or a dict of ``text`` and ``bold``, ``kind`` or ``link``; ``words``:
    set as text, not as numbers."""
    plain = dict(text="", bold=False, kind="", link="")
    rows = [[plain | (cell if isinstance(cell, dict) else dict(text=cell)) for cell in row] for row in rows]
    return dict(headings=headings, rows=rows, caption=caption, words=words)


def rounded(answers):
    """``answers`` for JSON: numbers to nine digits, None if there is no number."""
    if isinstance(answers, dict):
        return {key: rounded(value) for key, value in answers.items()}
    if isinstance(answers, (list, tuple)):
        return [rounded(value) for value in answers]
    if isinstance(answers, float):
        return round(answers, 9) if np.isfinite(answers) else None
    return answers


def _setting(
    setting: tuple[str, str, str], block: Results, verdict: Verdict, style: dict[str, Look], most: int
) -> dict:
    """``most``: how many points each curve may have."""
    columns = [*COSTS.values(), *(key for key, *_ in METRICS)]
    ends, curves = block.rounds.loc[~block.rounds.foreign, [*COSTS.values()]].max(), []
    for strategy, rows in block.rounds.groupby("strategy"):
        foreign, bound = bool(rows.foreign.any()), bool(rows.bound.any())
        seeds = [
            dict(
                seed=int(seed),
                common=foreign or seed in verdict.of.seeds,
                values={name: _numbers(values) for name, values in _drawn(cell, ends, most)[columns].items()},
            )
            for (seed, _), cell in rows.groupby(["seed", "run"])
        ]
        kind = "published" if foreign else "bound" if bound else "ranked"
        look = style[strategy]
        curves.append(
            dict(strategy=strategy, kind=kind, color=look.color, symbol=look.symbol, form=look.form, seeds=seeds)
        )
    return dict(key=setting, leaky=bool(block.cells.leaky.any()), curves=curves)


def _drawn(cell: pd.DataFrame, ends: pd.Series, most: int) -> pd.DataFrame:
    """At most ``most`` rounds of a cell; one that has stopped is drawn out to the ``ends`` of the costs."""
    return thinned(cell.assign(**{name: drawn_out(cell[name].to_numpy(), end) for name, end in ends.items()}), most)


def thinned(rounds: pd.DataFrame, most: int) -> pd.DataFrame:
    """At most ``most`` of the rounds of a cell, evenly spread, the first and the last among them."""
    places = np.linspace(0, len(rounds) - 1, min(most, len(rounds))).round().astype(int)
    return rounds.iloc[places]


def _numbers(values: pd.Series) -> list:
    return [round(float(v), 6) if np.isfinite(v) else None for v in values]


def _gallery(results: Results) -> dict:
    found = gallery.build(results)
    many = len({tuple(cell["cell"][name] for name in SETTING) for cell in found["cells"]}) > 1
    for cell in found["cells"]:
        key = cell.pop("cell")
        setting = title(tuple(key[name] for name in SETTING), False) + ": " if many else ""
        cell["title"] = f"{setting}{key['strategy']}, seed {key['seed']}"
    return found


def _coverage(status: pd.DataFrame, seeds: list) -> list[dict]:
    found = []
    for setting, block in status.groupby(SETTING):
        rows = [[row["strategy"], *(dict(text=row[s], kind=row[s]) for s in seeds)] for row in block.to_dict("records")]
        found.append(table(["strategy", *(f"seed {s}" for s in seeds)], rows, title(setting, False)))
    return found


def _tables(study: Study, summary: pd.DataFrame) -> list[dict]:
    """For each setting its table, the remarks under it, its pairs, and how well it finds wrong labels."""
    found = []
    for setting, block in study.settings:
        rows = summary[summary[SETTING].eq(setting).all(axis=1)]
        if rows.empty:
            continue
        headings, lines = tables.layout(rows)
        caption = title(setting, bool(block.cells.leaky.any()))
        detected = detection.summarise(block)
        found.append(
            dict(
                summary=table(headings, _cells(lines), caption),
                remarks=tables.remarks(study.verdicts[setting], rows),
                pairs=_pairs(study.verdicts[setting]),
                detected=None if detected.empty else _detected(detected),
                note=detection.NOTE,
            )
        )
    return found


def _cells(lines) -> list:
    return [[dict(text=text, bold=bold) for text, bold in line] for line in lines]


def _detected(found: pd.DataFrame) -> dict:
    headings, lines = detection.layout(found)
    return table(headings, _cells(lines), "Wrong labels found")


def _pairs(verdicts: dict[str, Verdict]) -> list[dict]:
    """Each pair of strategies once, the better one first."""
    found = []
    headings = ["more", "less", "difference in area", "95 % interval", "p", "found with 80 % power", "budgets won"]
    for metric, verdict in verdicts.items():
        pairs = claims.pairs(verdict)
        pairs = pairs[pairs.difference.gt(0) | (pairs.difference.eq(0) & pairs.a.lt(pairs.b))]
        body = []
        for row in pairs.sort_values("difference", ascending=False).itertuples():
            texts = [row.a, row.b, percent(row.difference, row.std), interval(row.low, row.high)]
            texts += [tables.p_value(row.p), percent(row.margin), _plain(row.wins)]
            body.append([dict(text=text, bold=row.low > 0) for text in texts])
        if body:
            found.append(table(headings, body, f"{NAMES[metric]}: differences paired by seed; bold: significant"))
    return found


def _aggregate(found: pd.DataFrame) -> list[dict]:
    body = [
        [
            row.strategy,
            tables.rank(row.rank_low, row.rank_high),
            NAMES[row.metric],
            percent(row.area),
            percent(row.behind),
            interval(row.behind_low, row.behind_high),
        ]
        for row in found.sort_values(["metric", "area"], ascending=[True, False]).itertuples()
    ]
    headings = ["strategy", "rank", "metric", "area", "difference from the first", "95 % interval"]
    return [table(headings, body, "Mean over all settings")] if body else []


def _prices(priced: pd.DataFrame) -> list[dict]:
    return [
        table(prices.HEADINGS, prices.lines(block), f"What the answers cost: {title(setting, False)}")
        for setting, block in priced.groupby(SETTING)
    ]


def _noise(found: pd.DataFrame) -> list[dict]:
    body = [
        [
            row.strategy,
            tables.rank(row.rank_low, row.rank_high) + (" (changed)" if row.changed else ""),
            row.family,
            f"{row.value:g}",
            percent(row.area),
        ]
        for row in found.itertuples()
    ]
    headings = ["strategy", "rank", "oracle", "noise", "area"]
    return [table(headings, body, "Data mIoU against the oracle's noise")] if body else []


def interval(low: float, high: float) -> str:
    return f"{100 * low:.2f} to {100 * high:.2f}" if np.isfinite(low) else "–"


def _plain(value: float) -> str:
    return f"{value:.2g}" if np.isfinite(value) else "–"


def _runs(results: Results) -> list[dict]:
    found = []
    for run, spec in sorted(results.specs.items()):
        items = {k: v for k, v in spec.items() if k not in ("command", "protocol")} | spec.get("protocol", {})
        command = str(spec.get("command", "not recorded"))
        found.append(dict(name=str(run), command=command, items=[(k, _text(v)) for k, v in sorted(items.items())]))
    return found


def _text(value) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {_text(v)}" for k, v in value.items())
    return ", ".join(map(_text, value)) if isinstance(value, list) else str(value)
