"""A run that was moved, and one whose data and cache are gone, are drawn and exported all the same; `info` says so."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import bench
from bench import registry
from bench.runs.bundle import Bundled
from bench.runs.folder import remember

pytestmark = pytest.mark.slow

RUN = (
    "run",
    "--model",
    "none",
    "--strategy",
    "area",
    "--strategy",
    "random",
    "--seeds",
    1,
    "--rounds",
    2,
    "--budget",
    2,
)


@pytest.fixture
def moved(alc, folder_root, tmp_path):
    """A run of `folder` whose folder was moved, and whose data is no longer there; ``moved(*options)``."""

    def make(*options, data="folder[name=streets]"):
        at = ("--dataset", data, "--data-root", folder_root, "--foundation", "simulated", "--out", tmp_path / "run")
        done = alc(*RUN, *at, *options, report_too=False)
        assert done.code == 0, done.err
        (tmp_path / "run").rename(tmp_path / "moved")
        truth = {
            f"train{i}": registry.load("datasets", "folder", root=folder_root).truth("train", f"train{i}")
            for i in range(3)
        }
        pseudo = json.loads((tmp_path / "moved" / "spec.json").read_text())["pseudo_labels"]
        shutil.rmtree(folder_root)
        shutil.rmtree(pseudo)
        return tmp_path / "moved", truth

    return make


def test_a_moved_run_without_its_data_is_drawn_and_exported(alc, moved, tmp_path):
    run, truth = moved()
    assert alc("report", run).code == 0
    page = (run / "report" / "report.html").read_text()
    assert "data:image/png" in page and "no longer there" not in page
    assert alc("export", run, "--strategy", "area", "--seed", 0, "--to", tmp_path / "to").code == 0
    written = registry.load("datasets", "folder", root=tmp_path / "to")
    assert written.classes == ("background", "dining table", "cat") and written.names("train") == tuple(truth)
    found = bench.load_results(run).query("strategy == 'area' and round == 2").data_accuracy.item()
    labels = np.concatenate([written.truth("train", name).ravel() for name in truth])
    true = np.concatenate([known.ravel() for known in truth.values()])
    right, n = (labels == true)[true < 255].sum(), (true < 255).sum()
    assert right / n == pytest.approx(found)


def test_without_a_bundle_it_is_not(alc, moved, tmp_path):
    run, _ = moved("--no-bundle")
    assert not (run / "bundle").exists()
    done = alc("export", run, "--strategy", "area", "--seed", 0, "--to", tmp_path / "to")
    assert done.code == 2 and "no longer there, and it has no bundle" in done.err


def test_small_images_are_brought_to_size(alc, tmp_path):
    data = ("--dataset", "shapes[train=2,val=1,size=400]", "--out", tmp_path / "run")
    assert alc(*RUN, *data, report_too=False).code == 0
    bundled, shapes = Bundled(tmp_path / "run" / "bundle"), registry.load("datasets", data[1])
    for name in shapes.names("train"):
        np.testing.assert_array_equal(bundled.truth("train", name), shapes.truth("train", name))
        assert bundled.image("train", name).shape == (400, 400, 3)
        assert np.abs(bundled.image("train", name).astype(int) - shapes.image("train", name)).mean() < 12


def test_info_says_what_a_run_is_holds_lacks_and_was_made_by(alc, moved):
    run, _ = moved()
    assert alc("report", run).code == 0
    (run / "cells" / "random__perfect__seed0" / "spec.json").unlink()
    said = alc("info", run)
    assert said.code == 0, said.err
    for part in ("a run of format", "folder[name=streets] with labels of simulated; no model", "cells: 1 done"):
        assert part in said.out
    assert "bundle: label maps, superpixels and small images" in said.out
    assert "the bundle has what is drawn and exported" in said.out
    assert "1 of the 2 cells that the last command asked for have not begun" in said.out
    found = json.loads(alc("info", run, "--json").out)
    (run_line,) = found["made by"]
    assert "alc-bench run --model none" in run_line and f"(alc-bench {bench.__version__}" in run_line


def test_info_goes_on_after_half_a_line_of_the_commands(alc, tmp_path):
    run = shutil.copytree(Path(__file__).parent / "format1", tmp_path / "run")
    remember(run, "alc-bench first")
    with open(run / "commands.jsonl", "ab") as file:
        file.write(b'{"time": "2026-\xc3')
    said = alc("info", run)
    assert said.code == 0 and "alc-bench first" in said.out
    assert "commands.jsonl, line 2: a command whose line is damaged or was not written whole" in said.out
    remember(run, "alc-bench third")
    first, half, third = json.loads(alc("info", run, "--json").out)["made by"]
    assert "alc-bench first" in first and "line 2" in half and "alc-bench third" in third


def test_info_of_what_is_no_run(alc, tmp_path):
    assert "no such folder" in alc("info", tmp_path / "nowhere").err
    done = alc("info", tmp_path)
    assert done.code == 2 and "is this the folder of a run?" in done.err


def test_info_of_an_old_run(alc):
    said = alc("info", Path(__file__).parent / "format1")
    assert said.code == 0 and "a run of format 1" in said.out and "alc-bench run" in said.out


def test_a_file_that_the_record_of_commands_is_linked_to_stays(tmp_path):
    (tmp_path / "mine").write_text("mine\n")
    for link in (Path.symlink_to, Path.hardlink_to):
        folder = tmp_path / link.__name__
        folder.mkdir()
        link(folder / "commands.jsonl", tmp_path / "mine")
        remember(folder, "alc-bench report")
        assert (tmp_path / "mine").read_text() == "mine\n"
        assert "alc-bench report" in (folder / "commands.jsonl").read_text().splitlines()[1]
