"""The batches of a stream on their way to a client: straight through while it keeps up; by a file while it lags, or while somebody
waits to change a table that the stream reads. Their order and content are the same either way."""

import threading
import time
from collections.abc import Callable, Iterator

import pyarrow as pa

from pxt_flight.engine.spool import Spool, SpoolFile
from pxt_flight.errors import error


class Relay:
    """One stream on its way. Its client takes from it on one thread; everything else may come from any.

    Whoever reads the source, the client's thread or the one that spools, is alone with it; it is closed as soon as it has ended,
    whatever the client has still to take.

    Args:
        source: the batches.
        stop: makes the source fail soon, from any thread; not called once it is closed.
        close: closes the source, by who has read it.
        spool: makes files.
        on_end: called once, when the source is closed.

    Attributes:
        abandoned: set where the client is gone without a word.
    """

    def __init__(
        self,
        source: Iterator[pa.RecordBatch],
        *,
        stop: Callable[[], None],
        close: Callable[[], None],
        spool: Spool,
        on_end: Callable[[], None],
    ) -> None:
        self._source = source
        self._stop, self._close, self._on_end = stop, close, on_end
        self._spool = spool
        self._file: SpoolFile | None = None
        self._changed = threading.Condition()
        self._stopping = threading.Lock()  # a closed source's connection may be another's: it must not be stopped then
        self._client_waits = self._client_reads = self._spooler_reads = False
        self._left_at = time.monotonic()  # when the client had its last batch
        self._is_hurried = self._is_cut_at_once = False
        self._is_closed = self._is_source_closed = False
        self._cut: BaseException | None = None  # why nothing more is to be read
        self._over: BaseException | None = None  # how the source ended, once it is closed
        self.abandoned = False

    def take(self) -> pa.RecordBatch:
        """The next batch, for the client.

        Raises:
            StopIteration: there is none.
            PxtFlightError: the stream failed, or was cut off.
        """
        try:
            with self._changed:
                self._client_waits = True
                file = self._awaited()
                self._client_reads = file is None
            return self._read_source() if file is None else file.read()
        finally:
            with self._changed:
                self._client_waits = self._client_reads = False
                self._left_at = time.monotonic()
                if self._is_hurried:
                    self._start_spooling()

    def spool_if_idle(self, seconds: float) -> None:
        """Spool what is left if the client has not come back for so long."""
        with self._changed:
            if not self._client_waits and time.monotonic() - self._left_at >= seconds:
                self._start_spooling()

    def hurry(self, is_needed: bool) -> None:
        """Spool at full speed, however fast the client is, until that is not needed any more."""
        with self._changed:
            self._is_hurried = is_needed
            if is_needed:
                self._start_spooling()

    def cut(self, reason: BaseException, *, at_once: bool) -> None:
        """End the source now.

        Args:
            reason: what the client is told.
            at_once: whether it is told so before it gets what is in the file.
        """
        with self._changed:
            self._cut = self._cut or reason
            self._is_cut_at_once = self._is_cut_at_once or at_once
            self._changed.notify_all()
            self._start_spooling()  # where nobody reads: the thread finds the reason, and closes the source
        self._stop_source()

    def close(self) -> None:
        """The client takes no more. Its own thread closes the source, where it is not being spooled."""
        with self._changed:
            self._is_closed = self._is_cut_at_once = True
            self._cut = self._cut or error("cancelled", "The query was cancelled.")
            is_idle = self._over is None and not (self._client_reads or self._spooler_reads)
            self._client_reads = self._client_reads or is_idle
        if is_idle:
            self._end(self._cut)
        else:
            self._stop_source()
        with self._changed:
            if not self._spooler_reads:
                self._drop_file()

    def _awaited(self) -> SpoolFile | None:
        """Wait until there is a batch in the file, which is answered, or until the source is free to be read (None)."""
        while True:
            if self._cut is not None and self._is_cut_at_once:
                raise self._cut
            if self._file:
                return self._file
            if not self._spooler_reads:
                if self._file is not None:
                    self._file.clear()
                if self._over is not None:
                    raise self._over
                return None
            self._changed.wait()

    def _read_source(self) -> pa.RecordBatch:
        try:
            return self._next()
        except BaseException as fault:  # noqa: BLE001  # raised again, or why it was cut
            raise self._end(fault) from fault.__cause__

    def _start_spooling(self) -> None:
        if not (self._client_reads or self._spooler_reads) and self._over is None:
            self._spooler_reads = True
            threading.Thread(target=self._spool_source, name="spool", daemon=True).start()

    def _spool_source(self) -> None:
        try:
            while not self._handed_back():
                batch = self._next()
                if self._file is None:
                    self._file = self._spool.open()
                self._file.append(batch)
            return
        except BaseException as fault:  # noqa: BLE001  # raised where the client takes
            self._end(fault)
        with self._changed:
            self._spooler_reads = False
            if self._is_closed:
                self._drop_file()
            self._changed.notify_all()

    def _handed_back(self) -> bool:
        """Let the client read the source by itself again, where it has caught up."""
        with self._changed:
            if self._client_waits and not self._is_hurried and len(self._file or ()) <= 1:
                self._spooler_reads = False
            self._changed.notify_all()
            return not self._spooler_reads

    def _next(self) -> pa.RecordBatch:
        if self._cut is not None:
            raise self._cut
        return next(self._source)

    def _end(self, fault: BaseException) -> BaseException:
        """Close the source, by who has read it; answers how it ended."""
        with self._stopping:
            self._is_source_closed = True
        self._close()
        with self._changed:
            self._over = self._cut if self._cut is not None and not isinstance(fault, StopIteration) else fault
        self._on_end()
        return self._over

    def _stop_source(self) -> None:
        with self._stopping:
            if not self._is_source_closed:
                self._stop()

    def _drop_file(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
