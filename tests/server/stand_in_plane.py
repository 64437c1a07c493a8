"""A real, small plane: HTTP on a free port. `GET /held` answers only when the test lets go of the pipe `held` in the home."""

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from pxt_flight import plane
from pxt_flight.errors import error


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"

    def do_GET(self):
        if self.path == "/held":
            Path(os.environ["PXT_FLIGHT_HOME"], "held").read_bytes()
        if self.path == "/print":
            print("a library that prints")  # noqa: T201
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"done")

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = False  # server_close() then waits for the running requests


def main(channel: plane.Channel) -> None:
    print("a library that greets on stdout")  # noqa: T201
    behaviour = os.environ.get("STAND_IN", "")
    if behaviour == "fails":
        raise error("pixeltable_unsupported", "This Pixeltable cannot be used.", hint="Install another.", where={"version": "9"})
    if behaviour == "crashes":
        raise ValueError("a secret of the inside")
    if behaviour == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if behaviour == "starts-postgres":
        import pixeltable

        os.environ["PIXELTABLE_HOME"] = os.environ["PXT_FLIGHT_HOME"]
        pixeltable.init()
    with Server(("127.0.0.1", channel.settings.flight_port), Handler) as server:
        channel.on_stop(server.shutdown)
        channel.ready(port=server.server_port, key="the-owner's-key")
        server.serve_forever(poll_interval=0.05)


if __name__ == "__main__":
    sys.exit(plane.run(main))
