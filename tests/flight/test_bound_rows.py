"""Values bound to prepared statements: several rows, none at all, each type, and how much."""

import datetime as dt
import decimal
import uuid
import zoneinfo

import adbc_driver_manager
import pyarrow as pa
import pyarrow.flight as fl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pxt_flight.flight import messages
from pxt_flight.flight.parameters import MAX_BYTES, from_json, to_json

often = settings(max_examples=60, deadline=None)


def prepare(client, options, sql):
    request = messages.ActionCreatePreparedStatementRequest(query=sql)
    (result,) = client.do_action(fl.Action("CreatePreparedStatement", messages.pack_any(request)), options)
    return messages.unpack_any(result.body.to_pybytes())


def bind(client, options, handle, batch):
    command = messages.pack_any(messages.CommandPreparedStatementQuery(prepared_statement_handle=handle))
    writer, reader = client.do_put(fl.FlightDescriptor.for_command(command), batch.schema, options)
    with writer:
        writer.write_batch(batch)
        writer.done_writing()
        answer = messages.decode(messages.DoPutPreparedStatementResult, reader.read().to_pybytes())
    return answer.prepared_statement_handle


def run(client, options, handle):
    command = messages.pack_any(messages.CommandPreparedStatementQuery(prepared_statement_handle=handle))
    info = client.get_flight_info(fl.FlightDescriptor.for_command(command), options)
    table = client.do_get(info.endpoints[0].ticket, options).read_all()
    assert table.schema == info.schema
    return table


def test_several_rows_are_the_union_of_their_results(adbc, films):
    rows = pa.table({"low": [7, 98, 3, 200], "high": [9, 100, 4, 300]})
    with adbc.cursor() as cursor:
        found = cursor.execute(f"select id from {films} where id >= ? and id < ? order by id", rows).fetchall()
        assert found == [(7,), (8,), (98,), (99,), (3,)]
        assert cursor.execute(f"select id from {films} where id = ?", (5,)).fetchall() == [(5,)]


def test_several_rows_read_one_version(stranger, as_owner, make_table, pxt):
    table = make_table({"id": pxt.Int}, [{"id": 1}, {"id": 2}])
    handle = prepare(stranger, as_owner, f"select id from {table.get_metadata()['name']} where id >= ?").prepared_statement_handle
    bound = bind(stranger, as_owner, handle, pa.record_batch({"0": [1, 2]}))
    command = messages.pack_any(messages.CommandPreparedStatementQuery(prepared_statement_handle=bound))
    info = stranger.get_flight_info(fl.FlightDescriptor.for_command(command), as_owner)
    table.insert([{"id": 3}])
    found = stranger.do_get(info.endpoints[0].ticket, as_owner).read_all()["id"].to_pylist()
    assert (sorted(found[:2]), found[2:]) == ([1, 2], [2])


@pytest.mark.parametrize("kind", [pa.int64(), pa.float64(), pa.decimal128(10, 2)])
def test_no_row_is_an_empty_result(stranger, as_owner, films, kind):
    handle = prepare(stranger, as_owner, f"select id, name from {films} where score > ?").prepared_statement_handle
    bound = bind(stranger, as_owner, handle, pa.record_batch({"0": pa.array([], kind)}))
    table = run(stranger, as_owner, bound)
    assert (table.num_rows, table.schema.types) == (0, [pa.int64(), pa.utf8()])


def test_an_empty_table_through_adbc(adbc, films):
    with adbc.cursor() as cursor:
        table = cursor.execute(f"select id from {films} where id = ?", pa.table({"0": pa.array([], pa.int64())})).fetch_arrow_table()
    assert (table.num_rows, table.schema.names) == (0, ["id"])


@pytest.mark.parametrize("column", [pa.nulls(200_000), pa.array([True] * 200_000)], ids=["NULL", "bool"])
def test_many_small_values_are_refused(stranger, as_owner, films, column):
    handle = prepare(stranger, as_owner, f"select id from {films} where seen = ?").prepared_statement_handle
    with pytest.raises(fl.FlightServerError, match="INVALID_ARGUMENT: The bound values take more than 1 MiB"):
        bind(stranger, as_owner, handle, pa.record_batch({"0": column}))


def test_more_than_a_mebibyte_is_refused(adbc, films):
    with adbc.cursor() as cursor:
        with pytest.raises(adbc_driver_manager.Error, match="INVALID_ARGUMENT: The bound values take more than 1 MiB"):
            cursor.execute(f"select id from {films} where name = ?", ("x" * (MAX_BYTES + 1),))
        assert cursor.execute(f"select id from {films} where name = ?", ("x" * (MAX_BYTES // 2),)).fetchall() == []


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (pa.array([[1]]), "A parameter of type list"),
        (pa.array([{"a": 1}]), "A parameter of type dict"),
        (pa.array([dt.timedelta(1)]), "A parameter of type timedelta"),
        (pa.array([1], pa.timestamp("ns")), "finer than a microsecond"),
        (pa.array([1], pa.time64("ns")), "finer than a microsecond"),
        (pa.array([10**9], pa.date32()), "out of range"),
        (pa.array([1], pa.timestamp("us", "Nowhere/Land")), "time zone that is not known"),
        (pa.Array.from_buffers(pa.utf8(), 1, [None, pa.py_buffer(b"\0\0\0\0\x02\0\0\0"), pa.py_buffer(b"\xff\xfe")]), "damaged"),
    ],
    ids=["list", "struct", "duration", "ns timestamp", "ns time", "year of the far future", "time zone", "not UTF-8"],
)
def test_values_that_are_not_served(stranger, as_owner, films, column, said):
    handle = prepare(stranger, as_owner, f"select id from {films} where name = ?").prepared_statement_handle
    with pytest.raises(fl.FlightServerError, match=f"INVALID_ARGUMENT: .*{said}"):
        bind(stranger, as_owner, handle, pa.record_batch({"0": column}))


def test_no_values_ever_sent(stranger, as_owner, films):
    handle = prepare(stranger, as_owner, f"select id from {films} where name = ?").prepared_statement_handle
    command = messages.pack_any(messages.CommandPreparedStatementQuery(prepared_statement_handle=handle))

    def put():
        writer, _ = stranger.do_put(fl.FlightDescriptor.for_command(command), pa.schema([("0", pa.int64())]), as_owner)
        with writer:
            writer.done_writing()

    put()  # a schema without a batch: no rows
    with pytest.raises(fl.FlightServerError, match="INVALID_ARGUMENT: The statement has parameter"):
        run(stranger, as_owner, handle)


def test_the_handle_says_what_is_known(stranger, as_owner, films):
    without = prepare(stranger, as_owner, f"select id, name from {films}")
    assert pa.ipc.read_schema(pa.py_buffer(without.dataset_schema)).names == ["id", "name"]
    assert without.parameter_schema == b""
    with_two = prepare(stranger, as_owner, f"select id from {films} where name = '?' and id in (?, ?)")
    assert with_two.dataset_schema == b""
    assert pa.ipc.read_schema(pa.py_buffer(with_two.parameter_schema)) == pa.schema([("$1", pa.null()), ("$2", pa.null())])


VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.dates()
    | st.times()
    | st.datetimes(timezones=st.none() | st.sampled_from([dt.UTC, dt.timezone(dt.timedelta(hours=-3, minutes=-30))]))
    | st.uuids()
)


@often
@given(row=st.lists(VALUES).map(tuple))
def test_each_type_travels_as_itself(row):
    back = from_json(to_json(row))
    assert back == row
    assert [type(value) for value in back] == [type(value) for value in row]


def test_the_moment_of_a_named_zone_is_kept():
    moment = dt.datetime(2024, 7, 1, 12, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))
    assert from_json(to_json((moment,))) == (moment,)


def test_a_decimal_keeps_every_digit():
    assert from_json(to_json((decimal.Decimal("1.2345678901234567890123"), uuid.UUID(int=1)))) == (
        decimal.Decimal("1.2345678901234567890123"),
        uuid.UUID(int=1),
    )
