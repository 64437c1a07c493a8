"""What is kept so as not to be made again."""

import threading
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Kept(Generic[K, V]):
    """At most so many values by their keys; the oldest goes first. Any thread may use it.

    Args:
        limit: how many.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._values: dict[K, V] = {}
        # Looking for the oldest of a dictionary that another thread changes raises RuntimeError.
        self._lock = threading.Lock()

    def get(self, key: K) -> V | None:
        """The value of a key; None where there is none."""
        return self._values.get(key)

    def put(self, key: K, value: V) -> V:
        """Keep a value, and answer it."""
        with self._lock:
            if key not in self._values and len(self._values) >= self._limit:
                del self._values[next(iter(self._values))]
            self._values[key] = value
        return value

    def clear(self) -> None:
        """Keep none."""
        with self._lock:
            self._values.clear()
