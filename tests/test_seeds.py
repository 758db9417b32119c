"""Streams are named, never shared; keyed draws depend on their key alone. The pinned numbers are the protocol."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import seeds

keys = st.integers(0, 2**63 - 1)
axes = st.lists(st.one_of(st.integers(-5, 2**40), st.text(max_size=5)), max_size=4)


def test_pinned_numbers():
    """A change of these changes every result ever made."""
    assert seeds.integer(0, "fit", 3) == 13287601978546893572
    assert seeds.generator(0, "a").integers(0, 1000, 5).tolist() == [730, 568, 503, 239, 469]
    ties = seeds.uniform(0, "tie", [1, 2, 3], 5)
    assert ties.tolist() == [
        0.6397165000710332,
        0.37085137580429883,
        0.9169036695406023,
    ]


def test_streams_do_not_hang_on_the_hash_seed_of_a_process():
    code = "from bench import seeds; print(seeds.integer(1, 'a', 2), float(seeds.uniform(1, 'a', 7)))"
    said = {
        subprocess.run([sys.executable, "-c", code], env={"PYTHONHASHSEED": s}, capture_output=True, check=True).stdout
        for s in ("1", "2")
    }
    assert said == {f"{seeds.integer(1, 'a', 2)} {float(seeds.uniform(1, 'a', 7))}\n".encode()}


@given(keys, axes, axes)
def test_a_stream_is_its_name(seed, one, other):
    first = seeds.generator(seed, *one).random(3)
    seeds.generator(seed, *other).random(100)  # draws elsewhere never shift it
    np.testing.assert_array_equal(first, seeds.generator(seed, *one).random(3))
    if one != other:
        assert (first != seeds.generator(seed, *other).random(3)).any()
        assert (first != seeds.generator(seed + 1, *one).random(3)).any()


def test_streams_are_uncorrelated():
    draws = np.array([seeds.generator(0, "axis", i).normal(size=2000) for i in range(20)])
    correlation = np.corrcoef(draws)[np.triu_indices(20, 1)]
    assert abs(correlation).max() < 0.1


@given(keys, st.lists(st.tuples(keys, keys), min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_a_keyed_draw_does_not_hang_on_order_or_company(seed, pairs, random):
    image, pixel = np.array(pairs, np.uint64).T
    together = seeds.uniform(seed, "noise", image, pixel)
    assert ((together >= 0) & (together < 1)).all()
    order = random.sample(range(len(pairs)), len(pairs))
    np.testing.assert_array_equal(seeds.uniform(seed, "noise", image[order], pixel[order]), together[order])
    alone = [float(seeds.uniform(seed, "noise", i, p)) for i, p in pairs]
    assert alone == together.tolist()


def test_keyed_draws_broadcast():
    table = seeds.uniform(3, "x", np.arange(4)[:, None], np.arange(5))
    assert table.shape == (4, 5)
    assert table[2, 3] == seeds.uniform(3, "x", 2, 3)
    assert table[2, 3] != seeds.uniform(3, "x", 3, 2)


@pytest.mark.parametrize("other", [(1, "x"), (0, "y")])
def test_keyed_draws_are_uniform_and_differ_by_seed_and_axis(other):
    draws, others = (seeds.uniform(seed, axis, np.arange(20000)) for seed, axis in ((0, "x"), other))
    counts = np.histogram(draws, 20, (0, 1))[0]
    assert ((counts - 1000) ** 2 / 1000).sum() < 45  # χ² of 19 degrees: P < 0.001
    assert abs(np.corrcoef(draws, others)[0, 1]) < 0.03
    assert abs(np.corrcoef(draws[1:], draws[:-1])[0, 1]) < 0.03


def test_streams_are_those_of_generators_whatever_was_drawn_before():
    streams = seeds.Streams()
    for axes in (("a", 1), ("a", 2), ("b",), ("a", 1)):
        rng, expected = streams(3, *axes), seeds.generator(3, *axes)
        assert rng.random(5).tolist() == expected.random(5).tolist()
        assert rng.integers(7, dtype=np.uint32) == expected.integers(7, dtype=np.uint32)  # keeps half of 64 bits
