"""How far a write is, told while it runs."""

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import pyarrow as pa
import pyarrow.flight as fl

from pxt_flight.engine.written import OnProgress

T = TypeVar("T")
_TOLD_EVERY = 0.5  # seconds


def told(writer: fl.FlightMetadataWriter, work: Callable[[OnProgress], T]) -> T:
    """Run work on a thread of its own, and tell the client from this one: a client that does not listen must not hold a transaction up.

    Args:
        writer: to the client.
        work: what runs; it calls what it is given with the rows that are done, and all of them.
    """
    latest: list[tuple[int, int]] = []
    ended = threading.Event()
    outcome: list[T | BaseException] = []

    def run() -> None:
        try:
            outcome.append(work(lambda done, rows: latest.__setitem__(slice(None), [(done, rows)])))
        except BaseException as fault:  # noqa: BLE001  # raised again by the thread that waits
            outcome.append(fault)
        finally:
            ended.set()

    threading.Thread(target=run, name="put", daemon=True).start()
    said: list[tuple[int, int]] = []
    while not ended.wait(_TOLD_EVERY):
        if latest != said:
            said = list(latest)
            _tell(writer, said[0])
    (result,) = outcome
    if isinstance(result, BaseException):
        raise result
    if latest:
        _tell(writer, latest[0])
    return result


def _tell(writer: fl.FlightMetadataWriter, state: tuple[int, int]) -> None:
    with suppress(pa.ArrowException, fl.FlightError, OSError):  # it has left; the write knows that by itself
        writer.write(pa.py_buffer(json.dumps({"progress": state}).encode()))
