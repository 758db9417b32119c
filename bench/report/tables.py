"""The numbers of a report's tables, as pandas has them, and the sentences below. `bench.report.layout` shows them."""

from pathlib import Path

import numpy as np
import pandas as pd

from bench.files import replacing
from bench.report import claims
from bench.report.comparison import METRICS
from bench.report.results import SETTING, STATUSES, Results
from bench.report.study import Study, Verdict

PREAMBLE = r"% needs \usepackage{booktabs}"  # of a file of LaTeX tables


def coverage(results: Results) -> pd.DataFrame:
    """strategy × seed within each setting: the status of each cell that was asked for; the worst if it was run
    twice."""
    own = results.cells[~results.cells.foreign]
    table = own.assign(place=own.status.map(STATUSES.index)).groupby([*SETTING, "strategy", "seed"]).place.min()
    return table.map(STATUSES.__getitem__).unstack("seed", fill_value="missing").reset_index()


def summarise(study: Study, reference: dict[str, float] | None = None) -> pd.DataFrame:
    """One row per setting and strategy: for each metric mean and sample std over the common seeds of the area under the
    curve and of the value at the end of the costs that all cover, the share ``end_share`` of its own cost at which that
    is, and the lowest and highest rank; and the cost to reach 90 % and 95 % of the fully supervised model, if
    ``reference`` has its mIoU by dataset. Shares in [0, 1]; empty if there is no such number."""
    rows, reference = [], reference or {}
    for (setting, block), verdicts in zip(study.settings, study.verdicts.values(), strict=True):
        found: dict[str, dict] = {}
        for metric, verdict in verdicts.items():
            of = verdict.of
            asked = {name: kind for kind, names in of.kinds.items() for name in names}
            for strategy in of.areas.index:
                kind = "bound" if strategy in of.bounds else "ranked"
                row = found.setdefault(strategy, dict(kind=kind, question=asked.get(strategy, "")))
                row["n_seeds"], row["end_share"] = len(of.seeds), of.ends.get(strategy, np.nan)
                for name, table in (("end", of.end), ("area", of.areas)):
                    values = table.loc[strategy].dropna().to_numpy()
                    row[f"{metric}_{name}_mean"] = values.mean() if len(values) else np.nan
                    row[f"{metric}_{name}_std"] = values.std(ddof=1) if len(values) > 1 else np.nan
            for strategy, row in claims.ranking(verdict).add_prefix(f"{metric}_").iterrows():
                found.get(strategy, {}).update(row)
            if metric == "model" and setting[0] in reference:
                for strategy, row in claims.reach(verdict, reference[setting[0]]).iterrows():
                    found[strategy].update(row)
            for strategy, rounds in of.foreign.items():
                row = found.setdefault(strategy, dict(kind="published", question=""))
                row[f"{metric}_end_mean"], row[f"{metric}_end_std"] = rounds["value"].iloc[-1], rounds["std"].iloc[-1]
                row[f"{metric}_area_mean"] = of.area_of(rounds)
        leaky = bool(block.cells.leaky.any())
        for strategy, row in sorted(found.items()):
            keys = dict(zip(SETTING, setting, strict=True), leaky=leaky, strategy=strategy, cost=study.cost)
            rows.append(keys | row)
    values = [f"{name}_{part}" for name in ("end", "area") for part in ("mean", "std")]
    numbers = [f"{metric}_{name}" for metric in METRICS for name in [*values, "rank_low", "rank_high"]]
    reached = [f"{name}_{percent}" for percent in (90, 95) for name in ("cost_to", "n_reached")]
    first = [*SETTING, "leaky", "strategy", "kind", "question", "cost", "n_seeds", "end_share"]
    return pd.DataFrame(rows, columns=[*first, *numbers, *reached])


def pairs(study: Study) -> pd.DataFrame:
    """`claims.pairs` of every setting and metric."""
    found = []
    for setting, verdicts in study.verdicts.items():
        for metric, verdict in verdicts.items():
            keys = dict(zip(SETTING, setting, strict=True), metric=metric)
            found.append(claims.pairs(verdict).assign(**keys))
    table = pd.concat(found, ignore_index=True)
    return table[[*SETTING, "metric", *table.columns.difference([*SETTING, "metric"], sort=False)]]


def remarks(verdicts: dict[str, Verdict], rows: pd.DataFrame) -> list[str]:
    """The sentences under a setting's table."""
    return [claim.text for claim in statements(verdicts, rows)]


def statements(verdicts: dict[str, Verdict], rows: pd.DataFrame) -> list[claims.Claim]:
    """The meaning of a setting's numbers, and the claims that they allow."""
    tested = [v for v in verdicts.values() if v.of.curves]
    n_seeds, cost = rows.n_seeds.max(), rows.cost.iloc[0]
    if not tested:
        return [claims.Claim("note", f"percent, as published by others, over {cost}: nothing is ranked")]
    what = f"mean±sample std over {n_seeds:g} seeds" if n_seeds > 1 else "one seed"
    text = f"percent, {what}; area: under the curve over {cost}"
    if rows.filter(like="_rank_low").notna().any(axis=None):
        text += "; bold, and a rank that begins at 1: tied with the best by area"
    met = [
        percent
        for percent in (90, 95)
        if (rows[f"cost_to_{percent}"].isna() & rows[f"n_reached_{percent}"].gt(0)).any()
    ]
    known = [f"{percent} % of the supervised model is there before the first question" for percent in met]
    return [claims.Claim("note", text), *claims.claims(tested), *(claims.Claim("note", text) for text in known)]


def write_csv(path: Path, table: pd.DataFrame) -> None:
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g")
