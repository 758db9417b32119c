"""Tables of a report: on the screen, and as CSV, Markdown and LaTeX (booktabs)."""

from pathlib import Path

import numpy as np
import pandas as pd
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.files import replacing
from bench.report import claims, detection
from bench.report.comparison import METRICS
from bench.report.results import SETTING, Results
from bench.report.study import Study, Verdict
from bench.report.style import percent, title

KINDS = ["ranked", "bound", "published"]
LATEX = str.maketrans({c: f"\\{c}" for c in "&%$#_{}"})
LATEX |= str.maketrans({"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"})
LATEX |= str.maketrans({"±": r"\,$\pm$\,", "–": "--"})
MARKS = {"done": "done", "running": "running", "failed": "FAILED", "missing": "–"}


def coverage(results: Results) -> pd.DataFrame:
    """strategy × seed within each setting: the status of each cell that was asked for; the worst if it was run
    twice."""
    own = results.cells[~results.cells.foreign]
    order = list(MARKS)
    table = own.assign(place=own.status.map(order.index)).groupby([*SETTING, "strategy", "seed"]).place.min()
    return table.map(order.__getitem__).unstack("seed", fill_value="missing").reset_index()


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


def layout(block: pd.DataFrame) -> tuple[list[str], list[list[tuple[str, bool]]]]:
    """A setting's rows of the summary as text: headings, and rows of (text, bold), best area first. Bold areas cannot
    be told from the best of their kind of question."""
    metrics = [m for m in METRICS if block[f"{m}_end_mean"].notna().any()]
    questions = block.question[block.kind.eq("ranked")].nunique() > 1
    end = "last round" if (block.end_share.dropna() > 1 - 1e-9).all() else "end"
    headings, columns = ["strategy", *(["question"] if questions else [])], []
    for metric in metrics:
        columns += [f"{metric}_rank", f"{metric}_end", f"{metric}_area"]
        name = "data mIoU, labelled pixels," if metric == "labelled" else f"{metric} mIoU"
        headings += ["rank", f"{name} {end}", f"{name} area"]
    key = f"{metrics[0]}_area_mean" if metrics else "strategy"
    block = block.assign(order=block.kind.map(KINDS.index)).sort_values(
        ["order", "question", key, "strategy"], ascending=[True, True, False, True]
    )
    rows = []
    for row in block.to_dict("records"):
        cells = [(row["strategy"] + ("" if row["kind"] == "ranked" else f" ({row['kind']})"), False)]
        cells += [(row["question"] or "–", False)] if questions else []
        for name in columns:
            if name.endswith("_rank"):
                cells.append((rank(row[f"{name}_low"], row[f"{name}_high"]), False))
            else:
                bold = name.endswith("_area") and row[f"{name.removesuffix('area')}rank_low"] == 1
                cells.append((percent(row[f"{name}_mean"], row[f"{name}_std"]), bold))
        rows.append(cells)
    return headings, rows


def show(study: Study, summary: pd.DataFrame, console: Console) -> None:
    """Coverage first, then one table per setting with its claims."""
    status = coverage(study.results)
    seeds = [c for c in status if c not in (*SETTING, "strategy")]
    if (status[seeds] == "done").all(axis=None):
        console.print(f"coverage: all {status[seeds].size} cells are done", highlight=False)
    else:
        grid = Table("strategy", *(f"seed {seed}" for seed in seeds), box=box.SIMPLE, pad_edge=False)
        console.print("[bold]coverage[/bold]")
        for row in status.to_dict("records"):
            name = " · ".join([row["strategy"], *(row[axis] for axis in SETTING if status[axis].nunique() > 1)])
            grid.add_row(escape(name), *(MARKS[row[seed]] for seed in seeds))
        console.print(grid)
    for setting, block in study.settings:
        rows = summary[summary[SETTING].eq(setting).all(axis=1)]
        if rows.empty:
            why = "no cell is done" if block.rounds.empty else "nothing is measured: there is no truth"
            console.print(f"{title(setting, False)}: {why}", markup=False)
            continue
        headings, lines = layout(rows)
        console.print(f"\n[bold]{escape(title(setting, block.cells.leaky.any()))}[/bold]", highlight=False)
        console.print(_grid(headings, lines))
        for sentence in remarks(study.verdicts[setting], rows):
            console.print(f"[dim]{escape(sentence)}[/dim]", highlight=False, soft_wrap=True)
        if not (found := detection.summarise(block)).empty:
            console.print("\n[bold]wrong labels found[/bold]")
            console.print(_grid(*detection.layout(found)))
            console.print(f"[dim]{detection.NOTE}[/dim]", highlight=False, soft_wrap=True)


def _grid(headings: list[str], lines: list[list[tuple[str, bool]]]) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column(headings[0], overflow="fold")
    for heading in headings[1:]:
        table.add_column(heading.replace(" mIoU ", " mIoU\n"), justify="right", no_wrap=True)
    for line in lines:
        table.add_row(*(f"[bold]{escape(text)}[/bold]" if bold else escape(text) for text, bold in line))
    return table


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
        text += "; bold, and a rank that begins at 1: cannot be told from the best by area"
    met = [
        percent
        for percent in (90, 95)
        if (rows[f"cost_to_{percent}"].isna() & rows[f"n_reached_{percent}"].gt(0)).any()
    ]
    known = [f"{percent} % of the supervised model is there before the first question" for percent in met]
    return [claims.Claim("note", text), *claims.claims(tested), *(claims.Claim("note", text) for text in known)]


def write_summary(study: Study, summary: pd.DataFrame, folder: Path) -> None:
    """summary.csv with every number; summary.md and summary.tex with the content of the screen."""
    write_csv(folder / "summary.csv", summary)
    markdown, latex = [], [r"% needs \usepackage{booktabs}"]
    for setting, block in study.settings:
        rows = summary[summary[SETTING].eq(setting).all(axis=1)]
        if rows.empty:
            continue
        headings, lines = layout(rows)
        name, said = title(setting, block.cells.leaky.any()), remarks(study.verdicts[setting], rows)
        markdown += [f"## {name}", "", as_markdown(headings, lines), "", *(f"- {sentence}" for sentence in said), ""]
        latex += [f"% {name}", *(f"% {sentence}" for sentence in said), as_latex(headings, lines), ""]
        if not (found := detection.summarise(block)).empty:
            headings, lines = detection.layout(found)
            markdown += ["Wrong labels found:", "", as_markdown(headings, lines), "", f"- {detection.NOTE}", ""]
            latex += [f"% wrong labels found: {detection.NOTE}", as_latex(headings, lines), ""]
    for suffix, text in (("md", markdown), ("tex", latex)):
        with replacing(folder / f"summary.{suffix}") as path:
            path.write_text("\n".join(text), encoding="utf-8")


def write_csv(path: Path, table: pd.DataFrame) -> None:
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g")


def p_value(p: float) -> str:
    """``0.013``, ``<0.0001``, ``–`` if there is no test."""
    return "–" if np.isnan(p) else "<0.0001" if p < 1e-4 else f"{p:.2g}"


def rank(low: float, high: float) -> str:
    """``1–3``, ``2``, ``–`` if there is no test."""
    if not np.isfinite(low):
        return "–"
    return f"{low:.0f}" + (f"–{high:.0f}" if high != low else "")


def as_markdown(headings: list[str], lines: list[list[tuple[str, bool]]]) -> str:
    safe = [[(text.replace("|", r"\|"), best) for text, best in line] for line in lines]
    rows = [[f"**{text}**" if best else text for text, best in line] for line in safe]
    rule = ["---"] + ["---:"] * (len(headings) - 1)
    return "\n".join(f"| {' | '.join(row)} |" for row in [headings, rule, *rows])


def as_latex(headings: list[str], lines: list[list[tuple[str, bool]]]) -> str:
    def written(text):
        guard = "{}" if text[:1] in ("[", "*") else ""  # after the end of a row these are a command's
        return guard + text.translate(LATEX)

    texts, best = (pd.DataFrame([[part[k] for part in line] for line in lines]) for k in range(2))
    table = texts.style.hide(axis="index").format(written).format_index(lambda i: written(headings[i]), axis=1)
    bold = best.astype(object).replace({True: "textbf:--rwrap", False: ""})
    layout = "l" + "r" * (len(headings) - 1)
    return table.apply(lambda _: bold, axis=None).to_latex(hrules=True, column_format=layout).rstrip()
