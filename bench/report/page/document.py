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
from bench.files import replacing
from bench.report import budgets
from bench.report.comparison import drawn_out
from bench.report.figures.curves import AXES
from bench.report.layout import Layout
from bench.report.page import gallery
from bench.report.results import COSTS, SETTING, Results
from bench.report.study import Verdict
from bench.report.style import Look, looks, title
from bench.runs import schema

N_POINTS, MIN_POINTS = 20_000, 10  # of all curves of the page together, and of each whatever their number
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


def write(layout: Layout, path: Path) -> None:
    """The page of a study, with its cost as the first axis."""
    study = layout.study
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
    render(
        path,
        "page.html",
        scripts=[get_plotlyjs(), source("common.js") + source("page.js")],
        title=f"alc-bench: {', '.join(dict.fromkeys(s['key'][0] for s in settings))}",
        data=as_json(data),
        layout=layout,
        all_done=set(layout.statuses) == {"done"},
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
