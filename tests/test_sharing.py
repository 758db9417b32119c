"""Runs of two machines become one, and a run becomes a zip that others read as it is."""

import json
import shutil
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest
from problems import TIMINGS

import bench
from bench import InputError, files
from bench.commands.merge import merge
from bench.runs import checksums, schema
from bench.runs.folder import add_to_spec, packages
from bench.runs.pack import opened, write

pytestmark = pytest.mark.slow

RUN = ("run", "--model", "none", "--dataset", "shapes[train=3,val=2,size=32]", "--rounds", 1, "--budget", 2)


def plain(run):
    return pd.read_csv(run / "rounds.csv").drop(columns=TIMINGS)


@pytest.fixture
def two(alc, tmp_path):
    """A run of ``area`` and one of ``random`` and ``area``, with other seeds: as on two machines."""
    runs = {
        "a": ("--strategy", "area", "--seeds", "0-1"),
        "b": ("--strategy", "random", "--strategy", "area", "--seeds", "1,2"),
    }
    for name, options in runs.items():
        assert alc(*RUN, *options, "--out", tmp_path / name, report_too=False).code == 0
    return tmp_path / "a", tmp_path / "b"


def test_merged_is_what_one_machine_would_have_run(alc, two, tmp_path):
    done = alc("merge", *two, "--out", tmp_path / "both")
    assert done.code == 0 and "5 cells of 2 runs" in done.out
    assert alc("report", tmp_path / "both").code == 0
    spec = json.loads((tmp_path / "both" / "spec.json").read_text())
    assert (spec["strategies"], spec["seeds"]) == (["area", "random"], [0, 1, 2])
    options = ("--strategy", "area", "--strategy", "random", "--seeds", 3)
    assert alc(*RUN, *options, "--out", tmp_path / "both", report_too=False).code == 0  # the sixth cell
    assert alc(*RUN, *options, "--out", tmp_path / "once", report_too=False).code == 0
    pd.testing.assert_frame_equal(plain(tmp_path / "both"), plain(tmp_path / "once"))
    assert "alc-bench merge" in (tmp_path / "both" / "commands.jsonl").read_text()
    assert "alc-bench report" in (tmp_path / "both" / "report" / "commands.jsonl").read_text()


def test_what_does_not_go_together_is_not_merged(alc, two, tmp_path):
    options = ("--strategy", "area", "--seeds", 1, "--budget", 3, "--out", tmp_path / "other")
    assert alc(*RUN, *options, report_too=False).code == 0
    done = alc("merge", two[0], tmp_path / "other", "--out", tmp_path / "both")
    assert done.code == 2 and "of another protocol than" in done.err and "(budget: " in done.err
    rounds = two[1] / "cells" / "area__perfect__seed1" / "rounds.csv"
    table = pd.read_csv(rounds)
    table["n_void"] += 1
    table.to_csv(rounds, index=False)
    done = alc("merge", *two, "--out", tmp_path / "both")
    assert done.code == 2 and f"{rounds}: damaged" in done.err
    record(rounds.parent)
    done = alc("merge", *two, "--out", tmp_path / "both")
    assert done.code == 2 and "the same cell with different rounds (n_void)" in done.err
    assert not (tmp_path / "both").exists()


def record(folder):
    """Take the files of a cell as they are now for those that were written."""
    files.record(folder, {"rounds.csv": files.checksum((folder / "rounds.csv").read_bytes())})
    spec = files.read_json(folder / "spec.json")
    files.write_spec(folder / "spec.json", spec | {"files": checksums.of(folder)})


def test_a_cell_that_was_begun_elsewhere_is_no_other_one(alc, two, tmp_path):
    """The spec.json of a cell comes before its first round."""
    begun = two[1] / "cells" / "area__perfect__seed1"
    spec = files.read_json(begun / "spec.json")
    shutil.rmtree(begun)
    begun.mkdir()
    files.write_spec(begun / "spec.json", {k: v for k, v in spec.items() if k != "files"} | {"status": "running"})
    assert alc("merge", two[1], two[0], "--out", tmp_path / "both").code == 0
    assert len(pd.read_csv(tmp_path / "both" / "cells" / begun.name / "rounds.csv")) == 2


@pytest.mark.parametrize("n", (1, 4, 9))
def test_a_merge_that_stops_at_the_nth_file_is_ended_by_the_same_command(two, tmp_path, monkeypatch, n):
    copied = []

    def copy(source, place, **options):
        if len(copied) == n:
            raise KeyboardInterrupt
        copied.append(place)
        return copy2(source, place, **options)

    copy2 = shutil.copy2
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(shutil.copytree, "__defaults__", (False, None, copy, False, False))
        merge(list(two), tmp_path / "both", "merge")
    for name in ("both", "once"):
        assert merge(list(two), tmp_path / name, "merge") == 5
    both, once = (
        {p.relative_to(t): p.read_bytes() for p in t.rglob("*.csv")} for t in (tmp_path / "both", tmp_path / "once")
    )
    assert both == once and not list((tmp_path / "both").rglob(".merging*"))


def test_folders_of_cells_that_changed_places_are_noticed(alc, two, tmp_path):
    one, other = (two[1] / "cells" / f"{name}__perfect__seed1" for name in ("area", "random"))
    for path, place in ((one, tmp_path / "x"), (other, one), (tmp_path / "x", other)):
        path.rename(place)
    options = ("--strategy", "random", "--strategy", "area", "--seeds", "1,2", "--out", two[1])
    for command in (("merge", *two, "--out", tmp_path / "both"), ("pack", two[1]), (*RUN, *options, "--rounds", 2)):
        done = alc(*command)
        assert done.code == 2 and "it holds another cell than its name says" in done.err, command


def test_a_command_that_cannot_go_on_changes_nothing_of_a_finished_run(alc, two, monkeypatch):
    before = {path: path.read_bytes() for path in two[0].rglob("*") if path.is_file()}

    def fail(*_):
        raise InputError("no labels")

    monkeypatch.setattr("bench.experiment.problem.Setup.read", fail)
    assert alc(*RUN, "--strategy", "random", "--seeds", 9, "--out", two[0], report_too=False).code == 2
    assert {path: path.read_bytes() for path in two[0].rglob("*") if path.is_file()} == before


def test_two_runs_with_a_dot_in_their_names_are_two_packs(alc, two, tmp_path):
    for number, run in enumerate(two):
        run.rename(tmp_path / f"exp.{number}")
        assert alc("pack", tmp_path / f"exp.{number}").code == 0
    assert {path.name for path in tmp_path.glob("*.zip")} == {"exp.0.zip", "exp.1.zip"}
    (tmp_path / "exp.0.zip").write_text("mine")
    done = alc("pack", tmp_path / "exp.0")
    assert done.code == 2 and "is a file that is no pack" in done.err
    assert (tmp_path / "exp.0.zip").read_text() == "mine"


def test_a_pack_is_read_as_it_is_and_says_nothing_of_this_machine(alc, two, tmp_path):
    assert alc("pack", two[0]).code == 0
    pack = tmp_path / "a.zip"
    with zipfile.ZipFile(pack) as files:
        names = set(files.namelist())
        assert {"pack.json", "spec.json", "rounds.csv", "cells/area__perfect__seed0/queries.csv"} <= names
        assert not any(name.endswith((".png", ".webp", ".pth")) for name in names)
        spec, about = (json.loads(files.read(name)) for name in ("spec.json", "pack.json"))
    assert not {"data_root", "pseudo_labels"} & set(spec) and about["plugins"] == packages() and about["alc-bench"]
    own = bench.load_results(two[0]).drop(columns="run")
    shutil.rmtree(two[0])
    pd.testing.assert_frame_equal(bench.load_results(pack).drop(columns="run"), own)
    assert alc("report", pack).code == 0 and (tmp_path / "a" / "report.html").is_file()
    assert alc("merge", pack, two[1], "--out", tmp_path / "both").code == 0
    assert len(bench.load_results(tmp_path / "both")) == 5 * 2


def test_a_pack_of_a_run_with_a_reference_is_read(two, tmp_path):
    run = two[0]
    schema.write(run / "reference.csv", [{"seed": 0, "model_miou": 0.5}])
    files.record(run, {"reference.csv": files.checksum((run / "reference.csv").read_bytes())})
    add_to_spec(run, files=checksums.of(run))
    write(run, tmp_path / "a.zip")
    assert set(checksums.of(opened(tmp_path / "a.zip"))) == {"rounds.csv", "reference.csv", "sums.json"}
    assert len(bench.load_results(tmp_path / "a.zip")) == 2 * 2


def test_several_may_open_a_pack_at_once(two, tmp_path, monkeypatch):
    write(two[0], tmp_path / "a.zip")
    for k in range(5):
        monkeypatch.setenv("ALC_BENCH_CACHE", str(tmp_path / f"cache{k}"))
        with ThreadPoolExecutor(6) as pool:
            (place,) = set(pool.map(opened, [tmp_path / "a.zip"] * 6))
        assert len(bench.load_results(place)) == 2 * 2 and [p.name for p in place.parent.iterdir()] == ["a"]


def changed(pack, name, content):
    with zipfile.ZipFile(pack) as files:
        old = {n: files.read(n) for n in files.namelist()}
    with zipfile.ZipFile(pack, "w") as files:
        for n, c in (old | {name: content}).items():
            files.writestr(n, c)


def test_a_pack_that_was_changed_or_is_none_is_refused(alc, two, tmp_path, monkeypatch):
    monkeypatch.setenv("ALC_BENCH_CACHE", str(tmp_path / "cache"))
    pack = tmp_path / "a.zip"
    for name, content, said in (
        ("rounds.csv", b"dataset\n", "rounds.csv is not what was packed"),
        ("../escaped.csv", b"x", "its files are not those that pack.json names"),
        ("pack.json", b"[]", "not a pack of a run"),
    ):
        write(two[0], pack)
        changed(pack, name, content)
        with pytest.raises(InputError, match=said):
            opened(pack)
    write(two[0], pack)
    whole = pack.read_bytes()
    directory = whole.rindex(b"PK\x01\x02")
    for place, bit in ((10, 64), (8, 1), (6, 64)):  # method, "encrypted", version
        pack.write_bytes(
            whole[: directory + place] + bytes([whole[directory + place] ^ bit]) + whole[directory + place + 1 :]
        )
        with pytest.raises(InputError, match="not a pack of a run"):
            opened(pack)
    with zipfile.ZipFile(pack, "w", zipfile.ZIP_DEFLATED) as files:
        files.writestr("pack.json", " " * 10**7)
    with pytest.raises(InputError, match="unpacks to 10,000,000 bytes"):
        opened(pack)
    pack.write_bytes(b"no zip")
    with pytest.raises(InputError, match="not a pack of a run"):
        opened(pack)
    assert not list(tmp_path.rglob("escaped.csv"))
    assert alc("pack", tmp_path / "nowhere").code == 2
