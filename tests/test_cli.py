"""The command line: what it lists, where it writes, how it ends."""

import json
import re
import shlex
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from problems import TIMINGS

import bench
from bench import __version__, commands, registry
from bench.commands.run import parse_options
from bench.experiment.run import parse_seeds
from bench.learners.config import PRESETS
from bench.learners.mmseg import Mmseg

pytestmark = pytest.mark.slow

LABELS = ("--model", "none", "--dataset", "shapes[train=3,val=2,size=32]", "--seeds", 1, "--rounds", 1, "--budget", 2)


def test_list_is_for_people(alc):
    done = alc("list")
    assert done.code == 0 and done.err == ""
    for kind in registry.KINDS:
        assert kind in done.out
        for entry in registry.describe(kind):
            assert f"  {entry['name']}" in done.out and entry["caption"] in done.out
    assert "[gate=pixel,answer=representative,void=keep]" in done.out  # brackets are no markup
    assert "reads the truth: a reference line, never ranked" in done.out
    assert "leaky: reads more truth than its price covers" in done.out


def test_list_is_for_programs(alc):
    found = json.loads(alc("list", "--json").out)
    assert set(found) == set(registry.KINDS)
    for entries in found.values():
        assert entries and all({"name", "caption", "parameters"} <= set(e) for e in entries)
    assert {"random", "area", "entropy", "margin", "cil_pixel", "cil", "cil_area", "sim"} <= {
        e["name"] for e in found["strategies"]
    }


def test_version_and_help(alc):
    assert alc("--version").out == f"alc-bench {__version__}\n"
    for command in ((), ("run",), ("report",), ("list",)):
        done = alc(*command, "--help")
        assert done.code == 0 and "usage: alc-bench" in done.out


@pytest.mark.parametrize("command", commands.COMMANDS)
def test_a_command_s_help_has_two_examples_that_parse(alc, command):
    lines = alc(command, "--help").out.partition("\nexamples:\n")[2].splitlines()
    assert len(lines) >= 2 and len(set(lines)) == len(lines)
    for line in lines:
        program, *words = shlex.split(line)
        assert program == "alc-bench" and words[0] == command
        assert commands.parser(words).parse_args(words).main


def test_help_says_the_default_of_an_option_and_of_a_switch_nothing(alc):
    found = alc("report", "--help").out
    assert "(default: queries)" in found and "(default: True)" not in found


def test_help_names_the_presets(alc):
    text = alc("run", "--help").out
    said = text[text.index("of mmseg:") : text.index("mmengine config")]
    named = {path.stem for path in PRESETS.glob("[a-z]*.py")}
    parts = {name.rpartition("-")[0] for name in named if "-" in name}  # NAME-DATASET of them
    assert {name for name in named | parts if name.isidentifier()} - {"weak"} == set(re.findall(r"\b(\w+),", said))


def test_a_run_leaves_its_files_and_says_where_the_curves_are(alc, tmp_path):
    out = tmp_path / "a b" / "out"
    done = alc("run", *LABELS, "--strategy", "random", "--strategy", "area", "--out", out)
    assert done.code == 0, done.err
    assert "random" in done.out and str(out / "report" / "curves.png") in done.out
    for name in ("spec.json", "rounds.csv", "report/summary.csv", "report/curves.png"):
        assert (out / name).stat().st_size > 0
    spec = json.loads((out / "spec.json").read_text())
    assert {"protocol", "protocol_hash", "command", "versions", "python"} <= set(spec)
    folder = out / "cells" / "random__perfect__seed0"
    assert {p.name for p in folder.iterdir()} >= {
        "spec.json",
        "rounds.csv",
        "queries.csv",
        "classes.csv",
        "timings.csv",
    }


def test_the_default_folder_is_found_again_by_the_same_command(alc, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = ("run", *LABELS, "--strategy", "random")
    assert alc(*command, report_too=False).code == 0
    (out,) = (tmp_path / "results" / "runs").iterdir()
    assert out.name.startswith("shapes-") and len(out.name) == len("shapes-") + 8
    before = (out / "rounds.csv").read_bytes()
    assert alc(*command, report_too=False).code == 0
    assert alc("run", *LABELS[:-1], 3, "--strategy", "random", report_too=False).code == 0
    assert len(list(out.parent.iterdir())) == 2
    assert (out / "rounds.csv").read_bytes() == before


def test_report_of_a_run_into_another_folder(alc, tmp_path):
    assert alc("run", *LABELS, "--strategy", "area", "--out", tmp_path / "run", report_too=False).code == 0
    done = alc("report", tmp_path / "run", "--out", tmp_path / "report", "--no-html")
    assert done.code == 0 and (tmp_path / "report" / "summary.csv").exists()
    assert not (tmp_path / "run" / "report").exists()


def test_being_stopped_is_one_line_and_130(alc, tmp_path, monkeypatch):
    def stopped(*_, **__):
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Mmseg, "fit", stopped)
    handler = signal.getsignal(signal.SIGTERM)
    try:
        small = ("--dataset", "shapes[train=3,val=2,size=32]", "--seeds", 1, "--rounds", 1)
        done = alc("run", *small, "--preset", "smoke", "--jobs", 1, "--out", tmp_path / "out")
    finally:
        signal.signal(signal.SIGTERM, handler)
    assert done.code == 130
    assert done.err.splitlines()[-1] == "alc-bench: stopped; the same command goes on from here"
    assert "Traceback" not in done.err


def test_a_failing_round_0_is_recorded_in_its_cells(alc, tmp_path, monkeypatch):
    def breaks(*_, **__):
        raise RuntimeError("the GPU fell off")

    monkeypatch.setattr(Mmseg, "fit", breaks)
    small = ("--dataset", "shapes[train=3,val=2,size=32]", "--seeds", 1, "--rounds", 1)
    done = alc("run", *small, "--preset", "smoke", "--jobs", 1, "--out", tmp_path / "out", report_too=False)
    assert done.code == 1 and "Traceback" not in done.err
    (spec, *_) = (json.loads(p.read_text()) for p in (tmp_path / "out").glob("cells/*/spec.json"))
    assert spec["status"] == "failed" and "the GPU fell off" in spec["error"]


def test_a_run_of_which_no_cell_is_done_still_ends_with_1(alc, tmp_path, monkeypatch):
    from baselines.uninformed import Random

    monkeypatch.setattr(Random, "acquire", lambda *_: 1 / 0, raising=False)
    monkeypatch.setattr(Random, "score", lambda *_: 1 / 0, raising=False)
    done = alc("run", *LABELS, "--strategy", "random", "--out", tmp_path / "out")
    assert done.code == 1 and "Traceback" not in done.err


@pytest.mark.parametrize(
    ("text", "seeds"), [("3", [0, 1, 2]), ("2,3", [2, 3]), ("0-2", [0, 1, 2]), ("5,", [5]), ("0-1, 7", [0, 1, 7])]
)
def test_seeds_are_counted_or_named(text, seeds):
    assert list(parse_seeds(text)) == seeds


def test_other_seeds_on_the_same_folder_and_a_name_of_one_s_own(alc, folder_root, tmp_path):
    data = ("--dataset", "folder[name=my streets]", "--data-root", folder_root, "--foundation", "simulated")
    run = ("run", *data, "--model", "none", "--strategy", "area", "--rounds", 1, "--out", tmp_path / "out", "--seeds")
    assert alc(*run, "1", report_too=False).code == alc(*run, "2,3").code == 0
    found = bench.load_results(tmp_path / "out")
    assert set(found.seed) == {0, 2, 3} and set(found.dataset) == {"my streets"}
    assert set(pd.read_csv(tmp_path / "out" / "report" / "summary.csv").dataset) == {"my streets"}
    assert "my streets" in (tmp_path / "out" / "report" / "report.html").read_text()
    wrong = alc("run", *data[:1], "folder[name=../x]", *data[2:], "--model", "none")
    assert wrong.code == 2 and "name must be of letters" in wrong.err


@pytest.mark.parametrize("pairs", [[], ["a=1", "b.c=x y", "d=[1,2]", "e=null", "f=", "g=a=b"]])
def test_options_are_json_or_text(pairs):
    expected = {"a": 1, "b.c": "x y", "d": [1, 2], "e": None, "f": "", "g": "a=b"}
    assert parse_options(pairs) == (expected if pairs else {})


def test_reference_and_repeat(alc, tmp_path):
    """The truth's own model, once a seed, and the same cells once more: equal to the first, and found by the report."""
    preset = Path(__file__).parent / "tiny_preset.py"
    arguments = ("run", "--preset", preset, "--dataset", "shapes[train=8,val=4,size=32]", "--strategy", "area")
    arguments += ("--seeds", 1, "--rounds", 1, "--jobs", 1, "--out", tmp_path / "out")
    done = alc(*arguments, "--reference", "full", "--repeat", 1)
    assert done.code == 0 and "identical runs spread by 0.00 points of data mIoU" in done.out
    reference = pd.read_csv(tmp_path / "out" / "reference.csv")
    assert reference.seed.tolist() == [0] and reference.model_miou.between(0, 1).all()
    runs = [pd.read_csv(tmp_path / "out" / where / "rounds.csv") for where in (".", "repeat1")]
    same = [run.drop(columns=TIMINGS) for run in runs]
    pd.testing.assert_frame_equal(*same)
    written = (tmp_path / "out" / "reference.csv").stat().st_mtime_ns
    assert alc(*arguments, "--reference", "full", report_too=False).code == 0  # done is done: it is not trained again
    assert (tmp_path / "out" / "reference.csv").stat().st_mtime_ns == written


def test_changed_files_of_a_foundation_are_another_protocol(alc, tmp_path):
    for kind in ("mask_jpg", "obj_jpg"):
        (tmp_path / kind).mkdir()
        for i in range(3):
            Image.fromarray(np.ones((32, 32), np.uint8)).save(tmp_path / kind / f"{i:05d}.png")
    run = ("run", *LABELS, "--foundation", f"files[root={tmp_path}]", "--strategy", "area", "--out", tmp_path / "out")
    assert alc(*run).code == alc(*run).code == 0
    Image.fromarray(np.full((32, 32), 2, np.uint8)).save(tmp_path / "mask_jpg" / "00001.png")
    again = alc(*run)
    assert again.code == 2 and "another protocol (files: " in again.err
