"""Who may begin: so many at once, so many more in a queue, first come, first served."""

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from pxt_flight import metrics
from pxt_flight.engine.scan import OnOpen
from pxt_flight.errors import PxtFlightError, error


class Place:
    """One of the places of an admission; whoever has it gives it back once, however often `leave` is called."""

    def __init__(self, give_back: Callable[[], None]) -> None:
        self._give_back = [give_back]

    def leave(self) -> None:
        """Give the place to the first who waits; from any thread."""
        with suppress(IndexError):
            self._give_back.pop()()


class Admission:
    """Places, and the queue for them.

    Args:
        name: of what the places are, for the metrics.
        running: how many places there are.
        waiting: how many may wait for one.
        patience: seconds that one may wait.
    """

    def __init__(self, name: str, *, running: int, waiting: int, patience: float) -> None:
        self._name = name
        self._free = running
        self._longest = waiting
        self._patience = patience
        self._queue: deque[_Waiter] = deque()
        self._lock = threading.Lock()

    def enter(self, on_wait: OnOpen | None = None, *, patience: float | None = None) -> Place:
        """Take a place, when it is one's turn.

        Args:
            on_wait: given, before the wait begins, what ends it from any thread.
            patience: seconds to wait at most; default what the admission says.

        Raises:
            UnavailableError: `unavailable`: the queue is full, or no place became free in time.
            InvalidRequestError: `cancelled`, the wait was ended.
        """
        with self._lock:
            if self._free and not self._queue:
                self._free -= 1
                metrics.running(self._name, 1)
                return Place(self._pass_on)
            if len(self._queue) >= self._longest:
                raise _busy()
            waiter = _Waiter()
            self._queue.append(waiter)
            metrics.waiting(self._name, 1)
        if on_wait is not None:
            on_wait(lambda: self._dismiss(waiter, error("cancelled", "The query was cancelled.")))
        if not waiter.told.wait(self._patience if patience is None else patience):
            self._dismiss(waiter, _busy())
        if waiter.refusal is not None:
            raise waiter.refusal
        return Place(self._pass_on)

    def _dismiss(self, waiter: "_Waiter", refusal: PxtFlightError) -> None:
        with self._lock:
            if waiter in self._queue:  # else it was just given a place, or dismissed already
                self._queue.remove(waiter)
                metrics.waiting(self._name, -1)
                waiter.refusal = refusal
        waiter.told.set()

    def _pass_on(self) -> None:
        with self._lock:
            if not self._queue:
                self._free += 1
                metrics.running(self._name, -1)
                return
            waiter = self._queue.popleft()
            metrics.waiting(self._name, -1)
        waiter.told.set()


class _Waiter:
    """One in the queue. Once `told`, it has a place unless there is a refusal."""

    def __init__(self) -> None:
        self.told = threading.Event()
        self.refusal: PxtFlightError | None = None


def _busy() -> PxtFlightError:
    return error("unavailable", "The server is busy.", hint="Try again.")
