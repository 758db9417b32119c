"""From one command to its files: a package of others' plug-ins, real data, and the report beside the run."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.first]

REPOSITORY = Path(__file__).parent.parent
GARDEN = Path(__file__).parent / "garden"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The package in tests/garden, built and installed; returns the command line with it on the path. Figures are PNG
    alone, as with `alc`."""
    folder = tmp_path_factory.mktemp("garden")
    shutil.copytree(GARDEN, folder / "source")
    site = folder / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", site, folder / "source"], check=True, capture_output=True, text=True)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(site), str(REPOSITORY)]),
        "ALC_BENCH_CACHE": str(folder / "cache"),
    }

    def python(*arguments):
        command = [sys.executable, *map(str, arguments)]
        return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True)

    code = "import sys; from bench import commands, report; report.SUFFIXES = ('png',); sys.exit(commands.main())"

    def bench(*arguments):
        return python("-c", code, *arguments)

    bench.python = python
    return bench


def test_plug_ins_of_an_installed_package_are_listed_and_broken_ones_break_nothing(installed):
    done = installed("list", "--json")
    assert done.returncode == 0, done.stderr
    found = {kind: {e["name"]: e for e in entries} for kind, entries in json.loads(done.stdout).items()}
    assert found["strategies"]["smallest"]["caption"] == "Small superpixels first."
    assert found["strategies"]["smallest"]["needs"] == ["entropy_sum"]
    assert found["oracles"]["gardener"]["parameters"] == ["word=1"]
    assert found["datasets"]["beds"]["parameters"] == ["n=3"]
    assert found["learners"]["colours"]["parameters"] == ["step=7"]
    assert {"stubborn", "adaptive"} <= set(found["adjudicators"]) and {"outvoted", "lcm"} <= set(found["refiners"])
    assert "tiles" in found["superpixels"]
    assert found["strategies"]["gone"]["broken"] and "NoSuchClass" in found["strategies"]["gone"]["caption"]
    assert found["foundations"]["absent"]["broken"]
    assert {"random", "sim", "entropy"} <= set(found["strategies"]) and "perfect" in found["oracles"]


def test_a_run_of_plug_ins_of_every_kind_is_reported_and_exported(installed, tmp_path):
    out = tmp_path / "out"
    run = ("run", "--dataset", "beds[n=4]", "--foundation", "recut[of=guess,superpixels=tiles[side=4]]")
    run += ("--learner", "colours[step=3]", "--strategy", "smallest+stubborn[least=3]+outvoted", "--strategy", "sim")
    run += ("--oracle", "gardener[word=1]", "--oracle", "perfect", "--seeds", 1, "--rounds", 2, "--budget", 20)
    done = installed(*run, "--out", out)
    assert done.returncode == 0, done.stderr
    rows = pd.read_csv(out / "rounds.csv")
    assert len(rows) == 4 * 3 and rows.model_miou.notna().all()
    sim = rows[rows.strategy.eq("sim") & rows.oracle.eq("perfect")]
    assert sim.data_miou.is_monotonic_increasing and sim.data_miou.iloc[-1] > sim.data_miou.iloc[0]
    assert rows[rows.strategy.str.startswith("smallest")].refined_px.max() > 0
    page = (out / "report" / "report.html").read_text(encoding="utf-8")
    assert "colours" in page and (out / "report" / "curves.png").exists()
    again = installed(*run, "--out", out, "--jobs", 1)  # nothing is left to do
    assert again.returncode == 0 and pd.read_csv(out / "rounds.csv").equals(rows)
    to = tmp_path / "to"
    done = installed("export", out, "--strategy", "sim", "--oracle", "perfect", "--seed", 0, "--to", to)
    assert done.returncode == 0, done.stderr
    said = installed("quality", "--dataset", "folder", "--data-root", to, "--foundation", "guess", "--json")
    assert said.returncode == 0 and json.loads(said.stdout)["n_images"] == 4


def test_a_plug_in_that_fails_leaves_the_others(installed, tmp_path):
    out = tmp_path / "out"
    done = installed(
        *("run", "--model", "none", "--dataset", "beds[n=2]", "--foundation", "guess", "--out", out),
        *("--strategy", "area", "--strategy", "stumbles", "--oracle", "gardener[word=1]"),
        *("--seeds", 1, "--rounds", 2, "--budget", 2),
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "failed: " in done.stderr and "stumbles" in done.stderr
    specs = {s["strategy"]: s for s in (json.loads(p.read_text()) for p in out.glob("cells/*/spec.json"))}
    assert specs["stumbles"]["status"] == "failed" and "the strategy stumbled" in specs["stumbles"]["error"]
    assert specs["area"]["status"] == "done"


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


def test_the_plug_ins_of_a_package_pass_the_checks_for_their_authors(installed):
    code = """
from bench.testing import *
check_dataset("beds[n=2]"); check_superpixels("tiles[side=4]"); check_learner("colours")
check_oracle("gardener[word=1]")
check_foundation("guess", "beds[n=2]")
"""
    done = installed.python("-c", code)
    assert done.returncode == 0, done.stderr
