"""INSERT, UPDATE and DELETE: through ADBC's statements, prepared ones and many rows of parameters, and the operation `execute`."""

import datetime as dt
import json
from contextlib import suppress

import adbc_driver_flightsql.dbapi as flightsql
import adbc_driver_manager
import pyarrow as pa
import pyarrow.flight as fl
import pytest
from hostile_writes import REFUSED_CHANGES, REFUSED_INSERTS
from hypothesis import given, settings
from hypothesis import strategies as st

from pxt_flight.errors import PxtFlightError
from pxt_flight.flight import messages


@pytest.fixture
def films(pxt):
    schema = {
        "id": pxt.Int,
        "name": pxt.String | None,
        "score": pxt.Float | None,
        "seen": pxt.Bool | None,
        "at": pxt.Timestamp | None,
        "day": pxt.Date | None,
        "uid": pxt.UUID | None,
        "tags": pxt.Json | None,
    }
    yield pxt.create_table("dml_films", schema, primary_key="id", if_exists="replace")
    pxt.drop_table("dml_films", force=True, if_not_exists="ignore")


@pytest.fixture
def cursor(adbc):
    with adbc.cursor() as cursor:
        yield cursor


def versions(table):
    return len(table.get_versions())


def rows(cursor, columns="id, name", table="dml_films"):
    return cursor.execute(f"select {columns} from {table} order by id").fetchall()


# INSERT


def test_insert_values(cursor, films):
    before = versions(films)
    cursor.execute("insert into dml_films (name, id) values ('a', 1), (null, 2), ('it''s', -3)")
    assert cursor.rowcount == 3
    assert rows(cursor) == [(-3, "it's"), (1, "a"), (2, None)]
    assert versions(films) == before + 1


def test_values_go_to_the_first_columns(cursor, films):
    cursor.execute("insert into dml_films values (1, 'a', 2)")
    assert rows(cursor, "id, name, score, seen") == [(1, "a", 2.0, None)]


def test_texts_take_the_type_of_their_column(cursor, films):
    cursor.execute(
        "insert into dml_films (id, score, seen, at, day, uid, tags) values "
        "('1', '1.5', 'yes', '2024-02-29 12:00+02', 'Feb 29 2024', '00000000-0000-0000-0000-000000000001', '{\"a\": [1]}')"
    )
    assert rows(cursor, "id, score, seen, at, day, uid::text, tags") == [
        (
            1,
            1.5,
            True,
            dt.datetime(2024, 2, 29, 10, tzinfo=dt.UTC),
            dt.date(2024, 2, 29),
            "00000000-0000-0000-0000-000000000001",
            '{"a": [1]}',
        )
    ]


def test_expressions_are_computed_by_postgres(cursor, films):
    cursor.execute(
        "insert into dml_films (id, name, score, day) values (1 + 1, upper('ab') || 'c', 1 / 4.0, date '2024-01-31' + 1), (5, 'd', 3, null)"
    )
    assert rows(cursor, "id, name, score, day") == [(2, "ABc", 0.25, dt.date(2024, 2, 1)), (5, "d", 3.0, None)]


def test_parameters_of_every_type(cursor, films):
    at, day = dt.datetime(2024, 5, 6, 7, 8, 9, 10, dt.UTC), dt.date(2024, 5, 6)
    cursor.execute("insert into dml_films (id, name, score, seen, at, day) values (?, ?, ?, ?, ?, ?)", (1, "x\u00e9", 1.5, True, at, day))
    cursor.execute("insert into dml_films (id, name, score, seen, at, day) values (?, ?, ?, ?, ?, ?)", (2, None, None, None, None, None))
    assert rows(cursor, "id, name, score, seen, at, day") == [(1, "x\u00e9", 1.5, True, at, day), (2, None, None, None, None, None)]


def test_executemany_is_one_version(cursor, films):
    before = versions(films)
    cursor.executemany("insert into dml_films (id, name) values ($2, $1)", [("a", 1), ("b", 2), (None, 3)])
    assert cursor.rowcount == 3
    assert rows(cursor) == [(1, "a"), (2, "b"), (3, None)]
    assert versions(films) == before + 1


def test_times_without_a_zone_are_utc_in_every_parameter(cursor, films):
    at = dt.datetime(2024, 5, 6, 7, 8, 9)  # noqa: DTZ001
    cursor.executemany("insert into dml_films (id, at) values (?, ?)", [(1, at), (2, None)])
    cursor.execute("insert into dml_films (id, at, name) values (?, ?, 'x')", (3, at))
    cursor.executemany("update dml_films set at = ? where id = ?", [(at, 2), (None, 7)])
    assert rows(cursor, "at") == [(at.replace(tzinfo=dt.UTC),)] * 3


def test_executemany_with_expressions_is_one_version(cursor, films):
    before = versions(films)
    cursor.executemany("insert into dml_films (id, name, score) values (?, upper($2), 7)", [(1, "a"), (2, "b")])
    assert rows(cursor, "id, name, score") == [(1, "A", 7.0), (2, "B", 7.0)]
    assert versions(films) == before + 1


def test_insert_select(cursor, films, pxt):
    films.insert([{"id": i, "name": f"n{i}", "tags": {"i": i}} for i in range(4)])
    cursor.execute(
        "insert into dml_films (id, name, score, tags) select id + 10, name || '!', avg(id) over (), tags from dml_films where id > ?", (1,)
    )
    assert cursor.rowcount == 2
    assert rows(cursor, "id, name, score, tags")[-2:] == [(12, "n2!", 2.5, '{"i": 2}'), (13, "n3!", 2.5, '{"i": 3}')]


def test_insert_select_of_nothing_makes_no_version(cursor, films):
    before = versions(films)
    cursor.execute("insert into dml_films (id) select id from dml_films")
    assert cursor.rowcount == 0
    assert versions(films) == before


@pytest.mark.parametrize(("sql", "expected"), REFUSED_INSERTS.items(), ids=REFUSED_INSERTS)
def test_inserts_that_are_refused(cursor, films, sql, expected):
    with pytest.raises(adbc_driver_manager.Error, match=expected):
        cursor.execute(sql)
    assert films.count() == 0


# Flight SQL's commands by themselves


def put(client, options, message, batch=None):
    descriptor = fl.FlightDescriptor.for_command(messages.pack_any(message))
    schema = pa.schema([]) if batch is None else batch.schema
    writer, reader = client.do_put(descriptor, schema, options)
    if batch is not None:
        writer.write_batch(batch)
    writer.done_writing()
    answer = reader.read()
    writer.close()
    return messages.decode(messages.DoPutUpdateResult, answer.to_pybytes()).record_count


def test_command_statement_update(stranger, as_owner, films):
    message = messages.CommandStatementUpdate(query="insert into dml_films (id) values (1), (2)")
    assert put(stranger, as_owner, message) == 2
    assert films.count() == 2


def test_executescript(cursor, films):
    cursor.executescript("insert into dml_films (id) values (1)")
    assert films.count() == 1


def test_a_select_is_no_update(stranger, as_owner):
    with pytest.raises(fl.FlightError, match="sql_not_allowed: This is no INSERT"):
        put(stranger, as_owner, messages.CommandStatementUpdate(query="select 1"))


@pytest.mark.parametrize("kind", [messages.CommandStatementQuery, None])
def test_an_update_is_no_query(stranger, as_owner, films, kind):
    sql = "insert into dml_films (id) values (1)"
    command = sql.encode() if kind is None else messages.pack_any(kind(query=sql))
    descriptor = fl.FlightDescriptor.for_command(command)
    for ask in (stranger.get_flight_info, stranger.get_schema):
        with pytest.raises((fl.FlightError, pa.ArrowException), match="sql_not_allowed: A query reads"):
            ask(descriptor, as_owner)
    with pytest.raises(fl.FlightError, match="sql_not_allowed"):
        stranger.do_get(fl.Ticket(sql.encode()), as_owner).read_all()
    assert films.count() == 0


def test_a_client_that_does_not_know_of_updates(stranger, as_owner, films):
    (result,) = stranger.do_action(prepare("insert into dml_films (id) values (1)"), as_owner)
    prepared = messages.unpack_any(result.body.to_pybytes())
    assert prepared.is_update is True
    query = messages.CommandPreparedStatementQuery(prepared_statement_handle=prepared.prepared_statement_handle)
    info = stranger.get_flight_info(fl.FlightDescriptor.for_command(messages.pack_any(query)), as_owner)
    assert (info.endpoints, info.schema) == ([], pa.schema([]))
    assert films.count() == 1


def prepare(sql, **fields):
    return fl.Action("CreatePreparedStatement", messages.pack_any(messages.ActionCreatePreparedStatementRequest(query=sql, **fields)))


def test_transactions_are_refused(stranger, as_owner, films):
    begin = fl.Action("BeginTransaction", messages.pack_any(messages.ActionBeginTransactionRequest()))
    with pytest.raises(fl.FlightError, match="UNSUPPORTED_OPERATION: Transactions are not served"):
        list(stranger.do_action(begin, as_owner))
    with pytest.raises(fl.FlightError, match="UNSUPPORTED_OPERATION: Transactions are not served"):
        list(stranger.do_action(prepare("insert into dml_films (id) values (1)", transaction_id=b"1"), as_owner))
    with pytest.raises(fl.FlightError, match="UNSUPPORTED_OPERATION: Transactions are not served"):
        put(stranger, as_owner, messages.CommandStatementUpdate(query="delete from dml_films where true", transaction_id=b"1"))


def test_a_prepared_statement_tells_its_parameters_and_faults_early(cursor, films):
    assert cursor.adbc_prepare("insert into dml_films (id, name) values (?, $2)").names == ["$1", "$2"]
    with pytest.raises(adbc_driver_manager.Error, match="TABLE_NOT_FOUND"):
        cursor.adbc_prepare("insert into no_such_table (id) values (?)")


@pytest.mark.parametrize("parameters", [(), (1, 2)])
def test_too_few_and_too_many_parameters(cursor, films, parameters):
    with pytest.raises(adbc_driver_manager.Error, match=f"INVALID_ARGUMENT: .*takes 1 parameters, and {len(parameters)}"):
        cursor.execute("insert into dml_films (id) values (?)", parameters)
    assert films.count() == 0


def test_sessions_look_tables_up_in_their_directory(server, pxt):
    pxt.create_dir("dml_dir", if_exists="ignore")
    table = pxt.create_table("dml_dir.shelf", {"id": pxt.Int}, if_exists="replace")
    options = {"adbc.flight.sql.authorization_header": f"Bearer {server.key}", "adbc.flight.sql.rpc.with_cookie_middleware": "true"}
    with flightsql.connect(server.flight_uri, db_kwargs=options, autocommit=True) as connection, connection.cursor() as cursor:
        connection.adbc_current_db_schema = "dml_dir"
        cursor.execute("insert into shelf values (1)")
        cursor.execute("insert into shelf select id + 1 from shelf")
        with pytest.raises(adbc_driver_manager.Error, match="sql_unsupported: The tables of a subquery need their directory"):
            cursor.execute("delete from shelf where id in (select id from shelf)")
    assert table.count() == 2
    pxt.drop_dir("dml_dir", force=True)


# The operation


def test_execute(stranger, as_owner, films):
    body = {"sql": "insert into dml_films (id, name, at) values ($1, $2, $3)", "parameters": [1, "a", "2024-01-02T03:04:05Z"]}
    (result,) = stranger.do_action(fl.Action("pixeltable.execute", json.dumps(body).encode()), as_owner)
    written = json.loads(result.body.to_pybytes())
    assert (written["kind"], written["inserted"], written["table"]) == ("insert", 1, "dml_films")
    assert films.collect()[0]["at"] == dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=dt.UTC)


# UPDATE and DELETE


@pytest.fixture
def filled(films):
    films.insert([{"id": i, "name": f"n{i}", "score": i / 2, "day": dt.date(2024, 1, 1 + i)} for i in range(6)])
    return films


def test_update(cursor, filled):
    before = versions(filled)
    cursor.execute(
        "update dml_films set name = ?, score = score * $2 + 1, seen = true where dml_films.id >= $3 and name <> 'n5'", ("x", 2, 4)
    )
    assert cursor.rowcount == 1
    assert rows(cursor, "name, score, seen")[4] == ("x", 5.0, True)
    assert rows(cursor)[:4] == [(i, f"n{i}") for i in range(4)]
    assert versions(filled) == before + 1


def test_update_to_null_and_of_a_date(cursor, filled):
    cursor.execute("update dml_films set name = null, day = '2025-05-05', at = ? where id = 1", (dt.datetime(2024, 1, 2, tzinfo=dt.UTC),))
    assert rows(cursor, "id, name, day, at")[1] == (1, None, dt.date(2025, 5, 5), dt.datetime(2024, 1, 2, tzinfo=dt.UTC))


def test_texts_are_what_postgres_reads_in_them(cursor, filled):
    cursor.execute("insert into dml_films (id, at, day, score) values (70, '2024-02-29 12:00', '29 Feb 2024', '1e1')")
    cursor.execute("update dml_films set at = '2024-02-29 12:00', day = '29 Feb 2024', score = '1e1' where id = 1")
    expected = (dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC), dt.date(2024, 2, 29), 10.0)
    for key in (1, 70):
        assert cursor.execute("select at, day, score from dml_films where id = ?", [key]).fetchone() == expected


def test_update_of_all_rows(cursor, filled):
    cursor.execute("update dml_films set name = upper(name) where true")
    assert cursor.rowcount == 6
    assert rows(cursor)[5] == (5, "N5")


def test_update_of_none(cursor, filled):
    before = versions(filled)
    cursor.execute("update dml_films set name = 'x' where id > 100")
    assert cursor.rowcount == 0
    assert versions(filled) == before


def test_delete(cursor, filled):
    cursor.execute("delete from dml_films where id in (1, ?) or name like '%4'", (3,))
    assert cursor.rowcount == 3
    assert [row[0] for row in rows(cursor)] == [0, 2, 5]
    cursor.execute("delete from dml_films where id = (select max(id) from dml_films)")
    assert [row[0] for row in rows(cursor)] == [0, 2]
    cursor.execute("delete from dml_films where true")
    assert filled.count() == 0


def test_update_and_delete_by_row_id(cursor, filled):
    cursor.execute("update dml_films set name = 'first' where _rowid = 0")
    cursor.execute("delete from dml_films where _rowid = 1")
    assert rows(cursor)[:2] == [(0, "first"), (2, "n2")]


def test_executemany_of_updates_is_one_version(cursor, filled):
    before = versions(filled)
    cursor.executemany("update dml_films set name = ?, score = ? where id = ?", [("a", 1.0, 0), ("b", None, 1), ("c", 2.0, 77)])
    assert cursor.rowcount == 2
    assert rows(cursor, "name, score")[:2] == [("a", 1.0), ("b", None)]
    assert versions(filled) == before + 1


def test_executemany_of_deletes_is_one_version(cursor, filled):
    before = versions(filled)
    cursor.executemany("delete from dml_films where _rowid = ?", [(0,), (1,), (2,)])
    assert cursor.rowcount == 3
    assert filled.count() == 3
    assert versions(filled) == before + 1


def test_executemany_of_one_row_takes_any_condition(cursor, filled):
    cursor.executemany("delete from dml_films where name = ?", [("n1",)])
    assert filled.count() == 5


def test_executemany_of_other_conditions_is_refused(cursor, filled):
    for sql in ("delete from dml_films where name = ?", "update dml_films set name = 'x' where id = ?"):
        with pytest.raises(adbc_driver_manager.Error, match="sql_unsupported: Many rows of parameters"):
            cursor.executemany(sql, [("1",), ("2",)])
    assert filled.count() == 6


@pytest.mark.parametrize(("sql", "expected"), REFUSED_CHANGES.items(), ids=REFUSED_CHANGES)
def test_changes_that_are_refused(cursor, filled, store, sql, expected):
    before = versions(filled)
    with pytest.raises(adbc_driver_manager.Error, match=expected) as caught:
        cursor.execute(sql)
    assert not any(secret in str(caught.value) for secret in (str(store), "Traceback", "tbl_", "col_", "v_max"))
    assert versions(filled) == before


# Who may


def run(limited, options, sql):
    with fl.connect(limited.uri) as client:
        return put(client, options, messages.CommandStatementUpdate(query=sql))


def test_keys_that_may_write_need_not_read(limited, filled):
    writing = limited("write", tables=("dml_*",))
    assert run(limited, writing, "insert into dml_films (id) values (10 + 1)") == 1
    with pytest.raises(fl.FlightUnauthorizedError, match="permission_denied: This key may not read"):
        run(limited, writing, "insert into dml_films (id) select 12 from dml_films")
    with pytest.raises(fl.FlightUnauthorizedError, match="permission_denied: This key may not delete"):
        run(limited, writing, "delete from dml_films where true")
    assert filled.count() == 7


def test_what_is_read_must_be_readable(limited, filled, films, pxt):
    pxt.create_table("hidden_films", {"id": pxt.Int}, if_exists="replace").insert([{"id": 3}])
    key = limited("read", "write", "delete", tables=("dml_*",))
    for sql in (
        "insert into dml_films (id) select id + 100 from hidden_films",
        "insert into dml_films (id) values ((select 100 + max(id) from hidden_films))",
        "delete from dml_films where id in (select id from hidden_films)",
        "update dml_films set score = (select max(id) from hidden_films) where true",
        "insert into hidden_films (id) values (1)",
        "delete from hidden_films where true",
    ):
        with pytest.raises(fl.FlightError, match="TABLE_NOT_FOUND: There is no table hidden_films"):
            run(limited, key, sql)
    assert filled.count() == 6
    pxt.drop_table("hidden_films")


# Any text


WORDS = (
    "insert into update delete from set where values select true null default returning conflict on do nothing as only using with t "
    "a b $1 ? 'x' 1 -1 1.5 ( ) ( ) , , . = = ; * [ ] :: int /*c*/ -- \"q\" and or in not drop table union all lateral"
).split(" ")


@settings(max_examples=300, deadline=None)
@given(start=st.sampled_from(["insert into t", "update t set", "delete from t", ""]), words=st.lists(st.sampled_from(WORDS), max_size=14))
def test_any_words_are_read_or_refused(pxt, start, words):
    from pxt_flight.engine.dml import parse_dml

    with suppress(PxtFlightError):  # and nothing else
        parse_dml(f"{start} {' '.join(words)}")
