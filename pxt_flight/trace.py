"""What a log may say of an unforeseen exception: its kind and its place. Never its text, which may quote SQL, paths or keys.

And of which request it speaks.
"""

import traceback
from collections.abc import Iterator
from contextvars import ContextVar

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the request that is being answered; None outside of one."""


def describe(fault: BaseException) -> str:
    """One line: kinds and places, the last cause first, as `KeyError at pxt_flight.engine.sql:227 < ...:101 <= OSError at ...`."""
    return " <= ".join(f"{type(one).__name__} at {_places(one)}" for one in _causes(fault))


def _causes(fault: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while fault is not None and id(fault) not in seen:
        seen.add(id(fault))
        yield fault
        fault = fault.__cause__ or fault.__context__


def _places(fault: BaseException) -> str:
    # Module names, not files: a file's path names its user.
    frames = [(frame.f_globals.get("__name__", "?"), line) for frame, line in traceback.walk_tb(fault.__traceback__)]
    return " < ".join(f"{module}:{line}" for module, line in reversed(frames)) or "an unknown place"
