"""A connection of HTTP/1.1 that costs little: a thousand of them fit in one process beside the server that they load."""

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

import h11

_RECEIVED = 1 << 16


class DroppedError(Exception):
    """The server closed, or reset, a connection on which it owed an answer."""


@dataclass(frozen=True)
class Ask:
    """A request."""

    method: str
    path: str
    body: bytes = b""
    content_type: str = "application/json"

    @classmethod
    def of(cls, method: str, path: str, body: Any = None) -> Self:
        """A request with a JSON body, or none."""
        return cls(method, path, b"" if body is None else json.dumps(body).encode())


@dataclass
class Reply:
    """An answer, whole; `is_last` where the server ends the connection with it, as HTTP allows."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes = b""
    is_last: bool = False


class Connection:
    """A connection that is kept alive; `Connection.open(url, headers)` makes one."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, headers: list[tuple[str, str]]) -> None:
        self._reader = reader
        self._writer = writer
        self._headers = headers
        self._state = h11.Connection(h11.CLIENT)

    @classmethod
    async def open(cls, url: str, headers: Mapping[str, str]) -> "Connection":
        """Connect to the server of a URL; the headers go with each request.

        Raises:
            OSError: it does not listen, or refuses.
        """
        at = urlsplit(url)
        reader, writer = await asyncio.open_connection(at.hostname, at.port)
        return cls(reader, writer, [("host", at.netloc), *headers.items()])

    async def ask(self, ask: Ask) -> Reply:
        """Send a request and wait for the whole answer.

        Raises:
            DroppedError: the connection ended before.
        """
        headers = [*self._headers, ("content-length", str(len(ask.body)))]
        if ask.body:
            headers.append(("content-type", ask.content_type))
        request = h11.Request(method=ask.method, target=ask.path, headers=headers)
        try:
            for event in (request, h11.Data(data=ask.body), h11.EndOfMessage()):
                self._writer.write(self._state.send(event) or b"")
            await self._writer.drain()
            return await self._reply()
        except (OSError, h11.RemoteProtocolError) as fault:
            raise DroppedError(type(fault).__name__) from fault

    async def _reply(self) -> Reply:
        reply, pieces = Reply(0, {}), []
        while not isinstance(event := self._state.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                self._state.receive_data(await self._reader.read(_RECEIVED))
            elif isinstance(event, h11.Response):
                reply = Reply(event.status_code, dict(event.headers))
            elif isinstance(event, h11.Data):
                pieces.append(bytes(event.data))
            elif isinstance(event, h11.ConnectionClosed):
                raise DroppedError("closed without an answer")
        reply.body, reply.is_last = b"".join(pieces), h11.MUST_CLOSE in (self._state.our_state, self._state.their_state)
        if not reply.is_last:
            self._state.start_next_cycle()
        return reply

    async def close(self) -> None:
        """Hang up."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
