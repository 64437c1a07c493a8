"""Where tables may be exported to: only what the server's settings name."""

import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pxt_flight.engine import sinks
from pxt_flight.engine.sinks import FileSink, ObjectSink
from pxt_flight.errors import error

_AT_ONCE = 2  # exports of a process: each has a thread, and up to 100 MiB
# One part of a name: none begins with a dot, so there is no `..`, and nothing that a hidden file of ours could be taken for.
_PART = re.compile(r"[A-Za-z0-9_=-][A-Za-z0-9_=. -]*", re.ASCII)
_LONGEST = 200


class Destinations:
    """The destinations of a server.

    Args:
        folder: for files; None for none.
        buckets: of S3, for objects.
        endpoint: the URL of another service that speaks S3; None for AWS.

    Attributes:
        folder: that; it need not be there before something is exported.
    """

    def __init__(self, folder: Path | None = None, buckets: frozenset[str] = frozenset(), endpoint: str | None = None) -> None:
        self.folder, self._buckets, self._endpoint = folder, buckets, endpoint
        self._slots = threading.BoundedSemaphore(_AT_ONCE)
        self._s3: Any = None
        self._lock = threading.Lock()

    @contextmanager
    def slot(self) -> Generator[None, None, None]:
        """One of the exports that may run at once.

        Raises:
            UnavailableError: there are too many.
        """
        if not self._slots.acquire(blocking=False):
            raise error("unavailable", "There are too many exports at once.", hint="Nothing was exported; try again.")
        try:
            yield
        finally:
            self._slots.release()

    def file(self, path: str, *, is_replacing: bool) -> FileSink:
        """A file of the folder.

        Args:
            path: its name in it, with slashes.
            is_replacing: whether a file that is there makes room.

        Raises:
            InvalidRequestError: `INVALID_CONFIGURATION`, there is no folder; `INVALID_ARGUMENT`, the name leads out of it.
        """
        if self.folder is None:
            hint = "Who runs the server names a folder with PXT_FLIGHT_EXPORT_DIR."
            raise error("INVALID_CONFIGURATION", "This server exports to no folder.", hint=hint, where={"setting": "export_dir"})
        return FileSink(self.folder / _checked(path, "path"), is_replacing=is_replacing)

    def object(self, bucket: str, key: str, *, is_replacing: bool) -> ObjectSink:
        """An object of a bucket.

        Args:
            bucket: its name.
            key: of the object.
            is_replacing: whether an object that is there makes room.

        Raises:
            InvalidRequestError: `INVALID_CONFIGURATION`, it is not among the buckets; `INVALID_ARGUMENT`, the key is not a plain name.
        """
        if bucket not in self._buckets:
            hint = "Who runs the server names the buckets with PXT_FLIGHT_EXPORT_BUCKETS."
            raise error("INVALID_CONFIGURATION", "This server does not export to this bucket.", hint=hint, where={"bucket": bucket})
        return ObjectSink(self._client(), bucket, _checked(key, "key"), is_replacing=is_replacing)

    def _client(self) -> Any:
        with self._lock:
            self._s3 = self._s3 or sinks.open_s3(self._endpoint)
            return self._s3


def _checked(name: str, argument: str) -> str:
    if len(name) > _LONGEST or not all(_PART.fullmatch(part) for part in name.split("/")):
        raise error(
            "INVALID_ARGUMENT",
            f"{argument} must be a relative name: letters, digits and _ - = . between slashes, up to {_LONGEST} characters.",
            hint="For example exports/films.parquet.",
            where={"argument": argument},
        )
    return name
