"""Prepare: real networks of tiny size, files that read back, interruptions, failures; and the fit of `simulated`."""

import json
import os
import signal
import subprocess
import sys
import time

import fit_simulated
import numpy as np
import pytest
import tiny_models
import torch
from trees import same_areas, save, scene

from bench import commands, foundation, registry
from bench.commands import quality
from bench.datasets.cityscapes import Cityscapes
from bench.datasets.kvasir import Kvasir
from bench.datasets.pascal import Pascal
from bench.datasets.shapes import Shapes
from bench.foundation.files import Files
from bench.foundation.prompting import encode, phrases
from bench.foundation.pseudo import cache_key, pseudo_labels
from bench.foundation.simulated import Simulated
from bench.types import InputError

pytestmark = pytest.mark.slow

pytest.importorskip("transformers", reason="the extra 'foundation' is not installed")

SMALL = "short_side=64,long_side=96,threshold=0.5"


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """The detector's folder and SAM's checkpoint."""
    return tiny_models.write(tmp_path_factory.mktemp("weights"))


def grounded(tiny, more=""):
    detector, sam = tiny
    return registry.load("foundations", f"grounded_sam[detector={detector},sam={sam},sam_type=tiny,{SMALL}{more}]")


@pytest.fixture(scope="session")
def kvasir(tmp_path_factory):
    """22 train images of 48 × 64 and 64 × 48 px in turn."""
    root = tmp_path_factory.mktemp("kvasir")
    for i in range(25):
        image, truth = scene(i, 2, (48, 64) if i % 3 else (64, 48))
        save(root / "images" / f"k{i:02d}.jpg", image)
        save(root / "masks" / f"k{i:02d}.jpg", np.where(truth == 1, 255, 0).astype(np.uint8))
    return root


def prepare(tiny, root, out, *more):
    detector, sam = tiny
    return [
        *("prepare", "--dataset", "kvasir", "--data-root", str(root), "--out", str(out)),
        *("--foundation", f"grounded_sam[{SMALL},batch=2]"),
        *("--detector", str(detector), "--sam", str(sam), "--sam-type", "tiny", *more),
    ]


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.png")}


@pytest.fixture(scope="session")
def prepared(tiny, kvasir, tmp_path_factory):
    out = tmp_path_factory.mktemp("prepared")
    assert commands.main(prepare(tiny, kvasir, out)) == 0
    return out / "0.5"


def test_files_read_back_as_they_were_generated(tiny, kvasir, prepared, tmp_path):
    dataset = Kvasir(kvasir)
    back = pseudo_labels(Files(prepared.parent), dataset, tmp_path)
    made = grounded(tiny, ",batch=2").generate(dataset)
    for (name, labels, superpixels), (same, *maps) in zip(back, made, strict=True):
        assert name == same and (labels == maps[0]).all() and same_areas(superpixels, maps[1])
    assert {labels.max() for _, labels, _ in back} == {1} and len(list(back)) == 22
    assert json.loads((prepared / "quality.json").read_text()) == quality.measure(dataset, back)


def test_20_real_images_read_back(tiny, real_data, tmp_path):
    names = (real_data / "kvasir-seg" / "train.txt").read_text().split()[:20]
    for kind in ("images", "masks"):
        (tmp_path / "data" / kind).mkdir(parents=True)
        for name in names:
            file = f"{name.removesuffix('.jpg')}.jpg"
            (tmp_path / "data" / kind / file).symlink_to(real_data / "kvasir-seg" / kind / file)
    (tmp_path / "data" / "train.txt").write_text("\n".join(names))
    assert commands.main(prepare(tiny, tmp_path / "data", tmp_path / "out")) == 0
    dataset = Kvasir(tmp_path / "data")
    made = grounded(tiny, ",batch=2").generate(dataset)
    read = Files(tmp_path / "out").generate(dataset)
    for (name, labels, superpixels), (same, *maps) in zip(read, made, strict=True):
        assert name == same and (labels == maps[0]).all() and same_areas(superpixels, maps[1])


def test_killed_in_the_middle_it_ends_with_the_same_bytes(tiny, kvasir, prepared, tmp_path):
    def whole():  # without those that are just being written
        return [path for path in tmp_path.glob("*/*/*.png") if path.name[0] != "."]

    command = [sys.executable, "-m", "bench", *prepare(tiny, kvasir, tmp_path)]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while child.poll() is None and len(whole()) < 7:
        time.sleep(0.002)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    save(tmp_path / "0.5" / "obj_jpg" / ".k00.png-half.png", np.zeros((2, 2), np.uint8))
    assert 7 <= len(whole()) < 44
    assert commands.main(prepare(tiny, kvasir, tmp_path)) == 0
    assert files(tmp_path / "0.5") == files(prepared)


def test_what_is_there_is_not_made_again_and_changes_nothing(tiny, kvasir):
    dataset = Kvasir(kvasir)
    whole = {name: maps for name, *maps in grounded(tiny, ",batch=1").generate(dataset)}
    done = set(list(whole)[:5]) | set(list(whole)[8:16])
    rest = {name: maps for name, *maps in grounded(tiny, ",batch=1").generate(dataset, done=done)}
    assert list(rest) == [name for name in whole if name not in done]
    assert all((a == b).all() for name in rest for a, b in zip(rest[name], whole[name], strict=True))


def test_an_image_that_fails_is_reported_and_made_when_it_is_repaired(tiny, kvasir, tmp_path, capsys):
    root, out = tmp_path / "data", tmp_path / "out"
    for path in kvasir.rglob("*.jpg"):
        (root / path.relative_to(kvasir)).parent.mkdir(parents=True, exist_ok=True)
        (root / path.relative_to(kvasir)).write_bytes(path.read_bytes())
    name = Kvasir(root).names("train")[3]
    image = root / "images" / f"{name}.jpg"
    whole = image.read_bytes()
    image.write_bytes(whole[:200])
    assert commands.main(prepare(tiny, root, out)) == 1
    said = capsys.readouterr().err
    assert f"failed: {name}: {image}: not a whole image" in said and "1 of 22 images failed" in said
    assert len(files(out)) == 42 and not [path for path in files(out) if name in path]
    image.write_bytes(whole)
    assert commands.main(prepare(tiny, root, out)) == 0
    assert len(files(out)) == 44


def test_other_settings_are_refused_in_the_same_folder(tiny, kvasir, prepared, capsys):
    command = prepare(tiny, kvasir, prepared.parent)
    command[command.index("--foundation") + 1] = f"grounded_sam[{SMALL},batch=3]"
    assert commands.main(command) == 2
    assert "another protocol" in capsys.readouterr().err


def test_it_works_inside_a_run_and_goes_on_there(tiny, kvasir, prepared, tmp_path, monkeypatch):
    monkeypatch.setenv("ALC_BENCH_CACHE", str(tmp_path / "cache"))
    detector, sam = tiny
    made = f"grounded_sam[detector={detector},sam={sam},sam_type=tiny,{SMALL},batch=2]"
    command = ["run", "--dataset", "kvasir", "--data-root", str(kvasir), "--foundation", made, "--model", "none"]
    command += ["--strategy", "random", "--seeds", "1", "--rounds", "1", "--budget", "3", "--jobs", "1"]
    source, dataset, stop = registry.load("foundations", made), Kvasir(kvasir), iter(range(5))
    with pytest.raises(StopIteration):
        pseudo_labels(source, dataset, tmp_path / "cache", step=lambda: next(stop))
    assert len(files(tmp_path / "cache")) == 12
    assert commands.main([*command, "--out", str(tmp_path / "out")]) == 0
    assert sorted(files(tmp_path / "cache").values()) == sorted(files(prepared).values())


def test_boxes_and_classes_are_those_of_transformers(tiny):
    from transformers import AutoImageProcessor, AutoModelForZeroShotObjectDetection, AutoTokenizer
    from transformers import GroundingDinoProcessor as Processor

    from bench.foundation.models import Detector

    dataset = Shapes(train=2, size=48)
    asked = [("road", 0), ("traffic light", 1), ("traffic sign", 2), ("light", 3)]
    detector = Detector(str(tiny[0]), asked, 0.5, (64, 96), torch.device("cpu"))
    images = [dataset.image("train", name) for name in dataset.names("train")]
    found = detector(images)

    processor = Processor(AutoImageProcessor.from_pretrained(tiny[0]), AutoTokenizer.from_pretrained(tiny[0]))
    model = AutoModelForZeroShotObjectDetection.from_pretrained(tiny[0]).eval()
    text = ["road. traffic light. traffic sign. light."] * 2
    size = {"shortest_edge": 64, "longest_edge": 96}
    inputs = processor(images=images, text=text, size=size, return_tensors="pt")
    with torch.no_grad():
        outputs = model(**inputs)
    tokens = processor.tokenizer.convert_ids_to_tokens(inputs["input_ids"][0])
    owner = {1: 0, 3: 1, 4: 1, 6: 2, 7: 2, 9: 3}  # by hand: [CLS] road . traffic light . traffic sign . light . [SEP]
    assert [tokens[i] for i in owner] == ["road", "traffic", "light", "traffic", "sign", "light"]
    theirs = processor.post_process_grounded_object_detection(outputs, threshold=0.0, target_sizes=[(48, 48)] * 2)
    for (boxes, classes), logits, all_boxes in zip(found, outputs.logits, [t["boxes"] for t in theirs], strict=True):
        kept = []
        for query, scores in enumerate(logits.sigmoid()):
            best = max(owner, key=lambda token: float(scores[token]))
            if scores[best] > 0.5:
                kept.append((query, owner[best]))
        assert len(kept) > 0 and classes.tolist() == [c for _, c in kept]
        np.testing.assert_allclose(boxes, all_boxes[[q for q, _ in kept]].numpy(), atol=1e-3)


def test_masks_are_those_of_sam_box_by_box(tiny):
    from bench.foundation.models import Sam

    sam, image = Sam(str(tiny[1]), "tiny", torch.device("cpu")), Shapes(train=1, size=48).image("train", "00000")
    rng = np.random.default_rng(0)
    corners = np.sort(rng.uniform(0, 48, (40, 2, 2)), axis=1)
    boxes = corners.reshape(40, 4).astype(np.float32)
    sam.embed(image)
    masks = sam.masks(boxes)
    assert masks.shape == (40, 48, 48) and masks.dtype == bool
    for box, mask in zip(boxes, masks, strict=True):
        assert (sam.predictor.predict(box=box, multimask_output=False)[0][0] != mask).mean() < 1e-3


def test_background_and_void_by_dataset_and_by_choice(tiny, cityscapes_root, kvasir):
    for dataset, ground in ((Cityscapes(cityscapes_root), 255), (Kvasir(kvasir), 0)):
        outside = lambda more: [labels[areas == 0] for _, labels, areas in grounded(tiny, more).generate(dataset)]  # noqa: B023, E731
        assert all((labels == ground).all() for labels in outside(""))
        assert all((labels == 255).all() for labels in outside(",uncovered=void"))
        for (_, labels, areas), (_, same, filled) in zip(
            grounded(tiny).generate(dataset), grounded(tiny, ",uncovered=superpixels").generate(dataset), strict=True
        ):
            assert (filled > 0).all() and (labels == same).all() and (filled[areas > 0] == areas[areas > 0]).all()
    none = registry.load(
        "foundations",
        f"grounded_sam[detector={tiny[0]},sam={tiny[1]},sam_type=tiny,short_side=64,long_side=96,threshold=1]",
    )
    _, labels, areas = next(none.generate(Kvasir(kvasir)))
    assert (labels == 0).all() and (areas == 0).all()


def test_everything_becomes_a_partition(tiny):
    maker = registry.load("superpixels", f"everything[sam={tiny[1]},sam_type=tiny,points=4,quality=0,stability=0]")
    dataset = Shapes(train=1, size=48)
    found = maker.segment(dataset, "00000")
    assert found.shape == (48, 48) and found.dtype == np.int32 and found.min() >= 1
    assert (found == maker.segment(dataset, "00000")).all()


def test_each_token_belongs_to_the_phrase_it_comes_from(tiny):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny[0])
    asked = [("traffic light", 6), ("traffic sign", 7), ("abc", 2)]
    text, classes = encode(asked, tokenizer, 256)
    words = tokenizer.convert_ids_to_tokens(text["input_ids"][0])
    assert words == ["[CLS]", "traffic", "light", ".", "traffic", "sign", ".", "a", "##b", "##c", ".", "[SEP]"]
    assert classes.tolist() == [-1, 6, 6, -1, 7, 7, -1, 2, 2, 2, -1, -1]
    with pytest.raises(InputError, match="12 tokens, the detector takes 9"):
        encode(asked, tokenizer, 9)


def test_prompts_by_class(pascal_root, cityscapes_root, kvasir):
    asked = phrases(Pascal(pascal_root))
    assert (
        ("dining table", 11) in asked and ("potted plant", 16) in asked and {c for _, c in asked} == set(range(1, 21))
    )
    assert {c for _, c in phrases(Cityscapes(cityscapes_root))} == set(range(19))
    assert phrases(Kvasir(kvasir)) == [("polyp", 1)]
    shapes = Shapes(train=1)
    assert phrases(shapes)[0] == ("apple", 1) and len(phrases(shapes)) == 6
    assert phrases(shapes, "fir: fir tree, Green  Tree # two\n\nsail: sail") == [
        ("fir tree", 3),
        ("green tree", 3),
        ("sail", 6),
    ]
    for text, part in (("fir tree", "line 1"), ("\nfur: x", "'fur'"), ("fir: a\nfir: b", "once"), ("", "no 'class")):
        with pytest.raises(InputError, match=part):
            phrases(shapes, text)


@pytest.mark.parametrize(
    "more, part",
    [
        (",uncovered=all", "uncovered must be"),
        (",batch=0", "batch must be"),
        (",prompts=nowhere.txt", "prompts=nowhere.txt: no such file"),
        (",device=gpu", "expected auto, cpu or cuda"),
    ],
)
def test_parameters_that_cannot_be_used(tiny, more, part):
    with pytest.raises(InputError, match=part):
        grounded(tiny, more)


def test_weights_that_cannot_be_used(tiny, kvasir, tmp_path):
    (tmp_path / "sam.pth").write_bytes(b"no checkpoint")
    for detector, sam, part in ((tiny[0], tmp_path / "sam.pth", "not a checkpoint"), (tmp_path, tiny[1], "detector")):
        source = registry.load("foundations", f"grounded_sam[detector={detector},sam={sam},sam_type=tiny]")
        with pytest.raises(InputError, match=part) as caught:
            next(source.generate(Kvasir(kvasir)))
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="sam_type must be one of"):
        registry.load("foundations", f"grounded_sam[detector={tiny[0]},sam={tiny[1]},sam_type=vit_g]")


def test_the_cache_key_follows_the_weights_not_their_place(tiny, tmp_path):
    moved = tiny_models.write(tmp_path)
    other = tiny_models.write(tmp_path / "other", seed=1)
    dataset = Shapes(train=1)
    keys = [cache_key(grounded(weights), dataset) for weights in (tiny, moved, other)]
    assert keys[0] == keys[1] != keys[2]


def test_a_fit_finds_what_was_simulated(tmp_path):
    dataset = Shapes(train=120, size=128)
    made = dict(miss=0.2, flip=0.3, merge=0, duplicate=0, jitter=0.03, erode=0.06, extra=1.5)
    pseudo = pseudo_labels(Simulated(**made), dataset, tmp_path)
    found = fit_simulated.estimate(dataset, pseudo)
    assert found["miss"] == pytest.approx(0.2, abs=0.06) and found["flip"] == pytest.approx(0.3, abs=0.07)
    assert found["erode"] == pytest.approx(0.06, abs=0.02) and found["extra"] == pytest.approx(1.5, abs=0.5)
    assert found["merge"] < 0.03 and np.allclose(np.sum(found["confusion"], axis=1), 1)
    measured = quality.measure(dataset, pseudo)
    again = quality.measure(dataset, Simulated(**found).generate(dataset))
    for name in ("data_miou", "covered", "per_image_mean", "wrong"):
        assert again[name] == pytest.approx(measured[name], rel=0.15), name


def test_the_fit_of_the_released_files_is_committed_and_fits_any_classes(pascal_root, kvasir):
    like = Simulated(like="pascal")
    assert len(like.confusion) == 21 and like.classes == Pascal.classes
    assert len(list(like.generate(Pascal(pascal_root)))) == 3
    dataset = Shapes(train=10)
    for name, labels, superpixels in like.generate(dataset):
        foundation.check_maps(labels, superpixels, dataset, name, "here")
    with pytest.raises(InputError, match="like=pascal sets miss too"):
        Simulated(like="pascal", miss=0.5)
    with pytest.raises(InputError, match="no fit; there are: pascal"):
        Simulated(like="pascla")


def test_the_fit_writes_parameters_and_a_table(tmp_path, monkeypatch, capsys):
    dataset = "shapes[train=20,size=48]"
    monkeypatch.setenv("ALC_BENCH_CACHE", str(tmp_path / "cache"))
    assert commands.main(["quality", "--dataset", dataset, "--foundation", "simulated", "--json"]) == 0
    (made,) = (tmp_path / "cache").iterdir()
    out = tmp_path / "mine.json"
    assert fit_simulated.main([str(made), "--dataset", dataset, "--out", str(out)]) == 0
    assert "ratio" in capsys.readouterr().out and out.with_suffix(".csv").read_text().startswith("measure,measured,")
    assert commands.main(["quality", "--dataset", dataset, "--foundation", f"simulated[like={out}]"]) == 0
    with pytest.raises(InputError, match=r"must end in \.json"):
        fit_simulated.main([str(made), "--dataset", dataset, "--out", str(tmp_path / "mine")])


@pytest.mark.parametrize("option", ["--detector", "--sam", "--sam-type", "--prompts"])
def test_an_option_that_the_foundation_does_not_take_is_refused(tmp_path, capsys, option):
    command = ["prepare", "--dataset", "shapes[train=4,size=32]", "--foundation", "simulated", option, "x"]
    assert commands.main([*command, "--out", str(tmp_path / "made")]) == 2
    said = capsys.readouterr().err.strip()
    assert f"{option} has no effect on the foundation 'simulated'" in said and "\n" not in said


def test_any_foundation_can_be_written_to_files(tmp_path, capsys):
    command = [
        "prepare",
        "--dataset",
        "shapes[train=4,size=32]",
        "--foundation",
        "recut[of=simulated,superpixels=grid]",
    ]
    assert commands.main([*command, "--out", str(tmp_path / "made")]) == 0
    back = Files(tmp_path / "made").generate(Shapes(train=4, size=32))
    made = registry.load("foundations", command[4]).generate(Shapes(train=4, size=32))
    for (_, labels, areas), (_, *maps) in zip(back, made, strict=True):
        assert (labels == maps[0]).all() and same_areas(areas, maps[1])
    command[4] = f"files[root={tmp_path / 'made'}]"
    assert commands.main([*command, "--out", str(tmp_path / "again")]) == 2


def test_half_precision_where_a_gpu_would_use_it_changes_little(tiny, kvasir, monkeypatch):
    dataset = Kvasir(kvasir)
    maker = f"everything[sam={tiny[1]},sam_type=tiny,points=4,quality=0,stability=0]"
    full = next(grounded(tiny).generate(dataset))
    autocast = torch.autocast
    monkeypatch.setattr(torch, "autocast", lambda device, dtype, enabled: autocast(device, dtype))
    half = next(grounded(tiny).generate(dataset))
    assert half[1].dtype == np.uint8 and (full[1] != half[1]).mean() < 0.5
    assert registry.load("superpixels", maker).segment(dataset, full[0]).min() >= 1
