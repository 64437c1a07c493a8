"""A scan in parts: several tickets of one FlightInfo, which together give each row once, as every client reads them."""

import json
from collections import Counter
from itertools import chain

import polars as pl
import pyarrow as pa
import pyarrow.flight as fl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pxt_flight.errors import from_json
from pxt_flight.flight import messages

HEADER = "x-pxt-flight-partitions"
ROWS = 40


@pytest.fixture(scope="module")
def parts(pxt, tmp_path_factory):
    """A table with gaps in its row ids, old versions, a view, a view of components, and a snapshot."""
    from pixeltable.functions.image import tile_iterator

    picture = tmp_path_factory.mktemp("parts") / "picture.png"
    Image.new("RGB", (20, 10)).save(picture)
    table = pxt.create_table("wire_parts", {"id": pxt.Int, "n": pxt.Int | None, "s": pxt.String, "img": pxt.Image | None})
    table.insert([{"id": i, "n": i % 7 or None, "s": f"one {i}", "img": str(picture)} for i in range(ROWS)])
    table.delete(where=(table.id > 10) & (table.id < 25))
    table.update({"n": 100}, where=table.id % 5 == 0)
    view = pxt.create_view("wire_parts_view", table.where(table.id > 3), additional_columns={"m": table.n + 1})
    pxt.create_view("wire_parts_of_view", view.where(view.id < 35))
    pxt.create_view("wire_parts_tiles", table, iterator=tile_iterator(table.img, (10, 10)))
    pxt.create_snapshot("wire_parts_kept", table)
    pxt.create_snapshot("wire_parts_view_kept", view)
    table.insert([{"id": 90, "n": 9, "s": "late"}])
    yield table
    for name in ("view_kept", "kept", "tiles", "of_view", "view"):
        pxt.drop_table(f"wire_parts_{name}")
    pxt.drop_table("wire_parts")


def asked(stranger, as_owner, sql, count, **more):
    command = json.dumps({"sql": sql, "partitions": count, "media": "bytes", **more})
    return stranger.get_flight_info(fl.FlightDescriptor.for_command(command), as_owner)


def read(stranger, as_owner, info):
    answers = [stranger.do_get(endpoint.ticket, as_owner).read_all() for endpoint in info.endpoints]
    assert all(answer.schema == info.schema for answer in answers)
    return pa.concat_tables(answers)


def rows(answer):
    return Counter(tuple(row.items()) for row in answer.to_pylist())


SCANS = (
    "select * from wire_parts",
    "select _rowid, id from wire_parts",
    "select *, _rowid from wire_parts as w where n > 2 or id < 3",
    "select w.id + 1 as next, upper(s) as s from wire_parts w where s like 'one%'",
    "select a, b from wire_parts as w(a, b)",
    'select * from "wire_parts:1"',
    "select * from wire_parts_view",
    "select id, m from wire_parts_of_view",
    "select _rowid, id, tile_coord from wire_parts_tiles where n > 1",
    "select * from wire_parts_kept",
    "select * from wire_parts_view_kept",
)


@pytest.mark.parametrize("sql", SCANS)
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(count=st.integers(2, 64))
def test_the_parts_are_the_whole(stranger, as_owner, parts, sql, count):
    whole = read(stranger, as_owner, asked(stranger, as_owner, sql, 1))
    info = asked(stranger, as_owner, sql, count)
    assert 2 <= len(info.endpoints) <= count
    assert len({endpoint.ticket.ticket for endpoint in info.endpoints}) == len(info.endpoints)
    assert not info.ordered
    assert whole.num_rows > 5
    assert rows(read(stranger, as_owner, info)) == rows(whole)


@settings(max_examples=200, deadline=None)
@given(lowest=st.integers(0, 2**40), span=st.integers(1, 2**40), count=st.integers(1, 64))
def test_ranges_leave_no_gap(pxt, lowest, span, count):
    from pxt_flight.engine.partitions import ranges

    found = ranges(lowest, lowest + span - 1, count)
    assert len(found) == min(count, span)
    assert all(start <= end for start, end in found)
    assert [start for start, _ in found[1:]] == [end + 1 for _, end in found[:-1]]
    assert found[0][0] < 0
    assert found[-1][1] == 2**63 - 1
    assert all(start <= lowest + span - 1 for start, _ in found)


@pytest.mark.parametrize(
    "sql",
    [
        "select id from wire_parts order by id",
        "select id from wire_parts limit 5",
        "select id from wire_parts offset 5",
        "select distinct n from wire_parts",
        "select count(*) as n from wire_parts",
        "select string_agg(s, ',') as s from wire_parts",
        "select 1 + max(id) as n from wire_parts",
        "select n from wire_parts group by n",
        "select sum(id) over () as n from wire_parts",
        "select row_number() over (order by id) as n from wire_parts",
        "select id from wire_parts union all select id from wire_parts",
        "select a.id from wire_parts a, wire_parts b where a.id = b.id",
        "select a.id from wire_parts a join wire_parts b using (id)",
        "select id from (select id from wire_parts) as t",
        "with t as (select id from wire_parts) select id from t",
        "select id from wire_parts where id in (select n from wire_parts)",
        "select id, (select max(id) from wire_parts) as m from wire_parts",
        "select 1 as n",
        "select id from wire_parts where id < 0 and false",
    ],
)
def test_what_is_more_than_a_scan_has_one_part(stranger, as_owner, parts, sql):
    info = asked(stranger, as_owner, sql, 4)
    if "false" not in sql:
        assert len(info.endpoints) == 1
    assert rows(read(stranger, as_owner, info)) == rows(read(stranger, as_owner, asked(stranger, as_owner, sql, 1)))


def test_an_empty_table_has_one_part(stranger, as_owner, make_table, pxt):
    name = make_table({"id": pxt.Int}).get_metadata()["name"]
    info = asked(stranger, as_owner, f"select * from {name}", 8)
    assert len(info.endpoints) == 1
    assert read(stranger, as_owner, info).num_rows == 0


def test_parameters_go_to_every_part(stranger, as_owner, parts):
    info = asked(stranger, as_owner, "select id, $2 as t from wire_parts where id > $1", 3, parameters=[5, "x"])
    assert len(info.endpoints) == 3
    answer = read(stranger, as_owner, info)
    assert sorted(answer["id"].to_pylist()) == [*range(6, 11), *range(25, ROWS), 90]
    assert set(answer["t"].to_pylist()) == {"x"}


def test_all_parts_read_one_version_and_are_renewed(stranger, as_owner, make_table, pxt):
    table = make_table({"id": pxt.Int, "v": pxt.Int}, [{"id": i, "v": 0} for i in range(30)])
    name = table.get_metadata()["name"]
    info = asked(stranger, as_owner, f"select id, v from {name}", 4)
    assert len(info.endpoints) == 4
    first = stranger.do_get(info.endpoints[0].ticket, as_owner).read_all()
    table.update({"v": 1})
    table.delete(where=table.id == 29)
    table.insert([{"id": 100 + i, "v": 2} for i in range(30)])
    renewed = []
    for endpoint in info.endpoints:
        body = messages.encode(messages_of_renewal(endpoint))
        (result,) = stranger.do_action(fl.Action("RenewFlightEndpoint", body), as_owner)
        renewed.append(fl.FlightEndpoint.deserialize(result.body.to_pybytes()))
        assert renewed[-1].expiration_time.as_py() >= endpoint.expiration_time.as_py()
    answers = [stranger.do_get(endpoint.ticket, as_owner).read_all() for endpoint in renewed]
    assert answers[0].equals(first)
    assert sorted(pa.concat_tables(answers)["id"].to_pylist()) == list(range(30))
    assert {v for answer in answers for v in answer["v"].to_pylist()} == {0}
    table.revert()
    table.update({"v": 5})
    assert pa.concat_tables([stranger.do_get(one.ticket, as_owner).read_all() for one in info.endpoints]).num_rows == 30


def messages_of_renewal(endpoint):
    from pxt_flight.flight.actions import _Wrapped

    return _Wrapped(message=endpoint.serialize())


@pytest.mark.parametrize("count", [0, -1, 65, 10**30, "many", 2.5])
def test_a_number_that_is_not_served(stranger, as_owner, parts, count):
    with pytest.raises(fl.FlightError) as caught:
        asked(stranger, as_owner, "select id from wire_parts", count)
    assert from_json(caught.value.extra_info).code == "INVALID_ARGUMENT"


@pytest.mark.parametrize("text", ["0", "65", "many", "-1", "1.0", "9" * 5000])
def test_a_header_that_is_not_served(server, stranger, parts, text):
    options = fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {server.key}".encode()), (HEADER.encode(), text.encode())])
    with pytest.raises(fl.FlightError) as caught:
        stranger.get_flight_info(fl.FlightDescriptor.for_command("select id from wire_parts"), options)
    assert from_json(caught.value.extra_info).code == "INVALID_ARGUMENT"


def test_the_header_for_text_and_paths(server, stranger, parts):
    options = fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {server.key}".encode()), (HEADER.encode(), b"3")])
    for descriptor in (fl.FlightDescriptor.for_command("select * from wire_parts"), fl.FlightDescriptor.for_path("wire_parts")):
        info = stranger.get_flight_info(descriptor, options)
        assert len(info.endpoints) == 3
        assert read(stranger, options, info).num_rows == ROWS - 13


@pytest.fixture
def in_parts(adbc):
    """A cursor of ADBC that asks for five parts."""
    with adbc.cursor() as cursor:
        cursor.adbc_statement.set_options(**{f"adbc.flight.sql.rpc.call_header.{HEADER}": "5"})
        yield cursor


def test_adbc_reads_all_parts(in_parts, parts):
    in_parts.execute("select id, s from wire_parts")
    assert sorted(in_parts.fetch_arrow_table()["id"].to_pylist()) == [*range(11), *range(25, ROWS), 90]


def test_adbc_reads_parts_one_by_one(in_parts, adbc, parts):
    found, schema = in_parts.adbc_execute_partitions("select id from wire_parts")
    assert len(found) == 5
    assert schema.names == ["id"]
    ids = []
    for part in reversed(found):
        with adbc.cursor() as cursor:
            cursor.adbc_read_partition(part)
            ids.append(cursor.fetch_arrow_table()["id"].to_pylist())
    assert sum(map(bool, ids)) > 2  # one part may be of rows that were deleted
    assert sorted(chain(*ids)) == [*range(11), *range(25, ROWS), 90]


def test_polars_reads_all_parts(server, parts):
    options = {
        "db_kwargs": {
            "adbc.flight.sql.authorization_header": f"Bearer {server.key}",
            f"adbc.flight.sql.rpc.call_header.{HEADER}": "4",
        }
    }
    import adbc_driver_flightsql.dbapi as flightsql

    with flightsql.connect(server.flight_uri, autocommit=True, **options) as connection:
        frame = pl.read_database("select * from wire_parts_view", connection)
    assert frame["id"].sort().to_list() == [*range(4, 11), *range(25, ROWS), 90]


def test_our_client_reads_one_stream(db, parts):
    assert db.sql("select id from wire_parts").to_arrow().num_rows == ROWS - 13
