"""Rows on their way to a server: DoPut, by a thread of its own, so that whoever sends hears Ctrl-C.

What makes the rows count is their end, an empty batch with the metadata `end`. Such a call cannot be cancelled after it.
"""

import json
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any, Self

import pyarrow as pa
import pyarrow.flight as fl

from pxt_flight.client.background import AHEAD, TICK
from pxt_flight.client.faults import translated
from pxt_flight.errors import error

_END = pa.py_buffer(b"end")
_ARROW = b"ARROW"
_LEFT = object()

Opened = tuple[fl.FlightStreamWriter, fl.FlightMetadataReader]


class Push:
    """One DoPut. A context manager: what is not ended with `end` is not written.

    Args:
        begin: makes the call.
        schema: the columns of what is sent.
        uri: the server's address, for errors.

    Attributes:
        ended: whether the server may have got all of it.
    """

    def __init__(self, begin: Callable[[], Opened], schema: pa.Schema, uri: str) -> None:
        self._begin = begin
        self._schema = schema
        self._uri = uri
        self._outgoing: queue.Queue[Any] = queue.Queue(AHEAD)
        self._answers: queue.SimpleQueue[bytes | BaseException | None] = queue.SimpleQueue()
        self._left = threading.Event()
        self._over = threading.Event()
        self.ended = False
        threading.Thread(target=self._run, name="pxt-flight push", daemon=True).start()

    def send(self, batch: pa.RecordBatch, on_tick: Callable[[], object] = lambda: None) -> None:
        """Send a batch, as soon as there is room for one more.

        Args:
            batch: of the schema.
            on_tick: called every `TICK` seconds while there is none.

        Raises:
            PxtFlightError: the server does not take it.
        """
        self._put(batch, on_tick)

    def end(self, on_tick: Callable[[], object] = lambda: None) -> Iterator[bytes]:
        """Say that this is all. Answers what the server says, message by message, until it has written them.

        Raises:
            PxtFlightError: nothing was written; or, of a lost connection, it is not known.
        """
        self._put(None, on_tick)
        while True:
            try:
                answer = self._answers.get(timeout=TICK)
            except queue.Empty:
                on_tick()
                continue
            if isinstance(answer, BaseException):
                raise answer
            if answer is None:
                return
            yield answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()

    def _put(self, item: pa.RecordBatch | None, on_tick: Callable[[], object]) -> None:
        while not self._over.is_set():
            try:
                self._outgoing.put(item, timeout=TICK)
            except queue.Full:
                on_tick()
            else:
                return
        if item is not None:  # else `end` tells it
            raise self._fault()

    def _fault(self) -> BaseException:
        answer: Any = True
        while answer is not None and not isinstance(answer, BaseException):
            answer = self._answers.get_nowait()
        return answer or error("INTERNAL_ERROR", "The server answered before all rows were sent.")

    def _run(self) -> None:
        try:
            with translated(self._uri, connected=True):
                self._converse()
            self._answers.put(None)
        except BaseException as fault:  # noqa: BLE001  # raised where the answer is waited for
            self._answers.put(fault)
        finally:
            self._over.set()

    def _converse(self) -> None:
        writer, reader = self._begin()
        try:
            if self._write(writer):
                while (message := reader.read()) is not None:
                    self._answers.put(message.to_pybytes())
        except (fl.FlightError, pa.ArrowException, OSError):
            writer.close()  # says what the server said, where it did
            raise
        writer.close()

    def _write(self, writer: fl.FlightStreamWriter) -> bool:
        while (item := self._next()) is not None:
            if item is _LEFT:
                return False
            writer.write_batch(item)
        self.ended = True
        nothing = pa.record_batch([pa.nulls(0, field.type) for field in self._schema], schema=self._schema)
        writer.write_with_metadata(nothing, _END)
        writer.done_writing()
        return True

    def _next(self) -> Any:
        while not self._left.is_set():
            try:
                return self._outgoing.get(timeout=TICK)
            except queue.Empty:
                continue
        return _LEFT


def read_answer(messages: Iterator[bytes], on_progress: Callable[[int, int], object]) -> tuple[dict[str, Any], pa.Table | None]:
    """What the server says of a write: the JSON of what it did, and the rows that it left out.

    Args:
        messages: of `Push.end`.
        on_progress: told the rows that are written, and all of them.

    Raises:
        PxtFlightError: nothing was written.
    """
    written: dict[str, Any] | None = None
    rejected: list[bytes] = []
    for message in messages:
        if message.startswith(_ARROW):
            rejected.append(message[len(_ARROW) :])
            continue
        said = json.loads(message)
        written = said.get("written", written)
        if "progress" in said:
            on_progress(*said["progress"])
    if written is None:
        raise error("INTERNAL_ERROR", "The server did not say what it wrote.", hint="Look at the table's writes().")
    return written, pa.ipc.open_stream(b"".join(rejected)).read_all() if rejected else None
