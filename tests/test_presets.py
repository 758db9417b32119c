"""The papers' recipes: whole, refused without their weights, and able to take a step at full crop size."""

import re

import pytest
import torch
from mmengine.config import Config
from problems import setup_of

from bench import commands, compat, registry
from bench.datasets import cityscapes, kvasir, pascal
from bench.learners.config import PRESETS, WEIGHTS_KEY, preset_file
from bench.learners.mmseg import Mmseg
from bench.types import VOID, InputError

pytestmark = pytest.mark.slow

DATASETS = {"pascal": pascal.Pascal, "cityscapes": cityscapes.Cityscapes, "kvasir": kvasir.Kvasir}
RECIPES = {  # preset and dataset: learning rate, batch, crop
    ("paper", "pascal"): (0.01, 16, 513),
    ("paper", "cityscapes"): (0.05, 8, 768),
    ("paper", "kvasir"): (0.01, 16, 513),
    ("a2lc", "pascal"): (0.1, 16, 513),
    ("a2lc", "cityscapes"): (0.05, 8, 768),
}
WIDTH = 8  # of the first stage, instead of 64: the smallest network of the same build
SMALL = f"""
_base_ = {str(PRESETS)!r} + "/PRESET-DATASET.py"
max_iters = 1
batch_size = 2
num_workers = 0
model = dict(
    backbone=dict(depth=18, base_channels={WIDTH}, stem_channels={WIDTH}),
    decode_head=dict(in_channels={8 * WIDTH}, c1_in_channels={WIDTH}, channels=16, c1_channels=8),
)
"""


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file as torchvision's, of a small network: without heads, with a classifier that nobody needs."""
    compat.install()
    from mmseg.models.backbones import ResNet

    net = ResNet(18, base_channels=WIDTH, stem_channels=WIDTH)
    state = {k: v for k, v in net.state_dict().items() if "num_batches" not in k}
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(state | {"fc.weight": torch.zeros(1000, 512)}, path)
    return path


@pytest.fixture
def small(weights, monkeypatch, tmp_path):
    """The path of a preset that is a paper's, made small, but for its steps at full size."""
    monkeypatch.setenv("ALC_BENCH_RESNET101", str(weights))

    def write(preset, dataset):
        path = tmp_path / f"small-{preset}-{dataset}.py"
        path.write_text(SMALL.replace("PRESET", preset).replace("DATASET", dataset))
        return str(path)

    return write


@pytest.mark.parametrize(("preset", "dataset"), RECIPES)
def test_the_recipe_is_the_papers(preset, dataset):
    config = Config.fromfile(str(preset_file(preset, dataset)))
    assert (config.model.backbone.type, config.model.backbone.depth) == ("ResNet", 101)
    optimizer = config.optim_wrapper.optimizer
    crop = next(step for step in config.train_pipeline if step.type == "RandomCrop").crop_size
    assert (optimizer.lr, config.batch_size, crop[0]) == RECIPES[preset, dataset]
    assert crop == config.model.data_preprocessor.size and crop[0] == crop[1]
    assert (optimizer.type, optimizer.momentum, optimizer.weight_decay) == ("SGD", 0.9, 1e-4)
    assert config.optim_wrapper.paramwise_cfg.custom_keys.backbone.lr_mult == 0.1
    assert config.max_iters == 30000 and config.param_scheduler[0].power == 0.9
    assert config.model.data_preprocessor.seg_pad_val == VOID
    scales = [step.ratio_range for step in config.train_pipeline if step.type == "RandomResize"]
    assert scales == ([] if dataset == "cityscapes" else [(0.5, 2.0)])


@pytest.mark.parametrize(("dataset", "n_classes"), [("pascal", 21), ("cityscapes", 19), ("kvasir", 2)])
def test_one_step_at_full_crop_size_on_the_datasets_own_layout(dataset, n_classes, small, weights, request, tmp_path):
    data = DATASETS[dataset](request.getfixturevalue(f"{dataset}_root"))
    trainer, names = Mmseg(small("paper", dataset), dataset, n_classes, "cpu"), data.names("train")
    samples, sizes = [(data.image("train", name), data.truth("train", name)) for name in names], []
    build = trainer.build

    def watched():
        model = build()
        model.backbone.register_forward_pre_hook(lambda _, inputs: sizes.append(tuple(inputs[0].shape)))
        return model

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "build", watched)
        model = trainer.fit(samples, 0, tmp_path / "logs")
    crop = RECIPES["paper", dataset][2]
    assert sizes == [(2, 3, crop, crop)]
    found = next(trainer.predict(model, [samples[0][0]])).logits
    assert found.shape[0] == n_classes and torch.isfinite(found).all()
    first = torch.load(weights)["layer4.1.conv2.weight"]
    moved = (model.backbone.state_dict()["layer4.1.conv2.weight"] - first).abs().max()
    assert 0 < moved < 0.1  # it began at the file's weights, and has learned


def test_without_weights_it_is_refused(monkeypatch):
    monkeypatch.delenv("ALC_BENCH_RESNET101", raising=False)
    with pytest.raises(InputError, match="starts from weights in a file") as caught:
        Mmseg("paper", "pascal", 21, "cpu")
    assert "\n" not in str(caught.value) and "model.backbone.init_cfg.checkpoint=FILE" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"not weights", "lacking", "other"])
def test_weights_that_do_not_fit_are_refused(small, weights, tmp_path, content):
    file = tmp_path / "weights.pth"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        state = torch.load(weights)
        removed = state.pop("layer3.0.conv1.weight")
        torch.save(state | ({"layer3.0.conv1.weight": removed[:1]} if content == "other" else {}), file)
    with pytest.raises(InputError, match=re.escape(str(file))) as caught:
        Mmseg(small("paper", "pascal"), "pascal", 21, "cpu", {WEIGHTS_KEY: str(file)})
    assert "\n" not in str(caught.value)


def test_where_the_weights_lie_is_no_part_of_the_protocol_but_what_they_are_is(small, weights, tmp_path, pascal_root):
    def protocol(file):
        preset = dict(preset=small("paper", "pascal"), cfg_options={WEIGHTS_KEY: str(file)})
        return setup_of("pascal", "preset", foundation="simulated", data_root=str(pascal_root), **preset).protocol()

    moved, changed = tmp_path / "a.pth", tmp_path / "b.pth"
    moved.write_bytes(weights.read_bytes())
    torch.save(torch.load(weights) | {"conv1.weight": torch.zeros(WIDTH, 3, 7, 7)}, changed)
    assert protocol(moved) == protocol(weights) != protocol(changed)


@pytest.mark.parametrize("name", ["paper-pascal", "paper-cityscapes", "paper-kvasir", "a2lc-pascal", "a2lc-cityscapes"])
def test_the_command_in_its_docstring_is_one(name):
    text = (PRESETS / f"{name}.py").read_text()
    command = re.search(r"    alc-bench (run .*?)\n(?:\n|\"\"\")", text, re.DOTALL)[1].replace("\\\n", " ")
    args = commands.parser(["run"]).parse_args(command.split())
    assert f"{args.preset}-{args.dataset}" == name
    oracle = registry.load("oracles", args.oracle[0])
    assert oracle.void == (VOID,)  # as both releases write it: audit, row 17
    strategies = [registry.load_strategy(name)[0] for name in args.strategy]
    assert all(strategy.question in oracle.kinds for strategy in strategies)


def test_a_recipe_does_not_say_where_imported_code_lies(tmp_path):
    path, imports = tmp_path / "same.py", 'custom_imports = dict(imports=["bench.learners.presets._head"])'
    path.write_text(f"_base_ = {str(PRESETS / 'smoke.py')!r}\n{imports}\n")
    assert Mmseg(str(path), "shapes", 6, "cpu").recipe() == Mmseg("smoke", "shapes", 6, "cpu").recipe()
