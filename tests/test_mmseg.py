"""Training and prediction behind one door: the seed decides every bit, and nothing else does."""

from pathlib import Path

import numpy as np
import pytest
import torch

from bench import seeds
from bench.learners.config import preset_file
from bench.learners.mmseg import Mmseg
from bench.types import VOID, InputError

pytestmark = pytest.mark.slow

N_CLASSES = 3
TINY = Path(__file__).parent / "tiny_preset.py"


def pictures(n, size=(32, 48)):
    """Images of two colours, and labels that say which, with a void corner."""
    rng = seeds.generator(0, "pictures")
    samples = []
    for _ in range(n):
        labels = np.zeros(size, np.uint8)
        labels[rng.integers(8, 24) :, rng.integers(8, 40) :] = 1
        image = np.where(labels[..., None] == 1, (200, 60, 60), (40, 90, 160)) + rng.normal(0, 10, (*size, 3))
        labels[0, 0] = VOID
        samples.append((image.clip(0, 255).astype(np.uint8), labels))
    return samples


def trainer(**options):
    options = dict(input_size=[32, 48], max_iters=2) | options
    return Mmseg(str(TINY), "shapes", N_CLASSES, "cpu", options)


@pytest.fixture(scope="module")
def samples():
    torch.set_num_threads(1)
    return pictures(6)


@pytest.fixture(scope="module")
def fitted(samples, tmp_path_factory):
    door = trainer()
    return door, door.fit(samples, 5, tmp_path_factory.mktemp("logs"))


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def test_the_seed_decides_every_bit(fitted, samples, tmp_path):
    first = weights(fitted[1])
    torch.rand(7)  # what else is drawn in the process does not matter, nor does another trainer
    again = trainer().fit(samples, 5, tmp_path)
    assert same(first, weights(again))
    assert not same(first, weights(trainer().fit(samples, 6, tmp_path)))


def test_labels_are_learnt_and_void_carries_no_loss(samples, tmp_path):
    door = trainer(max_iters=30)
    steps = []
    model = door.fit(samples, 0, tmp_path / "a", on_step=steps.append)
    assert sum(steps) == door.n_steps == 30
    predictions = [p.logits.argmax(0).numpy() for p in door.predict(model, [image for image, _ in samples])]
    truths = [cut(labels, p.shape) for (_, labels), p in zip(samples, predictions, strict=True)]
    assert np.mean([(t == p).mean() for t, p in zip(truths, predictions, strict=True)]) > 0.8
    void = [(image, np.full_like(labels, VOID)) for image, labels in samples]
    one = door.fit(void, 0, tmp_path / "b")
    noise = [(255 - image, np.full_like(labels, VOID)) for image, labels in samples]
    other = door.fit(noise, 0, tmp_path / "c")
    parameters = [dict(m.named_parameters()) for m in (one, other)]
    assert all(torch.equal(parameters[0][name], parameters[1][name]) for name in parameters[0])


def cut(labels, shape):
    """As many labels as the network predicts."""
    row, column = labels.shape[0] // shape[0], labels.shape[1] // shape[1]
    return labels[row // 2 :: row, column // 2 :: column]


def test_a_cold_start_forgets_and_a_warm_one_goes_on(fitted, samples, tmp_path):
    model = fitted[1]
    frozen = trainer(**{"optim_wrapper.optimizer.lr": 0.0, "optim_wrapper.optimizer.weight_decay": 0.0})
    frozen.config.param_scheduler[0]["eta_min"] = 0.0
    warm = frozen.fit(samples, 9, tmp_path, start=model)
    parameters = dict(warm.named_parameters())
    assert all(torch.equal(parameters[name], value) for name, value in model.named_parameters())
    assert warm is not model
    cold = dict(frozen.fit(samples, 9, tmp_path).named_parameters())
    assert not all(torch.equal(cold[name], value) for name, value in model.named_parameters())


def test_predictions_come_in_order_whatever_the_batches(fitted, samples):
    door, model = fitted
    images = [image for image, _ in samples]
    together = list(door.predict(model, images, features=True))
    assert len(together) == len(images)
    for image, prediction in zip(images, together, strict=True):
        (alone,) = door.predict(model, [image])
        assert prediction.logits.shape[0] == N_CLASSES and prediction.logits.dtype == torch.float32
        torch.testing.assert_close(prediction.logits, alone.logits, rtol=1e-4, atol=1e-5)
        assert prediction.features.shape[1:] == prediction.logits.shape[1:]
        assert alone.features is None and alone.passes is None
    assert list(door.predict(model, [])) == []


def test_prediction_holds_one_batch_at_a_time(fitted, samples):
    door, model = fitted
    read = []

    def images():
        for image, _ in samples:
            read.append(1)
            yield image

    predictions = door.predict(model, images())
    next(predictions)
    assert len(read) <= door.config.batch_size + 1


def test_images_of_several_sizes(fitted, samples):
    own = trainer(input_size=None)
    model = own.build()
    model.load_state_dict(fitted[1].state_dict())
    images = [samples[0][0], np.zeros((64, 32, 3), np.uint8), samples[1][0]]
    shapes = [tuple(p.logits.shape[1:]) for p in own.predict(model, images)]
    assert shapes[0] == shapes[2] != shapes[1]
    fixed = [tuple(p.logits.shape[1:]) for p in fitted[0].predict(fitted[1], images)]
    assert len(set(fixed)) == 1


def test_a_mirrored_pass_is_the_prediction_of_the_mirrored_image_mirrored_back(fitted, samples):
    door, model = fitted
    image = samples[0][0]
    (prediction,) = door.predict(model, [image], passes=((1, True), (1, False), (2, False)))
    (mirrored,) = door.predict(model, [np.ascontiguousarray(image[:, ::-1])])
    torch.testing.assert_close(prediction.passes[0], mirrored.logits.flip(-1), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(prediction.passes[1], prediction.logits, rtol=1e-4, atol=1e-5)
    assert prediction.passes[2].shape[1] == 2 * prediction.logits.shape[1]


def test_a_saved_model_is_the_same_model(fitted, samples, tmp_path):
    door, model = fitted
    door.save(model, tmp_path / "model.pth")
    assert same(weights(trainer().load(tmp_path / "model.pth")), weights(model))


def test_the_log_goes_to_a_file_and_not_to_the_terminal(samples, tmp_path, capfd):
    trainer().fit(samples, 0, tmp_path)
    assert capfd.readouterr().out == ""
    assert list(tmp_path.rglob("*.log"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("smok", "shapes", 3, "cpu"), "unknown preset 'smok'.*; there are: .*smoke"),
        (("smoke.py", "shapes", 3, "cpu"), r"unknown preset 'smoke\.py'"),
        (("smoke", "shapes", 3, "cpu", {"max_iter": 1}), "--cfg-options: the preset has no 'max_iter'"),
        (("smoke", "shapes", 3, "cpu", {"model.depth.x": 1}), "the preset has no 'model.depth.x'"),
        (("smoke", "shapes", 3, "cpu", {"max_iters.x": 1}), "the preset has no 'max_iters.x'"),
        (("smoke", "shapes", 3, "cpu", {"": 1}), "the preset has no ''"),
        (("smoke", "shapes", 3, "gpu"), "--device gpu: "),
        (("smoke", "shapes", 3, ""), "--device : "),
        (("smoke", "shapes", 3, "cuda:99"), "--device cuda:99: "),
        (("smoke", "shapes", 3, "meta"), "--device meta"),
    ],
)
def test_what_there_is_not(arguments, said):
    with pytest.raises(InputError, match=said) as caught:
        Mmseg(*arguments)
    assert "\n" not in str(caught.value)


def test_a_preset_for_the_dataset_goes_first():
    assert preset_file("cpu", "shapes").name == "cpu-shapes.py"
    assert preset_file("smoke", "shapes").name == preset_file("smoke", "pascal").name == "smoke.py"


def test_a_preset_may_be_a_file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(f"_base_ = {str(preset_file('smoke', 'shapes'))!r}\nmax_iters = 3\n")
    door = Mmseg(str(path), "shapes", 5, "cpu")
    assert door.n_steps == 3
    assert door.config.model.decode_head.num_classes == 5


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("max_iters", 0),
        ("max_iters", "many"),
        ("batch_size", -1),
        ("batch_size", 1.5),
        ("input_size", 32),
        ("input_size", [0, 32]),
        ("model", None),
        ("model.type", "NoSuchNetwork"),
        ("model.backbone.depth", 7),
        ("model.decode_head.in_channels", "three"),
        ("optim_wrapper.optimizer.type", "NoSuchOptimizer"),
        ("optim_wrapper.optimizer.lr", "fast"),
        ("train_pipeline", [{"type": "NoSuchTransform"}]),
    ],
)
def test_options_that_cannot_be_built_are_said_at_once(key, value):
    with pytest.raises(InputError, match=rf"tiny_preset\.py with --cfg-options {key} cannot be built: ") as caught:
        Mmseg(str(TINY), "shapes", N_CLASSES, "cpu", {key: value})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["max_iters = (", "import no_such_module", "x = 1\n", "model = 3\nmax_iters = 2\n"])
def test_a_preset_that_is_none_is_one_line(tmp_path, text):
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(InputError, match=str(path)) as caught:
        Mmseg(str(path), "shapes", 5, "cpu")
    assert "\n" not in str(caught.value)
