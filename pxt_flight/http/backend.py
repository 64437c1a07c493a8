"""What an application answers from. Its routes find it with each request, so that they are made, and described, without a store."""

from dataclasses import dataclass

from fastapi import Request

from pxt_flight.http.calls import Calls
from pxt_flight.operations.links import MediaLinks
from pxt_flight.operations.startup import OpenStore


@dataclass(frozen=True)
class Backend:
    """What an application answers from: `api.state.backend`.

    Attributes:
        store: the store.
        links: makes the URLs of its media.
        calls: runs operations on it.
    """

    store: OpenStore
    links: MediaLinks
    calls: Calls


def backend_of(request: Request) -> Backend:
    """That of the application which answers a request."""
    found: Backend = request.app.state.backend
    return found
