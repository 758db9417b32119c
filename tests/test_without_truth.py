"""Data of which the truth is not known: what needs it is empty, and who needs it is refused."""

import json
import shutil

import numpy as np
import pytest
from trees import save

from bench import registry
from bench.annotation import Oracle
from bench.runs import schema
from bench.types import VOID, Answer

pytestmark = pytest.mark.slow


class Third(Oracle):
    """A person's stand-in: says class 2, and sees no truth."""

    reads_truth = False

    def answer(self, question, truth, rng):
        assert (truth.map == VOID).all()
        return Answer((2,), ("correct",))


@pytest.fixture
def third(monkeypatch):
    classes = registry.catalogue("oracles").classes
    monkeypatch.setitem(classes, "third", Third)


@pytest.fixture
def labelled(folder_root):
    """`folder_root` with pseudo labels in sam/, and its truth still there."""
    for i in range(3):
        labels = np.repeat(np.arange(16, dtype=np.uint8) // 8, 12).reshape(16, 12).T
        ids = labels + 1 + 2 * (np.arange(12) // 6)[:, None].astype(np.uint8)
        save(folder_root / "sam/mask_jpg" / f"train{i}.png", labels)
        save(folder_root / "sam/obj_jpg" / f"train{i}.png", ids.astype(np.uint8))
    return folder_root


def run(alc, root, out, *more):
    data = ["--dataset", "folder", "--data-root", root, "--foundation", f"files[root={root / 'sam'}]"]
    few = ["--model", "none", "--seeds", "1", "--rounds", "2", "--budget", "2", "--jobs", "1"]
    strategy = [] if "--strategy" in more else ["--strategy", "random"]
    return alc("run", *data, *few, *strategy, "--out", out, *more)


def rounds(out):
    return schema.read(out / "rounds.csv")


def test_without_any_truth_what_needs_it_is_empty(alc, third, labelled, tmp_path):
    shutil.rmtree(labelled / "annotations")
    done = run(alc, labelled, tmp_path / "out", "--oracle", "third")
    assert done.code == 0 and "3 of 3 train images have no true mask" in done.err, done
    table = rounds(tmp_path / "out")
    needing = ["data_miou", "data_accuracy", "corrected_px", "harmed_px", "refined_px", "auroc", "precision"]
    assert table[needing].isna().all(axis=None)
    assert table.n_queries.tolist() == [0, 2, 4]
    assert not (tmp_path / "out/bundle/truth").exists()
    assert alc("report", tmp_path / "out").code == 0
    page = (tmp_path / "out/report/report.html").read_text()
    assert "No truth is known" in page and '"truth": null' in page.replace('"truth":null', '"truth": null')
    exported = alc("export", tmp_path / "out", "--strategy", "random", "--seed", 0, "--to", tmp_path / "to")
    assert exported.code == 0 and "not measured" in (tmp_path / "to/README.md").read_text()


def test_a_part_of_the_truth_measures_that_part(alc, third, labelled, tmp_path):
    (labelled / "annotations/train/train1.png").unlink()
    done = run(alc, labelled, tmp_path / "part", "--oracle", "third")
    assert done.code == 0 and "1 of 3 train images have no true mask" in done.err
    part = rounds(tmp_path / "part")
    assert part[["data_miou", "corrected_px"]].notna().all(axis=None)
    asked = schema.read(next((tmp_path / "part").glob("cells/*/queries.csv")))
    assert (asked.harmed_px.isna() == asked.image.eq("train1")).all()
    assert run(alc, labelled, tmp_path / "part", "--oracle", "third", "--rounds", "3").code == 0  # it is played back
    assert run(alc, labelled, tmp_path / "strict", "--oracle", "third", "--strict").code == 2


@pytest.mark.parametrize(
    "words", [["--oracle", "perfect"], ["--oracle", "third", "--strategy", "clairvoyant_miou"]], ids=["oracle", "bound"]
)
def test_who_reads_the_truth_is_refused(alc, third, labelled, tmp_path, words):
    (labelled / "annotations/train/train1.png").unlink()
    done = run(alc, labelled, tmp_path / "out", *words)
    assert done.code == 2 and "reads the truth: 1 of 3 train images have no true mask (train1)" in done.err


def test_the_val_split_still_measures_models(alc, third, labelled, tmp_path):
    shutil.rmtree(labelled / "annotations/train")
    done = run(alc, labelled, tmp_path / "out", "--oracle", "third", "--model", "preset", "--preset", "smoke")
    assert done.code == 0, done.err
    assert rounds(tmp_path / "out").model_miou.notna().all()
    shutil.rmtree(labelled / "annotations")
    shutil.rmtree(labelled / "images/val")
    done = run(alc, labelled, tmp_path / "none", "--oracle", "third", "--model", "preset", "--preset", "smoke")
    assert done.code == 0, done.err
    assert rounds(tmp_path / "none").model_miou.isna().all()
    assert json.loads((tmp_path / "none/spec.json").read_text())["protocol"]["names"]
