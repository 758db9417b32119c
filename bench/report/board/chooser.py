"""What the chooser of a board is made of: who is among the best in each setting, by each metric, at each budget."""

from functools import cache

import numpy as np

from bench import registry
from bench.report import budgets
from bench.report.board.committed import PERFECT, Board, Result, Setting, n_seeds, short_name
from bench.report.board.datasets import NOBODY, at_start
from bench.report.comparison import Comparison
from bench.report.figures.curves import mean_curve
from bench.report.results import Results
from bench.report.style import NAMES, look, title

COSTS = ("queries", "seconds")  # that a budget may be in


def data(board: Board) -> dict:
    """For JSON, once NaN is replaced: the results with their settings, and which of them is shown first."""
    found = [_of_result(result) for result in board.results]
    across = sorted(board.across(PERFECT, "data"), key=lambda pair: -len(pair[1].of.ranked))
    first = board.results.index(across[0][0]) if across else 0
    costs = {cost: budgets.UNITS[cost] for cost in COSTS}
    return dict(row=budgets.ROW, most=budgets.MOST_NAMES, first=first, results=found, costs=costs, metrics=NAMES)


def _of_result(result: Result) -> dict:
    settings = []
    for setting, block in result.settings:
        kinds = block.rounds.groupby("strategy")[["foreign", "bound"]].any()
        looks = {}
        for name, foreign, bound in kinds.itertuples(name=None):
            style = look(name)
            looks[name] = ["published" if foreign else "bound" if bound else "ranked", style.color, style.form]
        looks[NOBODY] = ["start", "#767676", "┄"]
        settings.append(
            dict(
                oracle=setting[2],
                notes=[_caption("datasets", setting[0]), _caption("oracles", setting[2])],
                seeds=n_seeds(result.study.verdicts[setting]["data"]),
                answers=_packed(_beside_nobody(result, setting)),
                curves=_curves([of.metric for of in result.study.comparisons[setting]], setting, block),
                looks=looks,
            )
        )
    dataset, foundation, _ = result.settings[0][0]
    whole = title((short_name(dataset), foundation, ""), False)
    trained = any(of.metric == "model" and of.curves for row in result.study.comparisons.values() for of in row)
    made = [f"{file}: {of.command or 'the command is not recorded'}" for file, of in result.files.items()]
    name = f"{result.title or whole} · {'with a model' if trained else 'labels only'} ({result.name})"
    return dict(name=name, made=made, settings=settings)


def _beside_nobody(result: Result, setting: Setting) -> dict[str, dict[str, list[dict]]]:
    """The answers, each with the row `NOBODY` and the strategies that are ``worse`` than it by their means."""
    found: dict[str, dict[str, list[dict]]] = {}
    for metric, by_cost in budgets.of_setting(result.study, setting, COSTS).items():
        start = at_start(result.study.verdicts[setting][metric].of)
        row = dict.fromkeys(budgets.ROW) | dict(strategy=NOBODY, kind="start", mean=start, to="")
        for cost, steps in by_cost.items():
            below = [[of["strategy"] for of in step["rows"] if of["mean"] < start - 1e-9] for step in steps]
            rows = [sorted([*step["rows"], row], key=lambda of: -of["mean"]) for step in steps]
            parts = zip(steps, rows, below, strict=True)
            found.setdefault(metric, {})[cost] = [step | dict(rows=r, worse=worse) for step, r, worse in parts]
    return found


def _packed(answers: dict[str, dict[str, list[dict]]]) -> dict:
    """The answers with each row as a list, in the order of `budgets.ROW`: there are many."""

    def pack(step: dict) -> dict:
        return step | dict(rows=[[_short(row[name]) for name in budgets.ROW] for row in step["rows"]])

    return {m: {cost: [pack(step) for step in steps] for cost, steps in of.items()} for m, of in answers.items()}


def _short(value):
    return round(value, 6) if isinstance(value, float) else value


def _curves(metrics: list[str], setting: Setting, block: Results) -> dict[str, dict[str, dict[str, list]]]:
    """metric -> cost -> strategy -> (costs, values) of its mean curve; published ones too."""
    found: dict[str, dict[str, dict[str, list]]] = {}
    for metric in metrics:
        for cost in COSTS:
            of = Comparison(setting, block, metric, cost)
            common = {name: [by[seed] for seed in of.seeds if seed in by] for name, by in of.curves.items()}
            lines = {name: mean_curve(curves) for name, curves in common.items() if curves}
            if lines:
                lines[NOBODY] = (np.array(of.span), np.full(2, at_start(of)))
            lines |= {name: (rounds["cost"], rounds["value"]) for name, rounds in of.foreign.items()}
            if lines:
                by_name = {name: [list(map(float, part)) for part in line] for name, line in lines.items()}
                found.setdefault(metric, {})[cost] = by_name
    return found


@cache
def _entries(kind: str) -> dict[str, dict]:
    return {entry["name"]: entry for entry in registry.describe(kind)}


def _caption(kind: str, spec: str) -> str:
    """What a plug-in is, and the values of those parameters that the spec leaves as they are."""
    name, _, given = spec.partition("[")
    entry = _entries(kind).get(name)
    if entry is None:
        return f"{spec}: not installed here"
    left = [value for value in entry["parameters"] if f"{value.partition('=')[0]}=" not in given]
    return f"{spec}: {entry['caption']}" + (f" Here {', '.join(left)}." if left else "")
