"""Synthetic run folders in the exact format of the run files, for tests of what reads them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from bench import seeds
from bench.runs import schema

N_CLASSES = 7
QUALITY = {"random": 0.5, "entropy": 0.8, "cil_pixel": 0.9, "sim": 1.4, "clairvoyant_gain": 2.2}


def write_run(
    out: Path,
    strategies=("random", "entropy", "cil_pixel", "sim"),
    oracles=("perfect",),
    n_seeds=2,
    rounds=4,
    budget=50,
    dataset="shapes",
    foundation="simulated",
    model=True,
    statuses=None,
    protocol="0123456789abcdef",
    leaky=(),
) -> Path:
    """A run whose curves rise by `QUALITY` of the strategy and fall with ``rate`` of the oracle. ``statuses``:
    (strategy, seed) to a status other than done; ``missing`` leaves no trace of the cell."""
    out.mkdir(parents=True)
    common = dict(
        dataset=dataset, foundation=foundation, rounds=rounds, budget=budget, preset="cpu", protocol_hash=protocol
    )
    common |= dict(model="preset" if model else "none", versions={"alc-bench": "0.1.0", "numpy": np.__version__})
    common |= dict(command=f"alc-bench run --dataset {dataset}", hardware={"cpu": "a test"}, n_classes=N_CLASSES)
    tables = []
    for strategy in strategies:
        for oracle in oracles:
            for seed in range(n_seeds):
                status = (statuses or {}).get((strategy, seed), "done")
                if status == "missing":
                    continue
                folder = out / "cells" / f"{strategy}__{oracle}__seed{seed}"
                folder.mkdir(parents=True)
                spec = common | dict(strategy=strategy, oracle=oracle, seed=seed, status=status, leaky=oracle in leaky)
                spec["reads_truth"] = strategy.startswith("clairvoyant")
                (folder / "spec.json").write_text(json.dumps(spec))
                if status == "done":
                    table = _rounds(spec, rounds, budget, model)
                    tables.append(table)
                    table.to_csv(folder / "rounds.csv", index=False)
                    _queries(spec, rounds, budget).to_csv(folder / "queries.csv", index=False)
                    _classes(table, model).to_csv(folder / "classes.csv", index=False)
                    schema.write(folder / "timings.csv", table.assign(evaluate_s=0.3 if model else 0.0))
    spec = common | dict(strategies=list(strategies), oracles=list(oracles), seeds=n_seeds)
    (out / "spec.json").write_text(json.dumps(spec))
    pd.concat(tables).to_csv(out / "rounds.csv", index=False)
    return out


def _rounds(spec, rounds, budget, model) -> pd.DataFrame:
    rng = seeds.generator(spec["seed"], spec["strategy"], spec["oracle"])
    rate = float(spec["oracle"].partition("rate=")[2].rstrip("]") or 0)
    asked = np.arange(rounds + 1)
    gain = 1 - np.exp(-QUALITY.get(spec["strategy"], 0.7) * asked / rounds)
    data = np.clip(0.31 + (0.5 - 0.6 * rate) * gain + rng.normal(0, 0.006, rounds + 1) * (asked > 0), 0, 1)
    start = 0.28 + seeds.generator(spec["seed"]).normal(0, 0.01)
    fit = np.where(asked > 0, 0.25 * gain + rng.normal(0, 0.01, rounds + 1), 0)
    n_corrected = np.round(asked * budget * (0.4 + 0.2 * rng.random())).astype(int)
    n_queries = asked * budget
    px = np.round(gain * 90000).astype(int)
    return pd.DataFrame(
        dict(
            **{name: spec[name] for name in ("dataset", "foundation", "strategy", "oracle", "seed")},
            round=asked,
            n_queries=n_queries,
            n_confirmed=n_queries - n_corrected,
            n_corrected=n_corrected,
            n_void=0,
            cost_clicks=n_queries + n_corrected,
            cost_bits=n_queries + np.log2(N_CLASSES - 1) * n_corrected,
            cost_s=3.0 * (n_queries - n_corrected) + 7.0 * n_corrected,
            data_miou=data,
            data_miou_labelled=data,
            data_accuracy=np.clip(data + 0.3, 0, 1),
            model_miou=start + fit if model else "",
            corrected_px=px,
            harmed_px=px // 9,
            rewronged_px=px // 20,
            refined_px=0,
            refined_harmed_px=0,
            fit_s=9.5 if model else 0.0,
            predict_s=1.4 if model else 0.0,
            acquire_s=0.05,
            answer_s=0.01,
            correct_s=0.02,
        )
    )


def _queries(spec, rounds, budget) -> pd.DataFrame:
    rng = seeds.generator(spec["seed"], "queries", spec["strategy"])
    n = rounds * budget
    correct = rng.random(n) < 0.5
    return pd.DataFrame(
        dict(
            round=np.repeat(np.arange(1, rounds + 1), budget),
            number=np.arange(n),
            image=[f"train_{i:04d}" for i in rng.integers(0, 20, n)],
            superpixel=np.arange(n) + 1,
            row=rng.integers(0, 96, n),
            column=rng.integers(0, 96, n),
            size=rng.integers(20, 600, n),
            kind="correction",
            label_before=0,
            answer=np.where(correct, rng.integers(1, N_CLASSES, n).astype(str), ""),
            actions=np.where(correct, "correct", "confirm"),
            corrected_px=np.where(correct, rng.integers(0, 300, n), 0),
            harmed_px=np.where(correct, rng.integers(0, 60, n), 0),
            rewronged_px=0,
        )
    )


def _classes(table, model) -> pd.DataFrame:
    offsets = np.linspace(0.2, -0.2, N_CLASSES)
    rows = [
        dict(
            round=row["round"],
            **{"class": name},
            data_iou=np.clip(row.data_miou + offset, 0, 1),
            model_iou=np.clip(row.model_miou + offset, 0, 1) if model else "",
        )
        for _, row in table.iterrows()
        for name, offset in zip(["background", *"abcdef"], offsets, strict=True)
    ]
    return pd.DataFrame(rows)
