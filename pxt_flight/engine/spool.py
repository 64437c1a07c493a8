"""Batches on disk, for clients that lag: unnamed files that share one allowance, and vanish with the process however it ends."""

import os
import tempfile
import threading
from collections import deque
from pathlib import Path
from typing import IO, NamedTuple

import pyarrow as pa

from pxt_flight import metrics
from pxt_flight.errors import PxtFlightError, error

# Each of them also keeps a thread of gRPC and a batch or two in memory.
_FILES = 128
_HINT = "Read faster, ask for less, or raise PXT_FLIGHT_SPILL_BYTES."


class Spool:
    """The allowance and the folder of the files.

    Args:
        folder: where they are; None for the system's temporary folder.
        capacity: bytes of all files together. One file may hold as much as it leaves to others: alone at most half of it.
    """

    def __init__(self, folder: Path | None, capacity: int) -> None:
        self._folder = folder
        self._capacity = capacity
        self._used = 0
        self._files = 0
        self._lock = threading.Lock()

    def open(self) -> "SpoolFile":
        """A new file.

        Raises:
            UnavailableError: `client_too_slow`, there are too many.
        """
        with self._lock:
            if self._files >= _FILES:
                raise too_slow()
            self._files += 1
        try:
            # On Linux it never has a name (O_TMPFILE), elsewhere it loses it at once.
            file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115  # closed by the SpoolFile
        except OSError:
            self.give_back(0, files=1)
            raise too_slow() from None
        return SpoolFile(self, file)

    def take(self, size: int, *, held: int) -> bool:
        """Take bytes of the allowance for a file that holds some; answers whether they were there."""
        with self._lock:
            if held + size > self._capacity - self._used:
                return False
            self._used += size
            return True

    def give_back(self, size: int, *, files: int = 0) -> None:
        """Give bytes, and files, of the allowance back."""
        with self._lock:
            self._used -= size
            self._files -= files


class _Entry(NamedTuple):
    offset: int
    size: int


class SpoolFile:
    """Batches in the order in which they came. One thread may append while another reads."""

    def __init__(self, spool: Spool, file: IO[bytes]) -> None:
        self._spool = spool
        self._file = file
        self._end = 0
        self._unread: deque[_Entry] = deque()

    def __len__(self) -> int:
        """How many batches have not been read."""
        return len(self._unread)

    def append(self, batch: pa.RecordBatch) -> None:
        """Write a batch behind the others.

        Raises:
            UnavailableError: `client_too_slow`, the allowance or the disk is full.
        """
        # A stream of its own, schema and dictionaries included: 1 KB each beside 1 MiB, and any batch can be read alone.
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        data = memoryview(sink.getvalue())
        if not self._spool.take(len(data), held=self._end):
            raise too_slow()
        entry = _Entry(self._end, len(data))
        self._end += len(data)
        try:
            while data:
                data = data[os.pwrite(self._file.fileno(), data, self._end - len(data)) :]
        except OSError:
            raise too_slow() from None
        metrics.spilled(entry.size)
        self._unread.append(entry)

    def read(self) -> pa.RecordBatch:
        """Take the first batch that has not been read; there must be one."""
        offset, size = self._unread.popleft()
        data = bytearray(size)
        view = memoryview(data)
        while view:
            view = view[os.preadv(self._file.fileno(), [view], offset + size - len(view)) :]
        with pa.ipc.open_stream(pa.py_buffer(data)) as reader:
            return reader.read_next_batch()

    def clear(self) -> None:
        """Give the space back; all batches must have been read, and nobody may be appending."""
        if self._end:
            os.ftruncate(self._file.fileno(), 0)
            self._spool.give_back(self._end)
            self._end = 0

    def close(self) -> None:
        """Give everything back; nobody may be appending or reading."""
        self._file.close()
        self._spool.give_back(self._end, files=1)
        self._end = 0


def too_slow() -> PxtFlightError:
    """The error of a stream whose client lags too far behind."""
    metrics.client_too_slow()
    return error("client_too_slow", "The client read the result too slowly.", hint=_HINT)
