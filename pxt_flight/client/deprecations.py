"""Warnings of what the server says is deprecated: one for each operation of a connection."""

import json
import sys
import threading
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow.flight as fl

_HEADER = "x-pxt-deprecated"
_PACKAGE = str(Path(__file__).parents[1])


class Deprecations(fl.ClientMiddlewareFactory):  # type: ignore[misc]  # pyarrow has no types
    """Hears what the server says with its answers. A Flight middleware, which hears it on a thread of gRPC's: `warn` tells the caller."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._heard: dict[str, dict[str, Any]] = {}
        self._told: set[str] = set()

    def start_call(self, info: Any) -> "_Listener":  # noqa: ARG002  # pyarrow's signature
        """Listen to one call."""
        return _Listener(self)

    def hear(self, notice: str) -> None:
        """Take a notice of the server's."""
        with suppress(ValueError, KeyError, TypeError):  # of a server that says it otherwise: it is only a notice
            said = json.loads(notice)
            with self._lock:
                if said["operation"] not in self._told:
                    self._heard[said["operation"]] = said

    def warn(self) -> None:
        """Raise a `DeprecationWarning`, at the line of the caller's outside of this package, for each operation that was not told yet."""
        if not self._heard:
            return
        with self._lock:
            heard, self._heard = self._heard, {}
            self._told |= heard.keys()
        for said in heard.values():
            warnings.warn(_text(said), DeprecationWarning, stacklevel=_outside())


class _Listener(fl.ClientMiddleware):  # type: ignore[misc]  # pyarrow has no types
    def __init__(self, deprecations: Deprecations) -> None:
        super().__init__()
        self._deprecations = deprecations

    def received_headers(self, headers: dict[str, list[str]]) -> None:
        for notice in headers.get(_HEADER, ()):
            self._deprecations.hear(notice)


def _text(said: dict[str, Any]) -> str:
    replacement, sunset = said.get("replacement"), said.get("sunset")
    text = f"{said['operation']} is deprecated since release {said.get('release')}"
    return text + (f", and may be gone after {sunset}" if sunset else "") + (f"; use {replacement}." if replacement else ".")


def _outside() -> int:
    """How far above `warn` the first frame stands that is not of this package."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame, level = frame.f_back, level + 1
    return level
