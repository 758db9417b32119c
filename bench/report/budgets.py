"""A reader's first question: at this budget, which strategies are best, and which differ significantly?"""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from bench.report.comparison import Comparison
from bench.report.results import COSTS, METRICS, SETTING
from bench.report.statistics.inference import MIN_SEEDS, Pairs, mean_interval
from bench.report.study import Study, Verdict

MOST_NAMES = 6  # of a group in the sentence
ROW = ["strategy", "kind", "mean", "low", "high", "rank_low", "rank_high"]
ROW += ["to", "difference", "difference_low", "difference_high", "p"]
UNITS = {"queries": "questions", "clicks": "clicks", "bits": "bits", "seconds": "seconds"}


def of_setting(
    study: Study, setting: tuple[str, str, str], costs: Iterable[str] = tuple(COSTS)
) -> dict[str, dict[str, list[dict]]]:
    """metric -> cost -> the answers of a setting at each of `compare.N_BUDGETS` budgets: ``budget``, the ``sentence``
    and ``rows``, the highest mean first.

    A reader may turn to any cost, so the level is shared among all of them, for any ``costs`` asked for. The sentences
    of a page hold together but for a chance of 5 %.
    """
    found: dict[str, dict[str, list[dict]]] = {}
    for metric in METRICS:
        verdict = study.verdicts[setting][metric]
        for cost in costs:
            key = (setting, metric, cost)
            if key not in study.answers:  # the table and the page both ask
                of = Comparison(setting, verdict.of.results, metric, cost)
                told = of.seeds and of.span[1] > of.span[0]
                study.answers[key] = _answers(Verdict(of, verdict.pair_level / len(COSTS))) if told else []
            if study.answers[key]:
                found.setdefault(metric, {})[cost] = study.answers[key]
    return found


def table(study: Study) -> pd.DataFrame:
    """A row for each setting, metric, budget and strategy under the cost of ``study``, as `of_setting` has them."""
    rows = []
    for setting, _ in study.settings:
        for metric, by_cost in of_setting(study, setting, [study.cost]).items():
            for answer in by_cost.get(study.cost, []):
                keys = dict(zip(SETTING, setting, strict=True), metric=metric, cost=study.cost, budget=answer["budget"])
                rows += [keys | row for row in answer["rows"]]
    return pd.DataFrame(rows, columns=[*SETTING, "metric", "cost", "budget", *ROW])


def _answers(verdict: Verdict) -> list[dict]:
    of, tests = verdict.of, verdict.budgets
    low_ranks, high_ranks = tests.ranks
    places = {name: i for i, name in enumerate(of.ranked)}
    found = []
    for b, budget in enumerate(np.linspace(*of.span, len(tests.p) + 1)[1:]):
        rows: list[dict] = []
        for name, scores in of.scores.items():
            values = scores[:, 1 + b]
            values = values[np.isfinite(values)]
            if not len(values):
                continue
            low = high = np.nan
            if len(values) >= MIN_SEEDS:
                low, high = (float(side[0]) for side in mean_interval(values[:, None]))
            i = places.get(name)
            ranks = (np.nan, np.nan) if i is None else (low_ranks[b, i], high_ranks[b, i])
            kind = "bound" if i is None else "ranked"
            numbers = dict(mean=values.mean(), low=low, high=high, rank_low=ranks[0], rank_high=ranks[1])
            rows.append(dict(strategy=name, kind=kind) | {key: float(value) for key, value in numbers.items()})
        rows.sort(key=lambda row: (-row["mean"], row["strategy"]))
        _compare(of, tests, b, rows)
        found.append(dict(budget=float(budget), rows=rows, sentence=_sentence(verdict, b, float(budget), rows)))
    return found


def _compare(of: Comparison, tests: Pairs, b: int, rows: list[dict]) -> None:
    """To each row its ``difference`` to another strategy, ``to``, with the simultaneous interval and ``p``. The other
    is the highest mean of those significantly better than it, or the highest of its kind of question. NaN for bounds,
    and if nothing is tested."""
    kind_of = {name: kind for kind, names in of.kinds.items() for name in names}
    ranked = [row["strategy"] for row in rows if row["strategy"] in kind_of]
    tables = dict(difference=tests.difference, difference_low=tests.low, difference_high=tests.high, p=tests.p)
    for row in rows:
        rivals = [name for name in ranked if kind_of[name] == kind_of.get(row["strategy"])]
        row.update(dict.fromkeys(tables, np.nan), to="")
        if rivals:
            i = of.ranked.index(row["strategy"])
            above = [name for name in rivals if tests.better[b, of.ranked.index(name), i]]
            row["to"] = (above or rivals)[0]
            row.update({key: float(table[b, i, of.ranked.index(row["to"])]) for key, table in tables.items()})


def _sentence(verdict: Verdict, b: int, budget: float, rows: list[dict]) -> str:
    """Only statements that the test at this budget supports; names stand between backticks."""
    of, tests = verdict.of, verdict.budgets
    place = {name: i for i, name in enumerate(of.ranked)}
    means = {row["strategy"]: row["mean"] for row in rows if row["kind"] == "ranked"}
    at, n = f"At {budget:,.0f} {UNITS[of.cost]}", len(of.seeds)
    said = []
    for kind, names in of.kinds.items():
        rows_of = [place[name] for name in names]
        if len(names) < 2 or not np.isfinite(tests.p[b][np.ix_(rows_of, rows_of)]).any():
            continue
        better = tests.better[b]
        group = sorted((m for m in names if not better[:, place[m]].any()), key=lambda m: -means[m])
        best, among = group[0], f" among those that ask “{kind}”" if len(of.kinds) > 1 else ""
        if len(group) == len(names):
            text = f"no two of the {len(names)} strategies differ significantly{among}"
        elif len(group) == 1:
            text = f"`{best}` is above all others{among}"
        else:
            text = f"{listed(group)} are tied for best{among}"
        if "random" in names and better[place[best], place["random"]]:
            text += f"; `random` is {100 * (means[best] - means['random']):.1f} points below `{best}`"
        said.append(text)
    if not said:
        return f"{at} nothing is tested: {n} {'seed' if n == 1 else 'seeds'}, {len(of.ranked)} strategies."
    return f"{at} {'; '.join(said)}."


def listed(names: list[str]) -> str:
    """Names between backticks, at most `MOST_NAMES` of them."""
    shown = [f"`{name}`" for name in names[:MOST_NAMES]]
    if len(names) > MOST_NAMES:
        return f"{', '.join(shown)} and {len(names) - MOST_NAMES} more"
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))
