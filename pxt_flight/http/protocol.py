"""How a connection speaks HTTP: as uvicorn does with h11, with an end to heads of requests that never end."""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 20.0
"""That the head of a request may take, from its first byte, or from the connection, on."""
HEAD_BYTES = 32 << 10
"""That it may have."""
KEEP_ALIVE = 30
"""Seconds that a connection may stay without a request."""
BACKLOG = 2048
"""Connections that may wait to be accepted."""


class BoundedProtocol(H11Protocol):
    """Closes a connection whose client is too slow with the head of a request; uvicorn waits for it for ever."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Read what came; a head that has begun has so long to end."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._end_wait()
        elif self._deadline is None:
            self._wait()

    def on_response_complete(self) -> None:
        """Go on; the next head may have begun behind the request that was answered, in the same bytes."""
        super().on_response_complete()
        begun, _ = self.conn.trailing_data
        if begun and self.conn.their_state is h11.IDLE and self._deadline is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the waiting with the connection."""
        self._end_wait()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._deadline = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _end_wait(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def limits() -> dict[str, Any]:
    """uvicorn's settings of connections."""
    return {"http": BoundedProtocol, "h11_max_incomplete_event_size": HEAD_BYTES, "timeout_keep_alive": KEEP_ALIVE, "backlog": BACKLOG}
