"""Quality: hand-computed values, the released files' figures, and both forms of the command."""

import json

import numpy as np
import pytest
from trees import save

from bench import commands
from bench.commands import quality
from bench.datasets.folder import Folder
from bench.datasets.pascal import Pascal
from bench.foundation.files import Files
from bench.foundation.pseudo import PseudoLabels

pytestmark = pytest.mark.slow

TRUTH = np.array([[0, 0, 1, 1], [0, 0, 1, 255], [2, 2, 2, 2]], np.uint8)
LABELS = np.array([[0, 0, 2, 2], [0, 1, 2, 2], [0, 255, 1, 2]], np.uint8)
SUPERPIXELS = np.array([[0, 0, 7, 7], [0, 300, 7, 7], [0, 0, 9, 9]], np.uint16)


@pytest.fixture
def hand_made(tmp_path):
    for kind, split in (("annotations", "train"), ("annotations", "val")):
        save(tmp_path / "data" / kind / split / "a.png", TRUTH)
    (tmp_path / "data" / "classes.txt").write_text("background\ncat\ndog\n")
    save(tmp_path / "made" / "mask_jpg" / "a.png", LABELS)
    save(tmp_path / "made" / "obj_jpg" / "a.png", SUPERPIXELS)
    return tmp_path


def test_by_hand(hand_made):
    found = quality.measure(Folder(hand_made / "data"), PseudoLabels(hand_made / "made", ("a",)))
    # background: 3 of 4 truth + 1 label; cat: 0; dog: 1 of 4 truth + 3 labels; 4 right of 11.
    assert found["data_miou"] == pytest.approx((3 / 5 + 0 + 1 / 7) / 3)
    assert found["data_miou_labelled"] == pytest.approx((3 / 5 + 0 + 1 / 6) / 3)
    assert found["data_accuracy"] == pytest.approx(4 / 11)
    # superpixel 7 becomes cat (the void pixel does not count), 300 background, 9 dog; 0 keeps its labels.
    assert found["ceiling_miou"] == pytest.approx((4 / 5 + 3 / 3 + 2 / 4) / 3)
    assert found["covered"] == pytest.approx(7 / 12)
    assert (found["n_superpixels"], found["per_image_max"], found["n_single_pixel"]) == (3, 3, 1)
    assert (found["size_median_px"], found["size_max_px"]) == (2, 4)
    assert found["wrong"] == 1 and found["mixed"] == pytest.approx(1 / 3)
    assert set(found) == set(quality.ROWS)


def test_a_superpixel_of_void_truth_keeps_its_label_and_no_superpixels_are_no_error(hand_made):
    save(hand_made / "made" / "obj_jpg" / "a.png", (TRUTH == 255).astype(np.uint8))
    found = quality.measure(Folder(hand_made / "data"), PseudoLabels(hand_made / "made", ("a",)))
    assert found["ceiling_miou"] == found["data_miou"] and found["n_superpixels"] == 1
    save(hand_made / "made" / "obj_jpg" / "a.png", np.zeros((3, 4), np.uint8))
    found = quality.measure(Folder(hand_made / "data"), PseudoLabels(hand_made / "made", ("a",)))
    assert (found["covered"], found["n_superpixels"], found["wrong"], found["size_max_px"]) == (0, 0, 0, 0)


def test_the_released_pascal_files(real_data):
    dataset = Pascal(real_data / "pascal-voc" / "VOCdevkit")
    pseudo = PseudoLabels(Files(real_data / "pascal-voc" / "grounded-sam").folder, dataset.names("train"))
    found = quality.measure(dataset, pseudo)
    assert found["data_miou"] == pytest.approx(0.55067, abs=5e-6)
    assert found["n_superpixels"] == 11257 and found["n_single_pixel"] == 216
    assert found["covered"] == pytest.approx(0.367, abs=5e-4)
    assert found["wrong"] == pytest.approx(8123 / 11257) and found["mixed"] == 0
    assert found["ceiling_miou"] == pytest.approx(0.90854, abs=5e-6)
    assert (found["per_image_median"], found["per_image_max"], found["size_median_px"]) == (5, 82, 736)


def test_the_command_prints_a_table_or_json_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ALC_BENCH_CACHE", str(tmp_path))
    command = ["quality", "--dataset", "shapes[train=4,size=32]", "--foundation", "simulated"]
    assert commands.main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["foundation"] == "simulated" and found["n_images"] == 4
    assert commands.main(command) == 0
    assert f"{found['ceiling_miou']:.5f}" in capsys.readouterr().out
    assert commands.main(["quality", "--dataset", "shapes", "--foundation", "simulatd"]) == 2
    assert "did you mean 'simulated'" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--rounds", "--budget", "--learner", "--preset", "--model", "--scores", "--start"])
def test_settings_without_effect_are_refused(option, capsys):
    assert commands.main(["quality", "--dataset", "shapes", option, "1"]) == 2
    assert f"unrecognized arguments: {option}" in capsys.readouterr().err
