"""Every setting of the server once: flag, environment variable `PXT_FLIGHT_<NAME>` or default."""

import os
import stat
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from pxt_flight.errors import error

# How a process is told the folder of its figures: the name is prometheus-client's.
METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
JSON_BYTES = 16 << 20
"""Bytes of a body of JSON, which is in memory as a whole: what it becomes there is many times that."""
_listed = BeforeValidator(lambda given: given.split(",") if given and isinstance(given, str) else given or ())
# As a browser sends it, RFC 6454: exact, never a pattern.
Origin = Annotated[str, Field(pattern=r"^https?://[^/\s?#*,]+$")]
Origins = Annotated[tuple[Origin, ...], NoDecode, _listed]
# The names of S3: 3 to 63 characters.
Buckets = Annotated[tuple[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")], ...], NoDecode, _listed]
# A router of the user's: `module:attribute`, or `module:attribute=/prefix` beneath /api/custom.
Routers = Annotated[tuple[Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*(=(/[A-Za-z0-9_-]+)+)?$")], ...], NoDecode, _listed]
Port = Annotated[int, Field(ge=0, le=65535)]
Format = Literal["console", "json"]
Level = Literal["debug", "info", "warning", "error"]
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
        http_threads: reads over HTTP that run at once, each with a thread, and as many changes.
        http_waiting: of each that may wait for one; one more is told to try again.
        cors_origins: origins whose pages may call this server from a browser, `https://app.example.org`, separated by commas; default none.
        log_format: `console` or `json`, one object in a line.
        log_level: `debug`, `info` (each request over HTTP), `warning` or `error`.
        upload_bytes: bytes on disk that the rows of one write may take.
        max_queries: queries that Postgres answers at once.
        max_waiting: calls that may wait, for each of these three; one more is told to try again.
        queue_timeout: seconds that one may wait.
        spill_bytes: bytes on disk for the rest of results whose clients lag; each may take as much as it leaves to others.
        query_timeout: seconds that Postgres may spend on one statement.
        max_rows: rows that one query may answer; one that has more ends with an error.
        max_bytes: bytes of Arrow data that one query may answer.
        thumbnail_cache_bytes: bytes on disk for thumbnails, in the home's folder `pxt_flight/thumbnails`; 0 keeps none.
        export_dir: the folder into which tables may be exported; default none: then there are no such exports.
        export_buckets: the buckets of S3 into which they may be, separated by commas; default none. The server's own account is used, as
            the AWS SDK finds it in the environment; a client never sends one.
        s3_endpoint: the URL of another service that speaks S3; default AWS.
        routers: FastAPI routers of the user's own, such as Pixeltable's `FastAPIRouter`, which HTTP serves beneath /api/custom:
            `module:attribute` of the server's Python path, or `module:attribute=/prefix`, separated by commas.
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
    http_threads: Annotated[int, Field(ge=1, le=64)] = 16
    http_waiting: Annotated[int, Field(ge=0)] = 128
    cors_origins: Origins = ()
    log_format: Format = "console"
    log_level: Level = "warning"
    upload_bytes: Annotated[int, Field(gt=0)] = 16 << 30
    max_queries: Annotated[int, Field(ge=1, le=64)] = 16
    max_waiting: Annotated[int, Field(ge=0)] = 64
    queue_timeout: Annotated[float, Field(gt=0)] = 30.0
    spill_bytes: Annotated[int, Field(ge=0)] = 4 << 30
    query_timeout: Annotated[float, Field(gt=0)] = 300.0
    max_rows: Annotated[int, Field(gt=0)] = 1_000_000_000
    max_bytes: Annotated[int, Field(gt=0)] = 1 << 40
    thumbnail_cache_bytes: Annotated[int, Field(ge=0)] = 1 << 30
    export_dir: Path | None = None
    export_buckets: Buckets = ()
    s3_endpoint: BaseUrl | None = None
    routers: Routers = ()
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
        texts = {name: ",".join(value) if isinstance(value, list) else str(value) for name, value in values.items()}
        return {f"PXT_FLIGHT_{name.upper()}": text for name, text in texts.items()}


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
