"""`python -m pxt_flight.http`: the control plane as a process under the supervisor."""

import contextlib
import errno
import math
import socket
import sys
from collections.abc import Iterator

import uvicorn

from pxt_flight import plane
from pxt_flight.errors import error


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


def main(channel: plane.Channel) -> None:
    """Serve HTTP until told to stop.

    Raises:
        ConnectError: `port_in_use` or `address_unusable`.
    """
    settings = channel.settings
    # Bound before the application is imported: a taken port is told at once.
    listener = listen(settings.host, settings.http_port)
    from pxt_flight.http.app import create_app

    config = uvicorn.Config(
        create_app(settings.home),
        loop="asyncio",  # uvloop takes the signals' wakeup descriptor from the channel
        lifespan="off",
        ws="none",
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=math.ceil(settings.drain_deadline),
    )
    server = ControlPlane(config, channel)
    channel.on_stop(server.drain)
    server.run(sockets=[listener])


def listen(host: str, port: int) -> socket.socket:
    """Listen on a port of `host`; port 0 takes a free one.

    Raises:
        ConnectError: `port_in_use` or `address_unusable`.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    where = {"host": host, "port": port}
    try:
        return socket.create_server((host, port), family=family)
    except OSError as failure:
        if failure.errno == errno.EADDRINUSE:
            hint = "Choose another with --http-port; 0 takes a free one."
            raise error("port_in_use", f"Port {port} is taken by another process.", hint=hint, where=where) from None
        hint = "Name an address of this machine with --host and a port that you may open with --http-port."
        raise error("address_unusable", f"Cannot listen on {host}, port {port}.", hint=hint, where=where) from None


if __name__ == "__main__":
    sys.exit(plane.run(main))
