"""Operations block: they run on threads of their own, so many at once, so many more in line, and one more is told to try again."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from contextvars import copy_context
from dataclasses import replace
from typing import TypeVar

from fastapi import Request

from pxt_flight.errors import error
from pxt_flight.operations.call import Call

T = TypeVar("T")


class Calls:
    """The calls of a control plane.

    Reads and changes each have threads and a line of their own: changes of one table take turns, and while they wait for theirs a read
    need not.

    Args:
        running: of each at once, each call with a thread.
        waiting: of each in line; one more is refused.
    """

    def __init__(self, *, running: int = 16, waiting: int = 128) -> None:
        self._reads, self._changes = (_Line(name, running, waiting) for name in ("read", "change"))

    async def run(
        self,
        request: Request,
        call: Call,
        work: Callable[[Call], T],
        *,
        changes: bool = False,
        ended: asyncio.Event | None = None,
    ) -> T:
        """Run an operation; what it waits for ends where the client leaves.

        Args:
            request: whose body has been read, or is by the work.
            call: who asks.
            work: gets the call with what it needs to hear of that.
            changes: whether it may wait for its turn to change something.
            ended: set when the body has been read, where the work reads it.

        Raises:
            UnavailableError: `unavailable`, there are too many calls.
            PxtFlightError: what the work raises.
        """
        line = self._changes if changes else self._reads
        with line.place():
            async with _watched(request, ended) as departure:
                heard = replace(call, on_wait=departure.on_wait)
                return await asyncio.get_running_loop().run_in_executor(line.threads, copy_context().run, work, heard)

    def close(self) -> None:
        """Wait for those that run."""
        for line in (self._reads, self._changes):
            line.threads.shutdown(wait=True, cancel_futures=True)


class _Line:
    """Calls that run, and those that wait for a thread."""

    def __init__(self, name: str, running: int, waiting: int) -> None:
        self.threads = ThreadPoolExecutor(running, thread_name_prefix=name)
        self._left = running + waiting

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place in line, of which there are so many."""
        if not self._left:
            raise error("unavailable", "The server has too many calls in line.", hint="Nothing was done; try again in a second.")
        self._left -= 1
        try:
            yield
        finally:
            self._left += 1


class _Departure:
    """Ends what a call waits for, once its client has left."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stop: Callable[[], None] | None = None
        self._has_happened = False

    def on_wait(self, stop: Callable[[], None] | None) -> None:
        """See `Call.on_wait`."""
        with self._lock:
            self._stop = stop
            if self._has_happened and stop is not None:
                stop()

    def happen(self) -> None:
        """The client has left. Blocks."""
        with self._lock:
            self._has_happened = True
            if self._stop is not None:
                self._stop()


@asynccontextmanager
async def _watched(request: Request, ended: asyncio.Event | None) -> AsyncIterator[_Departure]:
    departure = _Departure()

    async def watch() -> None:
        if ended is not None:
            await ended.wait()
        while (await request.receive())["type"] != "http.disconnect":  # before it comes the empty body of a GET, which nobody has read
            pass
        await asyncio.to_thread(departure.happen)

    watcher = asyncio.create_task(watch())
    try:
        yield departure
    finally:
        watcher.cancel()
