"""Boxes of any detector, and SAM's masks of them: files, what they may not hold, equal maps however they are made."""

import importlib.util
import json

import numpy as np
import pytest
import tiny_models
from trees import same_areas, save, scene

from bench import commands, registry, seeds
from bench.datasets.kvasir import Kvasir
from bench.datasets.pascal import Pascal
from bench.foundation import boxes
from bench.foundation.boxed_sam import true_boxes
from bench.foundation.files import Files
from bench.types import InputError

pytestmark = pytest.mark.slow

if importlib.util.find_spec("segment_anything") is None:
    pytest.skip("the extra 'foundation' is not installed", allow_module_level=True)

HEAD = "image,x0,y0,x1,y1,class,score\n"


@pytest.fixture(scope="module")
def sam(tmp_path_factory):
    return tiny_models.write(tmp_path_factory.mktemp("weights"))[1]


@pytest.fixture
def kvasir(tmp_path):
    """Six train images of 48 × 64 px."""
    for i in range(7):
        image, truth = scene(i, 2, (48, 64))
        save(tmp_path / "kvasir" / "images" / f"k{i:02d}.jpg", image)
        save(tmp_path / "kvasir" / "masks" / f"k{i:02d}.jpg", np.where(truth == 1, 255, 0).astype(np.uint8))
    return tmp_path / "kvasir"


def test_csv_and_coco_say_the_same(pascal_root, tmp_path):
    dataset = Pascal(pascal_root)
    table, coco = tmp_path / "boxes.csv", tmp_path / "boxes.json"
    rows = ["2007_000001,3,2,9,7,aeroplane,0.9", "2007_000001.jpg,0,0,4,4,Dining Table,0.3"]
    rows += ["JPEGImages/2007_000003.jpg,1,1,2,2,diningtable,", "2008_000001,1,1,2,2,cat,1"]
    table.write_text(HEAD + "\n".join(rows))
    names = ["2007_000001", "2007_000003", "2008_000001"]
    annotations = [
        dict(image_id=0, category_id=5, bbox=[3, 2, 6, 5], score=0.9),
        dict(image_id=0, category_id=7, bbox=[0, 0, 4, 4], score=0.3),
        dict(image_id=1, category_id=7, bbox=[1, 1, 1, 1]),
    ]
    coco.write_text(
        json.dumps(
            dict(
                images=[dict(id=i, file_name=f"{name}.jpg") for i, name in enumerate(names)],
                categories=[dict(id=5, name="aeroplane"), dict(id=7, name="diningtable")],
                annotations=annotations,
            )
        )
    )
    for threshold, n in ((0.0, 2), (0.3, 1)):
        found = [boxes.read(path, dataset, threshold) for path in (table, coco)]
        for one in found:
            assert list(one) == list(dataset.names("train")) and len(one["2007_000002"][0]) == 0
            given, classes = one["2007_000001"]
            assert given.tolist() == [[3, 2, 9, 7], [0, 0, 4, 4]][:n] and classes.tolist() == [1, 11][:n]
            assert one["2007_000003"][1].tolist() == [11]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "b.csv",
            HEAD + "k00,1,1,9,9,polyp,1\nk01,1,1,9,9,cat,1\n",
            "line 3: unknown class 'cat'; there are: background",
        ),
        ("b.csv", HEAD + "k01,9,1,1,9,polyp,1\n", "line 2: a box goes from left and top"),
        ("b.csv", HEAD + "k01,1,1,9,nan,polyp,1\n", "line 2: a box goes from left and top"),
        ("b.csv", HEAD + "k00,1,1,nine,9,polyp,1\n", "line 2: expected image,x0"),
        ("b.csv", HEAD + "k00,1\n", "line 2: expected image,x0"),
        (
            "b.csv",
            HEAD + "elsewhere,1,1,9,9,polyp,1\n",
            "1 boxes, none of a train image; the first box is of 'elsewhere'",
        ),
        ("b.csv", HEAD, "0 boxes, none of a train image"),
        ("b.csv", "image,box\n", "no column x0, y0, x1, y1, class"),
        ("b.json", "[]", "images, categories and annotations"),
        ("b.json", "{", "not readable as boxes"),
        ("b.json", '{"images": [], "categories": [], "annotations": [{"image_id": 1}]}', "annotation 1: not as COCO"),
    ],
)
def test_what_a_file_of_boxes_may_not_hold(kvasir, tmp_path, name, content, said):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError) as caught:
        boxes.read(tmp_path / name, Kvasir(kvasir))
    assert said in str(caught.value) and name in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(kvasir, sam, capsys, tmp_path):
    command = ["prepare", "--dataset", "kvasir", "--data-root", str(kvasir), "--out", str(tmp_path / "out")]
    assert commands.main([*command, "--prompts", "nowhere.csv", "--sam", str(sam), "--sam-type", "tiny"]) == 2
    assert capsys.readouterr().err == "alc-bench: boxed_sam: boxes=nowhere.csv: no such file\n"


def test_true_boxes_are_those_of_the_objects(kvasir):
    dataset = Kvasir(kvasir)
    name = dataset.names("train")[0]
    rows, columns = np.nonzero(dataset.truth("train", name))
    given, classes = true_boxes(dataset, name)
    assert given.tolist() == [[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]] and classes.tolist() == [
        1
    ]
    moved, _ = true_boxes(dataset, name, noise=0.2)
    assert (moved != given).all() and (moved == true_boxes(dataset, name, 0.2)[0]).all()
    assert (moved[:, 2:] > moved[:, :2]).all()


def test_boxes_of_a_file_and_the_same_ones_of_the_truth_give_the_same_maps(kvasir, sam, tmp_path, capsys):
    dataset = Kvasir(kvasir)
    lines = [
        f"{name},{','.join(map(str, box))},polyp,0.7\n"
        for name in dataset.names("train")
        for box in true_boxes(dataset, name)[0].tolist()
    ]
    (tmp_path / "boxes.csv").write_text(HEAD + "".join(lines))
    command = ["prepare", "--dataset", "kvasir", "--data-root", str(kvasir), "--sam", str(sam), "--sam-type", "tiny"]
    assert commands.main([*command, "--prompts", str(tmp_path / "boxes.csv"), "--out", str(tmp_path / "a")]) == 0
    assert "leaky" not in capsys.readouterr().out
    of_truth = "boxed_sam[boxes=truth,noise=0]"
    assert commands.main([*command, "--foundation", of_truth, "--out", str(tmp_path / "b"), "--jobs", "2"]) == 0
    assert "leaky: made from the truth" in capsys.readouterr().out
    read = [list(Files(tmp_path / folder).generate(dataset)) for folder in "ab"]
    assert len(read[0]) == len(dataset.names("train"))
    for (_, labels, areas), (_, same, others) in zip(*read, strict=True):
        assert (labels == same).all() and (areas == others).all()


def test_a_recut_with_everything_goes_on_where_it_was_stopped(kvasir, sam):
    spec = f"everything[sam={sam},sam_type=tiny,points=2,quality=0,stability=0]"
    recut = registry.load("foundations", f"recut[of=boxed_sam[boxes=truth,sam={sam},sam_type=tiny],superpixels={spec}]")
    dataset = Kvasir(kvasir)
    whole = {name: maps for name, *maps in recut.generate(dataset)}
    assert recut.leaky and list(whole) == list(dataset.names("train"))
    done = set(list(whole)[:4])
    rest = {name: maps for name, *maps in recut.generate(dataset, done=done)}
    assert list(rest) == [name for name in whole if name not in done]
    assert all((a == b).all() for name in rest for a, b in zip(rest[name], whole[name], strict=True))


def test_a_part_of_the_images_at_a_time_gives_them_all(kvasir, sam):
    """`weak` takes any maker, and goes on where it was stopped; a maker's failure is one image's."""
    dataset, rng = Kvasir(kvasir), seeds.generator(0, "predictions")
    predicted = {name: (rng.random((48, 64)) < 0.5).astype(np.uint8) for name in dataset.names("train")}
    model = lambda images, truths, dataset: (predicted[name] for name in dataset.names("train"))  # noqa: E731
    maker = f"everything[sam={sam},sam_type=tiny,points=2,quality=0,stability=0]"
    weak = registry.load("foundations", f"weak[n=2,superpixels={maker},n_segments=4]")
    whole = {name: maps for name, *maps in weak.generate(dataset, model)}
    for name in set(whole) - weak.annotated(dataset):
        labels, areas = whole[name]
        assert all(len(np.unique(labels[areas == k])) == 1 for k in np.unique(areas))
    done = set(list(whole)[:4])
    rest = {name: maps for name, *maps in weak.generate(dataset, model, done=done)}
    assert list(rest) == list(whole)[4:]
    assert all(same_areas(rest[name][1], whole[name][1]) for name in rest)
