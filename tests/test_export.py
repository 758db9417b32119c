"""The corrected dataset, in its own layout."""

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from runs import write_run

from bench import registry
from bench.commands.export import add_arguments, export, main
from bench.datasets import Dataset
from bench.datasets.files import read_png
from bench.labels import corrected
from bench.runs import source
from bench.types import Answer, InputError

pytestmark = pytest.mark.slow

QUARTERS = np.kron([[1, 2], [3, 4]], np.ones((24, 24), int)).astype(np.uint8)
NAMES = ["aachen_000000_000019", "aachen_000001_000019", "bochum_000000_000313"]


def make_run(tmp_path, dataset, root, names, asked, n_classes):
    """A run on ``names`` whose label maps are 0, 1, 0, 1 by quarter; ``asked``: (image, superpixel, answer)."""
    out = write_run(tmp_path / "run", strategies=("sim",), n_seeds=1, rounds=1, dataset=dataset)
    pseudo = tmp_path / "pseudo"
    for folder, content in (("mask_jpg", (QUARTERS - 1) % 2), ("obj_jpg", QUARTERS)):
        (pseudo / folder).mkdir(parents=True)
        for name in names:
            Image.fromarray(content.astype(np.uint8)).save(pseudo / folder / f"{name}.png")
    spec = json.loads((out / "spec.json").read_text())
    spec |= dict(protocol=dict(dataset=dataset), data_root=root and str(root), pseudo_labels=str(pseudo))
    (out / "spec.json").write_text(json.dumps(spec))
    source.trust(spec)
    rows = [
        dict(round=1, number=i, image=image, superpixel=superpixel, row=0, column=0, size=576, kind="correction")
        | dict(label_before=0, answer=answer, actions="correct" if answer else "confirm")
        | dict(corrected_px=0, harmed_px=0, rewronged_px=0)
        for i, (image, superpixel, answer) in enumerate(asked)
    ]
    pd.DataFrame(rows).to_csv(out / "cells/sim__perfect__seed0/queries.csv", index=False)
    return out


def expected(names, asked):
    labels = {name: ((QUARTERS - 1) % 2).astype(np.uint8) for name in names}
    for image, superpixel, answer in asked:
        pixels = np.flatnonzero(QUARTERS.ravel() == superpixel)
        answer = Answer(tuple(map(int, answer.split())), ("correct",))
        labels[image].ravel()[pixels] = corrected(labels[image].ravel()[pixels], answer)
    return labels


def test_the_folder_where_one_stands_is_filled(tmp_path, monkeypatch):
    root = tmp_path / "VOC2012"
    (root / "SegmentationClass").mkdir(parents=True)
    (root / "ImageSets/Segmentation").mkdir(parents=True)
    (root / "ImageSets/Segmentation/train.txt").write_text("a\n")
    Image.fromarray(QUARTERS).save(root / "SegmentationClass/a.png")
    out = make_run(tmp_path, "pascal", tmp_path, ["a"], [("a", 1, "15")], 21)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert export(out, "sim", 0, Path(".")) == (1, 1)
    assert Path("README.md").is_file() and Path("SegmentationClass/a.png").is_file()
    assert not list(tmp_path.glob(".*"))
    shutil.rmtree(out / "cells/sim__perfect__seed0")
    with pytest.raises(InputError, match="the folder of this cell is gone"):
        export(out, "sim", 0, tmp_path / "to")


def test_pascal_gets_palette_pngs_and_a_change_list(tmp_path, capsys):
    root = tmp_path / "VOCdevkit" / "VOC2012"
    names = ["2007_000032", "2007_000039", "2007_000063"]
    (root / "SegmentationClass").mkdir(parents=True)
    (root / "ImageSets/Segmentation").mkdir(parents=True)
    (root / "ImageSets/Segmentation/train.txt").write_text("\n".join(names) + "\n")
    for name in names:
        Image.fromarray(QUARTERS).save(root / f"SegmentationClass/{name}.png")
    asked = [(names[0], 1, "15"), (names[0], 1, ""), (names[2], 4, "255"), (names[0], 2, "3")]
    out = make_run(tmp_path, "pascal", root.parent, names, asked, 21)
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    args = parser.parse_args([str(out), "--strategy", "sim", "--seed", "0", "--to", str(tmp_path / "to")])
    assert main(args) == 0 and "3 label maps, 3 changes" in capsys.readouterr().out
    for name, labels in expected(names, asked).items():
        file = tmp_path / "to" / "SegmentationClass" / f"{name}.png"
        assert (read_png(file) == labels).all()
        picture = Image.open(file)
        assert picture.mode == "P" and picture.convert("RGB").getpixel((0, 0)) in ((192, 128, 128), (0, 0, 0))
    assert Image.open(tmp_path / "to/SegmentationClass/2007_000063.png").convert("RGB").getpixel((47, 47)) == (
        224,
        224,
        192,
    )
    changes = pd.read_csv(tmp_path / "to" / "changes.csv")
    assert changes[["number", "image", "superpixel", "label_before", "answer"]].values.tolist() == [
        [0, names[0], 1, 0, 15],
        [2, names[2], 4, 1, 255],
        [3, names[0], 2, 1, 3],
    ]
    again = registry.load("datasets", "pascal", root=tmp_path / "to")
    assert again.names("train") == tuple(names)


def test_cityscapes_gets_train_ids_by_city(tmp_path):
    root = tmp_path / "cityscapes"
    for name in NAMES:
        folder = root / "gtFine/train" / name.split("_")[0]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((48, 48), 7, np.uint8)).save(folder / f"{name}_gtFine_labelIds.png")
    asked = [(NAMES[2], 3, "18")]
    out = make_run(tmp_path, "cityscapes", root, NAMES, asked, 19)
    refined = f"round,image,superpixel,label,refined_px,refined_harmed_px\n1,{NAMES[0]},2,11,576,0\n"
    (out / "cells/sim__perfect__seed0/refined.csv").write_text(refined)
    assert export(out, "sim", 0, tmp_path / "to") == (3, 2)
    asked.append((NAMES[0], 2, "11"))  # what a refiner relabels after the round counts like an answer
    assert pd.read_csv(tmp_path / "to" / "changes.csv").kind.tolist() == ["correction", "refined"]
    again = registry.load("datasets", "cityscapes", root=tmp_path / "to")
    for name, labels in expected(NAMES, asked).items():
        assert (again.truth("train", name) == labels).all()


def test_kvasir_gets_masks_that_read_back(tmp_path):
    root, names = tmp_path / "kvasir", ["a", "b", "c"]
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
        for name in names:
            Image.fromarray(np.zeros((48, 48), np.uint8)).save(root / folder / f"{name}.jpg")
    (root / "train.txt").write_text("\n".join(names))
    asked = [("b", 1, "1"), ("c", 4, "0")]
    out = make_run(tmp_path, "kvasir", root, names, asked, 2)
    export(out, "sim", 0, tmp_path / "to")
    again = registry.load("datasets", "kvasir", root=tmp_path / "to")
    for name, labels in expected(names, asked).items():
        assert (again.truth("train", name) == labels).all()


def test_shapes_become_a_folder_dataset(tmp_path):
    shapes = registry.load("datasets", "shapes[train=2,val=1,size=48]")
    names = shapes.names("train")
    asked = [(names[1], 2, "6")]
    out = make_run(tmp_path, "shapes[train=2,val=1,size=48]", None, names, asked, 7)
    export(out, "sim", 0, tmp_path / "to")
    again = registry.load("datasets", "folder", root=tmp_path / "to")
    assert again.classes == shapes.classes and (again.palette == shapes.palette).all()
    assert (again.image("val", shapes.names("val")[0]) == shapes.image("val", shapes.names("val")[0])).all()
    for name, labels in expected(names, asked).items():
        assert (again.truth("train", name) == labels).all()


class Stripes(Dataset):
    """Two classes in stripes, as another package might bring it: nothing said of writing."""

    classes, palette = ("even", "odd"), np.array([[10, 20, 30], [200, 100, 0]], np.uint8)

    def __init__(self, evil: bool = False):
        self.evil = evil

    def names(self, split):
        return ("../../escaped", f"{split}1") if self.evil else (f"{split}0", f"{split}1")

    def image(self, split, name):
        return np.repeat(self.truth(split, name)[..., None] * np.uint8(200), 3, axis=2)

    def truth(self, split, name):
        return np.repeat(np.arange(48, dtype=np.uint8)[:, None] // 8 % 2, 48, axis=1)


@pytest.fixture
def stripes(tmp_path, monkeypatch):
    """`Stripes` as an installed package's dataset."""
    info = tmp_path / "site" / "stripes-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stripes\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[alc_bench.datasets]\nstripes = {__name__}:Stripes\n")
    monkeypatch.syspath_prepend(info.parent)
    registry.catalogue.cache_clear()
    yield
    registry.catalogue.cache_clear()


def test_a_dataset_of_another_package_becomes_a_folder_dataset(tmp_path, stripes):
    names, asked = ("train0", "train1"), [("train0", 2, "0"), ("train1", 4, "255")]
    out = make_run(tmp_path, "stripes", None, names, asked, 2)
    assert export(out, "sim", 0, tmp_path / "to") == (2, 2)
    again = registry.load("datasets", "folder", root=tmp_path / "to")
    assert again.classes == Stripes.classes and (again.palette == Stripes.palette).all()
    for name, labels in expected(names, asked).items():
        np.testing.assert_array_equal(again.truth("train", name), labels)
        np.testing.assert_array_equal(again.image("train", name), Stripes().image("train", name))
    again.check("val")


def test_names_that_lead_out_of_the_folder_write_nothing(tmp_path, stripes):
    out = make_run(tmp_path, "stripes[evil=true]", None, ["train1"], [("train1", 1, "1")], 2)
    for folder in ("mask_jpg", "obj_jpg"):
        Image.fromarray(QUARTERS // 3).save(tmp_path / "pseudo" / folder / "../../escaped.png")
    before = set(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=r"escaped\.png': would be written elsewhere"):
        export(out, "sim", 0, tmp_path / "to" / "deep")
    assert set(tmp_path.rglob("*")) == before


def test_bad_input_is_refused_and_leaves_nothing(tmp_path):
    root, names = tmp_path / "kvasir", ["a", "b"]
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
        for name in names:
            Image.fromarray(np.zeros((48, 48), np.uint8)).save(root / folder / f"{name}.jpg")
    (root / "train.txt").write_text("a\nb\n")
    out = make_run(tmp_path, "kvasir", root, names, [("b", 1, "255")], 2)
    to = tmp_path / "to"
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_text("mine")
    cases = [
        (dict(strategy="sim", to=to), "b: void pixels have no place"),
        (dict(strategy="entropy", to=to), "no done cell of entropy, seed 0.*there are: sim seed 0 perfect"),
        (dict(strategy="sim", to=tmp_path / "full"), "holds something already"),
    ]
    for arguments, message in cases:
        with pytest.raises(InputError, match=message) as error:
            export(out, seed=0, **arguments)
        assert "\n" not in str(error.value) and not to.exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    spec = json.loads((out / "spec.json").read_text())
    for change, message in ((dict(pseudo_labels="/nowhere"), "no longer there"), (dict(protocol={}), "does not say")):
        (out / "spec.json").write_text(json.dumps(spec | change))
        with pytest.raises(InputError, match=message):
            export(out, "sim", 0, to)


def test_questions_that_do_not_fit_the_labels_are_refused(tmp_path):
    names = ["a", "b"]
    for asked, message in (
        ([("z", 1, "1")], "no train image is called 'z'"),
        ([("a", 9, "1")], "a: no superpixel has the id 9"),
    ):
        folder = tmp_path / asked[0][0]
        for kind in ("images", "masks"):
            (folder / "kvasir" / kind).mkdir(parents=True)
        (folder / "kvasir/train.txt").write_text("a\nb\n")
        out = make_run(folder, "kvasir", folder / "kvasir", names, asked, 2)
        with pytest.raises(InputError, match=message):
            export(out, "sim", 0, folder / "to")


@pytest.mark.parametrize("copy", [False, True])
def test_an_export_is_a_dataset_with_a_card(alc, folder_root, tmp_path, copy):
    names, asked = ["train0", "train1", "train2"], [("train1", 2, "2")]
    for split, n in (("train", 3), ("val", 1)):
        for i in range(n):
            Image.fromarray(np.zeros((48, 48), np.uint8)).save(folder_root / "annotations" / split / f"{split}{i}.png")
            Image.open(folder_root / f"images/{split}/{split}{i}.{'png' if i else 'jpg'}").resize((48, 48)).save(
                folder_root / f"images/{split}/{split}{i}.{'png' if i else 'jpg'}"
            )
    out = make_run(tmp_path, "folder", folder_root, names, asked, 3)
    done = alc("export", out, "--strategy", "sim", "--seed", 0, "--to", tmp_path / "to", *["--copy"] * copy)
    assert done.code == 0, done.err
    image = tmp_path / "to" / "images" / "train" / "train0.jpg"
    assert image.is_symlink() != copy and image.read_bytes() == (folder_root / "images/train/train0.jpg").read_bytes()
    assert (tmp_path / "to" / "annotations" / "val" / "val0.png").is_file()
    card = (tmp_path / "to" / "README.md").read_text()
    assert "made 1 changes" in card and f"{100 * 576 / (3 * 48 * 48):.2f} %" in card and "`sim`" in card
    run = ("run", "--dataset", "folder", "--data-root", tmp_path / "to", "--foundation", "simulated", "--model", "none")
    done = alc(*run, "--strategy", "area", "--seeds", 1, "--rounds", 1, "--out", tmp_path / "again", report_too=False)
    assert done.code == 0, done.err
    again = registry.load("datasets", "folder", root=tmp_path / "to")
    again.check("train")
    again.check("val")
    assert (again.truth("train", "train1")[:24, 24:] == 2).all()
