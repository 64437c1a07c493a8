"""The store of the control plane, opened beside the listening: to import Pixeltable alone takes 4 s."""

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Literal

from pxt_flight.errors import error
from pxt_flight.trace import describe

if TYPE_CHECKING:
    from pxt_flight.operations.startup import OpenStore

PATIENCE = 30.0  # seconds that a request waits for the store
_log = logging.getLogger(__name__)


class Opening:
    """A store that is being opened in a thread of its own.

    Args:
        open_store: opens it, in that thread; answers None where the process was told to stop before.
    """

    def __init__(self, open_store: "Callable[[], OpenStore | None]") -> None:
        self._open_store = open_store
        self._opened: Future[OpenStore | None] = Future()
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

    async def store(self) -> "OpenStore":
        """The store; waits for it.

        Raises:
            UnavailableError: it is not open yet, or could not be opened.
        """
        try:
            store = await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(self._opened)), PATIENCE)
        except TimeoutError:
            raise error("unavailable", "The server is still opening its store.", hint="Try again.") from None
        if store is None:
            raise error("unavailable", "The server cannot read its store.", hint="Its log says why; start it again.")
        return store

    def close(self) -> bool:
        """Close the store; answers False where it is still being opened."""
        if not self._opened.done():
            return False
        if store := self._opened.result():
            store.close()
        return True

    def _run(self) -> None:
        store = None
        try:
            store = self._open_store()
        except Exception as fault:  # noqa: BLE001  # whatever it is, the process goes on without the store
            _log.error("The store could not be opened: %s", describe(fault))
        finally:
            self._opened.set_result(store)
