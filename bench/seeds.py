"""Every random draw of the suite comes from here, named by its purpose.

``generator(seed, "fit", 3)`` is a stream of its own: draws elsewhere never shift it. ``uniform(seed, "noise", image,
pixel)`` is a number that depends on its key alone. So two strategies that ask the same thing get the same answer.
"""

import hashlib
import operator

import numpy as np


def integer(seed: int, *axes) -> int:
    """A 64-bit unsigned integer that depends on ``seed`` and ``axes`` (anything with a stable ``repr``) alone."""
    digest = hashlib.blake2b(repr((operator.index(seed), *axes)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def generator(seed: int, *axes) -> np.random.Generator:
    """A NumPy generator for the stream named by ``axes``."""
    return np.random.Generator(np.random.Philox(key=integer(seed, *axes)))


class Streams:
    """As `generator`, in an eighth of the time: a call ends the stream of the call before."""

    def __init__(self):
        self._bits = np.random.Philox(key=0)
        self._begin = self._bits.state

    def __call__(self, seed: int, *axes) -> np.random.Generator:
        self._begin["state"]["key"][0] = integer(seed, *axes)
        self._bits.state = self._begin
        return np.random.Generator(self._bits)


def uniform(seed: int, axis: str, *keys) -> np.ndarray:
    """float64 in [0, 1), one for each element of the broadcast integer ``keys``: a keyed hash (splitmix64)."""
    with np.errstate(over="ignore"):
        state = np.asarray(integer(seed, axis), np.uint64)
        for key in keys:
            state = _mix(state ^ _mix(np.asarray(key).astype(np.uint64)))
    return (state >> np.uint64(11)) * 2.0**-53


def _mix(x: np.ndarray) -> np.ndarray:
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
