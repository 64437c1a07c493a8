"""A server on a store of its own, which a test may kill, and what tells whether a write left anything behind."""

import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import psycopg
import pyarrow as pa
import pyarrow.flight as fl
from events import eventually

from pxt_flight import postgres as embedded
from pxt_flight.config import Settings
from pxt_flight.registration import Server
from pxt_flight.server import running_server

HERE = Path(__file__).parent
STOP = "stop here"
"""The text of a row of `keyed` before which a write waits, while somebody is in `OwnStore.gate`."""
_ALIVE = "v_max = 9223372036854775807"
_GATE = 815
_TRIGGER = """
CREATE FUNCTION stop_here() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(815); RETURN NEW; END $$;
CREATE TRIGGER stop_here BEFORE INSERT ON tbl_{} FOR EACH ROW WHEN (NEW.col_1 = 'stop here') EXECUTE FUNCTION stop_here();
"""


class State(NamedTuple):
    """What a table is at one moment."""

    rows: int
    version: int
    next_row_id: int
    files: tuple[str, ...]
    receipts: int


class OwnStore:
    """The store, its server, and the tables `foreign_writer.py` makes in it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.server: Server | None = None
        self.tables: dict[str, str] = {}
        self._serving = ExitStack()
        self.start()

    def start(self) -> None:
        """Start the server, and Postgres where it is down."""
        self.server = self._serving.enter_context(running_server(Settings(home=self.home, flight_port=0, http_port=0)))

    def ended(self) -> None:
        """Wait for the end of a server that lost a process, and stop what it leaves."""
        server = self.server
        assert server is not None
        eventually(lambda: not server.is_alive(), 60)
        self.stop_server()

    def stop_server(self) -> None:
        """Stop the server, however it feels."""
        self._serving.close()

    def close(self) -> None:
        """Stop everything."""
        self.stop_server()
        if postmaster := self.postmaster:
            postmaster.identity.send(signal.SIGINT)
            assert postmaster.identity.wait(30)

    @property
    def postmaster(self) -> Any:
        """The store's Postgres."""
        return embedded.find(self.home)

    @property
    def plane(self) -> psutil.Process:
        """The process that writes."""
        assert self.server is not None
        return psutil.Process(self.server.planes["flight"].pid)

    def foreign(self, *arguments: str) -> subprocess.Popen[str]:
        """A process that uses the store through Pixeltable itself."""
        return subprocess.Popen(
            [sys.executable, str(HERE / "foreign_writer.py"), *arguments],
            env=os.environ | {"PIXELTABLE_HOME": str(self.home)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def make_tables(self) -> None:
        """Have the tables made."""
        with self.foreign("create") as maker:
            answer, _ = maker.communicate(timeout=60)
        self.tables = json.loads(answer.splitlines()[-1])
        with self.sql() as connection:
            connection.execute(_TRIGGER.format(self.tables["keyed"]))

    @contextmanager
    def gate(self) -> Any:
        """Have writes of `keyed` wait at a row `STOP`; answers what waits until one does: by then it has written the rows before."""
        with psycopg.connect(**self._address, autocommit=True) as connection:
            connection.execute("SELECT pg_advisory_lock(%s)", [_GATE])
            waits = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND NOT granted"
            yield lambda: eventually(lambda: connection.execute(waits, [_GATE]).fetchone(), 60)

    @contextmanager
    def sql(self) -> Any:
        """A connection to the store's Postgres."""
        with psycopg.connect(**self._address, autocommit=True) as connection:
            yield connection

    @property
    def _address(self) -> dict[str, Any]:
        return {"host": self.postmaster.socket_dir, "port": self.postmaster.port, "user": "postgres", "dbname": "pixeltable"}

    def ask(self, statement: str, *values: Any) -> Any:
        """The first row of a statement."""
        with self.sql() as connection:
            return connection.execute(statement, values).fetchone()

    def state(self, table: str) -> State:
        """What a table is now."""
        key = self.tables[table]
        (rows,) = self.ask(f"select count(*) from tbl_{key} where {_ALIVE}")
        version, next_row_id = self.ask("select (md->>'current_version')::int, (md->>'next_row_id')::int from tables where id = %s", key)
        (receipts,) = self.ask("select count(*) from pxt_flight.writes where table_id = %s", key)
        folders = [self.home / name for name in ("media", "tmp")]
        files = sorted(str(path) for folder in folders for path in folder.rglob("*") if path.is_file())
        return State(rows, version, next_row_id, tuple(files), receipts)

    def spools(self) -> list[str]:
        """The files of uploads: those that have a name, and those that the plane holds open without one."""
        folder = self.home / "pxt_flight" / "spool"
        held = []
        for number in Path(f"/proc/{self.plane.pid}/fd").iterdir():
            try:
                held.append(str(number.readlink()))
            except FileNotFoundError:  # closed meanwhile
                continue
        return [path for path in held if path.startswith(str(folder))] + [str(path) for path in folder.iterdir()]

    @contextmanager
    def client(self) -> Any:
        """A plain client of the server of now."""
        assert self.server is not None
        with fl.connect(self.server.flight_uri) as client:
            yield client

    def put(self, table: str, batches: list[pa.RecordBatch], key: str | None = None, *, ends: bool = True) -> Any:
        """Insert batches as a well-behaved client does, or as one that forgets to say that this is the end."""
        command = {"table.insert": {"table_path": table, "idempotency_key": key}, "ends": True}
        with ExitStack() as stack:
            client = stack.enter_context(self.client())
            descriptor = fl.FlightDescriptor.for_command(json.dumps(command).encode())
            writer, reader = client.do_put(descriptor, batches[0].schema, self.options())
            stack.callback(writer.close)
            for batch in batches:
                writer.write_batch(batch)
            if ends:
                writer.write_with_metadata(batches[0].slice(0, 0), b"end")
            writer.done_writing()
            return _written(reader)

    def options(self) -> fl.FlightCallOptions:
        """The owner's key."""
        assert self.server is not None
        return fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {self.server.key}".encode())], timeout=120)


def _written(reader: fl.FlightMetadataReader) -> Any:
    while (answer := reader.read()) is not None:
        told = json.loads(answer.to_pybytes())
        if "written" in told:
            return told["written"]
    return None


def code_of(fault: BaseException) -> str:
    """The stable code of an error that came over the wire."""
    return str(json.loads(fault.extra_info)["code"])  # type: ignore[attr-defined]
