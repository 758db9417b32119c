"""What is measured of annotators, by hand; and the real people of BU-BIL laid out, run and measured."""

import lay_out_bu_bil
import measure_annotators
import numpy as np
import pandas as pd
import pytest
from trees import save

from bench.types import InputError


def test_shares_and_correlation_by_hand():
    """Two people on four superpixels: the label shown is 1, and wrong in the last two; the truth there is 0."""
    answers = pd.DataFrame({
        "wrong": [False, False, True, True],
        "pure": [True, False, False, False],
        "shown": [1, 1, 1, 1],
        "said1": [1, 0, 1, 0],
        "errs1": [False, True, True, False],
        "said2": [1, 1, 1, -1],
        "errs2": [False, False, True, True],
    })  # fmt: skip
    found = measure_annotators.summary(answers)
    assert found["errs"] == 0.5 and found["pure"] == 0 and found["mixed"] == pytest.approx(2 / 3)
    assert found["accepts"] == 0.5  # of four answers to wrong labels, one of each person confirms
    assert found["rejects"] == 0.25 and found["again"] == 0.5
    assert found["correlation"] == 0  # each errs in two of four, together in one
    alone = measure_annotators.summary(answers.drop(columns=["said2", "errs2"]))
    assert alone["people"] == 1 and np.isnan(alone["correlation"])


@pytest.fixture
def cells(tmp_path):
    """Twelve images of a square in the layout of BU-BIL. Workers from the third on see it a column to the left."""
    image = np.zeros((12, 12), np.uint8)
    image[3:9, 3:9] = 200
    for i in range(12):
        save(tmp_path / "source" / "images" / f"c{i:02d}.png", image + i)
        for k, folder in enumerate(("gold", *lay_out_bu_bil.WORKERS)):
            save(tmp_path / "source" / folder / f"c{i:02d}.png", np.roll(image > 0, -(k > 2), 1).astype(np.uint8))
    return tmp_path / "source"


def test_bu_bil_is_laid_out_run_and_measured(alc, cells, tmp_path):
    data, out = tmp_path / "data", tmp_path / "run"
    assert lay_out_bu_bil.main([str(cells), str(data)]) == 0
    assert len(list((data / "annotations" / "train").iterdir())) == 10
    people = f"recorded[maps={data}/people/*]"
    labels = f"recut[of=files[root={data}/labels],superpixels=grid[n=36],cut=labels]"
    alc("run", "--dataset", "folder", "--data-root", data, "--foundation", labels, "--model", "none", "--rounds", "1",
        "--strategy", "random+majority", "--oracle", people, "--seeds", "1", "--out", out)  # fmt: skip
    file = tmp_path / "people.csv"
    measure_annotators.main([str(out), people, "perfect", "confused[from=pseudo]", "--people", "3", "--out", str(file)])
    found = pd.read_csv(file).set_index("oracle")
    assert found.loc["perfect", ["errs", "rejects"]].tolist() == [0, 0]
    assert 0 < found.loc[people, "errs"] < 0.2 and found.loc[people, "pure"] == 0
    assert found.loc[people, "accepts"] == pytest.approx(1 / 3)  # the third alone drew as the label has it
    with pytest.raises(InputError, match="unknown oracle"):
        measure_annotators.main([str(out), "nobody"])


def test_an_image_that_lacks_a_worker_is_refused(cells, tmp_path):
    save(cells / "crowd3" / "c05.png", np.zeros((5, 5), np.uint8))
    with pytest.raises(InputError, match=r"crowd3/c05\.png"):
        lay_out_bu_bil.lay_out(cells, tmp_path / "data")
