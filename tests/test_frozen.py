"""Frozen features: an image is seen once, files are whole or made again, a head learns shares of classes from them."""

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from safetensors.torch import save_file

from bench import compat
from bench.experiment.problem import Setup
from bench.experiment.settings import Settings
from bench.learners import Images, Pairs
from bench.learners.config import PRESETS
from bench.learners.frozen import Features, fit_head, shares, stacked
from bench.learners.probe import Probe
from bench.types import InputError

IMAGE = torch.arange(24, dtype=torch.uint8).reshape(3, 2, 4)
MINE = f"""
_base_ = {str(PRESETS / "probe.py")!r}
pretrained = None
model = dict(
    backbone=dict(model_name="mobilenetv2_050", init_cfg=dict(type="Pretrained", checkpoint="")),
    decode_head=dict(in_channels=[16, 48, 160]),
)
"""
SMALL = {"max_iters": 4, "batch_size": 2, "input_size": (64, 64), "param_scheduler": []}


def test_shares_of_classes_in_the_cells_of_a_grid():
    labels = np.array([[0, 0, 1, 1], [0, 1, 1, 255], [2, 2, 255, 255]], np.uint8)
    found = shares(labels, (2, 2), 3)  # rows 0 and 1 are one cell, row 2 another
    assert found.tolist() == [[[0.75, 0], [0, 0]], [[0.25, 0.75], [0, 0]], [[0, 0], [1, 0]]]
    assert np.allclose(shares(labels, (1, 1), 3).ravel(), np.array([3, 4, 2]) / 12)


@pytest.mark.parametrize("damage", ["none", "flip", "cut", "empty", "remove", "method"])
def test_an_image_is_seen_once_and_a_damaged_file_is_made_again(tmp_path, damage):
    seen = []

    def see(images):
        seen.append(images.shape)
        return [images.float(), images[..., ::2].float() / 256]

    key = Features.key(IMAGE)
    made = Features(see, tmp_path).of(key, lambda: IMAGE)
    (path,) = tmp_path.glob("*.npz")
    whole = path.read_bytes()
    at = whole.index(np.float16(9).tobytes())
    changed = whole[:at] + b"\xff" + whole[at + 1 :]
    if damage == "remove":
        path.unlink()
    else:
        at = whole.rindex(b"PK\x01\x02") + 10
        method = whole[:at] + b"\x40" + whole[at + 1 :]
        path.write_bytes(dict(none=whole, flip=changed, cut=whole[:-90], empty=b"", method=method)[damage])
    again = Features(see, tmp_path).of(key, lambda: IMAGE)
    assert len(seen) == (1 if damage == "none" else 2) and path.read_bytes() == whole
    for a, b in zip(made.maps, again.maps, strict=True):
        assert a.dtype == np.float16 and np.array_equal(a, b)
    assert [tuple(level.shape) for level in stacked([made, again], torch.device("cpu"))] == [(2, 3, 2, 4), (2, 3, 2, 2)]


def test_a_key_belongs_to_pixels_and_shape():
    assert len({Features.key(x) for x in (IMAGE, IMAGE + 1, IMAGE.reshape(3, 4, 2), IMAGE.flip(-1).contiguous())}) == 4


@pytest.fixture(scope="module")
def probe(tmp_path_factory):
    return Probe("probe", "hand", 3, "cpu", SMALL, str(tmp_path_factory.mktemp("cache")))


def saved(learner, model, folder):
    with open(folder / "model.pth", "wb") as file:
        learner.save(model, file)
    return folder / "model.pth"


@pytest.fixture(scope="module")
def samples():
    rng = np.random.default_rng(0)
    return [(rng.integers(0, 256, (40, 50, 3), np.uint8), rng.integers(0, 3, (40, 50), np.uint8)) for _ in range(3)]


def test_a_probe_predicts_what_backbone_and_head_give(probe, samples, tmp_path):
    model = probe.fit(samples, 3, tmp_path)
    image = samples[0][0]
    (found,) = probe.predict(model, [image], features=True, passes=[(1.0, False)])
    assert found.logits.shape == (3, 8, 8) and found.features.shape == (64, 8, 8)
    torch.testing.assert_close(found.logits, found.passes[0], rtol=0.02, atol=0.02)  # kept in half precision


def test_a_seed_decides_a_probe_and_a_file_holds_it_whole(probe, samples, tmp_path):
    def logits(model):
        return torch.stack([p.logits for p in probe.predict(model, [image for image, _ in samples])])

    model, steps = probe.fit(samples, 3, tmp_path), []
    again = probe.fit(samples, 3, tmp_path, None, steps.append)
    assert steps == [1] * 4 and torch.equal(logits(model), logits(again))
    assert not torch.equal(logits(model), logits(probe.fit(samples, 4, tmp_path)))
    assert not torch.equal(logits(model), logits(probe.fit(samples, 3, tmp_path, start=model)))
    file = saved(probe, model, tmp_path)
    assert torch.equal(logits(model), logits(probe.load(file)))
    assert file.stat().st_size < 2**20 > probe.model_bytes()  # the backbone is in a package


def test_the_head_is_that_of_segformer(probe):
    """With the same weights it gives the same logits; mmsegmentation mixes the levels when all are of one size."""
    from mmseg.models.decode_heads import SegformerHead

    head = probe.build().decode_head
    n = head.channels
    given = dict(in_channels=head.in_channels, in_index=head.in_index, channels=n, num_classes=3, dropout_ratio=0.0)
    twin = SegformerHead(**given, norm_cfg=dict(type="BN"), align_corners=False)
    for part in [*head.modules(), *twin.modules()]:
        if isinstance(part, torch.nn.modules.batchnorm._BatchNorm):
            part.reset_parameters()
    head.init_weights()
    twin.conv_seg.load_state_dict(head.conv_seg.state_dict())
    with torch.no_grad():
        for conv, level in zip(twin.convs, head.levels, strict=True):
            conv.conv.weight[:] = level[0].weight[..., None, None]
        twin.fusion_conv.conv.weight[:] = torch.cat([m.weight for m in head.mixes], 1)[..., None, None]
    levels = [torch.randn(2, c, size, size + 2) for c, size in zip(head.in_channels, (12, 6, 3), strict=True)]
    torch.testing.assert_close(head.train()(levels), twin.train()(levels), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("preset", "context"), [("probe", False), ("cpu", True)])
def test_with_context_every_place_hears_of_the_whole_image(preset, context):
    head = Probe(preset, "pascal", 21, "cpu").build().decode_head.eval()
    head.init_weights()
    levels = [torch.randn(2, c, size, size) for c, size in zip(head.in_channels, (12, 6, 3), strict=True)]
    elsewhere = [level.clone() for level in levels]
    elsewhere[-1][..., -1, -1] += 10
    with torch.no_grad():
        changed = (head(levels) != head(elsewhere)).any(1)
    assert changed[:, 8:, 8:].all() and bool(changed[:, :4, :4].any()) == context


def test_images_are_read_once_however_often_they_are_learnt_and_predicted(probe, samples, tmp_path):
    read = []
    images = Images(lambda i: read.append(i) or samples[i][0], 3)
    pairs = Pairs(images, lambda i: samples[i][1])
    for _ in range(2):
        model = probe.fit(pairs, 3, tmp_path)
        of_images = [p.logits for p in probe.predict(model, images)]
    assert sorted(read) == [0, 1, 2]
    of_list = [p.logits for p in probe.predict(model, [image for image, _ in samples])]
    assert all(map(torch.equal, of_images, of_list))


class Pixel(torch.nn.Module):
    """Two classes; a place's odds are a line of what its own pixel is."""

    def __init__(self):
        super().__init__()
        self.num_classes, self.line = 2, torch.nn.Parameter(torch.zeros(2))

    def forward(self, levels):
        x = self.line[0] + self.line[1] * levels[0][:, :1]
        return torch.cat([x, 0 * x], 1)


def learnt(image: np.ndarray, labels: np.ndarray, **words) -> torch.Tensor:
    """(h, w) the log odds of class 0 that `fit_head` teaches `Pixel` on one image (H, W, 3) in [0, 1]."""
    optimizer = dict(optimizer=dict(type="AdamW", lr=0.05, weight_decay=0.0))
    config = ConfigDict(max_iters=400, batch_size=2, optim_wrapper=optimizer, param_scheduler=[], **words)
    head, features = Pixel(), Features(lambda images: [images.float()], None)

    def as_tensor(image):
        return torch.from_numpy(image.transpose(2, 0, 1).copy())

    fit_head(head, features, [(image, labels)], as_tensor, config, 0, torch.device("cpu"), lambda n: None)
    with torch.no_grad():
        return torch.sub(*head.forward([as_tensor(image)[None].float()])[0])


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_a_rare_class_weighs_its_share_to_the_minus_power(power):
    """Of features that are equal, a head learns the odds: 8 to 1 become 8 to 1 to the power 1 - ``power``."""
    labels = np.uint8([[0, 0, 0, 0, 0, 0, 0, 0, 1, 255]])
    found = learnt(np.zeros((1, 10, 3), np.uint8), labels, balanced=power)
    assert found.exp().numpy() == pytest.approx(8 ** (1 - power), rel=0.02)


@pytest.mark.parametrize("mirrored", [False, True])
def test_mirrored_images_have_mirrored_labels(mirrored):
    image, labels = np.zeros((1, 4, 3), np.uint8), np.uint8([[0, 1, 1, 1]])
    image[0, 0] = 1
    assert (learnt(image, labels, mirrored=mirrored) > 2).tolist() == [[True, False, False, False]]


def test_a_frozen_backbone_needs_weights():
    with pytest.raises(InputError, match="a frozen backbone needs weights"):
        Probe("probe", "hand", 3, "cpu", {"pretrained": None})


@pytest.mark.parametrize("form", ["mmseg.pth", "timm.pth", "timm.safetensors"])
def test_a_frozen_backbone_has_the_weights_of_its_file(tmp_path, samples, form):
    compat.install()
    import timm

    torch.manual_seed(3)
    weights = timm.create_model("mobilenetv2_050", features_only=True).state_dict()
    file = tmp_path / form
    if form == "timm.safetensors":
        save_file({k: v for k, v in weights.items()}, file)
    else:
        torch.save({form.startswith("mmseg") * "timm_model." + k: v for k, v in weights.items()}, file)
    preset = tmp_path / "mine.py"
    preset.write_text(MINE)
    learner = Probe(str(preset), "hand", 3, "cpu", SMALL | {"model.backbone.init_cfg.checkpoint": str(file)})
    model = learner.fit(samples, 0, tmp_path)
    for found in (model, learner.load(saved(learner, model, tmp_path))):
        assert all(torch.equal(v, weights[k]) for k, v in found.backbone.timm_model.state_dict().items())
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(InputError, match=f"{form}: not a file of weights"):
        learner.build()


def test_weak_labels_are_the_same_whatever_the_run_trains(tmp_path):
    def folder(foundation, **settings):
        where = dict(dataset="shapes[train=4,val=2]", cache=str(tmp_path), foundation=foundation, device="cpu")
        return Setup.of(Settings(**where, **settings)).pseudo_folder

    weak = "weak[n=2]"
    assert folder(weak, preset="smoke") == folder(weak, preset="cpu") == folder(weak, model="none")
    assert folder(weak) != folder("weak[n=2,preset=smoke]")
