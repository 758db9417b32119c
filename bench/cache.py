"""A bounded cache for values that can be read or computed again."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Protocol, TypeVar


class Sized(Protocol):
    """Anything that knows how much memory it takes, such as an array."""

    @property
    def nbytes(self) -> int: ...


Value = TypeVar("Value", bound=Sized)


class Cache:
    """Values by key, in up to ``n_bytes`` of memory; beyond that the least recently used ones are removed. The newest
    value stays at any size."""

    def __init__(self, n_bytes: int):
        self.n_bytes = n_bytes
        self._values: OrderedDict[Hashable, Any] = OrderedDict()
        self._n_held = 0

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value of ``key``; if the cache has none, the result of ``make``, which it then keeps."""
        if key not in self._values:
            return self.put(key, make())
        self._values.move_to_end(key)
        return self._values[key]

    def remove(self, key: Hashable) -> None:
        """Let go of the value of ``key``, if there is one."""
        if key in self._values:
            self._n_held -= self._values.pop(key).nbytes

    def put(self, key: Hashable, value: Value) -> Value:
        """Keep ``value``, in place of an older value of ``key``. Returns it."""
        self.remove(key)
        self._values[key] = value
        self._n_held += value.nbytes
        while self._n_held > self.n_bytes and len(self._values) > 1:
            self._n_held -= self._values.popitem(last=False)[1].nbytes
        return value
