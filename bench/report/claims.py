"""The claims that a comparison allows: ranks, pairs, sentences; and how rankings move with an oracle's noise.

All of it is read off the one test of all pairs (`Verdict.pairs`).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from bench.report.comparison import METRICS, Comparison
from bench.report.results import SETTING
from bench.report.statistics import inference
from bench.report.statistics.inference import Spread
from bench.report.study import Study, Verdict

# What a sentence of the report can be. `note`: what the numbers are, and nothing of which strategy is better; `margin`:
# the difference that the test finds; `apart`: how many pairs differ.
KINDS = ("note", "margin", "apart")


@dataclass(frozen=True)
class Claim:
    """A sentence of the report. ``better``: each pair (better, worse) that it says differs, and the ``metric`` by
    which; ``margin``: the difference that it says is found, a share."""

    kind: str
    text: str
    metric: str = ""
    better: frozenset[tuple[str, str]] = frozenset()
    margin: float = float("nan")


def ranking(verdict: Verdict) -> pd.DataFrame:
    """A row for each ranked strategy: the lowest and the highest rank by area that the test leaves it, ``rank_low`` and
    ``rank_high``; NaN if nothing is tested. All of rank_low 1 are tied with the best."""
    low, high = verdict.pairs.ranks
    return pd.DataFrame({"rank_low": low, "rank_high": high}, index=verdict.of.ranked)


def pairs(verdict: Verdict) -> pd.DataFrame:
    """A row for each ordered pair of ranked strategies of one kind of question: the mean seed-paired ``difference`` in
    area (a - b), its sample ``std``, its simultaneous interval ``low`` to ``high``, its adjusted ``p``, the ``margin``
    that the test finds with 80 % power, ``wins``: the share of budgets at which a beats b, and ``p_improvement``: the
    chance that a run of a is better than one of b."""
    names, found = verdict.of.ranked, verdict.pairs
    columns = ["a", "b", "n_seeds", "difference", "std", "low", "high", "p", "margin", "wins", "p_improvement"]
    if not verdict.of.seeds:
        return pd.DataFrame(columns=columns)
    areas = verdict.of.areas.loc[names].to_numpy()
    n = areas.shape[1]
    stds = (areas[:, None] - areas[None]).std(axis=2, ddof=1) if n > 1 else np.full((len(names),) * 2, np.nan)
    i, j = np.nonzero(np.isfinite(found.difference) & ~np.eye(len(names), dtype=bool))
    improved, wins = inference.probability_of_improvement(areas), penalties(verdict)
    tables = (found.difference, stds, found.low, found.high, found.p, found.margin, wins, improved)
    values = [[names[k] for k in i], [names[k] for k in j], np.full(len(i), n), *(table[i, j] for table in tables)]
    return pd.DataFrame(dict(zip(columns, values, strict=True))).sort_values(["a", "b"], ignore_index=True)


def penalties(verdict: Verdict) -> np.ndarray:
    """(s, s): the share of budgets at which row beats column (Ash et al., 2020), for pairs that differ significantly by
    area, corrected for all pairs and budgets. NaN if nothing is tested."""
    apart = verdict.pairs.better | verdict.pairs.better.T
    return np.where(np.isfinite(verdict.pairs.p), (verdict.budgets.better & apart).mean(axis=0), np.nan)


def claims(verdicts: list[Verdict]) -> list[Claim]:
    """The facts that a reader must know before believing the rankings of a setting, one verdict for each metric."""
    found = [_basis(verdicts), *_without_images(verdicts[0])]
    for verdict in verdicts:
        of, metric = verdict.of, verdict.of.metric
        if np.isfinite(limit := float(verdict.pairs.typical_margin)):
            text = f"a difference in area of {100 * limit:.2f} points ({metric}) is found with 80 % power by this test"
            found.append(Claim("margin", text, metric, margin=limit))
        tested = np.isfinite(verdict.pairs.p[np.triu_indices(len(of.ranked), 1)]).sum()
        if tested:
            better = _better(verdict)
            found.append(
                Claim("apart", f"{len(better)} of {tested} pairs differ significantly ({metric})", metric, better)
            )
        if of.repeats:
            spread = f"{100 * of.repeats[0]:.2f} points of {metric} mIoU"
            found.append(Claim("note", f"identical runs spread by {spread}: no difference within their range counts"))
        found += _alike(verdict)
    found += [*_ends(verdicts[0]), *_stopped(verdicts[0])]
    if dropped := verdicts[0].of.incomplete:
        found.append(Claim("note", f"left out, as no seed of it is done: {', '.join(dropped)}"))
    return found


def _basis(verdicts: list[Verdict]) -> Claim:
    """The basis of the tests, or the reason why there is none."""
    n = max(len(v.of.seeds) for v in verdicts)
    if n == 0:
        return Claim("note", "no seed is done in every strategy: nothing is ranked")
    if max(len(v.of.ranked) for v in verdicts) == 1:
        return Claim("note", "one strategy: there is nothing to compare")
    images = all(v.over_images for v in verdicts)
    if n < inference.MIN_SEEDS and not images:
        text = f"{n} seeds are too few for tests and intervals; {inference.MIN_SEEDS} are needed"
        one = "one seed: its spread is not known, so no difference can be tested"
        return Claim("note", one if n == 1 else text)
    if not any(np.isfinite(v.pairs.p).any() for v in verdicts):
        return Claim(
            "note", f"no difference varies over the {n} seeds: they say nothing of others, so nothing is tested"
        )
    seeds = "one seed" if n == 1 else f"{n} seeds"
    what = "images" if n < inference.MIN_SEEDS else f"{seeds} and images" if images else seeds
    text = f"tests over {what}, for normal errors: 5 % chance of any false difference"
    text += " in the tables of this report" if verdicts[0].level is not None else ""
    if n < inference.MIN_SEEDS:
        return Claim("note", f"{text}; of {seeds} alone, other seeds are not tested")
    return Claim("note", text if images else f"{text}; other images are not tested")


def _without_images(verdict: Verdict) -> list[Claim]:
    """A note if some cells, not all, lack the input of tests over images: no folder, or no images.npz in it."""
    if not 0 < (n := verdict.without_images) < verdict.n_cells:
        return []
    text = f"{n} of {verdict.n_cells} cells have no images.npz, or their folder is gone: tests stand on seeds alone"
    return [Claim("note", text)]


def _better(verdict: Verdict) -> frozenset[tuple[str, str]]:
    """The pairs (better, worse) that differ significantly."""
    names = verdict.of.ranked
    return frozenset((names[i], names[j]) for i, j in zip(*np.nonzero(verdict.pairs.better), strict=True))


def _alike(verdict: Verdict) -> list[Claim]:
    """Notes on curves that tell nothing: equal ones of several strategies, and a model that never changes."""
    of: Comparison = verdict.of
    groups: dict[bytes, list[str]] = {}
    if not of.seeds:
        return []
    for name in of.ranked:
        curves = [of.curves[name][seed] for seed in of.seeds]
        groups.setdefault(b"".join(part.tobytes() for curve in curves for part in curve), []).append(name)
    metric = f"{of.metric} mIoU"
    found = [
        Claim("note", f"the same {metric} in every round and seed, so that no test separates them: {', '.join(names)}")
        for names in groups.values()
        if len(names) > 1
    ]
    values = [of.curves[name][seed][1] for name in of.ranked for seed in of.seeds]
    if of.metric == "model" and all(len(v) > 1 and np.ptp(v) == 0 for v in values):
        text = "model mIoU is the same after every round: the model may predict one class, so look at classes.csv"
        found.append(Claim("note", text))
    return found


def _stopped(verdict: Verdict) -> list[Claim]:
    """Which strategies stopped asking, and after how much."""
    told = [f"{name} after {cost:,.0f} {verdict.of.cost}" for name, cost in verdict.of.stopped.items()]
    return [Claim("note", f"asked no more, so that the curve goes on as it was: {', '.join(told)}")] if told else []


def _ends(verdict: Verdict) -> list[Claim]:
    """A note on the cost of the end columns, if curves end at different costs."""
    ends = verdict.of.ends.dropna()  # a curve that cost nothing ends nowhere
    if not len(ends) or ends.min() > 1 - 1e-9:
        return []
    name, share = ends.idxmin(), ends.min()
    at = f"{verdict.of.span[1]:,.0f} {verdict.of.cost}"
    return [Claim("note", f"curves end apart: all are compared up to {at}, which is {100 * share:.0f} % of {name}'s")]


def reach(verdict: Verdict, reference: float) -> pd.DataFrame:
    """Median cost to reach 90 % and 95 % of ``reference`` for each ranked strategy, and the number of seeds that reach
    it. Infinite if half of the seeds or more never do; NaN if all seeds are there before the first question."""
    of = verdict.of
    table = pd.DataFrame(index=of.ranked)
    for percent in (90, 95):
        target = reference * percent / 100
        costs = [[inference.cost_to_reach(*of.curves[name][seed], target) for seed in of.seeds] for name in of.ranked]
        starts = [[of.curves[name][seed][1][0] for seed in of.seeds] for name in of.ranked]
        median = [inference.censored_median(row) for row in costs]
        table[f"cost_to_{percent}"] = [
            np.nan if s and min(s) >= target else m for s, m in zip(starts, median, strict=True)
        ]
        table[f"n_reached_{percent}"] = [int(np.isfinite(row).sum()) for row in costs]
    return table


def aggregate(study: Study) -> pd.DataFrame:
    """`over` all settings of a study."""
    return over(study.verdicts.values())


def over(verdicts: Iterable[dict[str, Verdict]]) -> pd.DataFrame:
    """Over the settings of ``verdicts`` (each by metric), for the strategies that are ranked in each: the mean
    ``area``, its difference ``behind`` the best of them with its simultaneous interval, the ranks that the test leaves,
    and ``mean_rank`` among them, with the mean of the lowest and of the highest ranks that the settings' own tests
    leave. Empty with one setting.

    Settings of one dataset share their images and seeds: their errors are added as if they went together, the most that
    they can. Those of different datasets are independent.
    """
    rows, verdicts = [], list(verdicts)
    for metric in METRICS:
        found = [row[metric] for row in verdicts if metric in row]
        found = [v for v in found if v.of.ranked and v.of.seeds]
        names = sorted(set.intersection(*(set(v.of.ranked) for v in found))) if len(found) > 1 else []
        if not names:
            continue
        test = over_settings(found, names)
        means = np.array([v.of.areas.loc[names].mean(axis=1) for v in found])
        areas, best, (low, high) = means.mean(axis=0), int(np.argmax(means.mean(axis=0))), test.ranks
        columns = [areas, test.difference[:, best], test.low[:, best], test.high[:, best], low, high]
        columns += [np.mean(ranks, axis=0) for ranks in (rankdata(-means, axis=1), *_ranks(found, names))]
        for i, name in enumerate(names):
            rows.append((metric, name, len(found), sum(len(v.of.seeds) for v in found), *(c[i] for c in columns)))
    numbers = ["area", "behind", "behind_low", "behind_high", "rank_low", "rank_high"]
    numbers += ["mean_rank", "mean_rank_low", "mean_rank_high"]
    return pd.DataFrame(rows, columns=["metric", "strategy", "n_settings", "n_runs", *numbers])


def _ranks(found: list[Verdict], names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and the highest ranks among ``names`` in each setting, (settings, names) each."""
    blocks = [np.ix_(*[[verdict.of.ranked.index(name) for name in names]] * 2) for verdict in found]
    better = np.array([verdict.pairs.better[block] for verdict, block in zip(found, blocks, strict=True)])
    return 1 + better.sum(axis=1), len(names) - better.sum(axis=2)


def over_settings(found: list[Verdict], names: list[str]) -> inference.Pairs:
    """The test of the mean area over the settings of ``found`` of each pair of ``names``, ranked in each of them."""
    differences: list[np.ndarray] = []
    errors: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for verdict in found:
        rows = [verdict.of.ranked.index(name) for name in names]
        block = np.ix_(rows, rows)
        differences.append(verdict.pairs.difference[block])
        errors.setdefault(verdict.of.setting[0], []).append((verdict.pairs.error[block], verdict.pairs.df[block]))
    shares = [np.sum([error for error, _ in group], axis=0) / len(found) for group in errors.values()]
    dfs = [np.min([df for _, df in group], axis=0) for group in errors.values()]
    variance = np.sum(np.square(shares), axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        df = variance**2 / np.sum([share**4 / df for share, df in zip(shares, dfs, strict=True)], axis=0)
    return inference.from_spreads(np.mean(differences, axis=0), [Spread(variance, df)], found[0].pair_level)


def robustness(study: Study) -> pd.DataFrame:
    """Areas under the data-mIoU curve against each numeric parameter of an oracle that several settings vary.

    A row per setting and strategy: ``family`` (the oracle with * for the parameter), ``value``, ``area``, the ranks
    that the test leaves, and ``changed``: whether the test finds it above another strategy here and below that one at
    the smallest value, or the other way round. ``perfect`` counts as rate 0.
    """
    rows, better = [], {}
    for setting, verdicts in study.verdicts.items():
        of, table = verdicts["data"].of, ranking(verdicts["data"])
        above = _better(verdicts["data"])
        for family, value in _noises(setting[2]):
            better[setting[0], setting[1], family, value] = above
            for name, low, high in table.itertuples(name=None):
                rows.append((*setting[:2], family, value, name, of.areas.loc[name].mean(), low, high))
    columns = [*SETTING[:2], "family", "value", "strategy", "area", "rank_low", "rank_high"]
    table = pd.DataFrame(rows, columns=columns)
    perfect = table[table.family.eq("perfect")]
    zeros = []
    for family in table.family.unique():
        if family.endswith("[rate=*]"):
            zeros.append(perfect.assign(family=family))
            better |= {(*key[:2], family, 0.0): above for key, above in better.items() if key[2] == "perfect"}
    table = pd.concat([table[~table.family.eq("perfect")], *zeros]).drop_duplicates(columns[:5])
    groups = ["dataset", "foundation", "family"]
    table = table[table.groupby(groups)["value"].transform("nunique") > 1].sort_values(columns[:5], ignore_index=True)
    first = table.groupby(groups)["value"].transform("first")
    changed = []
    for row, start in zip(table.itertuples(index=False), first, strict=True):
        here, there = (better[row.dataset, row.foundation, row.family, value] for value in (row.value, start))
        changed.append(any(row.strategy in (a, b) and (b, a) in there for a, b in here))
    return table.assign(changed=np.array(changed, bool))


def _noises(oracle: str) -> list[tuple[str, float]]:
    """``noisy[rate=0.1]`` to ``[("noisy[rate=*]", 0.1)]``: one for each number in its brackets."""
    if oracle == "perfect":
        return [("perfect", 0.0)]
    found = re.finditer(r"(?<==)[\d.]+(?:e[-+]?\d+)?(?=[,\]])", oracle)
    return [(f"{oracle[: m.start()]}*{oracle[m.end() :]}", float(m[0])) for m in found]
