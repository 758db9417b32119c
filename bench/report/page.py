"""One HTML file of a report: it opens from disk, with no network, and holds all that it shows."""

import base64
import hashlib
import json
from html import escape
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd
from plotly.offline import get_plotlyjs

from bench import metrics, runfiles
from bench.costs.seconds import Times
from bench.report import detection, gallery, judge, prices, tables
from bench.report.figures import AXES
from bench.report.results import COSTS, SETTING, Results
from bench.report.style import Look, looks, percent, title
from bench.report.verdict import Study, Verdict
from bench.store import replacing

N_POINTS, MIN_POINTS = 20_000, 10  # of all curves of the page together, and of each whatever their number
NAMES = {"data": "data mIoU", "model": "model mIoU", "labelled": "data mIoU, labelled pixels"}
# column of rounds.csv, its name, whether it is a share
METRICS = [
    *((measure.column, measure.title, True) for measure in metrics.MEASURES),
    *((column.name, f"wrong labels found: {column.title}", True) for column in runfiles.DETECTION),
    ("corrected_px", "pixels corrected", False),
    ("harmed_px", "pixels harmed", False),
]


def write(study: Study, summary: pd.DataFrame, path: Path, priced: pd.DataFrame, times: Times) -> None:
    """The page of a study, with its cost as the first axis, and what the answers cost (`bench.report.prices`)."""
    results, cost = study.results, study.cost
    style = looks(results.rounds.strategy)
    most = max(N_POINTS // max(len(results.cells), 1), MIN_POINTS)
    settings = [
        _setting(setting, block, study.verdicts[setting]["data"], style, most) for setting, block in study.settings
    ]
    pictures = _gallery(results)
    notes = "".join(f"<li>{escape(note)}</li>" for note in pictures.pop("notes"))
    order = [cost, *(key for key in COSTS if key != cost)]
    data = dict(
        settings=settings,
        costs=[[COSTS[key], AXES[key]] for key in order],
        metrics=METRICS,
        gallery=pictures,
    )
    parts = dict(
        title=escape(f"alc-bench: {', '.join(dict.fromkeys(s['key'][0] for s in settings))}"),
        css=read_part("page.css"),
        coverage=_coverage(results),
        tables=_tables(study, summary) + _prices(priced, times),
        notes=f'<ul class="note">{notes}</ul>' if notes else "",
        runs=_runs(results),
        js=read_part("page.js"),
        plotly=get_plotlyjs(),
        data=json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"),
    )
    parts["scripts"] = " ".join(_allowed(parts[name]) for name in ("plotly", "js"))
    head, *rest = read_part("page.html").split("@")
    page = head + "".join(parts[piece] if i % 2 == 0 else piece for i, piece in enumerate(rest))
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _allowed(script: str) -> str:
    """What a content security policy calls this script: no other one is run."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def table(headings: list[str], rows: list[list[str]], caption: str = "", words: bool = False) -> str:
    """An HTML table of cells that are HTML already; ``words``: set as text, not as numbers."""
    head = "".join(f'<th scope="col">{escape(h)}</th>' for h in headings)
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    caption = f"<caption>{escape(caption)}</caption>" if caption else ""
    kind = "words" if words else "numbers"
    table = f'<table class="{kind}">{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="scroll">{table}</div>'


def _setting(
    setting: tuple[str, str, str], block: Results, verdict: Verdict, style: dict[str, Look], most: int
) -> dict:
    """``most``: how many points each curve may have."""
    columns = [*COSTS.values(), *(key for key, *_ in METRICS)]
    curves = []
    for strategy, rows in block.rounds.groupby("strategy"):
        foreign, bound = bool(rows.foreign.any()), bool(rows.bound.any())
        seeds = [
            dict(
                seed=int(seed),
                common=foreign or seed in verdict.of.seeds,
                values={name: _numbers(values) for name, values in thinned(cell, most)[columns].items()},
            )
            for (seed, _), cell in rows.groupby(["seed", "run"])
        ]
        kind = "published" if foreign else "bound" if bound else "ranked"
        look = style[strategy]
        curves.append(dict(strategy=strategy, kind=kind, color=look.color, symbol=look.symbol, seeds=seeds))
    return dict(key=setting, leaky=bool(block.cells.leaky.any()), curves=curves)


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


def _coverage(results: Results) -> str:
    status = tables.coverage(results)
    seeds = [c for c in status if c not in (*SETTING, "strategy")]
    found = []
    for setting, block in status.groupby(SETTING):
        rows = [
            [f'<th scope="row">{escape(row["strategy"])}</th>', *(f'<td class="{row[s]}">{row[s]}</td>' for s in seeds)]
            for row in block.to_dict("records")
        ]
        found.append(table(["strategy", *(f"seed {s}" for s in seeds)], rows, title(setting, False)))
    return "".join(found)


def _tables(study: Study, summary: pd.DataFrame) -> str:
    found = []
    for setting, block in study.settings:
        rows = summary[summary[SETTING].eq(setting).all(axis=1)]
        if rows.empty:
            continue
        headings, lines = tables.layout(rows)
        body = [
            [f"<td>{'<strong>' if bold else ''}{escape(text)}{'</strong>' if bold else ''}</td>" for text, bold in line]
            for line in lines
        ]
        found.append(table(headings, body, title(setting, bool(block.cells.leaky.any()))))
        said = tables.remarks(study.verdicts[setting], rows)
        found.append(f'<p class="remarks">{"<br>".join(map(escape, said))}</p>')
        found.append(_pairs(study.verdicts[setting]))
        if not (detected := detection.summarise(block)).empty:
            headings, lines = detection.layout(detected)
            body = [[f"<td>{escape(text)}</td>" for text, _ in line] for line in lines]
            found.append(table(headings, body, "Wrong labels found"))
            found.append(f'<p class="remarks">{escape(detection.NOTE)}</p>')
    return "".join([*found, _aggregate(judge.aggregate(study)), _noise(judge.robustness(study))])


def _pairs(verdicts: dict[str, Verdict]) -> str:
    """Each pair of strategies once, the better one first."""
    found = []
    headings = ["more", "less", "difference in area", "95 % interval", "p", "found with 80 % power", "budgets won"]
    for metric, verdict in verdicts.items():
        pairs = judge.pairs(verdict)
        pairs = pairs[pairs.difference.gt(0) | (pairs.difference.eq(0) & pairs.a.lt(pairs.b))]
        body = []
        for row in pairs.sort_values("difference", ascending=False).itertuples():
            texts = [row.a, row.b, percent(row.difference, row.std), _interval(row.low, row.high)]
            texts += [tables.p_value(row.p), percent(row.margin), _plain(row.wins)]
            mark = ("<strong>", "</strong>") if row.low > 0 else ("", "")
            body.append([f"<td>{mark[0]}{escape(text)}{mark[1]}</td>" for text in texts])
        if body:
            found.append(table(headings, body, f"{NAMES[metric]}: differences paired by seed; bold: told apart"))
    return f"<details><summary>Pairs of strategies</summary>{''.join(found)}</details>" if found else ""


def _aggregate(found: pd.DataFrame) -> str:
    body = [
        [f"<td>{escape(text)}</td>" for text in (NAMES[row.metric], row.strategy, percent(row.area))]
        + [f"<td>{percent(row.behind)}</td><td>{_interval(row.behind_low, row.behind_high)}</td>"]
        + [f"<td>{tables.rank(row.rank_low, row.rank_high)}</td>"]
        for row in found.sort_values(["metric", "area"], ascending=[True, False]).itertuples()
    ]
    headings = ["metric", "strategy", "area", "difference from the first", "95 % interval", "rank"]
    return table(headings, body, "Mean over all settings") if body else ""


def _prices(priced: pd.DataFrame, times: Times) -> str:
    found = []
    for setting, block in priced.groupby(SETTING):
        body = [[f"<td>{escape(text)}</td>" for text in line] for line in prices.lines(block)]
        found.append(table(list(prices.HEADINGS), body, f"What the answers cost: {title(setting, False)}"))
    return "".join(found) + (f'<p class="remarks">{escape(prices.remark(times))}</p>' if found else "")


def _noise(found: pd.DataFrame) -> str:
    body = [
        [f"<td>{escape(text)}</td>" for text in (row.family, f"{row.value:g}", row.strategy, percent(row.area))]
        + [f"<td>{tables.rank(row.rank_low, row.rank_high)}{' (changed)' if row.changed else ''}</td>"]
        for row in found.itertuples()
    ]
    headings = ["oracle", "noise", "strategy", "area", "rank"]
    return table(headings, body, "Data mIoU against the oracle's noise") if body else ""


def _interval(low: float, high: float) -> str:
    return f"{100 * low:.2f} to {100 * high:.2f}" if np.isfinite(low) else "–"


def _plain(value: float) -> str:
    return f"{value:.2g}" if np.isfinite(value) else "–"


def _runs(results: Results) -> str:
    found = []
    for run, spec in sorted(results.specs.items()):
        rows = {k: v for k, v in spec.items() if k not in ("command", "protocol")} | spec.get("protocol", {})
        items = "".join(f"<dt>{escape(k)}</dt><dd>{escape(_text(v))}</dd>" for k, v in sorted(rows.items()))
        command = escape(str(spec.get("command", "not recorded")))
        found.append(
            f"<h3>{escape(str(run))}</h3><pre>{command}</pre><details><summary>Settings, versions and hardware"
        )
        found.append(f"</summary><dl>{items}</dl></details>")
    return "".join(found)


def _text(value) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {_text(v)}" for k, v in value.items())
    return ", ".join(map(_text, value)) if isinstance(value, list) else str(value)


def read_part(name: str) -> str:
    return resources.files("bench.report").joinpath(name).read_text(encoding="utf-8")
