"""One HTML file of a report: it opens from disk, with no network, and holds all that it shows."""

import json
from html import escape
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd
from plotly.offline import get_plotlyjs

from bench.report import gallery, judge, tables
from bench.report.compare import Comparison
from bench.report.figures import AXES
from bench.report.results import COSTS, SETTING, Results
from bench.report.style import Look, looks, title
from bench.store import replacing

# column of rounds.csv, its name, whether it is a share
METRICS = [
    ("data_miou", "data mIoU", True),
    ("model_miou", "model mIoU", True),
    ("data_accuracy", "data accuracy", True),
    ("data_miou_labelled", "data mIoU, labelled pixels", True),
    ("corrected_px", "pixels corrected", False),
    ("harmed_px", "pixels harmed", False),
]


def write(results: Results, summary: pd.DataFrame, path: Path, cost: str = "queries") -> None:
    """The page of ``results``, with ``cost`` as the first axis."""
    style = looks(results.rounds.strategy)
    settings = [_setting(setting, block, style) for setting, block in results.settings()]
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
        tables=_tables(results, summary),
        notes=f'<ul class="note">{notes}</ul>' if notes else "",
        runs=_runs(results),
        js=read_part("page.js"),
        plotly=get_plotlyjs(),
        data=json.dumps(data, allow_nan=False, separators=(",", ":")).replace("</", "<\\/"),
    )
    head, *rest = read_part("page.html").split("@")
    page = head + "".join(parts[piece] if i % 2 == 0 else piece for i, piece in enumerate(rest))
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def table(headings: list[str], rows: list[list[str]], caption: str = "", words: bool = False) -> str:
    """An HTML table of cells that are HTML already; ``words``: set as text, not as numbers."""
    head = "".join(f'<th scope="col">{escape(h)}</th>' for h in headings)
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    caption = f"<caption>{escape(caption)}</caption>" if caption else ""
    kind = "words" if words else "numbers"
    table = f'<table class="{kind}">{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="scroll">{table}</div>'


def _setting(setting: tuple[str, str, str], block: Results, style: dict[str, Look]) -> dict:
    comparison = Comparison(setting, block)
    columns = [*COSTS.values(), *(key for key, *_ in METRICS)]
    curves = []
    for strategy, rows in block.rounds.groupby("strategy"):
        foreign, bound = bool(rows.foreign.any()), bool(rows.bound.any())
        seeds = [
            dict(
                seed=int(seed),
                common=foreign or seed in comparison.seeds,
                values={name: _numbers(cell[name]) for name in columns},
            )
            for (seed, _), cell in rows.groupby(["seed", "run"])
        ]
        kind = "published" if foreign else "bound" if bound else "ranked"
        look = style[strategy]
        curves.append(dict(strategy=strategy, kind=kind, color=look.color, symbol=look.symbol, seeds=seeds))
    return dict(key=setting, leaky=bool(block.cells.leaky.any()), curves=curves)


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


def _tables(results: Results, summary: pd.DataFrame) -> str:
    found = []
    for setting, block in results.settings():
        rows = summary[summary[SETTING].eq(setting).all(axis=1)]
        if rows.empty:
            continue
        headings, lines = tables.layout(rows)
        body = [
            [f"<td>{'<strong>' if best else ''}{escape(text)}{'</strong>' if best else ''}</td>" for text, best in line]
            for line in lines
        ]
        found.append(table(headings, body, title(setting, bool(block.cells.leaky.any()))))
        found.append(f'<p class="remarks">{"<br>".join(map(escape, tables.remarks(setting, block, rows)))}</p>')
        found.append(_pairs(setting, block, rows.cost.iloc[0]))
    noise = judge.robustness(results, summary.cost.iloc[0]) if len(summary) else summary
    if len(noise):
        body = [
            [f"<td>{escape(text)}</td>" for text in (r.family, f"{r.value:g}", r.strategy, tables.percent(r.area))]
            + [f"<td>{r.rank:.0f}{' (changed)' if r.changed else ''}</td>"]
            for r in noise.itertuples()
        ]
        found.append(
            table(["oracle", "noise", "strategy", "area", "rank"], body, "Data mIoU against the oracle's noise")
        )
    return "".join(found)


def _pairs(setting: tuple[str, str, str], block: Results, cost: str) -> str:
    """Each pair of strategies once, the better one first."""
    found = []
    for metric, name in (("data", "data mIoU"), ("model", "model mIoU")):
        comparison = Comparison(setting, block, metric, cost)
        if not comparison.seeds or len(comparison.ranked) < 2:
            continue
        pairs = judge.pairs(comparison)
        pairs = pairs[pairs.difference.gt(0) | (pairs.difference.eq(0) & pairs.a.lt(pairs.b))]
        body = [
            [f"<td>{escape(text)}</td>" for text in (r.a, r.b, tables.percent(r.difference, r.std))]
            + [f"<td>{'too few seeds' if np.isnan(r.p_holm) else f'{r.p_holm:.2g}'}</td>"]
            + [f"<td>{'–' if np.isnan(x) else f'{x:.2g}'}</td>" for x in (r.wins, r.p_improvement)]
            for r in pairs.sort_values("difference", ascending=False).itertuples()
        ]
        headings = ["better", "worse", "difference in area", "p (Holm)", "budgets won", "P(improvement)"]
        found.append(table(headings, body, f"{name}, differences paired by seed"))
    return f"<details><summary>Pairs of strategies</summary>{''.join(found)}</details>" if found else ""


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
