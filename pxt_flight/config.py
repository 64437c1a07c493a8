"""Every setting of the server once: flag, environment variable `PXT_FLIGHT_<NAME>` or default."""

import os
import stat
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from pxt_flight.errors import error

# How a process is told the folder of its figures: the name is prometheus-client's.
METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
Port = Annotated[int, Field(ge=0, le=65535)]
# It stands in HTML and in front of paths: no query, no quotes, no slash at its end.
BaseUrl = Annotated[str, AfterValidator(lambda url: url.rstrip("/")), Field(pattern=r"""^https?://[^\s?#"'<>\\]+$""")]


class Settings(BaseSettings):
    """What `pxt-flight serve` can be told; each also as `PXT_FLIGHT_<NAME>`.

    Attributes:
        home: the Pixeltable home; ours live in its folder `pxt_flight`. There is no default: nothing is written where nobody asked.
        host: the address to listen on; loopback unless told otherwise.
        flight_port: port of Arrow Flight; 0 takes a free one.
        http_port: port of HTTP; 0 takes a free one.
        public_url: the URL under which clients reach the HTTP port, where it differs; URLs of media begin with it.
        engine_threads: threads that plan with Pixeltable; its own pool is 15 connections, for these, `pixeltable_streams` and
            `writer_threads`.
        pixeltable_streams: queries at once that only Pixeltable can compute, each with a thread of its own.
        writer_threads: writes at once, of different tables; those of one table take turns.
        write_timeout: seconds that a write may wait for its turn.
        upload_bytes: bytes on disk that the rows of one write may take.
        max_queries: queries that Postgres answers at once.
        max_waiting: calls that may wait, for each of these three; one more is told to try again.
        queue_timeout: seconds that one may wait.
        spill_bytes: bytes on disk for the rest of results whose clients lag; each may take as much as it leaves to others.
        query_timeout: seconds that Postgres may spend on one statement.
        max_rows: rows that one query may answer; one that has more ends with an error.
        max_bytes: bytes of Arrow data that one query may answer.
        thumbnail_cache_bytes: bytes on disk for thumbnails, in the home's folder `pxt_flight/thumbnails`; 0 keeps none.
        drain_deadline: seconds that running streams are given at a stop, and that who changes a table waits for its streams.
    """

    model_config = SettingsConfigDict(env_prefix="PXT_FLIGHT_", frozen=True, extra="ignore")

    home: Path
    host: str = "127.0.0.1"
    flight_port: Port = 8815
    http_port: Port = 8000
    public_url: BaseUrl | None = None
    # One connection is left for the catalog, one for chance.
    engine_threads: Annotated[int, Field(ge=1, le=6)] = 4
    pixeltable_streams: Annotated[int, Field(ge=1, le=4)] = 4
    writer_threads: Annotated[int, Field(ge=1, le=3)] = 2
    write_timeout: Annotated[float, Field(gt=0)] = 30.0
    upload_bytes: Annotated[int, Field(gt=0)] = 16 << 30
    max_queries: Annotated[int, Field(ge=1, le=64)] = 16
    max_waiting: Annotated[int, Field(ge=0)] = 64
    queue_timeout: Annotated[float, Field(gt=0)] = 30.0
    spill_bytes: Annotated[int, Field(ge=0)] = 4 << 30
    query_timeout: Annotated[float, Field(gt=0)] = 300.0
    max_rows: Annotated[int, Field(gt=0)] = 1_000_000_000
    max_bytes: Annotated[int, Field(gt=0)] = 1 << 40
    thumbnail_cache_bytes: Annotated[int, Field(ge=0)] = 1 << 30
    drain_deadline: Annotated[float, Field(ge=0)] = 30.0

    @property
    def state_dir(self) -> Path:
        """Our own folder in the home: the ready file and the owner's key. Mode 0700."""
        return self.home / "pxt_flight"

    @property
    def thumbnail_dir(self) -> Path:
        """Where thumbnails are kept."""
        return self.state_dir / "thumbnails"

    @property
    def spool_dir(self) -> Path:
        """Where results wait on disk for clients that lag."""
        return self.state_dir / "spool"

    @property
    def metrics_dir(self) -> Path:
        """Where the processes of the server keep their figures; emptied at its start."""
        return self.state_dir / "metrics"

    def environment(self) -> dict[str, str]:
        """These settings as environment variables, for a child process."""
        values = self.model_dump(mode="json", exclude_none=True)
        return {f"PXT_FLIGHT_{name.upper()}": str(value) for name, value in values.items()}


def empty_folder(folder: Path) -> None:
    """Make a private folder (0700) in ours, without anything that an earlier server left in it."""
    folder.mkdir(mode=stat.S_IRWXU, exist_ok=True)
    folder.chmod(stat.S_IRWXU)
    for left in folder.iterdir():
        left.unlink(missing_ok=True)


def prepare_home(home: Path) -> Path:
    """Make the home and our private folder in it, and answer its absolute path.

    The folder `pxt_flight` is 0700 even where the embedded Postgres opens the home around it (as root it does).

    Raises:
        ConnectError: `home_unusable`, where the folder cannot be made or written.
    """
    home = home.expanduser().absolute()
    state = home / "pxt_flight"
    try:
        home.mkdir(parents=True, exist_ok=True)
        state.mkdir(mode=stat.S_IRWXU, exist_ok=True)
        state.chmod(stat.S_IRWXU)
        writable = os.access(home, os.W_OK | os.X_OK) and os.access(state, os.W_OK | os.X_OK)
    except OSError:
        writable = False
    if not writable:
        raise error(
            "home_unusable",
            "The Pixeltable home cannot be written.",
            hint="Name a folder that you may write, with --home or PXT_FLIGHT_HOME.",
        )
    return home
