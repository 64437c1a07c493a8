"""What a client sends to be written: spooled to disk and checked, whole, before anything of the store is locked."""

import errno
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Protocol, Self

import pyarrow as pa

from pxt_flight.engine.digest import Digest
from pxt_flight.errors import PxtFlightError, error


class Checker(Protocol):
    """Turns batches as they are sent into batches of the types in which they are staged."""

    schema: pa.Schema

    @property
    def rejected(self) -> pa.Table | None:
        """The rows that were left out; None where there are none."""

    def check(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """The rows of a batch that may be written, in pieces that memory holds. Faults are counted, and told by `finish`."""

    def finish(self) -> None:
        """Nothing more comes.

        Raises:
            InvalidRequestError: rows are at fault, and none may be left out.
        """


class Checked:
    """A checker of rows that are known to be right, and of the types in which they are staged.

    Args:
        schema: those types.
    """

    rejected = None

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema

    def check(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """See `Checker`."""
        if batch.num_rows:
            yield batch

    def finish(self) -> None:
        """See `Checker`."""


class Upload:
    """Rows that wait to be written, whole and checked.

    Attributes:
        schema: their staged types (`target.staged_type`).
        rows: how many there are.
        size: bytes on disk.
        digest: of their values, in whatever batches they came.
        rejected: the rows that were left out, as they were sent, with the column `pxt_error`; None where there are none.
    """

    def __init__(self, schema: pa.Schema, file: IO[bytes], *, rows: int, size: int, digest: bytes, rejected: pa.Table | None) -> None:
        self.schema = schema
        self.rows = rows
        self.size = size
        self.digest = digest
        self.rejected = rejected
        self._file = file

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, from the first on, as often as one likes."""
        self._file.seek(0)
        yield from pa.ipc.open_stream(self._file)

    def close(self) -> None:
        """Give the disk back."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Reception:
    """An upload while it comes. The file has no name, and goes with the process however that ends.

    Args:
        checker: what the rows must be.
        folder: of the file; None for the system's temporary folder.
        limit: bytes that it may take on disk.
    """

    def __init__(self, checker: Checker, folder: Path | None, limit: int) -> None:
        self._checker = checker
        self._limit = limit
        self._rows = 0
        self._digest = Digest(checker.schema)
        try:
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # the Upload closes it
            self._writer = pa.ipc.new_stream(self._file, checker.schema)
        except OSError as fault:
            raise _not_stored(fault) from fault

    def add(self, batch: pa.RecordBatch) -> None:
        """Take the next batch, as it was sent.

        Raises:
            InvalidRequestError: `upload_too_large`, or the batch is damaged.
            UnavailableError: `disk_full`.
        """
        for checked in self._checker.check(batch):
            self._keep(checked)

    def _keep(self, checked: pa.RecordBatch) -> None:
        self._rows += checked.num_rows
        self._digest.update(checked)
        try:
            self._writer.write_batch(checked)
            size = self._file.tell()
        except OSError as fault:
            raise _not_stored(fault) from fault
        if size > self._limit:
            raise error(
                "upload_too_large",
                f"The rows take more than {self._limit >> 20} MiB.",
                hint="Write them in parts, or raise PXT_FLIGHT_UPLOAD_BYTES.",
            )

    def finish(self) -> Upload:
        """All of it is there. Whether the client meant to end here is for the caller to know.

        Raises:
            InvalidRequestError: rows are at fault.
            UnavailableError: `disk_full`.
        """
        self._checker.finish()
        try:
            self._writer.close()
            self._file.flush()
        except OSError as fault:
            raise _not_stored(fault) from fault
        return Upload(
            self._checker.schema,
            self._file,
            rows=self._rows,
            size=self._file.tell(),
            digest=self._digest.digest(),
            rejected=self._checker.rejected,
        )

    def abort(self) -> None:
        """It will not be whole: give the disk back."""
        self._file.close()


def _not_stored(fault: OSError) -> PxtFlightError:
    if fault.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return error("disk_full", "The server's disk has no room for the rows.", hint="Nothing was written; send fewer rows, or try later.")
    return error("unavailable", "The server could not keep the rows on its disk.", hint="Nothing was written; try again.")
