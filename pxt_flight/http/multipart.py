"""Bodies of rows with files beside them (RFC 7578): the rows stay in memory, the files go to disk as they come."""

import errno
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from pxt_flight.config import JSON_BYTES
from pxt_flight.errors import PxtFlightError, error
from pxt_flight.http.body import LARGEST_PART

ROWS = ("rows", "row", "source")
_MAX_PARTS = 1000


class _File(NamedTuple):
    """Where a file stands in the spool."""

    offset: int
    size: int


class Parts:
    """The parts of a body: the rows by their name in `rows`, and the files, until it is closed.

    Args:
        folder: of the file on disk; None for the system's temporary folder. It has no name there, and goes with the process.
    """

    def __init__(self, folder: Path | None) -> None:
        self.rows: dict[str, bytes] = {}
        self._files: dict[str, _File] = {}
        try:
            self._spool: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # closed by `close`
        except OSError as fault:
            raise _not_stored(fault) from fault

    @property
    def sizes(self) -> dict[str, int]:
        """The bytes of each file."""
        return {name: file.size for name, file in self._files.items()}

    def read(self, name: str) -> bytes:
        """The bytes of a file."""
        self._spool.seek(self._files[name].offset)
        return self._spool.read(self._files[name].size)

    def close(self) -> None:
        """Give the disk back."""
        self._spool.close()

    def take(self, boundary: bytes, chunks: Iterator[bytes]) -> None:
        """Take the whole of a body.

        Args:
            boundary: between its parts.
            chunks: of it, as they come.

        Raises:
            InvalidRequestError: `INVALID_ARGUMENT`, it is at fault; `upload_too_large`; `upload_incomplete`, it ends in the middle.
            UnavailableError: `disk_full`.
        """
        reading = _Reading(self.rows, self._files, self._spool)
        try:
            parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": reading.begin,
                    "on_header_field": reading.header_name,
                    "on_header_value": reading.header_value,
                    "on_header_end": reading.header_end,
                    "on_headers_finished": reading.headers_end,
                    "on_part_data": reading.data,
                    "on_part_end": reading.end,
                    "on_end": reading.finish,
                },
            )
            for chunk in chunks:
                parser.write(chunk)
        except MultipartParseError:
            raise error("INVALID_ARGUMENT", "The body is not valid multipart/form-data.", hint="Nothing was written.") from None
        except OSError as fault:
            raise _not_stored(fault) from fault
        if not reading.is_whole:
            raise error("upload_incomplete", "The body ended in the middle.", hint="Nothing was written; send the rows again.")


class _Reading:
    """Follows the parser through a body."""

    def __init__(self, rows: dict[str, bytes], files: dict[str, _File], spool: IO[bytes]) -> None:
        self._rows = rows
        self._files = files
        self._spool = spool
        self._name = ""
        self._memory = bytearray()
        self._field = self._value = b""
        self._headers: dict[bytes, bytes] = {}
        self.is_whole = False

    def begin(self) -> None:
        if len(self._rows) + len(self._files) >= _MAX_PARTS:
            raise error("upload_too_large", f"The body has more than {_MAX_PARTS} parts.", hint="Write the rows in several requests.")
        self._headers = {}

    def header_name(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def header_end(self) -> None:
        self._headers[self._field.lower()] = self._value
        self._field = self._value = b""

    def headers_end(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._name = options.get(b"name", b"").decode(errors="replace")
        if not self._name:
            raise error("INVALID_ARGUMENT", "A part of the body has no name.", hint="Nothing was written.")
        if self._name in self._rows or self._name in self._files:
            raise error("INVALID_ARGUMENT", f"Two parts of the body are named {self._name}.", where={"argument": self._name})
        if self._name not in ROWS:
            self._files[self._name] = _File(self._spool.tell(), 0)

    def data(self, data: bytes, start: int, end: int) -> None:
        if self._name in ROWS:
            self._memory += data[start:end]
            self._bound(len(self._memory), JSON_BYTES)
            return
        offset, size = self._files[self._name]
        self._bound(size + end - start, LARGEST_PART)
        self._spool.write(memoryview(data)[start:end])
        self._files[self._name] = _File(offset, size + end - start)

    def _bound(self, size: int, limit: int) -> None:
        if size > limit:
            raise error(
                "upload_too_large",
                f"Part {self._name} has more than {limit >> 20} MiB.",
                hint="Nothing was written.",
                where={"part": self._name},
            )

    def end(self) -> None:
        if self._name in ROWS:
            self._rows[self._name], self._memory = bytes(self._memory), bytearray()

    def finish(self) -> None:
        self.is_whole = True


def boundary_of(content_type: str) -> bytes:
    """What stands between the parts of a body.

    Raises:
        InvalidRequestError: `INVALID_ARGUMENT`, its type does not say.
    """
    _, options = parse_options_header(content_type)
    if not (found := options.get(b"boundary")):
        raise error("INVALID_ARGUMENT", "The content-type names no boundary.", hint="Let your client set it.")
    return found


def _not_stored(fault: OSError) -> PxtFlightError:
    if fault.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return error("disk_full", "The server's disk has no room for the files.", hint="Nothing was written; send fewer, or try later.")
    return error("unavailable", "The server could not keep the files on its disk.", hint="Nothing was written; try again.")
