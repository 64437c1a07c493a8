"""Calls into Flight that a thread of their own makes, so that whoever waits for them hears Ctrl-C.

A call that is blocked in gRPC returns to Python only with an answer; until then no signal is handled.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

import pyarrow as pa
import pyarrow.flight as fl

from pxt_flight.client.faults import translated
from pxt_flight.errors import PxtFlightError, error

T = TypeVar("T")
# Seconds. Go's runtime (ADBC's driver) and polars install handlers that restart a blocked wait after a signal: only a wait that ends by
# itself is sure to notice.
TICK = 0.1
# Batches that wait, of 1-2 MiB: the next ones travel while one is used.
AHEAD = 2
# Seconds that a cancelled call is given to end.
_LEAVE_TIMEOUT = 1.0


def in_background(call: Callable[[], T], discard: Callable[[T], object]) -> T:
    """Run `call` in a thread and wait for it; answers what it answers.

    Args:
        call: what blocks.
        discard: undoes an answer that comes when nobody waits for it any more.
    """
    outcome: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()
    left = threading.Event()

    def run() -> None:
        try:
            answer = call()
        except BaseException as fault:  # noqa: BLE001  # raised where it is waited for
            outcome.put((None, fault))
            return
        outcome.put((answer, None))
        if left.is_set():
            discard(answer)

    threading.Thread(target=run, name="pxt-flight call", daemon=True).start()
    try:
        answer, fault = _waited_for(outcome)
    except BaseException:
        left.set()
        if not outcome.empty() and (late := outcome.get()[0]) is not None:
            discard(late)
        raise
    if fault is not None:
        raise fault
    return answer  # type: ignore[return-value]  # there is no fault, so there is an answer


class Pull:
    """The batches of one Flight stream, read ahead by a thread. Iterate it once; `close` it, also in the middle.

    Args:
        reader: the stream.
        uri: the server's address, for errors.
        ahead: batches that may wait to be taken; None for any number.
    """

    def __init__(self, reader: fl.FlightStreamReader, uri: str, *, ahead: int | None = AHEAD) -> None:
        self._reader = reader
        self._uri = uri
        self._items: queue.SimpleQueue[pa.RecordBatch | BaseException | None] = queue.SimpleQueue()
        self._room = None if ahead is None else threading.Semaphore(ahead)
        self._left = False
        self._thread = threading.Thread(target=self._read, name="pxt-flight pull", daemon=True)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self.batches()

    def batches(self, on_tick: Callable[[], object] = lambda: None) -> Iterator[pa.RecordBatch]:
        """The batches, as they come.

        Args:
            on_tick: called every `TICK` seconds while none comes.

        Raises:
            PxtFlightError: the server failed, or was lost, in the middle.
        """
        self._thread.start()
        finished = False
        try:
            while isinstance(item := _waited_for(self._items, on_tick), pa.RecordBatch):
                if self._room:
                    self._room.release()
                yield item
            finished = True
            if item is not None:
                raise item
        finally:
            if not finished:
                self.close()

    def close(self) -> None:
        """Leave the stream: the server stops sending, and what waits is dropped."""
        self._left = True
        self._reader.cancel()
        if self._room:
            self._room.release()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(_LEAVE_TIMEOUT)

    def _read(self) -> None:
        try:
            # Not reader.to_reader() or read_all(): they drop the JSON of an error that comes in the middle of a stream.
            with translated(self._uri, connected=True):
                for chunk in self._reader:
                    if self._room:
                        self._room.acquire()
                    if self._left:
                        break
                    self._items.put(chunk.data)
        except BaseException as fault:  # noqa: BLE001  # raised where the batches are waited for
            self._items.put(_closed() if self._left else fault)
        else:
            self._items.put(_closed() if self._left else None)


def _closed() -> PxtFlightError:
    return error("INVALID_ARGUMENT", "The result was closed while it was read.", hint="Run the query again.")


def _waited_for(items: "queue.SimpleQueue[T]", on_tick: Callable[[], object] = lambda: None) -> T:
    while True:
        try:
            return items.get(timeout=TICK)
        except queue.Empty:
            on_tick()
