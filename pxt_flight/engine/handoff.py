"""Batches that one thread makes and another takes: Pixeltable's transaction stays on the thread that began it."""

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from typing import TypeAlias

import pyarrow as pa

from pxt_flight.engine.admission import Admission
from pxt_flight.errors import error

Item: TypeAlias = "pa.RecordBatch | BaseException | None"  # a batch, a fault, the end
_AHEAD = 2


class Stop:
    """Ends the making of batches, whatever is being done for it just then. From any thread, and as often as one likes."""

    def __init__(self) -> None:
        self._is_set = threading.Event()
        self._lock = threading.Lock()
        self._interrupt: Callable[[], None] | None = None

    def is_set(self) -> bool:
        """Whether it has ended, or shall."""
        return self._is_set.is_set()

    def set(self) -> None:
        """End it."""
        with self._lock:  # what is interrupted must still be what was begun
            if not self._is_set.is_set():
                self._is_set.set()
                if self._interrupt is not None:
                    self._interrupt()

    def during(self, interrupt: Callable[[], None] | None) -> None:
        """Say what interrupts the work that now begins, None where it is over; it is called at once where all is to end already."""
        with self._lock:
            self._interrupt = interrupt
            if interrupt is not None and self._is_set.is_set():
                interrupt()


class Producers:
    """Threads that stream what Pixeltable itself reads: each is kept by one stream to its end.

    Args:
        streams: how many at once; each takes one of Pixeltable's connections.
        waiting: how many more may wait.
        patience: seconds that one waits.
        interrupter: called on a producing thread; answers what interrupts Pixeltable's statement there, from any other.
    """

    def __init__(self, streams: int, *, waiting: int, patience: float, interrupter: Callable[[], Callable[[], None]] | None = None) -> None:
        self.admission = Admission("pixeltable", running=streams, waiting=waiting, patience=patience)
        self.interrupter = interrupter
        self._threads = ThreadPoolExecutor(streams, thread_name_prefix="producer")

    def submit(self, work: Callable[[], None]) -> "Future[None]":
        """Have a thread do it; who has a place waits for none."""
        return self._threads.submit(work)

    def close(self) -> None:
        """Wait for the threads, whose streams have been stopped."""
        self._threads.shutdown(wait=True, cancel_futures=True)


def produced_by(
    producers: Producers,
    make: Callable[[], Generator[pa.RecordBatch, None, None]],
    stopped: Stop,
    *,
    translate: Callable[[BaseException], BaseException],
) -> Iterator[pa.RecordBatch]:
    """Batches that a thread of Pixeltable's makes, at most two ahead of who takes them. Nothing is taken before the first is asked for.

    Args:
        producers: the threads.
        make: the batches.
        stopped: set by who takes them, or by who cuts them off.
        translate: from a fault of the maker to the error that is raised here.
    """
    ready: queue.Queue[Item] = queue.Queue(_AHEAD)
    place = producers.admission.enter(stopped.during)

    def produce() -> None:
        try:
            _produce(producers, make, stopped, ready)
        finally:
            place.leave()

    try:
        produced = producers.submit(produce)
    except BaseException:
        place.leave()
        raise
    try:
        while (item := _next(ready, produced, stopped)) is not None:
            if isinstance(item, BaseException):
                raise translate(item) from item
            yield item
    finally:
        stopped.set()


def _produce(
    producers: Producers, make: Callable[[], Generator[pa.RecordBatch, None, None]], stopped: Stop, ready: "queue.Queue[Item]"
) -> None:
    last: Item = None
    try:
        stopped.during(producers.interrupter and producers.interrupter())
        with closing(make()) as batches:
            for batch in batches:
                _offer(batch, ready, stopped)
                if stopped.is_set():
                    break
    except BaseException as fault:  # noqa: BLE001  # handed to the thread that reads the stream
        last = fault
    finally:
        stopped.during(None)  # this thread's next transaction is another stream's
    _offer(last, ready, stopped)


def _offer(item: Item, ready: "queue.Queue[Item]", stopped: Stop) -> None:
    while not stopped.is_set():
        with suppress(queue.Full):
            ready.put(item, timeout=0.2)
            return


def _next(ready: "queue.Queue[Item]", produced: "Future[None]", stopped: Stop) -> Item:
    while True:
        try:
            return ready.get(timeout=0.1)
        except queue.Empty:
            if stopped.is_set() or produced.cancelled():
                return error("unavailable", "The server is stopping.", hint="Try again.")
