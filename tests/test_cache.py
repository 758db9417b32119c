"""A bounded cache: what was used least recently goes first."""

import numpy as np
import pytest

from bench.cache import Cache

BYTES = 64  # of an array


def array(key, n=BYTES):
    return np.full(n, key, np.uint8)


def held(memory, key):
    """The value of a key, which must be there."""
    return memory.get(key, lambda: pytest.fail(f"{key} is gone"))


def test_the_least_recently_used_goes_first():
    memory = Cache(3 * BYTES)
    for key in range(3):
        memory.put(key, array(key))
    held(memory, 0)
    memory.put(3, array(3))
    assert memory.get(1, lambda: array(9))[0] == 9  # 1 went for 3, and 2 goes for this
    assert [int(held(memory, key)[0]) for key in (0, 3, 1)] == [0, 3, 9]
    assert memory.get(2, lambda: array(8))[0] == 8


def test_a_replaced_array_counts_once_and_the_newest_always_stays():
    memory = Cache(2 * BYTES)
    for _ in range(5):
        memory.put(1, array(1))
    memory.put(2, array(2))
    held(memory, 1)
    memory.put(3, array(3, 100 * BYTES))
    assert len(held(memory, 3)) == 100 * BYTES
    assert all(memory.get(key, lambda: array(9))[0] == 9 for key in (1, 2))
