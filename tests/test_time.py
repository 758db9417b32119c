"""``alc-bench time kernels`` and tools/time_run.py: what they check and write; never how fast anything is."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import time_run

from bench import commands
from bench.commands.time import kernels, maps
from bench.kernels import superpixel_statistics
from bench.kernels.per_pixel import look_ahead
from bench.types import InputError

pytestmark = pytest.mark.slow

TOOLS = sorted((Path(__file__).parent.parent / "tools").glob("*.py"))
COMMAND_LINES = [path for path in TOOLS if "exit_code(" in path.read_text(encoding="utf-8")]  # the rest take no options


def timed(*line) -> int:
    return commands.main(["time", "kernels", "--device", "cpu", *line])


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setattr(kernels, "SIZES", {"tiny": (3, 24, 30), "wide": (5, 20, 64)})
    monkeypatch.setattr(kernels, "N_SUPERPIXELS", 6)


def test_writes_the_table_and_the_figure(tiny, monkeypatch, tmp_path, capsys):
    out = tmp_path / "time.csv"
    monkeypatch.setenv("COLUMNS", "100")
    assert timed("--sizes", "tiny,wide", "--threads", "1", "--rounds", "1", "--out", str(out)) == 0
    table = pd.read_csv(out)
    assert list(table) == kernels.COLUMNS and out.with_suffix(".png").stat().st_size > 0
    assert set(table["size"]) == {"tiny", "wide"}
    ours = table[table["max_rel_error"].notna()]
    assert (ours["max_rel_error"] <= kernels.TOLERANCE).all()
    of_maps = ours["n_other_pixels"].isna()
    assert set(ours[of_maps].implementation) == {f"cpu: {family}" for family in maps.FAMILIES}
    ours = ours[~of_maps]
    assert set(zip(ours["implementation"], ours["source"], strict=True)) == {
        (i, s) for i in ("cpu", "torch") for s in ("probabilities", "logits")
    }
    assert (table.loc[table["implementation"] == kernels.COPY, "ratio_to_copy"] == 1).all()
    assert "scipy, extrapolated" in capsys.readouterr().out


def test_no_time_where_a_statistic_of_maps_differs(tiny, monkeypatch, tmp_path):
    real, out = maps.disagreement, tmp_path / "time.csv"
    monkeypatch.setattr(maps, "disagreement", lambda found, *of: real(found, *of) + ("aiou_sum" in found))
    assert timed("--sizes", "tiny", "--threads", "1", "--rounds", "1", "--out", str(out)) == 1
    table = pd.read_csv(out).set_index("implementation")
    assert table.index[table.median_ms.isna()].tolist() == ["cpu: components"]


def test_no_time_where_the_statistics_differ(tiny, monkeypatch, tmp_path):
    """One implementation gone wrong: its rows stay empty, and the exit code says so."""

    def wrong(*args, **options):
        table = superpixel_statistics(*args, **options)
        return {k: v * 1.01 if k == "sim" and options["implementation"] == "cpu" else v for k, v in table.items()}

    monkeypatch.setattr(kernels, "superpixel_statistics", wrong)
    out = tmp_path / "time.csv"
    assert timed("--sizes", "tiny", "--threads", "1", "--rounds", "1", "--out", str(out)) == 1
    table = pd.read_csv(out).set_index("implementation")
    assert table.loc["cpu", "median_ms"].isna().all() and table.loc["torch", "median_ms"].notna().all()


def test_the_per_pixel_method_gives_the_same_look_ahead():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(4), (12, 15)).transpose(2, 0, 1).astype(np.float32).copy()
    labels = rng.choice(np.uint8([0, 1, 2, 3, 255]), (12, 15))
    superpixels = rng.integers(0, 4, (12, 15)).astype(np.int32)
    table = superpixel_statistics(p, labels, superpixels, ("sim",))
    for i, identity in enumerate(table["superpixel"]):
        assert look_ahead(p, labels, superpixels == identity) == pytest.approx(table["sim"][i], rel=1e-5)


@pytest.mark.parametrize(
    "line, message",
    [
        (["--sizes", "voc,moon"], "unknown size 'moon'"),
        (["--threads", "0"], "1 or more"),
        (["--out", "x.txt"], "must end in .csv"),
        (["--seeds", "2"], "unrecognized arguments: --seeds"),
    ],
)
def test_bad_arguments_are_one_clear_line(line, message, capsys):
    assert timed(*line) == 2
    said = capsys.readouterr().err
    assert message in said and len(said.strip().splitlines()) == 1


def test_where_the_seconds_of_a_run_went(alc, tmp_path, capsys):
    run, out = tmp_path / "run", tmp_path / "phases.csv"
    small = ("--dataset", "shapes[train=4,val=2,size=32]", "--model", "none", "--rounds", 1, "--budget", 3)
    grid = ("--strategy", "random", "--strategy", "area", "--seeds", 1)
    done = alc("run", *small, *grid, "--out", run, report_too=False)
    assert done.code == 0, done.err
    assert time_run.main([str(run), "--out", str(out)]) == 0
    table = pd.read_csv(out).set_index("phase")
    assert list(table.index) == ["fit", "predict", "acquire", "ask", "correct", "evaluate", "read", "write", "report"]
    assert table.share.sum() == pytest.approx(1) and out.with_suffix(".png").stat().st_size > 0
    assert table.n[["ask", "correct", "read", "report"]].tolist() == [6, 6, 4, 2] and table.seconds["fit"] == 0
    assert table.floor["read"] > 0 and table.floor_unit["read"] == "bytes" and np.isnan(table.floor["fit"])
    assert "ms each" in capsys.readouterr().out
    with pytest.raises(InputError):
        time_run.main([str(tmp_path / "nothing")])


@pytest.mark.parametrize("tool", COMMAND_LINES, ids=lambda path: path.stem)
def test_a_tool_says_in_one_line_what_it_needs(tool):
    done = subprocess.run([sys.executable, tool], capture_output=True, text=True)
    assert done.returncode == 2 and "required" in done.stderr and len(done.stderr.strip().splitlines()) == 1
