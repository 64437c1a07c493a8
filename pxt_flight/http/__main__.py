"""`python -m pxt_flight.http`: the control plane as a process under the supervisor."""

import contextlib
import errno
import math
import os
import resource
import socket
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import uvicorn

from pxt_flight import plane, registration
from pxt_flight.errors import error

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from pxt_flight.operations.startup import OpenStore

_POLL_INTERVAL = 0.1
_CONNECTIONS = 16384


class ControlPlane(uvicorn.Server):
    """uvicorn, told to stop by the plane's channel instead of by its own signal handlers."""

    def __init__(self, config: uvicorn.Config, channel: plane.Channel) -> None:
        super().__init__(config)
        self._channel = channel

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        assert sockets is not None
        self._channel.ready(port=sockets[0].getsockname()[1])

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def drain(self) -> None:
        """Finish the running requests and end; uvicorn looks at this ten times a second."""
        self.should_exit = True


def open_when_served(channel: plane.Channel) -> "OpenStore | None":
    """Open the store once the whole server is ready: the data plane has made then what the first server on a home must make.

    Returns:
        None where the plane is told to stop before.
    """
    settings = channel.settings
    while registration.running(settings.home) is None:
        if channel.stopping.wait(_POLL_INTERVAL):
            return None
    # Imported here: Pixeltable takes seconds, and the channel must own stdout before it can print to it.
    from pxt_flight.engine.seam import probe

    probe.prepare_import()
    from pxt_flight.operations.startup import open_store

    return None if channel.stopping.is_set() else open_store(settings)


def main(channel: plane.Channel, open_store: "Callable[[plane.Channel], OpenStore | None]" = open_when_served) -> None:
    """Serve HTTP until told to stop.

    Args:
        channel: the line to the supervisor.
        open_store: opens the store while requests are served already; runs in a thread of its own.

    Raises:
        ConnectError: `port_in_use` or `address_unusable`.
    """
    settings = channel.settings
    # Bound before the application is imported: a taken port is told at once.
    listener = listen(settings.host, settings.http_port)
    from pxt_flight.http.app import create_app
    from pxt_flight.http.opening import Opening
    from pxt_flight.http.protocol import limits

    allow_connections()

    def make_api(store: "OpenStore") -> "ASGIApp":
        from pxt_flight.http.api import create_api  # imports Pixeltable

        bounds = {"threads": settings.http_threads, "waiting": settings.http_waiting}
        return create_api(store, settings.home, routers=settings.routers, **bounds)

    opening = Opening(lambda: open_store(channel), make_api)
    config = uvicorn.Config(
        create_app(settings.home, opening, cors_origins=settings.cors_origins, upload_bytes=settings.upload_bytes),
        loop="asyncio",  # uvloop takes the signals' wakeup descriptor from the channel
        lifespan="off",
        ws="none",
        access_log=False,
        log_level="critical",  # its other lines quote the text of exceptions, which may name a path; the application logs those itself
        server_header=False,
        **limits(),
        timeout_graceful_shutdown=math.ceil(settings.drain_deadline),
    )
    server = ControlPlane(config, channel)
    channel.on_stop(server.drain)
    opening.begin()
    server.run(sockets=[listener])
    if not opening.close():
        # An import cannot be interrupted; nothing is half done yet, and connections end with the process.
        os._exit(0)


def allow_connections() -> None:
    """Let this process have as many files and connections open as it may: many systems begin with 1024, of which the store takes some."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = _CONNECTIONS if most == resource.RLIM_INFINITY else min(most, _CONNECTIONS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, most))


def listen(host: str, port: int) -> socket.socket:
    """Listen on a port of `host`; port 0 takes a free one.

    Raises:
        ConnectError: `port_in_use` or `address_unusable`.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    where = {"host": host, "port": port}
    try:
        listener = socket.create_server((host, port), family=family)
        # asyncio sets it where a socket names its protocol, which these do not; connections inherit it. Without it an answer's body waits
        # 40 ms for the acknowledgement of its head.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as failure:
        if failure.errno == errno.EADDRINUSE:
            hint = "Choose another with --http-port; 0 takes a free one."
            raise error("port_in_use", f"Port {port} is taken by another process.", hint=hint, where=where) from None
        hint = "Name an address of this machine with --host and a port that you may open with --http-port."
        raise error("address_unusable", f"Cannot listen on {host}, port {port}.", hint=hint, where=where) from None
    return listener


if __name__ == "__main__":
    sys.exit(plane.run(main))
