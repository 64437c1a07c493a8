"""Clients that lag, over the wire: the tables that they read stay free, they get every row, or an error that says what to do."""

import contextlib
import secrets
import threading
import time
import urllib.request

import psycopg
import pyarrow as pa
import pyarrow.flight as fl
import pytest

import pxt_flight as pf
from pxt_flight.access.grants import MediaGrants, Signer
from pxt_flight.access.keys import KeyRing, key_hash, make_key
from pxt_flight.access.principals import Principal
from pxt_flight.errors import PxtFlightError

ROWS = 10_000


@pytest.fixture(scope="module")
def texts(pxt):
    """40 MB of text: more than gRPC and our client hold."""
    rows = [{"id": i, "text": f"{i} " + "x" * 4000} for i in range(ROWS)]
    pxt.create_table("wire_slow", {"id": pxt.Int, "text": pxt.String}).insert(rows)
    return "wire_slow"


@pytest.fixture
def small_server(new_engine, tmp_path):
    """Our client at a server with little room: `small_server(queries=1)` answers a way to connect."""
    from pxt_flight.engine.bounds import Capacity
    from pxt_flight.engine.catalog import Catalog
    from pxt_flight.engine.writer import Writer
    from pxt_flight.flight.server import FlightServer
    from pxt_flight.operations.links import MediaLinks
    from pxt_flight.operations.startup import OpenStore

    with contextlib.ExitStack() as stack:

        def make(**capacity):
            few = {"waiting": 1, "patience": 20.0, "tick": 0.05, "idle": 0.2, "drain": 1.0, "spool": tmp_path}
            engine = new_engine(capacity=Capacity(**few | capacity))
            pepper, key = secrets.token_bytes(32), make_key()
            keys = {key_hash(pepper, key): Principal(key, "test", frozenset(["read"]), ("*",))}
            ring, secret = KeyRing(pepper, keys), secrets.token_bytes(32)
            catalog, links = Catalog(engine.store.uri), MediaLinks(MediaGrants(secret), lambda: "http://nowhere")
            opened = OpenStore(engine, Writer(engine), ring, Signer(secret), MediaGrants(secret), "")
            server = FlightServer("grpc://127.0.0.1:0", store=opened, catalog=catalog, links=links)
            stack.callback(server.drain, 5)
            return lambda: stack.enter_context(pf.connect(f"grpc://127.0.0.1:{server.port}", key=key))

        yield make


def test_adding_a_column_beside_a_client_that_stopped_reading(server, as_owner, pxt, texts):
    with fl.connect(server.flight_uri) as client:
        reader = client.do_get(fl.Ticket(f"select id, text from {texts} order by id".encode()), as_owner)
        batches = [reader.read_chunk().data]
        began = time.monotonic()
        pxt.get_table(texts).add_columns({"added": pxt.Int | None})
        assert time.monotonic() - began < 15
        batches += [chunk.data for chunk in reader]
    table = pa.Table.from_batches(batches)
    assert table["id"].to_pylist() == list(range(ROWS))
    assert table["text"].to_pylist() == [f"{i} " + "x" * 4000 for i in range(ROWS)]


def test_a_client_beyond_the_room_for_it_is_told_so(small_server, texts, busy_backends, soon):
    db = small_server(spill=8 << 20)()
    ids = []
    with pytest.raises(PxtFlightError) as caught:  # noqa: PT012  # what it got before the error matters
        for batch in db.sql(f"select id, text from {texts} order by id"):
            ids += batch.column(0).to_pylist()
            soon(lambda: not busy_backends())
    assert (caught.value.code, caught.value.retryable) == ("client_too_slow", True)
    assert "PXT_FLIGHT_SPILL_BYTES" in caught.value.hint
    assert 0 < len(ids) < ROWS
    assert ids == list(range(len(ids)))


def test_a_full_server_says_so(small_server, texts, busy_backends, soon):
    connect = small_server(queries=1, waiting=0, idle=60.0)
    busy, other = connect(), connect()
    with busy.sql(f"select id, text from {texts}") as result:
        batches = iter(result)
        next(batches)
        with pytest.raises(PxtFlightError) as caught:
            other.sql(f"select id from {texts} where id < 3").to_arrow()
        assert (caught.value.code, caught.value.retryable, caught.value.hint) == ("unavailable", True, "Try again.")
    soon(lambda: not busy_backends())
    assert other.sql(f"select id from {texts} where id < 3 order by id").to_arrow()["id"].to_pylist() == [0, 1, 2]


def test_several_runs_of_one_ticket_need_one_place(small_server, texts):
    db = small_server(queries=1, waiting=0)()
    with db.adbc() as connection, connection.cursor() as cursor:
        rows = pa.table({"low": [1, 5, 9], "high": [3, 6, 11]})
        found = cursor.execute(f"select id from {texts} where id >= ? and id < ? order by id", rows).fetchall()
    assert found == [(1,), (2,), (5,), (9,), (10,)]


def test_a_fast_client_makes_way_for_who_changes_the_table(small_server, pxt, texts):
    db = small_server(drain=0.5)()
    adding = threading.Thread(target=lambda: pxt.get_table(texts).add_columns({"late": pxt.Int | None}))
    rows = 0
    with pytest.raises(PxtFlightError) as caught:  # noqa: PT012
        for batch in db.sql(f"select a.id, b.text from {texts} a, {texts} b"):
            if not rows:
                adding.start()
            rows += batch.num_rows
    assert (caught.value.code, caught.value.message) == ("unavailable", "The table is being changed.")
    adding.join(20)
    assert not adding.is_alive()


def test_reads_of_a_table_that_is_held_by_another_end_soon(server, as_owner, pxt, texts):
    from pxt_flight.engine.seam.store import libpq_uri

    table = pxt.get_table(texts)
    table.add_computed_column(size=pxt.functions.string.len(table.text), stored=False, if_exists="ignore")
    faults = []

    def read(column):
        try:
            with fl.connect(server.flight_uri) as client:
                client.do_get(fl.Ticket(f"select {column} from {texts} where id < 3".encode()), as_owner).read_all()
        except fl.FlightUnavailableError as fault:
            faults.append(str(fault))

    with psycopg.connect(libpq_uri()) as connection:
        connection.execute(f"lock table tbl_{table.get_metadata()['id'].hex} in access exclusive mode")
        reading = [threading.Thread(target=read, args=[column]) for column in ("id", "size")]
        for one in reading:
            one.start()
        for one in reading:
            one.join(25)
    assert len(faults) == 2
    assert all("unavailable: The table is being changed." in fault for fault in faults)


# What the server tells of its queries


def figures(server):
    with urllib.request.urlopen(f"{server.http_url}/metrics", timeout=20) as answer:
        assert answer.headers["content-type"].startswith("text/plain")
        text = answer.read().decode()
    return text, {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if not line.startswith("#")}


def test_metrics_of_both_planes_are_at_the_http_port(server, db, films):
    _, before = figures(server)
    assert db.sql(f"select id from {films}").to_arrow().num_rows == 100
    with pytest.raises(PxtFlightError, match="COLUMN_NOT_FOUND"):
        db.sql(f"select secret_column from {films}").to_arrow()
    text, after = figures(server)

    def grown(name):
        return after[name] - before.get(name, 0)

    assert grown('pxt_flight_rows_total{tier="copy"}') == 100
    assert grown('pxt_flight_bytes_total{tier="copy"}') >= 800
    assert grown('pxt_flight_queries_total{outcome="ok",tier="copy"}') == 1
    assert grown('pxt_flight_queries_total{outcome="COLUMN_NOT_FOUND",tier="none"}') == 1
    assert grown('pxt_flight_first_batch_seconds_count{tier="copy"}') == 1
    assert grown('pxt_flight_query_seconds_count{tier="copy"}') == 1
    assert after['pxt_flight_running{pool="queries"}'] == 0
    assert "pxt_flight_spilled_bytes_total" in after
    assert "pxt_flight_client_too_slow_total" in after
    for secret in (films, "secret_column", server.key, "select"):
        assert secret not in text


@pytest.mark.parametrize("tier", ["copy", "exec"])
def test_the_tier_is_told_beside_the_rows(stranger, as_owner, make_table, pxt, tier):
    table = make_table({"id": pxt.Int, "s": pxt.String}, [{"id": i, "s": "ab"} for i in range(3000)])
    table.add_computed_column(size=pxt.functions.string.len(table.s), stored=False)
    name = table.get_metadata()["name"]
    sql = f"select {'size' if tier == 'exec' else 'id'} from {name}"
    info = stranger.get_flight_info(fl.FlightDescriptor.for_command(sql.encode()), as_owner)
    told = f'{{"tier": "{tier}"}}'.encode()
    assert info.app_metadata == told
    chunks = list(stranger.do_get(info.endpoints[0].ticket, as_owner))
    assert chunks[0].app_metadata.to_pybytes() == told
    assert [chunk.app_metadata for chunk in chunks[1:]] == [None] * (len(chunks) - 1)
