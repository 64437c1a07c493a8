"""How large the body of a request may be, and how long the next piece of it may take.

Counted as it arrives: a body in chunks has no length.
"""

import asyncio

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pxt_flight.config import JSON_BYTES
from pxt_flight.errors import PxtFlightError, error
from pxt_flight.http.problems import problem

_PATIENCE = 60.0  # seconds without a byte
_STREAMED = ("application/vnd.apache.arrow.stream", "multipart/form-data")  # to a file
_LONGEST = 18  # digits of a length
_HINT = "Send it in parts, or rows as an Arrow stream."


class BodyLimit:
    """Refuses bodies that are too large, and gives up those that stop.

    Args:
        app: the application.
        streamed: bytes of a body that goes to a file: Arrow streams and multipart.
        largest: bytes of any other.
        patience: seconds to wait for the next piece.
    """

    def __init__(self, app: ASGIApp, *, streamed: int, largest: int = JSON_BYTES, patience: float = _PATIENCE) -> None:
        self._app = app
        self._streamed = streamed
        self._largest = largest
        self._patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, with its body bounded."""
        headers = Headers(scope=scope)
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        limit = self._streamed if kind in _STREAMED else self._largest
        length = headers.get("content-length", "0")
        if len(length) > _LONGEST or (length.isdecimal() and int(length) > limit):
            await problem(_too_large(limit))(scope, receive, send)
            return
        left, is_whole = limit, False

        async def bounded() -> Message:
            nonlocal left, is_whole
            if is_whole:  # what comes now is that the client leaves, whenever that is
                return await receive()
            try:
                async with asyncio.timeout(self._patience):
                    message = await receive()
            except TimeoutError:
                raise error("upload_incomplete", "The body stopped coming.", hint="Send the request again.") from None
            left -= len(message.get("body", b""))
            is_whole = not message.get("more_body", False)
            if left < 0:
                raise _too_large(limit)
            return message

        await self._app(scope, bounded, send)


def _too_large(limit: int) -> PxtFlightError:
    return error("upload_too_large", f"The body has more than {limit} bytes.", hint=_HINT)
