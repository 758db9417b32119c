"""Numbers know what they stand for: content of data, code and versions; what would mix two of these is refused."""

import os
import sqlite3
import time

import numpy as np
import pytest
from PIL import Image

from bench import files, registry
from bench.datasets import digests
from bench.datasets.folder import Folder
from bench.learners.config import PRESETS
from bench.runs import identity
from bench.testing import check_strategy

pytestmark = pytest.mark.slow


def tree(root, n=(3, 2), classes=("background", "cat", "dog")):
    """The dataset `folder` with a cat and a dog an image, in PNG without compression: no edit changes a file's size."""
    rng = np.random.default_rng(0)
    root.mkdir(parents=True)
    (root / "classes.txt").write_text("".join(f"{name}\n" for name in classes))
    for split, count in zip(("train", "val"), n, strict=True):
        for i in range(count):
            truth = np.zeros((24, 32), np.uint8)
            truth[2:12, 3:15], truth[12:22, 16:30] = 1, 2
            noise = rng.integers(0, 40, (24, 32, 3))
            for part, values in (("annotations", truth), ("images", (truth[..., None] * 80 + noise).astype(np.uint8))):
                path = root / part / split / f"im{i}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(values).save(path, compress_level=0)
    return root


def exchange(path):
    """Cats become dogs and dogs cats, in a file of as many bytes."""
    size = path.stat().st_size
    ids = np.asarray(Image.open(path))
    Image.fromarray(np.array([0, 2, 1], np.uint8)[ids]).save(path, compress_level=0)
    assert path.stat().st_size == size


def brighten(path):
    size = path.stat().st_size
    Image.fromarray(np.asarray(Image.open(path)) // 2 + 100).save(path, compress_level=0)
    assert path.stat().st_size == size


def aged(root, seconds=3600):
    """Every file below ``root`` was changed long ago."""
    then = time.time() - seconds
    for path in root.rglob("*"):
        os.utime(path, (then, then))


@pytest.fixture
def index(tmp_path, monkeypatch):
    monkeypatch.setenv("ALC_BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / digests.INDEX


@pytest.fixture
def n_read(monkeypatch):
    """The names of the files that are read to be digested."""
    read, digest = [], digests._digest
    monkeypatch.setattr(digests, "_digest", lambda name: read.append(name) or digest(name))
    return read


def test_a_file_is_read_once_and_again_when_it_changes(tmp_path, index, n_read, monkeypatch):
    monkeypatch.setattr(digests, "GRAIN_NS", 0)
    paths = [tmp_path / "a", tmp_path / "b", tmp_path / "none"]
    for path in paths[:2]:
        path.write_bytes(b"one")
    first = digests.contents(paths)
    assert first[0] == first[1] and first[2] is None and len(n_read) == 2
    assert digests.contents(paths) == first and len(n_read) == 2
    paths[0].write_bytes(b"two")
    later = digests.contents(paths)
    assert later[0] != first[0] and later[1] == first[1] and len(n_read) == 3


def test_a_file_that_keeps_size_and_time_is_digested_again(tmp_path, index, n_read):
    """Within the grain of the clock a second change leaves no trace: what is that young is not remembered."""
    path = tmp_path / "a"
    path.write_bytes(b"one")
    before, of = digests.content(path), path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(of.st_atime_ns, of.st_mtime_ns))
    assert digests.content(path) != before and len(n_read) == 2


def test_an_index_that_is_damaged_or_not_writable_costs_time_alone(tmp_path, index, n_read, monkeypatch):
    monkeypatch.setattr(digests, "GRAIN_NS", 0)
    path = tmp_path / "a"
    path.write_bytes(b"one")
    before = digests.content(path)
    index.write_bytes(b"no database" * 1000)
    assert digests.content(path) == before and len(n_read) == 2
    monkeypatch.setenv("ALC_BENCH_CACHE", str(path / "below a file"))
    assert digests.content(path) == before and len(n_read) == 3


def test_the_index_is_by_path_size_times_and_inode(tmp_path, index, monkeypatch):
    monkeypatch.setattr(digests, "GRAIN_NS", 0)
    path = tmp_path / "a"
    path.write_bytes(b"one")
    found, of = digests.content(path), path.stat()
    with sqlite3.connect(index) as rows:
        known = rows.execute("SELECT * FROM digests").fetchall()
    assert known == [(str(path), found, 3, of.st_mtime_ns, of.st_ctime_ns, of.st_ino)]


@pytest.mark.parametrize("part, change", [("annotations", exchange), ("images", brighten)])
def test_a_dataset_is_another_after_an_edit_that_keeps_the_size(tmp_path, part, change):
    root = tree(tmp_path / "d")
    before = Folder(root).identity()
    change(root / part / "train" / "im1.png")
    assert Folder(root).identity() != before


def test_pseudo_labels_of_edited_masks_are_made_again(alc, tmp_path, monkeypatch):
    root = tree(tmp_path / "d")
    quality = ["quality", "--dataset", "folder", "--data-root", str(root), "--foundation", "simulated", "--json"]
    monkeypatch.setenv("ALC_BENCH_CACHE", str(tmp_path / "cache"))
    before = alc(*quality).out
    for path in root.glob("annotations/train/*.png"):
        exchange(path)
    after = alc(*quality).out
    monkeypatch.setenv("ALC_BENCH_CACHE", str(tmp_path / "fresh"))
    assert after == alc(*quality).out != before


RUN = ["--dataset", "folder", "--foundation", "simulated", "--model", "none", "--strategy", "area", "--budget", "2"]


def started(alc, root, out, *options):
    return alc(
        "run", *RUN, "--data-root", root, "--rounds", "1", "--seeds", "1", "--out", out, *options, report_too=False
    )


@pytest.mark.parametrize("part, change, said", [("annotations", exchange, "truth"), ("images", brighten, "images")])
def test_a_run_of_edited_data_is_not_continued_and_does_not_merge(alc, tmp_path, part, change, said):
    root, out = tree(tmp_path / "d"), tmp_path / "run"
    assert started(alc, root, out).code == 0
    change(root / part / "train" / "im1.png")
    done = started(alc, root, out, "--rounds", "2")
    assert done.code == 2 and done.err.count("\n") == 1
    assert "since 20" in done.err and f"{said} of train changed" in done.err and "--again all" in done.err
    assert started(alc, root, tmp_path / "other").code == 0
    merged = alc("merge", out, tmp_path / "other", "--out", tmp_path / "both")
    assert merged.code == 2 and f"{said} of train changed" in merged.err
    reported = alc("report", out, tmp_path / "other", "--out", tmp_path / "report")
    assert reported.code == 2 and f"{said} of train changed" in reported.err
    assert started(alc, root, out, "--again", "all").code == 0
    assert alc("merge", out, tmp_path / "other", "--out", tmp_path / "both").code == 0


def test_val_belongs_to_the_identity_of_a_run_with_a_model(tmp_path):
    root = tree(tmp_path / "d")
    before = identity.data(Folder(root), ("train", "val"))
    exchange(root / "annotations" / "val" / "im0.png")
    brighten(root / "images" / "val" / "im1.png")
    for part in ("annotations", "images"):
        path = root / part / "val" / "im0.png"
        path.rename(path.with_name("im9.png"))
    now = identity.data(Folder(root), ("train", "val"))
    assert {name for name in now if now[name] != before[name]} == {"names of val", "images of val", "truth of val"}


def a_cell(code):
    return {"strategy": code, "rule": "r", "oracle": "o"}


def test_a_cell_of_other_code_is_made_again_or_refused(alc, tmp_path, monkeypatch):
    root, out = tree(tmp_path / "d"), tmp_path / "run"
    monkeypatch.setattr(identity, "of_cell", lambda strategy, oracle: a_cell("before"))
    assert started(alc, root, out).code == 0
    rounds = (out / "rounds.csv").read_bytes()
    monkeypatch.setattr(identity, "of_cell", lambda strategy, oracle: a_cell("after"))
    done = started(alc, root, out)
    assert done.code == 2 and "the code of the strategy changed since 20" in done.err and "--again 'area'" in done.err
    assert "in --again 'aera'; did you mean" in started(alc, root, out, "--again", "aera").err
    assert started(alc, root, out, "--again", "area").code == 0
    assert files.read_json(out / "cells" / "area__perfect__seed0" / "spec.json")["code"] == a_cell("after")
    assert (out / "rounds.csv").read_bytes().split(b",")[:9] == rounds.split(b",")[:9]
    monkeypatch.setattr(identity, "of_cell", lambda strategy, oracle: a_cell("before"))
    assert started(alc, root, tmp_path / "old", "--seeds", "1,").code == 0
    assert "code of the strategy of area" in alc("merge", out, tmp_path / "old", "--out", tmp_path / "both").err
    assert "the code of strategy 'area' changed" in alc("report", out, tmp_path / "old", "--out", tmp_path / "r").err


def test_the_code_of_a_plug_in_is_its_file_and_what_it_imports_from_its_package(tmp_path, monkeypatch):
    package = tmp_path / "author_pkg"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "maths.py").write_text("sign = 1\n")
    (package / "unused.py").write_text("")
    (package / "mine.py").write_text(
        "from bench import Strategy\nfrom . import maths\n\nclass Mine(Strategy):\n    "
        "def score(self, pool):\n        return maths.sign * pool.candidates.size\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import author_pkg.mine as module

    def code():
        identity._of_class.cache_clear()
        return identity.code(module.Mine())

    before = code()
    (package / "unused.py").write_text("x = 1\n")
    assert code() == before
    (package / "maths.py").write_text("sign = -1\n")
    later = code()
    assert later != before
    source = package / "mine.py"
    source.write_text(source.read_text().replace("maths.sign", "-maths.sign"))
    assert code() not in (before, later)


def test_a_wrapper_has_the_code_of_what_it_wraps():
    of = [identity.code(registry.load("strategies", f"power[of={name}]")) for name in ("sim", "entropy")]
    assert of[0] != of[1]


def test_a_preset_of_ones_own_is_in_the_identity(tmp_path):
    preset = tmp_path / "mine.py"
    preset.write_text(f"_base_ = [{str(PRESETS / 'smoke.py')!r}]\n")

    def code():
        known = dict(preset=str(preset), dataset="shapes", n_classes=3, device="cpu", options={})
        learner = registry.load("learners", "mmseg", **known)
        return identity.code(learner, learner.sources())

    before = code()
    preset.write_text(preset.read_text() + "# another\n")
    assert code() != before


def with_state(monkeypatch, stateless: bool) -> list[int]:
    """`area` turns its order round at every second score; returns the rounds in which it was asked for one."""
    cls, calls = type(registry.load("strategies", "area")), []

    def score(self, pool):
        calls.append(pool.round)
        self.turned = not getattr(self, "turned", False)
        return pool.candidates.size * (1.0 if self.turned else -1.0)

    monkeypatch.setattr(cls, "score", score)
    monkeypatch.setattr(cls, "stateless", stateless)
    return calls


def asked_in(alc, out, *rounds) -> str:
    few = (
        "run",
        "--model",
        "none",
        "--dataset",
        "shapes[train=3,val=2,size=32]",
        "--seeds",
        1,
        "--budget",
        2,
        "--jobs",
        1,
    )
    for n in rounds:
        assert alc(*few, "--strategy", "area", "--rounds", n, "--out", out, report_too=False).code == 0
    return (out / "cells" / "area__perfect__seed0" / "queries.csv").read_text()


def test_a_strategy_with_state_asks_the_same_whether_its_run_became_longer_or_not(alc, tmp_path, monkeypatch):
    with_state(monkeypatch, stateless=False)
    assert asked_in(alc, tmp_path / "longer", 1, 2) == asked_in(alc, tmp_path / "once", 2)


def test_a_strategy_that_hides_its_state_fails_its_check(alc, tmp_path, monkeypatch):
    calls = with_state(monkeypatch, stateless=True)
    assert asked_in(alc, tmp_path / "longer", 1, 2) != asked_in(alc, tmp_path / "once", 2)
    assert calls == [1, 2, 1, 2]  # once a round
    with pytest.raises(AssertionError, match="stateless = False"):
        check_strategy("area")
    monkeypatch.setattr(type(registry.load("strategies", "area")), "stateless", False)
    check_strategy("area")
