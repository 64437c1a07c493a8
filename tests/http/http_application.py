"""An application on a real connection, with the bounds of the real server."""

import contextlib
import threading

import uvicorn

from pxt_flight.http.__main__ import listen
from pxt_flight.http.protocol import limits


@contextlib.contextmanager
def serve_app(app):
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", ws="none", lifespan="off", **limits()))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield listener.getsockname()
    finally:
        server.should_exit = True
        thread.join()
