"""The client matrix: each client call that the docs promise, one test for one, named after it, through the real client.

Calls with a file of their own: cancelling (`test_cancel`), logging in (`test_basic_auth`, `test_keys_and_tickets`), session options
(`test_sessions`), several rows of parameters (`test_bound_rows`), what exactly metadata says (`test_metadata`).
"""

import base64
import json
import multiprocessing

import adbc_driver_flightsql.dbapi as flightsql
import adbc_driver_manager
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.flight as fl
import pytest
from adbc_driver_flightsql import DatabaseOptions

from pxt_flight.flight import messages


@pytest.fixture(scope="module")
def huge(pxt):
    """One text of 20 MiB, more than ADBC's client takes in one message unless it is told to."""
    pxt.create_table("wire_huge", {"id": pxt.Int, "text": pxt.String}).insert([{"id": 1, "text": "x" * (20 << 20)}])
    return "wire_huge"


@pytest.fixture(scope="module")
def wide(pxt):
    """Rows of 1 MB: a batch of a few would be too large a message."""
    pxt.create_table("wire_wide", {"id": pxt.Int, "text": pxt.String}).insert([{"id": i, "text": "x" * 1_000_000} for i in range(20)])
    return "wire_wide"


def sql_of(films):
    return f"select id, score from {films} where id < 3 order by id"


ROWS = [(0, 0.0), (1, 0.5), (2, 1.0)]


# ADBC


def test_adbc_fetchall(adbc, films):
    with adbc.cursor() as cursor:
        assert cursor.execute(sql_of(films)).fetchall() == ROWS


def test_adbc_fetch_arrow_table(adbc, films):
    with adbc.cursor() as cursor:
        table = cursor.execute(sql_of(films)).fetch_arrow_table()
    assert table.schema.types == [pa.int64(), pa.float64()]
    assert table.num_rows == 3


def test_adbc_fetch_record_batch(adbc, films):
    with adbc.cursor() as cursor:
        reader = cursor.execute(sql_of(films)).fetch_record_batch()
        assert sum(batch.num_rows for batch in reader) == 3


def test_adbc_execute_schema(adbc, films):
    with adbc.cursor() as cursor:
        promised = cursor.adbc_execute_schema(sql_of(films))
        assert promised == cursor.execute(sql_of(films)).fetch_arrow_table().schema


def test_adbc_prepare_with_parameters(adbc, films):
    with adbc.cursor() as cursor:
        expected = cursor.adbc_prepare(f"select id from {films} where id > ? and score < $2")
    assert expected == pa.schema([("$1", pa.null()), ("$2", pa.null())])


def test_adbc_prepare_without_parameters(adbc, films):
    with adbc.cursor() as cursor:
        assert cursor.adbc_prepare(sql_of(films)) is None
        assert cursor.execute(sql_of(films)).fetchall() == ROWS


@pytest.mark.parametrize(
    ("sql", "code"),
    [("selec 1", "sql_syntax"), ("select nope from wire_films", "COLUMN_NOT_FOUND"), ("select id from no_such", "TABLE_NOT_FOUND")],
)
def test_adbc_prepare_tells_a_fault(adbc, films, sql, code):
    with adbc.cursor() as cursor, pytest.raises(adbc_driver_manager.Error, match=f"{code}: .*Prepare"):
        cursor.adbc_prepare(sql)


def test_a_prepared_statement_sees_what_was_written_since(adbc, make_table, pxt):
    table = make_table({"id": pxt.Int}, [{"id": 1}])
    sql = f"select count(*) as n from {table.get_metadata()['name']}"
    with adbc.cursor() as cursor:
        cursor.adbc_prepare(sql)
        table.insert([{"id": 2}])
        assert cursor.execute(sql).fetchall() == [(2,)]
        table.insert([{"id": 3}])
        assert cursor.execute(sql).fetchall() == [(3,)]


def test_adbc_get_objects(adbc, films):
    (catalog,) = adbc.adbc_get_objects(table_name_filter=films).read_all().to_pylist()
    assert catalog["catalog_name"] == "pixeltable"
    (root,) = [schema for schema in catalog["catalog_db_schemas"] if schema["db_schema_tables"]]
    (table,) = root["db_schema_tables"]
    assert (root["db_schema_name"], table["table_name"], table["table_type"]) == ("", films, "TABLE")
    assert [column["column_name"] for column in table["table_columns"]][:3] == ["id", "name", "score"]


def test_adbc_get_table_schema(adbc, films):
    with adbc.cursor() as cursor:
        assert adbc.adbc_get_table_schema(films) == cursor.adbc_execute_schema(f"select * from {films}")


def test_adbc_get_table_types(adbc):
    assert adbc.adbc_get_table_types() == ["SNAPSHOT", "TABLE", "VIEW"]


def test_adbc_get_info(adbc):
    assert adbc.adbc_get_info()["vendor_name"] == "pxt-flight"


def test_adbc_get_statistics_is_not_of_this_driver(adbc):
    with pytest.raises(adbc_driver_manager.NotSupportedError):
        adbc.adbc_get_statistics()


def read_partition(uri, key, ticket, answers):
    options = {"adbc.flight.sql.authorization_header": f"Bearer {key}"}
    with flightsql.connect(uri, db_kwargs=options, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.adbc_read_partition(ticket)
        answers.put(cursor.fetchall())


def test_adbc_execute_partitions_and_read_partition_in_another_process(server, adbc, films):
    with adbc.cursor() as cursor:
        tickets, schema = cursor.adbc_execute_partitions(sql_of(films))
    assert (len(tickets), schema.names) == (1, ["id", "score"])
    spawned = multiprocessing.get_context("spawn")
    answers = spawned.Queue()
    process = spawned.Process(target=read_partition, args=(server.flight_uri, server.key, tickets[0], answers))
    process.start()
    assert answers.get(timeout=60) == ROWS
    process.join(60)
    assert process.exitcode == 0


def test_adbc_execute_partitions_reads_the_rows_of_then(adbc, make_table, pxt):
    table = make_table({"id": pxt.Int}, [{"id": 1}])
    with adbc.cursor() as cursor:
        (ticket,), _ = cursor.adbc_execute_partitions(f"select id from {table.get_metadata()['name']}")
    table.insert([{"id": 2}])
    with adbc.cursor() as cursor:
        cursor.adbc_read_partition(ticket)
        assert cursor.fetchall() == [(1,)]


def test_adbc_transactions_are_not_served(server):
    options = {"adbc.flight.sql.authorization_header": f"Bearer {server.key}"}
    with (
        pytest.warns(UserWarning, match="Cannot disable autocommit"),
        flightsql.connect(server.flight_uri, db_kwargs=options) as connection,
    ):
        assert connection.adbc_get_table_types()


# Writing


@pytest.fixture
def written(pxt):
    """A table of one row, which is only written here."""
    yield pxt.create_table("wire_written", {"id": pxt.Int, "name": pxt.String | None}, primary_key="id", if_exists="replace")
    pxt.drop_table("wire_written", if_not_exists="ignore")


WRITES = {
    "execute": lambda cursor: cursor.execute("insert into wire_written (id) values (1), (2)"),
    "execute with parameters": lambda cursor: cursor.execute("insert into wire_written (id) values (?), ($2)", (1, 2)),
    "executemany": lambda cursor: cursor.executemany("insert into wire_written (id) values (?)", [(1,), (2,)]),
    "executemany of a batch": lambda cursor: cursor.executemany("insert into wire_written values (?)", pa.record_batch({"x": [1, 2]})),
    "executescript": lambda cursor: cursor.executescript("insert into wire_written (id) values (1), (2)"),
    "ingest a table": lambda cursor: cursor.adbc_ingest("wire_written", pa.table({"id": [1, 2]}), mode="append"),
    "ingest a reader": lambda cursor: cursor.adbc_ingest("wire_written", pa.table({"id": [1, 2]}).to_reader(), mode="append"),
    "replace": lambda cursor: cursor.adbc_ingest("wire_written", pa.table({"id": [1, 2]}), mode="replace"),
    "create_append": lambda cursor: cursor.adbc_ingest("wire_written", pa.table({"id": [1, 2]}), mode="create_append"),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_adbc_writes(adbc, written, write):
    with adbc.cursor() as cursor:
        write(cursor)
        assert cursor.execute("select id from wire_written order by id").fetchall() == [(1,), (2,)]


REFUSED_WRITES = {
    "execute DDL": lambda cursor: cursor.execute("alter table wire_films add column x int"),
    "executemany of a SELECT": lambda cursor: cursor.executemany("select id from wire_films where id = ?", [(1,), (2,)]),
    "executescript of two": lambda cursor: cursor.executescript("delete from wire_films where true; drop table wire_films"),
    "executescript of DDL": lambda cursor: cursor.executescript("create table wire_more (id int)"),
    "executescript of a SELECT": lambda cursor: cursor.executescript("select 1"),
}


@pytest.mark.parametrize("write", REFUSED_WRITES.values(), ids=REFUSED_WRITES)
def test_adbc_writes_that_are_refused(adbc, films, write):
    with adbc.cursor() as cursor:
        with pytest.raises(adbc_driver_manager.Error, match="sql_not_allowed: "):
            write(cursor)
        assert cursor.execute(f"select count(*) from {films}").fetchall() == [(100,)]


@pytest.mark.parametrize("if_exists", ["append", "replace"])
def test_polars_write_database(adbc, written, if_exists):
    pl.DataFrame({"id": [1, 2]}).write_database("wire_written", adbc, engine="adbc", if_table_exists=if_exists)
    assert pl.read_database("select id from wire_written order by id", adbc)["id"].to_list() == [1, 2]


def test_pandas_to_sql(adbc, written):
    pd.DataFrame({"id": [1, 2]}).to_sql("wire_written", adbc, if_exists="append", index=False)
    assert pd.read_sql("select id from wire_written order by id", adbc)["id"].tolist() == [1, 2]


def test_duckdb_to_adbc_ingest(adbc, written):
    with adbc.cursor() as cursor, duckdb.connect() as local:
        cursor.adbc_ingest("wire_written", local.sql("select i + 1 as id from range(2) as r(i)").to_arrow_reader(), mode="append")
        assert cursor.execute("select id from wire_written order by id").fetchall() == [(1,), (2,)]


# Large values


def test_a_text_of_20_mib_arrives_where_the_client_takes_it(server, huge):
    options = {
        "adbc.flight.sql.authorization_header": f"Bearer {server.key}",
        DatabaseOptions.WITH_MAX_MSG_SIZE.value: str(64 << 20),
    }
    with flightsql.connect(server.flight_uri, db_kwargs=options, autocommit=True) as connection, connection.cursor() as cursor:
        ((text,),) = cursor.execute(f"select text from {huge}").fetchall()
    assert text == "x" * (20 << 20)


def test_a_text_of_20_mib_fails_cleanly_where_it_does_not(adbc, huge, films):
    with adbc.cursor() as cursor:
        with pytest.raises(adbc_driver_manager.Error, match="larger than max"):
            cursor.execute(f"select text from {huge}").fetchall()
        assert cursor.execute(f"select count(*) from {films}").fetchall() == [(100,)]


def test_rows_of_1_mb_fit_into_the_messages_of_any_client(adbc, stranger, as_owner, wide):
    with adbc.cursor() as cursor:
        assert cursor.execute(f"select * from {wide}").fetch_arrow_table().num_rows == 20
    sizes = [chunk.data.nbytes for chunk in stranger.do_get(fl.Ticket(f"select * from {wide}".encode()), as_owner)]
    assert sum(sizes) > 20_000_000
    assert max(sizes) < 4 << 20  # what Rust's client takes


# polars, pandas, DuckDB


def test_polars_read_database(adbc, films):
    assert pl.read_database(sql_of(films), adbc).rows() == ROWS


def test_polars_read_database_iter_batches(adbc, films):
    frames = list(pl.read_database(f"select id from {films}", adbc, iter_batches=True, batch_size=10))
    assert sorted(pl.concat(frames)["id"]) == list(range(100))


def test_polars_read_database_with_parameters(adbc, films):
    frame = pl.read_database(f"select id from {films} where name = ?", adbc, execute_options={"parameters": ("film 7",)})
    assert frame.rows() == [(7,)]


def test_pandas_read_sql(adbc, films):
    frame = pd.read_sql(sql_of(films), adbc)
    assert list(frame.itertuples(index=False, name=None)) == ROWS


def test_pandas_read_sql_with_arrow_types(adbc, films):
    frame = pd.read_sql(f"select id, name from {films} order by id", adbc, dtype_backend="pyarrow")
    assert frame["id"].dtype == pd.ArrowDtype(pa.int64())
    assert frame["name"].isna().sum() == 34


def test_pandas_read_sql_table(adbc, films):
    frame = pd.read_sql_table(films, adbc)
    assert len(frame) == 100
    assert list(frame.columns)[:3] == ["id", "name", "score"]


def test_duckdb_over_fetch_record_batch(adbc, films):
    with adbc.cursor() as cursor, duckdb.connect() as local:
        reader = cursor.execute(f"select id, score from {films}").fetch_record_batch()
        local.register("films", reader)
        assert local.sql("select count(*), sum(score) from films").fetchall() == [(100, 2475.0)]


# pyarrow.flight


@pytest.mark.parametrize(
    "descriptor",
    [
        fl.FlightDescriptor.for_path("wire_films"),
        fl.FlightDescriptor.for_command(b"select * from wire_films"),
        fl.FlightDescriptor.for_command(messages.pack_any(messages.CommandStatementQuery(query="select * from wire_films"))),
    ],
    ids=["path", "command", "CommandStatementQuery"],
)
def test_pyarrow_flight(stranger, as_owner, films, descriptor):
    info = stranger.get_flight_info(descriptor, as_owner)
    (endpoint,) = info.endpoints
    assert endpoint.expiration_time is not None
    assert stranger.do_get(endpoint.ticket, as_owner).read_all().num_rows == 100


@pytest.mark.parametrize(
    "descriptor",
    [fl.FlightDescriptor.for_path("wire_written"), fl.FlightDescriptor.for_command(b'{"table.insert": {"table_path": "wire_written"}}')],
    ids=["path", "command"],
)
def test_pyarrow_flight_do_put(stranger, as_owner, written, descriptor):
    rows = pa.table({"id": [1, 2]})
    writer, reader = stranger.do_put(descriptor, rows.schema, as_owner)
    with writer:
        writer.write_table(rows)
        writer.done_writing()
        assert json.loads(reader.read().to_pybytes())["written"]["inserted"] == 2
    assert written.count() == 2


def test_pyarrow_flight_list_flights(stranger, as_owner, films):
    (info,) = stranger.list_flights(films.encode(), as_owner)
    assert info.descriptor.path == [films.encode()]
    rows = stranger.do_get(info.endpoints[0].ticket, as_owner).read_all()
    assert rows.schema == info.schema
    assert rows.num_rows == 100


def test_pyarrow_flight_with_basic_on_each_call(stranger, server, films):
    basic = base64.b64encode(b"me:" + server.key.encode())
    options = fl.FlightCallOptions(headers=[(b"authorization", b"Basic " + basic)])
    assert stranger.get_flight_info(fl.FlightDescriptor.for_path(films), options).schema.names[0] == "id"
