"""The streams that run: whose they are, and how each is stopped, by its client's leaving, by an action, or by the end of the server."""

import json
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import chain
from typing import Any

import pyarrow as pa
import pyarrow.flight as fl

from pxt_flight.engine.scan import OnOpen, Stream, Tier
from pxt_flight.errors import PxtFlightError, error
from pxt_flight.flight.messages import CancelStatus
from pxt_flight.flight.status import guarded_stream
from pxt_flight.operations.call import OnWait

_ASKED_EVERY = 0.1  # seconds


class Cancellation:
    """How one call is stopped; from any thread.

    Args:
        is_gone: whether the client has left; asked until `end`, and never after.
    """

    def __init__(self, is_gone: Callable[[], bool]) -> None:
        self._is_gone = is_gone
        self._lock = threading.Lock()
        self._stop: Callable[[], None] | None = None
        self._ended = False
        self.reason: PxtFlightError | None = None

    def stop_with(self, stop: Callable[[], None] | None) -> None:
        """Say what stops the work that now begins, None where none does; it is called at once if the call was cancelled before."""
        with self._lock:
            self._stop = stop
            if self.reason is not None and stop is not None:
                stop()

    def request(self, reason: PxtFlightError) -> None:
        """Stop the work, now or as soon as there is any; whoever reads is told the reason."""
        # `stop` is called under the lock too: it must not meet work that has ended, whose connection may be another's by then.
        with self._lock:
            if self._ended or self.reason is not None:
                return
            self.reason = reason
            if self._stop is not None:
                self._stop()

    def end(self) -> None:
        """The call is over."""
        with self._lock:
            self._ended = True
            self._stop = None

    def notice(self) -> None:
        """Stop the work if the client has left."""
        with self._lock:  # gRPC's context dies right after `end`
            is_gone = not self._ended and self.reason is None and self._is_gone()
        if is_gone:
            self.request(cancelled())


class RunningStreams:
    """The calls that read, from before their first batch to their end.

    pyarrow closes a generator soon after its client left, but only between two batches; while Postgres works on one, and before the
    first, nobody would notice. So one thread asks gRPC, for all calls.
    """

    def __init__(self) -> None:
        self._running: dict[Cancellation, tuple[str, bytes]] = {}  # whose, and by which ticket
        self._changed = threading.Condition()
        self._watching = False

    def serve(
        self,
        context: fl.ServerCallContext,
        key_id: str,
        ticket: bytes,
        run: Callable[[OnOpen], Iterator[Stream]],
        presented: Callable[[pa.Schema], pa.Schema],
    ) -> fl.GeneratorStream:
        """Send streams, one after the other, as one.

        Args:
            context: gRPC's, of a DoGet.
            key_id: whose call it is.
            ticket: what the client named; `cancel` knows the call by it.
            run: opens each stream when it is asked for, and tells how to stop what it begins; at least one, whose schema is that of all.
            presented: from that schema to the one that is sent.
        """
        cancellation = Cancellation(context.is_cancelled)
        self._begin(cancellation, key_id, ticket)
        batches = guarded_stream(self._batches(cancellation, run(cancellation.stop_with), presented))
        # The first batch now: errors of Postgres answer the call itself, and a generator that has begun is sure to clean up, even
        # if the client leaves before it takes anything.
        schema = next(batches)
        first = next(batches, None)
        return fl.GeneratorStream(schema, chain([] if first is None else [first], batches))

    @contextmanager
    def waited_for(self, context: fl.ServerCallContext, key_id: str) -> Generator[OnWait, None, None]:
        """What to tell how a wait is ended, within this context, so that it is where the client leaves or the server stops.

        Args:
            context: gRPC's.
            key_id: whose call it is.
        """
        cancellation = Cancellation(context.is_cancelled)
        self._begin(cancellation, key_id, b"")
        try:
            yield cancellation.stop_with
        except PxtFlightError as fault:
            if fault.code == "cancelled" and cancellation.reason is not None:
                raise cancellation.reason from None
            raise
        finally:
            self._end(cancellation)

    def cancel(self, key_id: str, tickets: set[bytes]) -> CancelStatus:
        """Cancel the calls of a key that read any of the tickets."""
        with self._changed:
            found = [call for call, (owner, ticket) in self._running.items() if owner == key_id and ticket in tickets]
        for call in found:
            call.request(cancelled())
        return CancelStatus.CANCELLED if found else CancelStatus.NOT_CANCELLABLE

    def stop(self) -> None:
        """Cut every call off, because the server stops."""
        with self._changed:
            found = list(self._running)
        for call in found:
            call.request(error("unavailable", "The server is stopping.", hint="Try again."))

    def _batches(self, cancellation: Cancellation, streams: Iterator[Stream], presented: Callable[[pa.Schema], pa.Schema]) -> Iterator[Any]:
        """The schema, then the batches."""
        schema: pa.Schema | None = None
        metadata: bytes | None = None
        try:
            for stream in streams:
                with closing(stream):
                    cancellation.stop_with(stream.cancel)  # a tier may have nothing to stop before
                    if schema is None:
                        schema, metadata = presented(stream.schema), how_read(stream.tier)
                        yield schema
                    for batch in stream.batches:
                        promised = _as_promised(batch, schema)
                        yield promised if metadata is None else (promised, pa.py_buffer(metadata))
                        metadata = None
                    cancellation.stop_with(None)
        except Exception:
            if cancellation.reason is not None:
                raise cancellation.reason from None
            raise
        finally:  # also where the client left: pyarrow closes the generator within a second
            self._end(cancellation)

    def _begin(self, cancellation: Cancellation, key_id: str, ticket: bytes) -> None:
        with self._changed:
            self._running[cancellation] = (key_id, ticket)
            if not self._watching:
                self._watching = True
                threading.Thread(target=self._watch, name="cancellation", daemon=True).start()
            self._changed.notify()

    def _end(self, cancellation: Cancellation) -> None:
        cancellation.end()
        with self._changed:
            del self._running[cancellation]

    def _watch(self) -> None:
        pause = threading.Event()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._running)
                running = list(self._running)
            for call in running:
                with suppress(Exception):  # one call's fault must not leave the others unwatched
                    call.notice()
            del running  # it would keep calls alive that have ended
            pause.wait(_ASKED_EVERY)


def how_read(tier: Tier) -> bytes:
    """What the metadata of a FlightInfo, and of the first batch of its stream, tell."""
    return json.dumps({"tier": tier}).encode()


def cancelled() -> PxtFlightError:
    """The error of a call that was cancelled."""
    return error("cancelled", "The query was cancelled.")


def _as_promised(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """A batch with the types that were sent: NULL in place of a value may have changed those of a later run."""
    return batch if batch.schema == schema else batch.cast(schema)
