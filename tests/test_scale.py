"""What a report of many cells does: it reads tables together, and shows no more than a page can hold."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from runs import write_run

from bench.report.page import document, gallery
from bench.report.results import CELL
from bench.runs import schema
from bench.types import InputError


def cells_of(n_strategies, n_seeds):
    keys = [("d", "f", f"s{i:02d}", "o", seed) for i in range(n_strategies) for seed in range(n_seeds)]
    return pd.DataFrame(keys, columns=CELL)


@pytest.mark.parametrize(("n_strategies", "n_seeds"), [(3, 2), (10, 4), (10, 50), (100, 2)])
def test_the_gallery_takes_first_seeds_first_and_spreads_the_rest(n_strategies, n_seeds):
    found = gallery.sample(cells_of(n_strategies, n_seeds))
    assert len(found) == min(n_strategies * n_seeds, gallery.N_CELLS)
    assert not found.duplicated(CELL).any() and found.seed.is_monotonic_increasing
    whole = gallery.N_CELLS // n_strategies
    assert (found.seed.value_counts()[:whole] == n_strategies).all()
    if n_strategies > gallery.N_CELLS:  # not the first strategies alone
        assert {"s00", "s99"} <= set(found.strategy) and found.seed.eq(0).all()


def test_a_curve_keeps_its_ends_and_no_more_points_than_it_may():
    rounds = pd.DataFrame({"round": np.arange(1000)})
    found = document.thinned(rounds, 20)["round"].tolist()
    assert len(found) == 20 and (found[0], found[-1]) == (0, 999) and found == sorted(set(found))
    assert document.thinned(rounds[:7], 20)["round"].tolist() == list(range(7))


@pytest.fixture
def files(tmp_path) -> list[Path]:
    return sorted(write_run(tmp_path / "run").glob("cells/*/queries.csv"))


def one_by_one(files):
    return pd.concat([schema.read(file).assign(file=i) for i, file in enumerate(files)], ignore_index=True)


def test_tables_that_are_read_together_are_those_read_one_by_one(files):
    pd.testing.assert_frame_equal(schema.read_all(files), one_by_one(files))


def empty(file):
    file.write_text(file.read_text().partition("\n")[0] + "\n")


def quoted(file):
    schema.write(file, schema.read(file).assign(image='two\nlines, "quoted"'))


def newer(file):
    schema.read(file).assign(more=1).to_csv(file, index=False)


def gap(file):
    file.write_text(file.read_text().replace("\n", "\n\n", 3))


@pytest.mark.parametrize("change", [empty, quoted, newer, gap])
def test_one_table_of_another_form_is_read_as_well(files, change):
    change(files[3])
    pd.testing.assert_frame_equal(schema.read_all(files), one_by_one(files))


def test_names_with_commas_are_read_together_too(files, monkeypatch):
    for file in files:
        schema.write(file, schema.read(file).assign(image="noisy[rate=0.1,shared=0.5]"))
    expected, parsed = one_by_one(files), []
    parse = schema.parse
    monkeypatch.setattr(schema, "parse", lambda *given, **more: parsed.append(given) or parse(*given, **more))
    pd.testing.assert_frame_equal(schema.read_all(files), expected)
    assert len(parsed) == 1


def half(file):
    file.write_bytes(file.read_bytes()[:-40])


def spoilt(file):
    file.write_text(file.read_text().replace(",correction,", ",correction,x", 1))


@pytest.mark.parametrize("change", [half, spoilt, Path.unlink, lambda file: file.write_bytes(b"\xff\xfe")])
def test_a_broken_one_among_them_is_named(files, change):
    change(files[3])
    with pytest.raises(InputError, match=str(files[3])):
        schema.read_all(files)
