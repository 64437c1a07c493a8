"""Batches that one thread makes and another takes: Pixeltable's transaction stays on the thread that began it."""

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Executor, Future
from contextlib import closing, suppress
from typing import TypeAlias

import pyarrow as pa

from pxt_flight.errors import error

Item: TypeAlias = "pa.RecordBatch | BaseException | None"  # a batch, a fault, the end
_AHEAD = 2


class Stop:
    """Stops what a thread makes, from any thread: at the next batch, and the statement that it waits for at once.

    Args:
        on_open: told how to stop the statement, before it runs.
    """

    def __init__(self, on_open: Callable[[Callable[[], None]], None] | None = None) -> None:
        self.event = threading.Event()
        self._on_open = on_open
        self._cancel: Callable[[], None] | None = None
        self._lock = threading.Lock()

    def begin(self, cancel: Callable[[], None]) -> None:
        """Say what stops the statement that now begins; it is called at once if all was stopped before."""
        with self._lock:
            self._cancel = cancel
        if self._on_open is not None:
            self._on_open(self)
        if self.event.is_set():
            cancel()

    def __call__(self) -> None:
        self.event.set()
        with self._lock:
            cancel = self._cancel
        if cancel is not None:
            cancel()


def produced_by(
    threads: Executor,
    make: Callable[[], Generator[pa.RecordBatch, None, None]],
    stopped: threading.Event,
    *,
    translate: Callable[[BaseException], BaseException],
) -> Iterator[pa.RecordBatch]:
    """Batches that a thread of a pool makes, at most two ahead of who takes them.

    Args:
        threads: the pool.
        make: the batches.
        stopped: set by who takes them, or by who cuts them off.
        translate: from a fault of the maker to the error that is raised here.
    """
    ready: queue.Queue[Item] = queue.Queue(_AHEAD)

    def offer(item: Item) -> None:
        while not stopped.is_set():
            with suppress(queue.Full):
                ready.put(item, timeout=0.2)
                return

    def produce() -> None:
        try:
            with closing(make()) as batches:
                for batch in batches:
                    offer(batch)
                    if stopped.is_set():
                        return
            offer(None)
        except BaseException as fault:  # noqa: BLE001  # handed to the thread that reads the stream
            offer(fault)

    produced = threads.submit(produce)
    try:
        while (item := _next(ready, produced, stopped)) is not None:
            if isinstance(item, BaseException):
                raise translate(item) from item
            yield item
    finally:
        stopped.set()


def _next(ready: "queue.Queue[Item]", produced: "Future[None]", stopped: threading.Event) -> Item:
    while True:
        try:
            return ready.get(timeout=0.5)
        except queue.Empty:
            if stopped.is_set() or produced.cancelled():
                return error("unavailable", "The server is stopping.", hint="Try again.")
