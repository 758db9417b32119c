"""A bounded cache: what was used least recently goes first, and is handed over before it goes."""

import numpy as np
import pytest

from bench.cache import Cache

BYTES = 64  # of an array


def test_the_least_recently_used_goes_first_and_is_handed_over():
    left = []
    memory = Cache(3 * BYTES, lambda key, array: left.append((key, int(array[0]))))
    for key in range(3):
        memory.put(key, np.full(BYTES, key, np.uint8))
    memory.get(0, lambda: pytest.fail("it is there"))
    memory.put(3, np.full(BYTES, 3, np.uint8))
    assert left == [(1, 1)]
    assert memory.get(1, lambda: np.full(BYTES, 9, np.uint8))[0] == 9
    assert left == [(1, 1), (2, 2)]


def test_a_replaced_array_counts_once_and_the_newest_always_stays():
    left = []
    memory = Cache(2 * BYTES, lambda key, array: left.append(key))
    for _ in range(5):
        memory.put("a", np.zeros(BYTES, np.uint8))
    memory.put("b", np.zeros(BYTES, np.uint8))
    assert left == []
    memory.put("c", np.zeros(100 * BYTES, np.uint8))
    assert left == ["a", "b"] and len(memory.get("c", lambda: pytest.fail("it is there"))) == 100 * BYTES
