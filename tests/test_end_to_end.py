"""From one command to its files: a package of others' plug-ins, real data, and the report beside the run."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

REPOSITORY = Path(__file__).parent.parent
TOY = {
    "pyproject.toml": """
        [build-system]
        requires = ["setuptools"]
        build-backend = "setuptools.build_meta"
        [project]
        name = "toy-plugins"
        version = "1.0"
        [tool.setuptools]
        py-modules = ["toy_plugins"]
        [project.entry-points."alc_bench.strategies"]
        smallest = "toy_plugins:SmallestFirst"
        gone = "toy_plugins:NoSuchClass"
        stumbles = "toy_plugins:Stumbles"
        [project.entry-points."alc_bench.oracles"]
        parrot = "toy_plugins:Parrot"
        [project.entry-points."alc_bench.datasets"]
        stripes = "toy_plugins:Stripes"
        [project.entry-points."alc_bench.foundations"]
        absent = "no_such_module:Absent"
        """,
    "toy_plugins.py": '''
        """What another package brings."""

        import numpy as np

        from bench.acquisition import Strategy
        from bench.annotation import Oracle
        from bench.datasets import Dataset
        from bench.types import Answer


        class SmallestFirst(Strategy):
            """Small superpixels first."""

            needs = ("size",)

            def score(self, pool):
                return -pool.candidates.size


        class Stumbles(Strategy):
            """Fails when asked."""

            def score(self, pool):
                raise RuntimeError("the toy stumbled")


        class Parrot(Oracle):
            """Always says the same."""

            def __init__(self, word=1):
                self.word = word

            def answer(self, question, truth, rng):
                return Answer((self.word,), ("correct",))


        class Stripes(Dataset):
            """Two classes in stripes."""

            classes, palette, background = ("even", "odd"), np.zeros((2, 3), np.uint8), 0

            def __init__(self, n=3):
                self.n = n

            def names(self, split):
                return tuple(f"{split}{i}" for i in range(self.n))

            def image(self, split, name):
                return np.repeat(self.truth(split, name)[..., None] * np.uint8(200), 3, axis=2)

            def truth(self, split, name):
                return (np.arange(32)[:, None] // 8 % 2 + np.zeros((32, 32))).astype(np.uint8)
        ''',
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The toy package, built and installed; returns ``python -m bench`` with it on the path."""
    folder = tmp_path_factory.mktemp("toy")
    for name, text in TOY.items():
        (folder / name).write_text(textwrap.dedent(text).lstrip())
    site = folder / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", site, folder], check=True, capture_output=True, text=True)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(site), str(REPOSITORY)]),
        "ALC_BENCH_CACHE": str(folder / "cache"),
    }

    def bench(*arguments):
        command = [sys.executable, "-m", "bench", *map(str, arguments)]
        return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True)

    return bench


def test_plug_ins_of_an_installed_package_are_listed_and_broken_ones_break_nothing(installed):
    done = installed("list", "--json")
    assert done.returncode == 0, done.stderr
    found = {kind: {e["name"]: e for e in entries} for kind, entries in json.loads(done.stdout).items()}
    assert found["strategies"]["smallest"]["caption"] == "Small superpixels first."
    assert found["strategies"]["smallest"]["needs"] == ["size"]
    assert found["oracles"]["parrot"]["parameters"] == ["word=1"]
    assert found["datasets"]["stripes"]["parameters"] == ["n=3"]
    assert found["strategies"]["gone"]["broken"] and "NoSuchClass" in found["strategies"]["gone"]["caption"]
    assert found["foundations"]["absent"]["broken"]
    assert {"random", "sim", "entropy"} <= set(found["strategies"]) and "perfect" in found["oracles"]


def test_plug_ins_of_an_installed_package_run_beside_one_that_fails(installed, tmp_path):
    out = tmp_path / "out"
    done = installed(
        *("run", "--model", "none", "--dataset", "stripes[n=2]", "--foundation", "simulated", "--out", out),
        *("--strategy", "smallest", "--strategy", "stumbles", "--oracle", "parrot[word=1]"),
        *("--seeds", 1, "--rounds", 2, "--budget", 2),
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "failed: " in done.stderr and "stumbles" in done.stderr
    specs = {s["strategy"]: s for s in (json.loads(p.read_text()) for p in out.glob("cells/*/spec.json"))}
    assert specs["stumbles"]["status"] == "failed" and "the toy stumbled" in specs["stumbles"]["error"]
    assert specs["smallest"]["status"] == "done"
    rows = pd.read_csv(out / "rounds.csv").query("strategy == 'smallest'")
    assert rows.n_corrected.iloc[-1] + rows.n_confirmed.iloc[-1] == 4
    asked = pd.read_csv(out / "cells" / next(out.glob("cells/smallest*")).name / "queries.csv")
    assert asked["size"].is_monotonic_increasing and (asked.answer == 1).all()
    assert (out / "curves.png").exists() and (out / "summary.csv").exists()


# mIoU after 0, 1,000, ... 5,000 of the largest superpixels, as the released files have it: data/README.md.
AREA = [0.55067, 0.71232, 0.78417, 0.82373, 0.84787, 0.86189]


def test_area_on_the_released_pascal_files_matches_the_known_numbers(alc, real_data, tmp_path):
    voc = real_data / "pascal-voc"
    if not voc.is_dir():
        pytest.skip(f"no PASCAL files: {voc} is not a folder")
    done = alc(
        *("run", "--dataset", "pascal", "--data-root", voc / "VOCdevkit", "--model", "none"),
        *("--foundation", f"files[root={voc / 'grounded-sam'}]", "--scores", voc / "grounded-sam" / "cil_pixel.csv"),
        *("--strategy", "area", "--oracle", "perfect[gate=superpixel,answer=representative,void=keep]"),
        *("--rounds", 5, "--budget", 1000, "--seeds", 1, "--out", tmp_path / "out"),
        report_too=False,
    )
    assert done.code == 0, done.err
    rows = pd.read_csv(tmp_path / "out" / "rounds.csv")
    np.testing.assert_allclose(rows.data_miou, AREA, rtol=0, atol=1e-4)
    assert rows.n_queries.tolist() == [0, 1000, 2000, 3000, 4000, 5000]
    spec = json.loads(next((tmp_path / "out").glob("cells/*/spec.json")).read_text())
    assert spec["leaky"] and spec["status"] == "done"
