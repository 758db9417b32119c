"""Label maps, superpixels and masks of models from elsewhere: read by what they mean, or refused with the file."""

import json

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as rle
from trees import same_areas, save

from bench import registry
from bench.datasets.painting import paint
from bench.datasets.shapes import Shapes
from bench.foundation.pseudo import pseudo_labels
from bench.testing import check_foundation
from bench.types import InputError

pytestmark = pytest.mark.slow

DATA = Shapes(train=3, val=1, size=48)
MAPS = {name: maps for name, *maps in registry.load("foundations", "simulated").generate(DATA)}


def as_rgb(labels):
    return DATA.colours[np.minimum(labels, len(DATA.classes))]


def as_palette(labels):
    """Indices from the last class to the first, with the colours that say so."""
    image = Image.fromarray((len(DATA.classes) - 1 - labels).astype(np.uint8))
    image.putpalette(DATA.palette[::-1].tobytes())
    return image


def codes(superpixels):
    return np.stack([superpixels * 3 >> shift & 255 for shift in (0, 8, 16)], axis=-1).astype(np.uint8)


LABELS = {
    "grey.png": lambda labels: Image.fromarray(labels),
    "rgb.png": lambda labels: Image.fromarray(as_rgb(labels)),
    "rgb.tif": lambda labels: Image.fromarray(as_rgb(labels)),
    "palette.png": as_palette,
    "palette.bmp": as_palette,
}
SUPERPIXELS = {
    "grey.png": lambda ids: Image.fromarray(ids.astype(np.uint16)),
    "grey.tif": lambda ids: Image.fromarray(ids),
    "codes.png": lambda ids: Image.fromarray(codes(ids)),
    "array.npy": lambda ids: ids.astype(np.int64),
    "large.npy": lambda ids: ids.astype(np.uint32) * 100_000,
}


def write(folder, labels="grey.png", superpixels="grey.png"):
    for kind, which, forms, i in (("mask_jpg", labels, LABELS, 0), ("obj_jpg", superpixels, SUPERPIXELS, 1)):
        (folder / kind).mkdir(parents=True)
        for name in MAPS:
            path, made = folder / kind / f"{name}.{which.partition('.')[2]}", forms[which](MAPS[name][i])
            np.save(path, made) if path.suffix == ".npy" else made.save(path)


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("superpixels", SUPERPIXELS)
def test_the_same_maps_in_any_form_are_the_same(labels, superpixels, tmp_path):
    write(tmp_path / "maps", labels, superpixels)
    files = registry.load("foundations", f"files[root={tmp_path / 'maps'}]")
    assert (files.folder is not None) == (labels == superpixels == "grey.png")  # these alone are read in place
    found = pseudo_labels(files, DATA, tmp_path / "cache")
    for i, (name, (expected, areas)) in enumerate(MAPS.items()):
        assert found.names[i] == name
        np.testing.assert_array_equal(found.labels(i), expected)
        assert same_areas(found.superpixels(i), areas)


@pytest.mark.parametrize(
    "content, said",
    [
        (lambda path: np.save(path, np.zeros((48, 48))), "expected ids, whole numbers"),
        (lambda path: np.save(path, np.full((48, 48), -1)), "ids are 0, which is outside, or more; got -1"),
        (lambda path: np.save(path, np.zeros((4, 4), int)), "the superpixel map of 00000 has 4 × 4 px"),
        (lambda path: np.save(path, np.array([{}]), allow_pickle=True), "no array of NumPy, as its name says"),
        (
            lambda path: (
                save(path.with_suffix(".png"), np.zeros((4, 4), np.uint8)) or path.with_suffix(".png").rename(path)
            ),
            "no array",
        ),
        (lambda path: path.write_bytes(b""), "no array of NumPy"),
        (
            lambda path: path.write_bytes(
                b"\x93NUMPY\x01\x00v\x00{'descr': '<i8', 'fortran_order': False, 'shape': (9999999, 9999999), }"
            ),
            "no array",
        ),
    ],
)
def test_superpixels_of_another_kind_are_named(content, said, tmp_path):
    write(tmp_path, superpixels="array.npy")
    path = tmp_path / "obj_jpg" / "00000.npy"
    path.unlink()
    content(path)
    with pytest.raises(InputError, match=said) as caught:
        pseudo_labels(registry.load("foundations", f"files[root={tmp_path}]"), DATA, tmp_path / "cache")
    assert "00000" in str(caught.value) and "\n" not in str(caught.value)


def test_a_jpeg_by_another_name_is_no_label_map(tmp_path):
    write(tmp_path)
    for kind in ("mask_jpg", "obj_jpg"):
        path = tmp_path / kind / "00001.png"
        before = path.read_bytes()
        Image.fromarray(MAPS["00001"][0]).save(path, format="JPEG")
        with pytest.raises(InputError, match=r"00001\.png: is a JPEG"):
            pseudo_labels(registry.load("foundations", f"files[root={tmp_path}]"), DATA, tmp_path / "cache")
        path.write_bytes(before)


RNG = np.random.default_rng(0)
MASKS = {name: [RNG.random((48, 48)) < share for share in (0.1, 0.5, 0.9)] for name in DATA.names("train")}
SCORES = (0.9, 0.6, 0.3)


def results(path, whole=True, compressed=True, file="{}.jpg"):
    """What a detector found: masks of tile, apple and brick, whose ids in the file are others."""
    categories = [{"id": 30, "name": "Apple"}, {"id": 10, "name": "tile"}, {"id": 20, "name": "brick"}]
    images = [{"id": 7 + i, "file_name": file.format(n), "height": 48, "width": 48} for i, n in enumerate(MASKS)]
    rows = []
    for i, masks in enumerate(MASKS.values()):
        for category, mask, score in zip((10, 30, 20), masks, SCORES, strict=True):
            coded = rle.encode(np.asfortranarray(mask, np.uint8))
            runs = np.diff(np.flatnonzero(np.diff(np.r_[2, mask.T.ravel(), 2]))).tolist()
            counts = coded["counts"].decode() if compressed else [0] * int(mask.T.ravel()[0]) + runs
            told = {"image_id": 7 + i, "category_id": category, "score": score}
            rows.append(told | {"segmentation": {"size": [48, 48], "counts": counts}})
    head = {"images": images, "categories": categories}
    path.write_text(json.dumps(head | {"annotations": rows} if whole else rows))
    path.with_name("images.json").write_text(json.dumps(head))


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("whole", [True, False])
def test_masks_of_a_detector_are_painted_as_those_of_sam(whole, compressed, tmp_path):
    results(tmp_path / "r.json", whole, compressed)
    spec = f"coco_results[file={tmp_path / 'r.json'},threshold=0.5{'' if whole else f',images={tmp_path}/images.json'}]"
    names = ("tile", "apple")
    for name, labels, superpixels in registry.load("foundations", spec).generate(DATA):
        ids = [DATA.classes.index(n) for n in names]
        expected = paint(MASKS[name][:2], ids, (48, 48), 0)
        np.testing.assert_array_equal(labels, expected[0])
        np.testing.assert_array_equal(superpixels, expected[1])
    check_foundation(spec)


def test_masks_that_nobody_asked_for_are_counted(tmp_path, capsys):
    results(tmp_path / "r.json")
    whole = json.loads((tmp_path / "r.json").read_text())
    whole["categories"][0]["name"] = "zebra"
    whole["images"].append({"id": 1, "file_name": "elsewhere.jpg", "height": 5, "width": 5})
    whole["annotations"].append(whole["annotations"][0] | {"image_id": 1})
    (tmp_path / "r.json").write_text(json.dumps(whole))
    found = registry.load("foundations", f"coco_results[file={tmp_path / 'r.json'}]")
    assert len(list(found.generate(DATA))) == 3
    assert "3 masks are of no class and are left out: zebra" in capsys.readouterr().err
    results(tmp_path / "r.json", file="x{}.jpg")
    with pytest.raises(InputError, match="9 masks, 0 of them of train images"):
        list(found.generate(DATA))


def test_a_list_of_results_needs_images_and_known_ids(tmp_path):
    results(tmp_path / "r.json", whole=False)
    with pytest.raises(InputError, match="names no images: "):
        list(registry.load("foundations", f"coco_results[file={tmp_path / 'r.json'}]").generate(DATA))
    rows = json.loads((tmp_path / "r.json").read_text())
    rows[4]["category_id"] = 1
    (tmp_path / "r.json").write_text(json.dumps(rows))
    spec = f"coco_results[file={tmp_path / 'r.json'},images={tmp_path / 'images.json'}]"
    with pytest.raises(InputError, match="result 5: no category has the id 1"):
        list(registry.load("foundations", spec).generate(DATA))
    with pytest.raises(InputError, match="/no/such: No such file"):
        registry.load("foundations", "coco_results[file=/no/such]")
