"""ROAPI: another Flight SQL server, over Parquet files that it holds in memory. No database stands behind it."""

import contextlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import polars as pl
import pyarrow as pa
from adbc_driver_flightsql import dbapi as flightsql

from benchmarks import processes

if TYPE_CHECKING:
    from typing_extensions import Buffer

_ANY_PORT = "127.0.0.1:0"
_HEADERS = {"Accept": "application/vnd.apache.arrow.stream", "Accept-Encoding": "identity"}
_TIMEOUT = 600.0  # seconds


@dataclass(frozen=True)
class Roapi:
    """A running ROAPI.

    Attributes:
        adbc: an ADBC connection to its Flight SQL port.
        http: a client of its HTTP port.
    """

    adbc: flightsql.Connection
    http: httpx.Client

    def read_adbc(self, text: str) -> Any:
        """A query's rows in polars, through ADBC."""
        return pl.read_database(text, self.adbc)

    def read_http(self, text: str) -> Any:
        """A query's rows in polars, as Arrow over HTTP."""
        with self._asked(text) as response:
            return pl.from_arrow(pa.ipc.open_stream(response.read()).read_all())

    @contextlib.contextmanager
    def open_http(self, text: str) -> Iterator[pa.RecordBatchReader]:
        """A query's rows as they come, as Arrow over HTTP."""
        with self._asked(text) as response:
            yield pa.ipc.open_stream(io.BufferedReader(_Body(response.iter_raw())))

    def _asked(self, text: str) -> contextlib.AbstractContextManager[httpx.Response]:
        return self.http.stream("POST", "/api/sql", content=text)


class _Body(io.RawIOBase):
    """The body of a response as a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._left = chunks, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "Buffer") -> int:
        while not self._left:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._left = memoryview(chunk)
        wanted = memoryview(buffer)
        taken = min(len(wanted), len(self._left))
        wanted[:taken] = self._left[:taken]
        self._left = self._left[taken:]
        return taken


@contextlib.contextmanager
def running(files: Mapping[str, Path], folder: Path) -> Iterator[Roapi]:
    """ROAPI over some Parquet files, on free ports of the loopback.

    Args:
        files: by the name of the table.
        folder: where it may write its log.

    Raises:
        NotRunError: it cannot run here.
    """
    addresses = [part for port in ("http", "flight-sql", "postgres") for part in (f"--addr-{port}", _ANY_PORT)]
    tables = [part for name, file in files.items() for part in ("--table", f"{name}={file}")]
    ready = [rf"Listening on (\S+) for {protocol} traffic" for protocol in ("FlightSQL", "HTTP")]
    command: list[str | Path] = [processes.program("roapi"), *addresses, *tables]
    with processes.running(command, log=folder / "roapi.log", ready=ready) as (flight, http):
        client = httpx.Client(
            base_url=f"http://{http}", headers=_HEADERS, timeout=_TIMEOUT, trust_env=False, event_hooks={"response": [_must_be_well]}
        )
        with flightsql.connect(f"grpc://{flight}", autocommit=True) as adbc, client:
            yield Roapi(adbc, client)


def _must_be_well(response: httpx.Response) -> None:
    response.raise_for_status()
