"""One row a superpixel: geometry against a loop, and a scores file that is believed only where it fits the pool."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bench.experiment import candidates
from bench.types import VOID, InputError

small = st.tuples(st.integers(1, 7), st.integers(1, 7))
sparse_ids = st.sampled_from([0, 1, 2, 5, 300, 70000])


def loop_geometry(labels, superpixels):
    rows = []
    for superpixel in sorted(set(superpixels.ravel().tolist()) - {0}):
        inside = [(r, c) for r, c in np.ndindex(superpixels.shape) if superpixels[r, c] == superpixel]
        n = len(inside)
        total_row, total_column = sum(r for r, _ in inside), sum(c for _, c in inside)

        def far(at, n=n, total_row=total_row, total_column=total_column):
            # n² times the squared distance to the centre of mass, in whole numbers
            return (n * at[0] - total_row) ** 2 + (n * at[1] - total_column) ** 2

        nearest = {at for at in inside if far(at) == min(map(far, inside))}
        rows.append((superpixel, n, nearest))
    return rows


@given(small.flatmap(lambda s: st.tuples(arrays(np.uint8, s), arrays(np.int32, s, elements=sparse_ids))))
def test_geometry_against_a_loop(maps):
    labels, superpixels = maps
    table, expected = candidates.geometry(labels, superpixels), loop_geometry(labels, superpixels)
    assert table["superpixel"].tolist() == [s for s, _, _ in expected]
    assert table["size"].tolist() == [n for _, n, _ in expected]
    for at, (_, _, nearest) in zip(zip(table["row"], table["column"], strict=True), expected, strict=True):
        assert at in nearest
    assert table["label"].tolist() == labels[table["row"], table["column"]].tolist()


def test_the_first_of_equally_near_pixels():
    superpixels = np.array([[1, 1], [1, 1]], np.int32)
    table = candidates.geometry(np.zeros((2, 2), np.uint8), superpixels)
    assert (table["row"][0], table["column"][0]) == (0, 0)


def test_the_representative_pixel_of_a_ring_is_on_the_ring():
    superpixels = np.ones((5, 5), np.int32)
    superpixels[1:4, 1:4] = 0
    table = candidates.geometry(np.zeros((5, 5), np.uint8), superpixels)
    assert (table["row"][0], table["column"][0]) == (0, 2)


def test_tables_are_gathered_in_the_order_of_the_images():
    tables = [{"superpixel": np.array(s, np.int64)} for s in ([4], [], [1, 2])]
    for t in tables:
        t |= {name: np.zeros(len(t["superpixel"]), np.int64) for name in ("row", "column", "label", "size")}
    table = candidates.gather(tables)
    assert table.image.tolist() == [0, 2, 2]
    assert table.superpixel.tolist() == [4, 1, 2]
    with pytest.raises(InputError, match="no superpixel to ask about"):
        candidates.gather(tables[1:2])


NAMES = ("a", "NA", "007")  # names that a careless reader takes for nothing, or for a number
REGIONS = np.array([[[0, 1, 1], [3, 3, 1]], [[2, 2, 2], [2, 2, 2]], [[0, 0, 0], [0, 0, 9]]], np.int32)
LABELS = np.arange(18, dtype=np.uint8).reshape(3, 2, 3)
ROWS = [("a", 3, 1, 1, 0.5), ("007", 9, 1, 2, 0.25), ("a", 1, 0, 2, -1.0), ("NA", 2, 1, 0, 3.0)]
COLUMNS = ["image", "superpixel", "row", "column", "cil_pixel"]


def read(tmp_path, rows=ROWS, columns=COLUMNS, text=None, names=NAMES):
    path = tmp_path / "scores.csv"
    path.write_text(text) if text is not None else pd.DataFrame(rows, columns=columns).to_csv(path, index=False)
    return candidates.from_scores(path, names, lambda i: LABELS[i], lambda i: REGIONS[i])


def test_scores_in_any_order_become_the_table_of_the_pool(tmp_path):
    table = read(tmp_path)
    assert table.image.tolist() == [0, 0, 1, 2]
    assert table.superpixel.tolist() == [1, 3, 2, 9]
    assert table.size.tolist() == [3, 2, 6, 1]
    assert table.cil_pixel.tolist() == [-1.0, 0.5, 3.0, 0.25]
    assert table.label.tolist() == [2, 4, 9, 17]
    assert table.label.dtype == np.uint8


def test_scores_need_no_statistic_and_may_have_many(tmp_path):
    assert "cil_pixel" not in read(tmp_path, [r[:4] for r in ROWS], COLUMNS[:4]).columns
    table = read(tmp_path, [(*r, 1, 2.5) for r in ROWS], [*COLUMNS, "b", "c"])
    assert table.b.tolist() == [1] * 4 and table.c.tolist() == [2.5] * 4


def test_sizes_and_labels_are_those_of_the_pool_whatever_a_file_says(tmp_path):
    table = read(tmp_path, [(*r, 99, 7) for r in ROWS], [*COLUMNS, "size", "label"])
    assert table.size.tolist() == [3, 2, 6, 1] and table.label.tolist() == [2, 4, 9, 17]


def changed(row, column, value):
    rows = [list(r) for r in ROWS]
    rows[row][COLUMNS.index(column)] = value
    return rows


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (changed(1, "cil_pixel", np.nan), "line 3: column 'cil_pixel' must hold finite numbers, got "),
        (changed(1, "cil_pixel", "nan"), "line 3: column 'cil_pixel' must hold finite numbers, got nan"),
        (changed(1, "cil_pixel", str(10**400)), "line 3: column 'cil_pixel' must hold finite numbers, got "),
        (changed(2, "cil_pixel", np.inf), "line 4: column 'cil_pixel' must hold finite numbers, got inf"),
        (changed(2, "cil_pixel", "high"), "line 4: column 'cil_pixel' must hold finite numbers, got high"),
        ([(*r[:4], True) for r in ROWS], "line 2: column 'cil_pixel' must hold finite numbers, got True"),
        (changed(0, "superpixel", "x"), "column 'superpixel' must hold whole numbers, got x"),
        (changed(3, "row", np.nan), "line 5: column 'row' must hold whole numbers, got "),
        (changed(0, "superpixel", 3.5), "column 'superpixel' must hold whole numbers"),
        (changed(0, "superpixel", 1e300), "column 'superpixel' must hold whole numbers"),
        (changed(0, "image", "zebra"), "image 'zebra' is not in the train split"),
        (changed(0, "image", None), "image '' is not in the train split"),
        (changed(0, "superpixel", 4), "image 'a' needs a row each for superpixels 1, 3; there are 1, 4"),
        (changed(0, "superpixel", 0), "image 'a' needs a row each for superpixels 1, 3; there are 0, 1"),
        (ROWS[1:], "image 'a' needs a row each for superpixels 1, 3; there are 1"),
        ([r for r in ROWS if r[0] != "NA"], "image 'NA' needs a row each for superpixels 2; there are none"),
        ([*ROWS, ROWS[0]], "image 'a' needs a row each for superpixels 1, 3; there are 1, 3, 3"),
        (changed(0, "row", 0), "image 'a' has a representative pixel outside its superpixel"),
        (changed(0, "row", 2), "image 'a' has a representative pixel outside its superpixel"),
        (changed(0, "column", -2), "image 'a' has a representative pixel outside its superpixel"),
        ([], "image 'a' needs a row each"),
    ],
)
def test_scores_that_do_not_fit_the_pool(tmp_path, rows, said):
    with pytest.raises(InputError, match=re.escape(said)) as caught:
        read(tmp_path, rows)
    assert str(caught.value).startswith(str(tmp_path / "scores.csv"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "image,superpixel\na,1\n", "\x00\x01", 'image,superpixel,row,column\n"a,1,2,3\n'])
def test_scores_that_are_no_table(tmp_path, text):
    with pytest.raises(InputError, match=r"scores\.csv: "):
        read(tmp_path, text=text)


def test_many_superpixels_are_not_all_named(tmp_path):
    regions = np.arange(1, 101, dtype=np.int32).reshape(10, 10)
    path = tmp_path / "s.csv"
    pd.DataFrame([], columns=COLUMNS).to_csv(path, index=False)
    with pytest.raises(InputError, match=re.escape("superpixels 1, 2, 3, 4, ... (100); there are none")):
        candidates.from_scores(path, ("a",), lambda i: np.zeros((10, 10), np.uint8), lambda i: regions)


def test_label_void_is_kept(tmp_path):
    labels = np.full((2, 2), VOID, np.uint8)
    assert candidates.geometry(labels, np.ones((2, 2), np.int32))["label"].tolist() == [VOID]


def test_gathering_is_concatenating():
    rng = np.random.default_rng(0)
    lengths = [3, 0, 1, 40, 2]
    tables = [{"superpixel": np.arange(n), "sums": rng.random((n, 2)), "label": np.zeros(n, np.uint8)} for n in lengths]
    base = {name: np.int32 for name in ("row", "column", "size")}
    tables = [t | {name: np.arange(len(t["label"]), dtype=kind) for name, kind in base.items()} for t in tables]
    found = candidates.gather(iter(tables))
    np.testing.assert_array_equal(found.image, np.repeat(np.arange(5), lengths))
    for name in tables[0]:
        np.testing.assert_array_equal(getattr(found, name), np.concatenate([t[name] for t in tables]))
    with pytest.raises(InputError, match="no superpixel"):
        candidates.gather(iter(tables[1:2]))
