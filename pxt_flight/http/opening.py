"""The store of the control plane, opened beside the listening: to import Pixeltable alone takes 4 s."""

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Literal

from pxt_flight.errors import PxtFlightError, error
from pxt_flight.trace import describe

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from pxt_flight.operations.startup import OpenStore

PATIENCE = 30.0  # seconds that a request waits for the store
_log = logging.getLogger(__name__)


class Opening:
    """A store, and the application that serves it, which are being opened in a thread of their own.

    Args:
        open_store: opens it, in that thread; answers None where the process was told to stop before.
        make_api: makes the application, in that thread too.

    Attributes:
        failure: why it could not be opened, as far as a client may know it.
    """

    def __init__(self, open_store: "Callable[[], OpenStore | None]", make_api: "Callable[[OpenStore], ASGIApp]") -> None:
        self._open_store = open_store
        self._make_api = make_api
        self._opened: Future[tuple[OpenStore, ASGIApp] | None] = Future()
        self.failure: PxtFlightError | None = None
        self._thread = threading.Thread(target=self._run, name="opening", daemon=True)

    def begin(self) -> None:
        """Start to open it."""
        self._thread.start()

    @property
    def state(self) -> Literal["starting", "ready", "failed"]:
        """How far it is."""
        if not self._opened.done():
            return "starting"
        return "failed" if self._opened.result() is None else "ready"

    @property
    def store(self) -> "OpenStore | None":
        """The store; None where it is not open."""
        opened = self._opened.result() if self._opened.done() else None
        return None if opened is None else opened[0]

    async def api(self) -> "ASGIApp":
        """The application; waits for it.

        Raises:
            UnavailableError: it is not open yet, or could not be opened.
        """
        try:
            opened = await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(self._opened)), PATIENCE)
        except TimeoutError:
            raise error("unavailable", "The server is still opening its store.", hint="Try again.") from None
        if opened is None:
            raise self.failed()
        return opened[1]

    def failed(self) -> PxtFlightError:
        """The error of who asks for what could not be opened."""
        said = f" {self.failure.message}" if self.failure else ""
        return error("unavailable", f"The server cannot serve its store.{said}", hint="Its log says why; start it again.")

    def close(self) -> bool:
        """Close the store; answers False where it is still being opened."""
        if not self._opened.done():
            return False
        if opened := self._opened.result():
            opened[0].close()
        return True

    def _run(self) -> None:
        opened = None
        try:
            if store := self._open_store():
                opened = store, self._make_api(store)
        except Exception as fault:  # noqa: BLE001  # whatever it is, the process goes on without the store
            if isinstance(fault, PxtFlightError) and fault.code == "INVALID_CONFIGURATION":
                self.failure = fault
            _log.error("The store could not be opened: %s", self.failure or describe(fault))
        finally:
            self._opened.set_result(opened)
