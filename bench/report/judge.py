"""What may be said of a comparison: ranks, pairs, sentences; and how rankings move with an oracle's noise."""

import re
from itertools import combinations

import numpy as np
import pandas as pd

from bench import seeds
from bench.report import statistics
from bench.report.compare import Comparison
from bench.report.results import METRICS, SETTING, Results

N_BUDGETS = 10


def ranking(comparison: Comparison) -> pd.DataFrame:
    """A row for each ranked strategy: ``rank`` by mean area, its range with each seed left out in turn (``rank_best``,
    ``rank_worst``), the interquartile mean ``iqm`` of its areas and the 95 % interval of that."""
    areas = comparison.areas.loc[comparison.ranked].to_numpy()
    table = pd.DataFrame(index=comparison.ranked)
    if areas.size == 0 or np.isnan(areas).any():
        return table.reindex(columns=["rank", "rank_best", "rank_worst", "iqm", "iqm_low", "iqm_high"])
    spread = np.nan_to_num(comparison.repeat_spread)
    table["rank"] = statistics.ranks(areas.mean(axis=1), spread)
    table["rank_best"], table["rank_worst"] = statistics.rank_stability(areas, spread)
    table["iqm"] = [statistics.interquartile_mean(row) for row in areas]
    table[["iqm_low", "iqm_high"]] = [_interval([row], name) for name, row in zip(table.index, areas, strict=True)]
    return table


def pairs(comparison: Comparison) -> pd.DataFrame:
    """A row for each ordered pair of ranked strategies: the mean seed-paired ``difference`` in area (a - b), its sample
    ``std``, ``p_holm`` of that, ``wins``: the share of `N_BUDGETS` equally spaced budgets at which a beats b, and
    ``p_improvement``: the chance that a run of a is better than one of b."""
    names, areas = comparison.ranked, comparison.areas
    both = list(combinations(names, 2))
    difference = np.array([areas.loc[a].to_numpy() - areas.loc[b].to_numpy() for a, b in both])
    p = statistics.holm([statistics.paired_test(d) for d in difference]) if both else []
    wins = pd.DataFrame(penalties(comparison), index=names, columns=names)
    rows = []
    for (a, b), d, p_holm in zip(both, difference, p, strict=True):
        better = statistics.probability_of_improvement([areas.loc[a].to_numpy()], [areas.loc[b].to_numpy()])
        std = d.std(ddof=1) if len(d) > 1 else np.nan
        rows.append((a, b, len(d), d.mean(), std, p_holm, wins.loc[a, b], better))
        rows.append((b, a, len(d), -d.mean(), std, p_holm, wins.loc[b, a], 1 - better))
    columns = ["a", "b", "n_seeds", "difference", "std", "p_holm", "wins", "p_improvement"]
    return pd.DataFrame(rows, columns=columns).sort_values(["a", "b"], ignore_index=True)


def penalties(comparison: Comparison) -> np.ndarray:
    """(s, s) `statistics.penalty_matrix` of the ranked strategies at `N_BUDGETS` equally spaced budgets of the span."""
    budgets = np.linspace(*comparison.span, N_BUDGETS + 1)[1:]
    values = [
        [np.interp(budgets, *comparison.curves[name][seed]) for seed in comparison.seeds] for name in comparison.ranked
    ]
    shape = len(comparison.ranked), len(comparison.seeds), N_BUDGETS
    return statistics.penalty_matrix(np.reshape(values, shape))


def detectable(comparison: Comparison) -> float:
    """The smallest difference in area that these seeds can tell apart, from the spread of all pairs."""
    areas = comparison.areas.loc[comparison.ranked].to_numpy()
    return statistics.detectable_difference(
        np.array([a - b for a, b in combinations(areas, 2)]).reshape(-1, areas.shape[1])
    )


def sentences(comparisons: list[Comparison]) -> list[str]:
    """What a reader must know before believing the rankings of a setting, one comparison for each metric."""
    n, found = max(len(c.seeds) for c in comparisons), []
    if n == 0:
        return ["no seed is done in every strategy: nothing is ranked"]
    least = {c.metric: detectable(c) for c in comparisons}
    if n == 1:
        found.append("one seed: its spread is not known, so no difference can be told from chance")
    elif any(map(np.isfinite, least.values())):
        limits = " and ".join(f"{100 * x:.2f} points ({metric})" for metric, x in least.items())
        found.append(f"with {n} seeds, differences in area under {limits} cannot be told apart")
    if 1 < n < statistics.MIN_SEEDS:
        found.append(f"{n} seeds are too few for tests and intervals; {statistics.MIN_SEEDS} are needed")
    for c in comparisons:
        if np.isfinite(c.repeat_spread):
            spread = f"{100 * c.repeat_spread:.2f} points of {c.metric} mIoU"
            found.append(f"identical runs spread by {spread}: nothing is ranked below that")
    if dropped := comparisons[0].incomplete:
        found.append(f"left out, as no seed of it is done: {', '.join(dropped)}")
    return found


def reach(comparison: Comparison, reference: float) -> pd.DataFrame:
    """Median cost to reach 90 % and 95 % of ``reference`` for each ranked strategy, infinite where most seeds never do,
    and in how many seeds it is reached."""
    table = pd.DataFrame(index=comparison.ranked)
    for percent in (90, 95):
        costs = [
            [
                statistics.cost_to_reach(*comparison.curves[name][seed], reference * percent / 100)
                for seed in comparison.seeds
            ]
            for name in comparison.ranked
        ]
        table[f"cost_to_{percent}"] = [np.sort(row)[len(row) // 2] if row else np.nan for row in costs]
        table[f"n_reached_{percent}"] = [int(np.isfinite(row).sum()) for row in costs]
    return table


def aggregate(results: Results, cost: str) -> pd.DataFrame:
    """Over all settings, for the strategies that are ranked in each: interquartile mean of the areas and its stratified
    bootstrap interval. Empty with one setting."""
    rows = []
    for metric in METRICS:
        found = [Comparison(setting, block, metric, cost) for setting, block in results.settings()]
        found = [c for c in found if c.ranked and c.seeds]
        names = sorted(set.intersection(*(set(c.ranked) for c in found))) if len(found) > 1 else []
        for name in names:
            strata = [c.areas.loc[name].to_numpy() for c in found]
            score = statistics.interquartile_mean(np.concatenate(strata))
            rows.append((metric, name, len(strata), sum(map(len, strata)), score, *_interval(strata, name)))
    return pd.DataFrame(rows, columns=["metric", "strategy", "n_settings", "n_runs", "iqm", "iqm_low", "iqm_high"])


def robustness(results: Results, cost: str) -> pd.DataFrame:
    """Areas under the data-mIoU curve against each numeric parameter of an oracle that several settings vary.

    A row per setting and strategy: ``family`` (the oracle with * for the parameter), ``value``, ``area``, ``rank`` and
    ``changed``: whether its rank differs from the one at the smallest value. ``perfect`` counts as rate 0.
    """
    rows = []
    for setting, block in results.settings():
        comparison = Comparison(setting, block, "data", cost)
        table = ranking(comparison)
        for family, value in _noises(setting[2]):
            for name, rank in table["rank"].items():
                mean = comparison.areas.loc[name].mean()
                rows.append((*setting[:2], family, value, name, mean, rank))
    columns = [*SETTING[:2], "family", "value", "strategy", "area", "rank"]
    table = pd.DataFrame(rows, columns=columns)
    perfect = table[table.family.eq("perfect")]
    zeros = [perfect.assign(family=f) for f in table.family.unique() if f.endswith("[rate=*]")]
    table = pd.concat([table[~table.family.eq("perfect")], *zeros]).drop_duplicates(columns[:5])
    groups = ["dataset", "foundation", "family"]
    table = table[table.groupby(groups)["value"].transform("nunique") > 1].sort_values(columns[:5], ignore_index=True)
    first = table.groupby([*groups, "strategy"])["rank"].transform("first")
    return table.assign(changed=table["rank"] != first)


def _noises(oracle: str) -> list[tuple[str, float]]:
    """``noisy[rate=0.1]`` to ``[("noisy[rate=*]", 0.1)]``: one for each number in its brackets."""
    if oracle == "perfect":
        return [("perfect", 0.0)]
    found = re.finditer(r"(?<==)[\d.]+(?:e[-+]?\d+)?(?=[,\]])", oracle)
    return [(f"{oracle[: m.start()]}*{oracle[m.end() :]}", float(m[0])) for m in found]


def _interval(strata: list[np.ndarray], name: str) -> tuple[float, float]:
    rng = seeds.generator(0, "report", name)
    return statistics.bootstrap_interval(strata, statistics.interquartile_mean, rng)
