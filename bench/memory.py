"""A bounded place in memory for arrays that can be read again."""

from collections import OrderedDict
from collections.abc import Callable, Hashable

import numpy as np


class Memory:
    """Arrays by key. When they pass ``n_bytes``, the least recently used go, each first given to ``leave``.

    The newest stays whatever its size.
    """

    def __init__(self, n_bytes: int, leave: Callable[[Hashable, np.ndarray], None] = lambda key, array: None):
        self.n_bytes, self.leave = n_bytes, leave
        self._arrays: OrderedDict[Hashable, np.ndarray] = OrderedDict()
        self._n_held = 0

    def get(self, key: Hashable, read: Callable[[], np.ndarray]) -> np.ndarray:
        """The array of ``key``, from ``read`` where it is not here."""
        if key not in self._arrays:
            return self.put(key, read())
        self._arrays.move_to_end(key)
        return self._arrays[key]

    def put(self, key: Hashable, array: np.ndarray) -> np.ndarray:
        if key in self._arrays:
            self._n_held -= self._arrays.pop(key).nbytes
        self._arrays[key] = array
        self._n_held += array.nbytes
        while self._n_held > self.n_bytes and len(self._arrays) > 1:
            oldest, gone = self._arrays.popitem(last=False)
            self._n_held -= gone.nbytes
            self.leave(oldest, gone)
        return array
