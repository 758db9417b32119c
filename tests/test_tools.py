"""Data as annotation tools have it: COCO, CVAT and labelme, in and out, and zip files of any dataset."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from pycocotools import mask as rle
from pycocotools.coco import COCO
from trees import save, scene

from bench import registry, seeds
from bench.datasets import Dataset, archives
from bench.datasets.annotations import decode
from bench.datasets.archives import folder_of
from bench.datasets.layouts import LAYOUTS
from bench.testing import check_dataset
from bench.types import VOID, InputError

pytestmark = pytest.mark.slow


class Scenes(Dataset):
    """Generated label maps: overlapping boxes of some of the classes, and void."""

    def __init__(self, seed: int, ground: bool = True, n: int = 5):
        names = ("background", "dog", "dining table", "café", "sky")
        self.classes = names if ground else names[1:]
        self.background = 0 if ground else VOID
        rng = seeds.generator(seed, "scenes")
        self.palette = rng.permutation(256)[:15].reshape(5, 3)[: len(self.classes)].astype(np.uint8)
        self.maps = {split: [_map(rng, len(self.classes)) for _ in range(k)] for split, k in (("train", n), ("val", 2))}

    def names(self, split):
        return tuple(f"{split}{i}" for i in range(len(self.maps[split])))

    def truth(self, split, name):
        return self.maps[split][int(name.removeprefix(split))]

    def image(self, split, name):
        return np.repeat(self.truth(split, name)[..., None], 3, axis=2)


def _map(rng, n_classes):
    labels = np.full(rng.integers(1, 40, 2), rng.integers(n_classes), np.uint8)
    for _ in range(rng.integers(6)):
        top, left = (rng.integers(side) for side in labels.shape)
        labels[top : top + rng.integers(1, 20), left : left + rng.integers(1, 20)] = rng.choice(
            [*range(n_classes), VOID]
        )
    return labels


def written(dataset: Dataset, layout: str, to: Path) -> Dataset:
    writer = LAYOUTS[layout](dataset)
    for name in dataset.names("train"):
        writer.write_labels(to, name, dataset.truth("train", name))
    writer.write_rest(to)
    return registry.load("datasets", layout, root=to)


@pytest.mark.parametrize("ground", [True, False])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_hundred_scenes_come_back_as_they_went(layout, ground, tmp_path):
    for seed in range(10):
        scenes = Scenes(seed, ground)
        again = written(scenes, layout, tmp_path / str(seed))
        assert again.classes == scenes.classes and again.background == scenes.background
        for split in ("train", "val"):
            assert again.names(split) == scenes.names(split)
            for name in scenes.names(split):
                np.testing.assert_array_equal(again.truth(split, name), scenes.truth(split, name))
                np.testing.assert_array_equal(again.image(split, name), scenes.image(split, name))
        check_dataset(lambda again=again: again)


def test_pycocotools_reads_ours_and_we_read_its(tmp_path):
    scenes = Scenes(3)
    written(scenes, "coco", tmp_path)
    for split in ("train", "val"):
        file = COCO(str(tmp_path / "annotations" / f"instances_{split}.json"))
        for number, image in file.imgs.items():
            labels = np.zeros((image["height"], image["width"]), np.uint8)
            for row in file.imgToAnns[number]:
                labels[file.annToMask(row) > 0] = row["category_id"]
                assert row["area"] == rle.area(row["segmentation"]) and (
                    row["bbox"] == rle.toBbox(row["segmentation"]).tolist()
                )
            np.testing.assert_array_equal(labels, scenes.truth(split, Path(image["file_name"]).stem))
    rng = seeds.generator(0, "masks")
    for _ in range(300):
        mask = rng.random(rng.integers(1, 30, 2)) < rng.random()
        runs = np.diff(np.flatnonzero(np.diff(np.r_[2, mask.T.ravel(), 2]))).tolist()
        told = {"size": list(mask.shape), "counts": [0] * int(mask.T.ravel()[0]) + runs}
        text = rle.frPyObjects(told, *mask.shape)["counts"].decode()
        for counts in (told["counts"], text):
            np.testing.assert_array_equal(decode(told | {"counts": counts}, mask.shape, "here"), mask)
        x, y = rng.uniform(-5, 35, (2, 4))
        polygon = [np.stack([x, y], axis=1).ravel().tolist()]
        expected = rle.decode(rle.merge(rle.frPyObjects(polygon, 30, 30)))
        np.testing.assert_array_equal(decode(polygon, (30, 30), "here"), expected)


def box(left, top, right, bottom):
    return [left, top, right, top, right, bottom, left, bottom]


@pytest.fixture
def coco_root(tmp_path) -> Path:
    """Instances as COCO has them: a large dog, a cat in it, a crowd; one image is empty; val has one image."""
    categories = [{"id": 7, "name": "cat"}, {"id": 3, "name": "dog"}]
    for split, n in (("train", 4), ("val", 1)):
        images = [{"id": 10 + i, "file_name": f"{split}{i}.jpg", "height": 12, "width": 16} for i in range(n)]
        rows = [(10, 7, [box(4, 4, 8, 8)]), (10, 3, [box(2, 2, 12, 10)]), (12, 3, [box(0, 0, 4, 4), box(8, 0, 12, 4)])]
        told = [
            {"id": i, "image_id": a, "category_id": c, "segmentation": s} for i, (a, c, s) in enumerate(rows[: n + 1])
        ]
        if split == "train":
            crowd = {"size": [12, 16], "counts": [12 * 8, 12 * 8]}
            told.append({"id": 9, "image_id": 13, "category_id": 7, "segmentation": crowd, "iscrowd": 1})
        for image in images:
            save(tmp_path / "coco" / f"{split}2017" / image["file_name"], scene(0, 2)[0])
        file = tmp_path / "coco" / "annotations" / f"instances_{split}2017.json"
        file.parent.mkdir(exist_ok=True)
        rows = [row for row in told if row["image_id"] < 10 + n]
        file.write_text(json.dumps({"images": images, "annotations": rows, "categories": categories}))
        (file.parent / f"captions_{split}2017.json").write_text("{}")
    return tmp_path / "coco"


def change(root: Path, edit, split="train") -> None:
    path = root / "annotations" / f"instances_{split}2017.json"
    whole = json.loads(path.read_text())
    edit(whole)
    path.write_text(json.dumps(whole))


def test_coco_instances_are_painted_with_the_smaller_on_top(coco_root):
    data = registry.load("datasets", "coco", root=coco_root)
    assert data.classes == ("background", "dog", "cat") and data.background == 0
    labels = data.truth("train", "train0")
    assert labels[3, 3] == 1 and labels[5, 5] == 2 and labels[0, 0] == 0 and labels[11, 15] == 0
    assert not data.truth("train", "train1").any()  # an image without annotations has no object
    assert len(np.unique(data.objects("train", "train0"))) == 3
    assert (data.truth("train", "train3")[:, 8:] == 2).all() and not data.truth("train", "train3")[:, :8].any()
    check_dataset(lambda: data)
    void = registry.load("datasets", "coco[rest=void]", root=coco_root)
    assert void.classes == ("dog", "cat") and void.truth("train", "train0")[0, 0] == VOID
    change(coco_root, lambda whole: whole["categories"].append({"id": 9, "name": "unlabeled"}))
    change(coco_root, lambda whole: whole["categories"].append({"id": 9, "name": "unlabeled"}), "val")
    assert registry.load("datasets", "coco", root=coco_root).classes == ("dog", "cat")


def test_a_coco_file_without_annotations_has_no_truth(coco_root):
    change(coco_root, lambda whole: whole.pop("annotations"))
    data = registry.load("datasets", "coco", root=coco_root)
    assert "4 of 4 train images have no true mask" in data.gap("train") and data.names("val") == ("val0",)
    with pytest.raises(InputError, match="train0 has no true mask"):
        data.truth("train", "train0")


def test_one_coco_file_alone_is_divided(coco_root):
    for path in coco_root.rglob("*.json"):
        if path.name != "instances_train2017.json":
            path.unlink()
    data = registry.load("datasets", "coco", root=coco_root)
    assert len(data.names("val")) == 1 and len(data.names("train")) == 3
    check_dataset(lambda: data)


def test_panoptic_files_are_read_by_their_segments(tmp_path):
    codes = np.array([[0, 300], [70000, 300]])
    rgb = np.stack([codes >> shift & 255 for shift in (0, 8, 16)], axis=-1).astype(np.uint8)
    categories = [{"id": 1, "name": "dog", "isthing": 1}, {"id": 2, "name": "sky", "isthing": 0}]
    for split in ("train", "val"):
        save(tmp_path / split / "a.jpg", np.zeros((2, 2, 3), np.uint8))
        save(tmp_path / "annotations" / f"panoptic_{split}" / "a.png", rgb)
        segments = [{"id": 300, "category_id": 2}, {"id": 70000, "category_id": 1}]
        row = {"image_id": 5, "file_name": "a.png", "segments_info": segments}
        image = {"id": 5, "file_name": "a.jpg", "height": 2, "width": 2}
        whole = {"images": [image], "annotations": [row], "categories": categories}
        (tmp_path / "annotations" / f"panoptic_{split}.json").write_text(json.dumps(whole))
    data = registry.load("datasets", "coco[annotations=panoptic]", root=tmp_path)
    assert data.truth("train", "a").tolist() == [[VOID, 1], [0, 1]] and data.classes == ("dog", "sky")
    check_dataset(lambda: data)
    before = data.digests("train")
    save(tmp_path / "annotations" / "panoptic_train" / "a.png", np.zeros((2, 2, 3), np.uint8))
    assert registry.load("datasets", "coco[annotations=panoptic]", root=tmp_path).digests("train") != before
    save(tmp_path / "annotations" / "panoptic_train" / "a.png", rgb + np.uint8(1))
    with pytest.raises(InputError, match=r"a\.png: no segment has the id"):
        data.truth("train", "a")


def annotation(**parts):
    return lambda whole: whole["annotations"][0].update(parts)


@pytest.mark.parametrize(
    "edit, said",
    [
        (annotation(segmentation=[[1, 2, 3, 4]]), "annotation 1: a polygon is x, y of three points"),
        (annotation(segmentation=[[1, 2, 3, 4, 5, "x"]]), "annotation 1: a polygon is of finite numbers"),
        (annotation(segmentation=[[1, 2, 3, 4, 5, 1e9]]), "annotation 1: a point lies far outside"),
        (annotation(segmentation={"size": [12, 16], "counts": [5]}), "annotation 1: its run lengths do not add up"),
        (annotation(segmentation={"size": [12, 16], "counts": "0"}), "annotation 1: its run lengths do not add up"),
        (annotation(segmentation={"size": [12, 16], "counts": "oooo"}), "annotation 1: its run lengths do not add up"),
        (annotation(segmentation={"size": [16, 12], "counts": [192]}), r"annotation 1: its mask has \[16, 12\] px"),
        (annotation(segmentation=[]), "annotation 1: no segmentation"),
        (annotation(category_id=99), "annotation 1: no category has the id 99"),
        (annotation(image_id="x"), "annotation 1: no image has the id 'x'"),
        (lambda whole: whole["images"][0].update(height=10**7, width=10**7), "image 1: larger than"),
        (lambda whole: whole["images"][1].update(id=10), "image 2: the id 10 is that of 'train0.jpg' too"),
        (lambda whole: whole["images"][1].update(file_name="train0.jpg"), "expected images with a name each"),
        (lambda whole: whole["categories"][0].update(name="dog"), "the categories differ"),
    ],
)
def test_what_is_not_as_coco_has_it_is_named(edit, said, coco_root):
    change(coco_root, edit)
    with pytest.raises(InputError, match=said) as caught:
        registry.load("datasets", "coco", root=coco_root).check("train")
    assert "\n" not in str(caught.value)


def test_names_keep_their_folders_only_where_they_must(coco_root):
    change(coco_root, lambda whole: whole["images"][0].update(file_name="a/1.jpg"))
    change(coco_root, lambda whole: whole["images"][1].update(file_name="b\\1.jpg"))
    for letter in "ab":
        save(coco_root / letter / "1.jpg", scene(0, 2)[0])
    data = registry.load("datasets", "coco", root=coco_root)
    assert data.names("train")[:2] == ("a__1", "b__1")
    assert data.paths("train", "b__1")[0] == coco_root / "b" / "1.jpg"


@pytest.fixture
def labelme_root(tmp_path) -> Path:
    for name in ("one", "two", "three"):
        image = Image.new("L", (30, 20))
        ImageDraw.Draw(image).polygon([(1, 1), (20, 3), (9, 15)], fill=1, outline=1)
        polygon = {"label": "dog", "points": [[1, 1], [20, 3], [9, 15]], "shape_type": "polygon"}
        circle = {"label": "cat", "points": [[10, 10], [12, 10]], "shape_type": "circle"}
        line = {"label": "dog", "points": [[1, 1], [2, 2]], "shape_type": "line"}
        told = {"imagePath": f"{name}.jpg", "imageHeight": 20, "imageWidth": 30, "imageData": "x"}
        save(tmp_path / "labelme" / f"{name}.jpg", np.zeros((20, 30, 3), np.uint8))
        file = tmp_path / "labelme" / f"{name}.json"
        file.write_text(json.dumps(told | {"shapes": [polygon, line] + [circle] * (name == "one")}))
    save(tmp_path / "labelme" / "none.jpg", np.zeros((20, 30, 3), np.uint8))
    return tmp_path / "labelme"


def test_labelme_shapes_are_drawn_as_labelme_does(labelme_root):
    data = registry.load("datasets", "labelme", root=labelme_root)
    assert data.classes == ("background", "cat", "dog") and not data.has_truth("train", "none")
    assert "1 of 3 train images have no true mask (none)" in data.gap("train") and "2 lines" in data.gap("train")
    split = "val" if "one" in data.names("val") else "train"
    labels = data.truth(split, "one")
    expected = Image.new("L", (30, 20))
    draw = ImageDraw.Draw(expected)
    draw.polygon([(1, 1), (20, 3), (9, 15)], fill=2, outline=2)
    draw.ellipse([8, 8, 12, 12], fill=1, outline=1)
    np.testing.assert_array_equal(labels, np.asarray(expected))
    data.check("train")
    (labelme_root / "labels.txt").write_text("__ignore__\n_background_\ndog\ncat\n")
    listed = registry.load("datasets", "labelme", root=labelme_root)
    assert listed.classes == ("_background_", "dog", "cat") and listed.background == 0
    (labelme_root / "labels.txt").write_text("_background_\ndog\n")
    with pytest.raises(InputError, match=r"one\.json: unknown label 'cat'; there are: _background_, dog"):
        registry.load("datasets", "labelme", root=labelme_root).truth(split, "one")


@pytest.mark.parametrize(
    "shape, said",
    [
        ({"shape_type": "blob"}, "unknown shape_type"),
        ({"points": [[1, 1]]}, "a polygon of 1 points"),
        ({"points": [[1, 1], [2, 2], [1, None]]}, "points must be pairs"),
        ({"points": [[1, 1], [2, 2], [1, 1e6]]}, "far outside"),
        ({"shape_type": "mask", "points": [[1, 1], [2, 2]]}, "a mask without its PNG"),
        ({"shape_type": "mask", "points": [[1, 1], [2, 2]], "mask": "AAAA"}, "no whole PNG"),
    ],
)
def test_what_is_not_as_labelme_has_it_is_named(shape, said, labelme_root):
    path = labelme_root / "one.json"
    whole = json.loads(path.read_text())
    whole["shapes"][0] |= shape
    path.write_text(json.dumps(whole))
    with pytest.raises(InputError, match=said) as caught:
        data = registry.load("datasets", "labelme", root=labelme_root)
        for split in ("train", "val"):
            data.check(split)
    assert "one.json" in str(caught.value) and "\n" not in str(caught.value)


@pytest.fixture
def cvat_root(tmp_path) -> Path:
    """As CVAT exports it, with a list called default, and folders in the names."""
    colours = np.array([(0, 0, 0), (250, 50, 83), (50, 183, 250)], np.uint8)
    root = tmp_path / "cvat"
    for i in range(4):
        save(root / "SegmentationClass" / "day" / f"{i}.png", colours[scene(i, 3)[1].clip(max=2)])
        save(root / "JPEGImages" / "day" / f"{i}.jpg", scene(i, 3)[0])
    (root / "labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncar:250,50,83::\nman:50,183,250::\n"
    )
    (root / "ImageSets" / "Segmentation").mkdir(parents=True)
    (root / "ImageSets" / "Segmentation" / "default.txt").write_text("\n".join(f"day/{i}" for i in range(4)))
    return root


def test_cvat_is_read_by_its_colours(cvat_root):
    data = registry.load("datasets", "cvat", root=cvat_root)
    assert data.classes == ("background", "car", "man") and len(data.names("train")) == 3
    check_dataset(lambda: data)
    (cvat_root / "labelmap.txt").write_text("car:250,50,83::\nman:50,183,250::\n")
    data = registry.load("datasets", "cvat", root=cvat_root)
    assert data.background == VOID and data.truth("train", data.names("train")[0])[11, 0] == VOID
    save(cvat_root / "JPEGImages" / "new.jpg", scene(0, 3)[0])
    assert not registry.load("datasets", "cvat", root=cvat_root).has_truth("train", "new")


def test_masks_of_one_name_lie_in_their_folders(cvat_root):
    for i in range(2):
        save(cvat_root / "SegmentationClass" / "night" / f"{i}.png", np.full((4 + i, 5, 3), (250, 50, 83), np.uint8))
    lists = cvat_root / "ImageSets" / "Segmentation"
    (lists / "train.txt").write_text("night/0\nday/1.jpg\n/data/JPEGImages/2.jpg\n")
    (lists / "val.txt").write_text("day/0\r\nnight\\1\r\n")
    data = registry.load("datasets", "cvat", root=cvat_root)
    assert data.names("train") == ("0", "1", "2") and data.names("val") == ("0", "1")
    assert data.truth("train", "0").shape == (4, 5) and data.truth("val", "1").shape == (5, 5)
    assert data.truth("train", "2").shape == (12, 16)
    (lists / "train.txt").write_text("../../etc/1\nday/1\n")
    with pytest.raises(InputError, match="leads elsewhere"):
        registry.load("datasets", "cvat", root=cvat_root).names("train")


def packed(root: Path, to: Path, inside: str = "") -> Path:
    with zipfile.ZipFile(to, "w") as archive:
        for path in sorted(root.rglob("*")):
            archive.write(path, Path(inside) / path.relative_to(root))
    return to


@pytest.mark.parametrize("inside", ["", "export/"])
def test_a_zip_is_the_folder_in_it(cvat_root, folder_root, tmp_path, inside, monkeypatch):
    monkeypatch.setenv("ALC_BENCH_CACHE", str(tmp_path / "cache"))
    for name, root in (("cvat", cvat_root), ("folder", folder_root)):
        (root / ".DS_Store").write_bytes(b"x")
        here = registry.load("datasets", name, root=root)
        there = registry.load("datasets", name, root=packed(root, tmp_path / f"{name}.zip", inside))
        assert there.identity() == here.identity() and there.root != root
        assert registry.load("datasets", name, root=tmp_path / f"{name}.zip").root == there.root


@pytest.mark.parametrize("name", ["../out.txt", "/etc/out.txt", "a/../../out.txt", "C:\\out.txt", "..\\out.txt"])
def test_a_zip_that_leads_elsewhere_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.setenv("ALC_BENCH_CACHE", str(tmp_path / "cache"))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(name, "x")
    with pytest.raises(InputError, match="leads elsewhere"):
        folder_of(tmp_path / "a.zip")
    assert not list(tmp_path.rglob("out.txt"))


def test_damaged_and_swollen_zips_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("ALC_BENCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "a.zip").write_bytes(b"PK\3\4 no zip")
    with pytest.raises(InputError, match=r"a\.zip: cannot be unpacked"):
        folder_of(tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(1_000_000))
    monkeypatch.setattr(archives, "FREE_BYTES", 1000)
    with pytest.raises(InputError, match=r"b\.zip: [\d,]+ bytes that hold 1,000,000"):
        folder_of(tmp_path / "b.zip")
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(InputError, match="is a link"):
        folder_of(tmp_path / "c.zip")


@pytest.mark.parametrize("layout", ["native", *LAYOUTS])
@pytest.mark.parametrize("source", ["coco", "cvat", "labelme"])
def test_a_run_of_each_and_its_exports(alc, source, layout, coco_root, cvat_root, labelme_root, tmp_path):
    root = {"coco": coco_root, "cvat": cvat_root, "labelme": labelme_root}[source]
    (labelme_root / "none.jpg").unlink()  # a simulated annotator needs all masks
    data = ("--dataset", source, "--data-root", root, "--foundation", "simulated", "--model", "none")
    run = tmp_path / "run"
    done = alc("run", *data, "--strategy", "area", "--seeds", 1, "--rounds", 1, "--out", run, report_too=False)
    assert done.code == 0, done.err
    words = ("--strategy", "area", "--seed", 0, "--to", tmp_path / "to", "--format", layout)
    assert alc("export", run, *words).code == 0
    again = registry.load("datasets", source if layout == "native" else layout, root=tmp_path / "to")
    before = registry.load("datasets", source, root=root)
    assert again.names("train") == before.names("train") and len(again.classes) == len(before.classes)
    again.check("train")
    again.check("val")
