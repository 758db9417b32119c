"""The same numbers whatever the number of jobs, the folder, the machine's threads, the order of names and of files."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from problems import TIMINGS

pytestmark = [pytest.mark.slow, pytest.mark.first]

REPOSITORY = Path(__file__).parent.parent
STRATEGIES = {
    "none": ("area", "random", "clairvoyant_gain"),
    "smoke": ("entropy", "random", "sim"),
    "probe": ("random", "sim"),
}
FROZEN = ["--preset", "probe", "--cfg-options", "max_iters=4", "input_size=[64,64]", "param_scheduler=[]"]
MODELS = {"none": ["--model", "none"], "smoke": ["--preset", "smoke"], "probe": FROZEN}
SMALL = "shapes[train=4,val=2,size=32]"
SIZES = {"none": "shapes[train=6,val=2,size=32]", "smoke": SMALL, "probe": SMALL}


def arguments(model: str, out: Path, strategies=None, jobs=1) -> list[str]:
    named = [word for name in strategies or STRATEGIES[model] for word in ("--strategy", name)]
    sizes = ["--dataset", SIZES[model], "--seeds", "1", "--rounds", "2", "--budget", "4", "--jobs", str(jobs)]
    return ["run", *MODELS[model], *sizes, *named, "--oracle", "noisy[rate=0.3]", "--out", str(out)]


def numbers(out: Path) -> dict[str, str]:
    """The text of each cell's rounds.csv and queries.csv, and of the run's rounds.csv sorted by cell; no timings."""
    found = {}
    for path in sorted(out.glob("cells/*/*.csv")):
        if path.name in ("rounds.csv", "queries.csv"):
            table = pd.read_csv(path, dtype=str, keep_default_na=False).drop(columns=TIMINGS, errors="ignore")
            found[f"{path.parent.name}/{path.name}"] = table.to_csv(index=False)
    whole = pd.read_csv(out / "rounds.csv", dtype=str, keep_default_na=False).drop(columns=TIMINGS)
    return found | {"rounds.csv": whole.to_csv(index=False)}


@pytest.fixture(scope="module")
def once(alc, tmp_path_factory):
    """What a run of this kind says, done once."""
    known = {}

    def done(model: str) -> dict[str, str]:
        if model not in known:
            out = tmp_path_factory.mktemp(model) / "out"
            assert alc(*arguments(model, out), report_too=False).code == 0
            known[model] = numbers(out)
            assert len(known[model]) == 1 + 2 * len(STRATEGIES[model])
        return known[model]

    return done


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """The folder of runs of each kind, called as they are, in another process; two jobs where a network is trained."""
    folder = tmp_path_factory.mktemp("elsewhere")
    environment = os.environ | dict(PYTHONPATH=str(REPOSITORY), PYTHONHASHSEED="12345", OMP_NUM_THREADS="2")
    environment |= dict(ALC_BENCH_CACHE=str(folder / "cache"))
    code = f"""
from bench import commands, report
report.write = lambda *_, **__: None
for words in {[arguments(model, Path(model), jobs=2 if model == "smoke" else 1) for model in MODELS]!r}:
    assert commands.main(words) == 0
"""
    subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, check=True, timeout=600)
    return folder


@pytest.mark.parametrize("model", MODELS)
def test_another_process_folder_hash_seed_and_number_of_threads_and_jobs(once, elsewhere, model):
    assert numbers(elsewhere / model) == once(model)


@pytest.mark.parametrize("model", MODELS)
def test_the_order_of_strategies_and_one_that_is_added_later(alc, once, tmp_path, model):
    last, *others = reversed(STRATEGIES[model])
    for strategies in (others, [last, *others]):
        assert alc(*arguments(model, tmp_path / "out", strategies), report_too=False).code == 0
    assert numbers(tmp_path / "out") == once(model)


def shuffled(listing):
    def lists(*given, **more):
        found = list(listing(*given, **more))
        random.Random(1).shuffle(found)
        return iter(found)

    return lists


def test_another_order_in_which_files_are_listed(alc, folder_root, tmp_path, monkeypatch):
    run = ["run", "--model", "none", "--dataset", "folder", "--data-root", folder_root, "--seeds", 1, "--rounds", 2]
    run += ["--budget", 4, "--foundation", "simulated", "--strategy", "area", "--strategy", "random", "--jobs", 1]
    monkeypatch.setenv("ALC_BENCH_CACHE", str(tmp_path / "one"))
    assert alc(*run, "--out", tmp_path / "plain", report_too=False).code == 0
    monkeypatch.setenv("ALC_BENCH_CACHE", str(tmp_path / "two"))
    with monkeypatch.context() as here:
        for name in ("glob", "iterdir", "rglob"):
            here.setattr(Path, name, shuffled(getattr(Path, name)))
        listdir = os.listdir
        here.setattr(os, "listdir", lambda *given: list(shuffled(listdir)(*given)))
        assert alc(*run, "--out", tmp_path / "other", report_too=False).code == 0
    assert numbers(tmp_path / "plain") == numbers(tmp_path / "other")
