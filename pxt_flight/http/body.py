"""The body of a request as a file, which a thread reads while the event loop receives it."""

import asyncio
from collections.abc import Iterator

from fastapi import Request
from starlette.requests import ClientDisconnect

from pxt_flight.errors import error

_PATIENCE = 60.0  # seconds without a byte
_FIRST_LENGTH = 8  # bytes, with the marker before it
LARGEST_PART = 256 << 20
"""Bytes of one record batch, or of one file, which is in memory as a whole."""


class Body:
    """The body of a request as a file, which a thread reads while the event loop receives it.

    Args:
        request: whose body it is.
        limit: bytes that it may have.
    """

    closed = False

    def __init__(self, request: Request, limit: int) -> None:
        self.content_type = request.headers.get("content-type", "")
        self._loop = asyncio.get_running_loop()
        self._chunks = request.stream()
        self._left = limit
        self._read = 0
        self._buffer = memoryview(b"")
        self.ended = asyncio.Event()
        self.is_cut = False
        self.has_left = False

    def read(self, size: int = -1) -> bytes:
        """The next bytes: fewer only where the body ends.

        Raises:
            InvalidRequestError: `upload_too_large`, or `INVALID_ARGUMENT`.
        """
        if size > LARGEST_PART:
            if self._read <= _FIRST_LENGTH:  # of the schema: whatever stands there is no length
                raise error("INVALID_ARGUMENT", "The body is not an Arrow stream.", hint="Nothing was written.")
            raise error("upload_too_large", f"A record batch has more than {LARGEST_PART >> 20} MiB.", hint="Send smaller ones.")
        parts: list[memoryview] = []
        missing = size
        while missing:
            if not self._buffer:
                self._buffer = memoryview(asyncio.run_coroutine_threadsafe(self._next(), self._loop).result())
                if not self._buffer:
                    self.is_cut = True
                    break
            parts.append(self._buffer[:missing])
            self._buffer = self._buffer[missing:]
            missing -= len(parts[-1])
        self._read += size - missing
        return b"".join(parts)

    def read_all(self) -> bytes:
        """All of it.

        Raises:
            InvalidRequestError: `upload_too_large`; `upload_incomplete`, the client left, or sends nothing any more.
        """
        return b"".join(self.chunks())

    def chunks(self) -> Iterator[bytes]:
        """All of it, as it comes; errors as of `read_all`."""
        while chunk := asyncio.run_coroutine_threadsafe(self._next(), self._loop).result():
            yield chunk
        if self.has_left:
            raise error("upload_incomplete", "The body ended in the middle.", hint="Nothing was written; send the rows again.")

    def close(self) -> None:
        """A file has one; the body is the server's to close."""

    def is_whole(self) -> bool:
        """Whether the stream was ended by its own mark: a body that was cut off between two batches looks like one that ends there.

        Raises:
            InvalidRequestError: `INVALID_ARGUMENT`, more comes after the mark.
        """
        if self.is_cut:
            return False
        if self.read(1):
            raise error("INVALID_ARGUMENT", "After the end of the Arrow stream come more bytes.", hint="Nothing was written.")
        return True

    async def _next(self) -> bytes:
        """The next piece as it arrives; empty at the end, and where the client has left, or sends nothing any more."""
        chunk = b""
        try:
            async with asyncio.timeout(_PATIENCE):
                chunk = await anext(self._chunks, b"")
        except (ClientDisconnect, TimeoutError):
            self.has_left = True
        if not chunk:
            self.ended.set()
        self._left -= len(chunk)
        if self._left < 0:
            raise error("upload_too_large", "The body is larger than this server takes.", hint="Write the rows in parts.")
        return chunk
