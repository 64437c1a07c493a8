"""Whether the whole server can answer; if not, what is wrong with it, and since when."""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pxt_flight import registration
from pxt_flight.errors import PxtFlightError, error
from pxt_flight.http.opening import Opening

_PATIENCE = 2.0  # seconds for the store: a probe waits little longer
_FRESH = 1.0  # seconds that an answer of the store holds, so that probes cannot keep it busy


class Readiness:
    """Looks at the planes and at the store of a server.

    Args:
        home: its home.
        opening: its store.
    """

    def __init__(self, home: Path, opening: Opening) -> None:
        self._home = home
        self._opening = opening
        self._since: dict[str, str] = {}
        self._asking: asyncio.Task[str | None] | None = None
        self._asked = 0.0

    async def answer(self) -> dict[str, Any]:
        """What is ready, and what of it is slower than it should be; needs no key.

        Raises:
            UnavailableError: the server is starting or stopping, or cannot read its store; `where["faults"]` names what, and since when.
        """
        server = registration.running(self._home)
        faults = dict(_planes(server))
        if server is not None and (store := await self._store()) is not None:
            faults["store"] = store
        self._since = {part: self._since.get(part) or datetime.now(UTC).isoformat(timespec="seconds") for part in faults}
        if server is None or faults:
            found = [{"part": part, "fault": fault, "since": self._since[part]} for part, fault in faults.items()]
            texts = " ".join(f"{one['part']}: {one['fault']}" for one in found)
            raise error("unavailable", f"The server is not ready. {texts}", hint="Try again in a moment.", where={"faults": found})
        because = f"Queries are read in the tier {server.read_tier}: {server.read_because}." if server.read_because else None
        return {
            "status": "ready",
            "version": server.version,
            "planes": {
                name: datetime.fromtimestamp(plane.started, UTC).isoformat(timespec="seconds") for name, plane in server.planes.items()
            },
            "reads": {"tier": server.read_tier, "slower_because": because},
            "writes": {"slower_because": server.writes_because},
            "media": self._opening.state,
        }

    async def _store(self) -> str | None:
        """Why the store of this process cannot be read; None while it can, or is being opened: requests wait for that."""
        if self._opening.state == "failed":
            known = self._opening.failure
            return known.message if known else "It could not be opened; the log says why."
        if self._opening.store is None:
            return None
        # One question at a time, however many ask: what hangs would else take a thread for each probe.
        if self._asking is None or (self._asking.done() and time.monotonic() - self._asked > _FRESH):
            self._asking, self._asked = asyncio.create_task(asyncio.to_thread(self._ask)), time.monotonic()
        try:
            return await asyncio.wait_for(asyncio.shield(self._asking), _PATIENCE)
        except TimeoutError:
            return f"Its database does not answer within {_PATIENCE:.0f} s."

    def _ask(self) -> str | None:
        store = self._opening.store
        assert store is not None
        try:
            with store.engine.store.connection() as connection:
                connection.execute("SELECT 1")
        except PxtFlightError:
            return "Its database takes no connection."
        return None


def _planes(server: registration.Server | None) -> Iterator[tuple[str, str]]:
    if server is None:
        yield "server", "It is starting or stopping."
        return
    for name, plane in server.planes.items():
        if not plane.is_alive():
            yield name, "The process has ended."
