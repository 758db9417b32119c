"""Each dataset reads and writes its own layout, and says in one line which file is wrong and why."""

import itertools

import numpy as np
import pytest
from PIL import Image
from trees import save, scene

from bench import registry
from bench.datasets import Tree
from bench.datasets.cityscapes import Cityscapes
from bench.datasets.files import read_grey, read_png
from bench.datasets.folder import Folder
from bench.datasets.kvasir import Kvasir
from bench.datasets.pascal import WHOLE, Pascal
from bench.datasets.shapes import Shapes
from bench.types import VOID, InputError

ROOTS = {"pascal": "pascal_root", "kvasir": "kvasir_root", "cityscapes": "cityscapes_root", "folder": "folder_root"}


def refusal(call, *args, **kwargs) -> str:
    """The one line with which the call refuses."""
    with pytest.raises(InputError) as caught:
        call(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(params=["shapes", *ROOTS])
def dataset(request):
    if request.param == "shapes":
        return Shapes(train=4, val=2, size=32)
    return registry.load("datasets", request.param, root=request.getfixturevalue(ROOTS[request.param]))


def test_every_dataset_keeps_the_contract(dataset):
    n = len(dataset.classes)
    assert dataset.palette.shape == (n, 3) and dataset.palette.dtype == np.uint8
    assert dataset.background == VOID or dataset.classes[dataset.background] == "background"
    for split in ("train", "val"):
        names = dataset.names(split)
        assert names and list(names) == sorted(set(names)) and not any("/" in name for name in names)
        dataset.check(split)
        for name in names:
            image, truth = dataset.image(split, name), dataset.truth(split, name)
            assert image.dtype == np.uint8 and image.shape == (*truth.shape, 3)
            assert truth.dtype == np.uint8 and ((truth < n) | (truth == VOID)).all()
            assert dataset.size(split, name) == truth.shape
            objects = dataset.objects(split, name)
            assert objects.dtype == np.int32
            assert ((objects == 0) == ((truth == VOID) | (truth == dataset.background))).all()
            assert all(len(np.unique(truth[objects == k])) == 1 for k in np.unique(objects[objects > 0]))


def write(dataset, to) -> dict[str, np.ndarray]:
    """Write drawn labels of every class, and void where the layout has it, for each train image; returns them."""
    rng = np.random.default_rng(0)
    ids = [*range(len(dataset.classes)), *([] if isinstance(dataset, Kvasir) else [VOID])]
    written = {name: rng.choice(ids, size=(18, 23)).astype(np.uint8).T for name in dataset.names("train")}
    for name, labels in written.items():
        dataset.write_labels(to, name, labels)
    dataset.write_rest(to)
    return written


def test_every_dataset_reads_back_the_labels_that_it_wrote(dataset, tmp_path):
    written = write(dataset, tmp_path / "to")
    again = (type(dataset) if isinstance(dataset, Tree) else Folder)(tmp_path / "to")
    assert again.names("train") == dataset.names("train")
    assert again.classes == dataset.classes and again.background == dataset.background
    np.testing.assert_array_equal(again.palette, dataset.palette)
    for name, labels in written.items():
        np.testing.assert_array_equal(again.truth("train", name), labels)


@pytest.mark.parametrize("name", ["../out", "a/../../out", "{}/out"])
def test_a_name_that_leads_elsewhere_is_refused(dataset, name, tmp_path):
    name, before = name.format(tmp_path), set(tmp_path.rglob("*"))
    labels = np.zeros((4, 4), np.uint8)
    assert "plain file name" in refusal(dataset.write_labels, tmp_path / "to", name, labels)
    assert set(tmp_path.rglob("*")) == before


def test_a_name_with_folders_is_refused_where_its_reader_would_not_look(cityscapes_root, tmp_path):
    for dataset, name in ((Shapes(), "a/b"), (Cityscapes(cityscapes_root), ".._000000_000019")):
        assert "plain file name" in refusal(dataset.write_labels, tmp_path, name, np.zeros((4, 4), np.uint8))


class Brightness(Tree):
    """A tree of another package: two classes as grey values, which knows nothing of writing."""

    classes, palette = ("night", "day light"), np.array([[0, 0, 90], [250, 240, 0]], np.uint8)

    def names(self, split):
        return tuple(sorted(path.stem for path in (self.root / split).glob("*.png")))

    def paths(self, split, name):
        return self.root / split / f"{name}.png", self.root / split / f"{name}.png"

    def truth(self, split, name):
        return (read_grey(self.paths(split, name)[1]) > 127).astype(np.uint8)


class Elsewhere(Pascal):
    """Its truth does not lie below its root."""

    def paths(self, split, name):
        return self.root / "JPEGImages" / f"{name}.jpg", self.root.parent.parent / "truth" / f"{name}.png"


def test_a_tree_with_a_truth_of_its_own_is_written_as_folder_reads(tmp_path):
    for split, n in (("train", 3), ("val", 2)):
        for i in range(n):
            save(tmp_path / "from" / split / f"{i}.png", scene(i, 2)[0])
    dataset = Brightness(tmp_path / "from")
    written = write(dataset, tmp_path / "to")
    again = Folder(tmp_path / "to")
    assert again.classes == dataset.classes and (again.palette == dataset.palette).all()
    for name, labels in written.items():
        np.testing.assert_array_equal(again.truth("train", name), labels)
        np.testing.assert_array_equal(again.image("train", name), dataset.image("train", name))
    again.check("val")
    np.testing.assert_array_equal(again.truth("val", "1"), dataset.truth("val", "1"))


def test_a_truth_outside_the_root_is_not_written_over(pascal_root, tmp_path):
    dataset = Elsewhere(pascal_root)
    assert "plain file name" in refusal(dataset.write_labels, tmp_path / "to", "a", np.zeros((4, 4), np.uint8))
    assert not (tmp_path / "truth").exists()


@pytest.mark.parametrize("word", ["two\nlines", "two  spaces", " before", ""])
def test_a_class_that_classes_txt_cannot_hold_is_refused(word, tmp_path):
    class Odd(Shapes):
        classes = ("background", word, *Shapes.classes[2:])

    assert repr(word) in refusal(Odd(train=1, val=1, size=16).write_rest, tmp_path)


def test_void_has_no_place_in_a_mask_of_two_greys(kvasir_root, tmp_path):
    labels = np.array([[0, VOID]], np.uint8)
    assert "k00: void pixels" in refusal(Kvasir(kvasir_root).write_labels, tmp_path / "to", "k00", labels)
    assert not [path for path in tmp_path.rglob("to/**/*") if path.is_file()]


def test_kvasir_lists_go_with_the_masks_as_they_are(kvasir_root, tmp_path):
    drawn = Kvasir(kvasir_root)
    drawn.write_rest(tmp_path / "drawn")
    again = Kvasir(tmp_path / "drawn")
    assert all(again.names(split) == drawn.names(split) for split in ("train", "val"))
    (kvasir_root / "train.txt").write_text("k01.jpg\nk00\n")
    drawn.write_rest(tmp_path / "listed")
    assert (tmp_path / "listed" / "train.txt").read_text() == "k01.jpg\nk00\n"
    assert not (tmp_path / "listed" / "val.txt").exists()


@pytest.mark.parametrize("name", ROOTS)
def test_a_missing_root_names_the_flag(name, tmp_path):
    assert "--data-root" in refusal(registry.load, "datasets", name)
    assert "--data-root" in refusal(registry.load, "datasets", name, root=tmp_path / "nowhere")


def test_pascal_takes_either_root_and_needs_no_images_for_labels(pascal_root):
    inner = Pascal(pascal_root / "VOC2012")
    assert inner.names("train") == Pascal(pascal_root).names("train") == ("2007_000001", "2007_000002", "2007_000003")
    image = inner.paths("train", "2007_000001")[0]
    image.unlink()
    inner.check("train", images=False)
    assert refusal(inner.check, "train") == f"{image}: no such file"
    assert "SegmentationClass" in refusal(Pascal, pascal_root.parent)


def test_any_part_of_pascal_is_a_dataset_that_says_how_large_a_part(pascal_root):
    whole = Pascal(pascal_root)
    assert whole.gap("train") == "3 of 1,464 images of PASCAL VOC 2012 train are used: train.txt names 3"
    whole.paths("train", "2007_000001")[0].unlink()
    whole.paths("train", "2007_000002")[1].unlink()
    part = Pascal(pascal_root)
    assert part.names("train") == ("2007_000003",)
    assert part.gap("train").startswith("1 of 1,464")
    assert part.gap("train").endswith("the files of 2 more are missing, the first is 2007_000001")
    part.check("train")
    for path in (pascal_root / "VOC2012" / "JPEGImages").iterdir():
        path.unlink()
    assert Pascal(pascal_root).names("train") == ("2007_000001", "2007_000003")  # labels only: photographs do not count
    for path in (pascal_root / "VOC2012" / "SegmentationClass").iterdir():
        path.unlink()
    assert "no file of the 3 images of train" in refusal(Pascal(pascal_root).names, "train")


def test_a_whole_split_of_pascal_has_no_gap(pascal_root, monkeypatch):
    monkeypatch.setitem(WHOLE, "train", 3)
    assert Pascal(pascal_root).gap("train") is None and Shapes(train=4).gap("train") is None


def test_a_run_on_a_part_says_so_and_strict_refuses(alc, pascal_root, tmp_path):
    maps = tmp_path / "maps"
    for name in Pascal(pascal_root).names("train"):
        labels = Pascal(pascal_root).truth("train", name)
        save(maps / "mask_jpg" / f"{name}.png", np.where(labels == VOID, 0, labels).astype(np.uint8))
        save(maps / "obj_jpg" / f"{name}.png", (labels > 0).astype(np.uint8))
    run = ["run", "--dataset", "pascal", "--data-root", pascal_root, "--foundation", f"files[root={maps}]"]
    run += ["--model", "none", "--strategy", "area", "--seeds", "1", "--rounds", "1", "--budget", "1"]
    strict = alc(*run, "--out", tmp_path / "strict", "--strict")
    assert strict.code == 2 and "3 of 1,464 images" in strict.err and "--strict takes whole splits only" in strict.err
    done = alc(*run, "--out", tmp_path / "out", report_too=False)
    assert done.code == 0 and "3 of 1,464 images of PASCAL VOC 2012 train are used" in done.err


def test_pascal_without_val_is_refused_only_when_val_is_asked_for(pascal_root):
    (pascal_root / "VOC2012" / "ImageSets" / "Segmentation" / "val.txt").unlink()
    dataset = Pascal(pascal_root)
    dataset.check("train")
    assert "val.txt: no such file" in refusal(dataset.names, "val")


def test_pascal_palette_is_the_development_kits():
    known = {0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0), 8: (64, 0, 0), 15: (192, 128, 128), 20: (0, 64, 128)}
    assert {c: tuple(Pascal.palette[c].tolist()) for c in known} == known


def test_an_id_out_of_range_is_named_with_its_file(pascal_root):
    dataset = Pascal(pascal_root)
    path = dataset.paths("train", "2007_000002")[1]
    truth = np.array(Image.open(path))
    truth[5, :2], truth[6, 0] = 77, 21
    save(path, truth)
    assert refusal(dataset.check, "train") == f"{path}: class ids must be 0 to 20 or 255; found 21, 77 in 3 px"


def test_sizes_that_differ_are_named(pascal_root):
    dataset = Pascal(pascal_root)
    image, truth = dataset.paths("train", "2007_000003")
    save(truth, np.zeros((9, 16), np.uint8))
    line = refusal(dataset.check, "train")
    assert str(image) in line and "12 × 16" in line and "9 × 16" in line
    assert refusal(dataset.check, "train", images=False) == line  # a label-only run shows its images in the end


def test_truncated_and_colour_files_are_named(pascal_root):
    dataset = Pascal(pascal_root)
    image, truth = dataset.paths("train", "2007_000001")
    whole = image.read_bytes()
    image.write_bytes(whole[: len(whole) // 2])
    assert str(image) in refusal(dataset.image, "train", "2007_000001")
    image.write_bytes(b"no picture")
    assert str(image) in refusal(dataset.check, "train")
    save(truth, np.full((12, 16, 3), 7, np.uint8))
    assert "colours that no class has: 7 7 7; in 192 px" in refusal(Pascal(pascal_root).truth, "train", "2007_000001")


def test_lists_must_name_each_image_once(pascal_root):
    path = pascal_root / "VOC2012" / "ImageSets" / "Segmentation" / "train.txt"
    path.write_text("a\na\n")
    assert "each once; got 2, 1 of them different" in refusal(Pascal(pascal_root).names, "train")


def test_kvasir_splits_the_same_way_each_time(kvasir_root):
    first, again = Kvasir(kvasir_root), Kvasir(kvasir_root)
    assert first.names("train") == again.names("train")
    assert len(first.names("train")), len(first.names("val")) == (22, 3)
    assert not set(first.names("train")) & set(first.names("val"))
    (kvasir_root / "train.txt").write_text("k01.jpg\nk00\n")
    assert first.names("train") == ("k00", "k01")
    assert "val.txt: no such file" in refusal(first.names, "val")


def test_kvasir_masks_are_cut_at_127(kvasir_root):
    grey = np.repeat(np.array([[127], [128]], np.uint8), 16, axis=0).repeat(16, axis=1)
    Image.fromarray(grey).save(kvasir_root / "masks" / "k00.jpg", quality=100)
    assert Kvasir(kvasir_root).truth("train", "k00")[[4, 27], 3].tolist() == [0, 1]


def test_cityscapes_label_ids_become_train_ids(cityscapes_root):
    dataset = Cityscapes(cityscapes_root)
    truth = dataset.truth("train", "aachen_000000_000010").ravel()[:34]
    evaluated = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]
    assert truth[evaluated].tolist() == list(range(19))
    assert (np.delete(truth, evaluated) == VOID).all()
    path = dataset.paths("train", "aachen_000000_000010")[1]
    save(path, np.full((12, 16), 40, np.uint8))
    assert f"{path}: class ids must be 0 to 33" in refusal(dataset.check, "train")


def test_cityscapes_needs_its_own_layout(tmp_path):
    assert "gtFine/train" in refusal(Cityscapes(tmp_path).names, "train")


def test_folder_reads_names_and_colours(folder_root):
    dataset = Folder(folder_root)
    assert dataset.classes == ("background", "dining table", "cat") and dataset.background == 0
    assert dataset.palette[1].tolist() == [200, 120, 0]
    (folder_root / "classes.txt").write_text("road\nsky\n\n")
    assert Folder(folder_root).background == VOID


@pytest.mark.parametrize(
    "text, part", [("a 1 2 300\nb", "line 1"), ("a\na\n", "each once"), ("a", "2 to 255"), ("", "2")]
)
def test_folder_refuses_unusable_class_lists(folder_root, text, part):
    (folder_root / "classes.txt").write_text(text)
    assert part in refusal(Folder, folder_root)


def test_folder_names_missing_pairs(folder_root):
    dataset = Folder(folder_root)
    (folder_root / "annotations" / "train" / "train1.png").unlink()
    dataset = Folder(folder_root)
    assert not dataset.has_truth("train", "train1") and "train1" in dataset.names("train")
    assert dataset.lacking_truth() == "1 of 3 train images have no true mask (train1)"
    (folder_root / "annotations" / "val" / "val0.png").rename(folder_root / "annotations" / "val" / "other.png")
    for images in (True, False):
        assert "val0.png: no such file; 1 images" in refusal(Folder(folder_root).check, "val", images=images)
    (folder_root / "images" / "train" / "train0.jpg").unlink()
    (folder_root / "images" / "train" / "train1.png").unlink()
    assert "train0.jpg: no such file" in refusal(Folder(folder_root).check, "train")
    save(folder_root / "images" / "train" / "train2.jpg", np.zeros((12, 16, 3), np.uint8))
    assert "train2.jpg, train2.png" in refusal(Folder(folder_root).image, "train", "train2")


def test_a_check_counts_the_pixels_of_each_class_and_refuses_what_is_all_void(folder_root):
    assert Folder(folder_root).check("train").tolist() == [3 * 12 * 16 - 90 - 3, 60, 30, 3]
    for i in range(3):
        save(folder_root / "annotations" / "train" / f"train{i}.png", np.full((12, 16), 255, np.uint8))
    assert "all of train is void (255); class ids are 0 to 2" in refusal(Folder(folder_root).check, "train")


def test_masks_of_0_and_255_are_told_as_what_they_are(alc, folder_root, tmp_path):
    """255 is void: with two classes, everything that is known is background, and every label of it right."""
    (folder_root / "classes.txt").write_text("background\npolyp\n")
    for path in folder_root.glob("annotations/*/*.png"):
        save(path, np.where(np.array(Image.open(path)) == 0, 0, 255).astype(np.uint8))
    run = ("run", "--dataset", "folder", "--data-root", folder_root, "--foundation", "simulated", "--model", "none")
    done = alc(*run, "--strategy", "area", "--rounds", 1, "--seeds", 1, "--out", tmp_path / "out", report_too=False)
    assert "train: 1 of 2 classes never occur: polyp; 16 % of its pixels are void (255)" in done.err


COLOURED = "background 0 0 0\ndining table 200 120 0\ncat 9 9 200\nvoid 255 255 255\n"


def test_rgb_masks_are_read_through_the_colours_of_classes_txt(folder_root):
    plain = [Folder(folder_root).truth("train", f"train{i}") for i in range(3)]
    colours = np.zeros((256, 3), np.uint8)
    colours[[1, 2, 255]] = [(200, 120, 0), (9, 9, 200), (255, 255, 255)]
    for i, truth in enumerate(plain):
        save(folder_root / "annotations" / "train" / f"train{i}.png", colours[truth])
    assert "got mode RGB; to read its colours" in refusal(Folder(folder_root).truth, "train", "train0")
    (folder_root / "classes.txt").write_text(COLOURED)
    coloured = Folder(folder_root)
    assert coloured.classes == ("background", "dining table", "cat")
    for i, truth in enumerate(plain):
        np.testing.assert_array_equal(coloured.truth("train", f"train{i}"), truth)
    colours[1] = (1, 2, 3)
    save(folder_root / "annotations" / "train" / "train0.png", colours[plain[0]])
    assert "colours that no class has: 1 2 3; in 30 px" in refusal(coloured.truth, "train", "train0")


def test_capital_letters_and_other_formats_are_files_like_any_other(folder_root, kvasir_root):
    before = [Folder(folder_root).names("train"), Kvasir(kvasir_root).names("train")]
    train = folder_root / "images" / "train"
    (train / "train0.jpg").rename(train / "train0.JPG")
    Image.open(train / "train1.png").save(train / "train1.tif")
    (train / "train1.png").unlink()
    (train / ".DS_Store").write_text("no image")
    truth = folder_root / "annotations" / "train" / "train2.png"
    Image.open(truth).save(truth.with_suffix(".TIF"))
    truth.unlink()
    (kvasir_root / "images" / "k07.jpg").rename(kvasir_root / "images" / "k07.JPG")
    assert [Folder(folder_root).names("train"), Kvasir(kvasir_root).names("train")] == before
    for dataset in (Folder(folder_root), Kvasir(kvasir_root)):
        dataset.check("train")
        dataset.check("val")


def test_images_are_turned_as_their_exif_data_says(folder_root):
    path = folder_root / "images" / "train" / "train0.jpg"
    pixels = np.array(Image.open(path))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by a quarter, clockwise
    Image.fromarray(np.rot90(pixels)).save(path, exif=exif, quality=100, subsampling=0)
    dataset = Folder(folder_root)
    assert dataset.image_size("train", "train0") == dataset.image("train", "train0").shape[:2] == (12, 16)
    assert np.abs(dataset.image("train", "train0").astype(int) - pixels).mean() < 20  # JPEG
    dataset.check("train")
    Image.fromarray(pixels).save(path, exif=exif)
    for images in (True, False):
        said = refusal(dataset.check, "train", images=images)
        assert "the image has 16 × 12 px once it is turned as its EXIF orientation, 6, says, its truth 12 × 16" in said


def test_folder_needs_its_classes(folder_root):
    (folder_root / "classes.txt").unlink()
    assert "classes.txt: no such file" in refusal(Folder, folder_root)


def test_shapes_are_the_same_whatever_was_drawn_before():
    small, large = Shapes(train=3, val=1, size=32), Shapes(train=30, val=9, size=32)
    large.image("val", "00002")
    for read in ("image", "truth", "objects"):
        assert (getattr(small, read)("train", "00002") == getattr(large, read)("train", "00002")).all()
    assert (Shapes(seed=1, size=32).image("train", "00002") != small.image("train", "00002")).any()
    assert (small.image("val", "00000") != small.image("train", "00000")).any()


def test_shapes_have_a_long_tail_twins_and_occlusion():
    dataset = Shapes()
    truths = np.stack([dataset.truth("train", name) for name in dataset.names("train")])
    shares = np.bincount(truths.ravel(), minlength=7) / truths.size
    assert len(dataset.classes) == 7 and shares.min() > 0.01 and 0.2 < shares[1:].sum() < 0.4
    assert shares[1:].max() > 4 * shares[1:].min()
    assert all(sum(c in pair for pair in dataset.twins) == 2 for c in range(1, 7))
    touching = 0
    for name in dataset.names("train"):
        objects = dataset.objects("train", name)
        left, right = objects[:, :-1], objects[:, 1:]
        touching += ((left > 0) & (right > 0) & (left != right)).any()
    assert touching > 50


@pytest.mark.parametrize("parameters, part", [({"train": 0}, "train"), ({"size": 8}, "size"), ({"val": 1.5}, "val")])
def test_shapes_refuse_sizes_that_make_no_scene(parameters, part):
    assert f"shapes: {part} must be" in refusal(Shapes, **parameters)


def test_identity_follows_the_content_not_the_place(folder_root, tmp_path):
    before = Folder(folder_root).identity()
    folder_root.rename(tmp_path / "moved")
    moved = Folder(tmp_path / "moved")
    assert moved.identity() == before
    save(moved.paths("train", "train1")[1], np.arange(12 * 16, dtype=np.uint8).reshape(12, 16) % 3)
    assert moved.identity() != before
    truth = moved.paths("train", "train1")[1]
    Image.open(truth).save(truth.with_suffix(".TIF"))
    truth.unlink()
    before, size = Folder(tmp_path / "moved").identity(), truth.with_suffix(".TIF").stat().st_size
    save(truth.with_suffix(".TIF"), np.zeros((12, 16), np.uint8))
    assert Folder(tmp_path / "moved").identity() != before and truth.with_suffix(".TIF").stat().st_size == size
    identities = [Shapes(size=s, seed=k).identity() for s, k in itertools.product((32, 33), (0, 1))]
    assert len(set(identities)) == 4


def test_no_flipped_bit_of_a_png_becomes_another_label(tmp_path):
    path = tmp_path / "a.png"
    save(path, np.kron(np.arange(12, dtype=np.uint8).reshape(3, 4), np.ones((5, 5), np.uint8)))
    whole = path.read_bytes()
    for place, bit in itertools.product(range(len(whole)), range(8)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
        assert f"{path}: not a whole image: " in refusal(read_png, path), (place, bit)
    path.write_bytes(whole + b"what some programs leave behind the end")
    assert read_png(path).max() == 11


def test_real_pascal_and_kvasir_are_read_whole(real_data):
    pascal = Pascal(real_data / "pascal-voc" / "VOCdevkit")
    assert len(pascal.names("train")) == 1464
    pascal.check("train", images=False)
    kvasir = Kvasir(real_data / "kvasir-seg")
    assert (len(kvasir.names("train")), len(kvasir.names("val"))) == (800, 100)
    name = kvasir.names("train")[0]
    assert kvasir.image("train", name).shape == (352, 352, 3)
    assert 0 < kvasir.truth("train", name).mean() < 1
