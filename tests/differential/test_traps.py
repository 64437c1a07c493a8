"""The traps of a fast read, one test each (two where a trap has two sides): each was once reproduced, and fails here if ours had it."""

import datetime as dt
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.flight as fl
import pytest
from comparison import same

from pxt_flight.errors import InvalidRequestError

TIERS = pytest.mark.parametrize("tier", ["copy", "cursor"])
DEADLINE = 20.0  # seconds; a lock that is held would be held for minutes


def pin(version):
    # Imported once the store exists: it imports Pixeltable.
    from pxt_flight.engine.scan import Pin

    return Pin(version)


@pytest.fixture
def table(make_table, pxt):
    """Ten rows: `v` is the same in all of them in every version."""
    return make_table({"id": pxt.Int, "v": pxt.Int, "s": pxt.String | None}, [{"id": i, "v": 0, "s": f"{i * 10}%"} for i in range(10)])


@pytest.fixture
def name(table):
    return table.get_metadata()["name"]


def request_for(sql, media="bytes"):
    from pxt_flight.engine.scan import Request

    return Request(sql, (), media)


def refused(engine, sql):
    with pytest.raises(InvalidRequestError) as caught:
        engine.plan(request_for(sql))
    return caught.value.code


def compiled(query):
    """What the seam makes of a query that our SQL cannot express."""
    from pxt_flight.engine.seam import plan

    with plan.transaction(query):
        return plan.compile_query(query)


def all_rows(stream):
    return pa.Table.from_batches(list(stream.batches), stream.schema)


@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        ("s = '50%'", [5]),
        ("s not in ('50%', '60%')", [0, 1, 2, 3, 4, 7, 8, 9]),
        ("s like '%0%' and s <> '0%'", range(1, 10)),
        ("s >= '70%'", [7, 8, 9]),
    ],
)
def test_1_percent_signs_are_not_doubled(name, read, condition, ids):
    same([(i,) for i in ids], read(f"select id from {name} where {condition}", tier="copy"))


def test_1_modulo_is_not_served(name, engine):
    assert refused(engine, f"select id % 3 as m from {name}") == "sql_unsupported"


@pytest.mark.parametrize("items", list(itertools.permutations(["id", "s", "id + 1 as t", "id as a"])), ids=", ".join)
def test_2_columns_come_in_the_order_of_the_select_list(name, read, items):
    row = {"id": 3, "s": "30%", "id + 1 as t": 4, "id as a": 3}
    answer = read(f"select {', '.join(items)} from {name} where id = 3", tier="copy")
    same([[row[item] for item in items]], answer)
    assert answer.schema.names == [item.rsplit(" as ", 1)[-1] for item in items]


@TIERS
@pytest.mark.parametrize(
    "sql", ["select id, v from {t} order by id", "select count(*) as n, sum(v) as t from {t}", "select id from {t} where v = 0"]
)
def test_3_a_ticket_reads_the_version_it_was_made_for(table, name, engine, sql, tier):
    request = request_for(sql.format(t=name))
    planned = engine.plan(request)
    before = all_rows(engine.stream(request, planned.pins))
    table.update({"v": 1}, where=table.id < 5)
    table.delete(where=table.id == 9)
    table.insert([{"id": 77, "v": 0, "s": None}])
    stream = engine.stream(request, planned.pins, tier=tier)
    assert stream.tier == tier
    assert all_rows(stream).sort_by(before.schema.names[0]).equals(before.sort_by(before.schema.names[0]))


def test_3_a_ticket_over_the_wire(table, name, server):
    options = fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {server.key}".encode())])
    with fl.connect(server.flight_uri) as client:
        descriptor = fl.FlightDescriptor.for_command(f"select id, v, s from {name} order by id")
        (endpoint,) = client.get_flight_info(descriptor, options).endpoints
        before = client.do_get(endpoint.ticket, options).read_all()
        table.update({"v": 1, "s": None})
        table.delete(where=table.id > 3)
        assert client.do_get(endpoint.ticket, options).read_all().equals(before)


@TIERS
def test_3_no_row_vanishes_under_a_writer(table, name, engine, tier):
    """Every read, while another thread updates, is one committed version: all ten rows, all with one value."""
    request = request_for(f"select v from {name}")
    written = threading.Event()

    def write():
        try:
            for value in range(1, 13):
                table.update({"v": value})
        finally:
            written.set()

    def values():
        stream = engine.stream(request, engine.plan(request).pins, tier="cursor" if tier == "cursor" else None)
        return all_rows(stream)["v"].to_pylist()

    seen = []
    with ThreadPoolExecutor(1) as writer:
        done = writer.submit(write)
        while not written.is_set():
            seen.append(values())
        done.result()
    seen.append(values())
    assert [values for values in seen if len(values) != 10 or len(set(values)) != 1] == []
    assert [values[0] for values in seen] == sorted(values[0] for values in seen)
    assert seen[-1][0] == 12


@TIERS
def test_3_a_stream_that_has_begun_stays_in_its_version(make_table, pxt, engine, tier):
    table = make_table({"id": pxt.Int, "s": pxt.String}, [{"id": i, "s": str(i) * 2000} for i in range(4000)])
    request = request_for(f"select id, s from {table.get_metadata()['name']} order by id")
    stream = engine.stream(request, engine.plan(request).pins, tier="cursor" if tier == "cursor" else None)
    first = next(iter(stream.batches))
    assert 0 < first.num_rows < 4000
    table.update({"s": "changed"}, where=table.id > 3000)
    table.delete(where=table.id > 3500)
    rest = all_rows(stream)
    same([(i, str(i) * 2000) for i in range(4000)], pa.concat_tables([pa.Table.from_batches([first]), rest]), ordered=True)


@TIERS
def test_4_sums_are_of_the_declared_type(name, read, tier):
    """Postgres' sum(bigint) and avg(bigint) are numeric, its count is int8."""
    answer = read(f"select sum(id) as a, sum(id + 1) as b, avg(id) as c, count(*) as d, max(id) - min(id) as e from {name}", tier=tier)
    assert answer.schema.types == [pa.int64(), pa.int64(), pa.float64(), pa.int64(), pa.int64()]
    same([(45, 55, 4.5, 10, 9)], answer)


def test_4_functions_of_other_types_are_not_served(name, engine):
    assert refused(engine, f"select length(s) as n from {name}") == "sql_unsupported"
    assert refused(engine, f"select extract(year from s) as n from {name}") == "sql_unsupported"


@TIERS
def test_4_a_sum_beyond_64_bits_is_an_error(make_table, pxt, read, tier):
    big = make_table({"i": pxt.Int}, [{"i": 2**63 - 1}, {"i": 1}]).get_metadata()["name"]
    with pytest.raises(InvalidRequestError) as caught:
        read(f"select sum(i) as s from {big}", tier=tier)
    assert caught.value.code == "INVALID_ARGUMENT"


def test_5_types_unknown_to_arrow_are_not_passed_through(make_table, pxt, engine):
    """Binary and arrays are refused by name; the seam itself takes neither."""
    table = make_table({"id": pxt.Int, "raw": pxt.Binary | None, "vector": pxt.Array[(3,), pxt.Float] | None})
    name = table.get_metadata()["name"]
    for column in ("raw", "vector", "*"):
        assert refused(engine, f"select {column} from {name}") == "type_unsupported"
    assert compiled(table.select(table.id)) is not None
    assert compiled(table.select(table.id, table.raw)) is None
    assert compiled(table.select(table.vector)) is None


def test_5_an_unexpected_type_falls_back(table, name, read, monkeypatch):
    """Were a column to arrive in another type than promised, Pixeltable would decode it."""
    from pxt_flight.engine.seam import plan

    monkeypatch.setattr(
        plan, "_typed", lambda expression, column, *, is_scan: column.op("::", return_type=column.type)(plan.sql.text("numeric"))
    )
    same([(i,) for i in range(10)], read(f"select id from {name}", tier="cursor"))


def test_6_settings_reach_the_session(engine):
    """ADBC wraps what it executes in COPY, in which BEGIN and SET would fail or be lost."""
    from pixeltable.runtime import get_runtime

    from pxt_flight.engine.seam import plan

    with get_runtime().catalog.begin_xact(for_write=False):
        snapshot = engine._pool.join_snapshot(plan.export_snapshot())
    names = ("transaction_isolation", "transaction_read_only", "statement_timeout", "idle_in_transaction_session_timeout")
    reader = snapshot.read(f"SELECT {', '.join(f'current_setting({name!r})' for name in names)}")
    values = pa.Table.from_batches(list(snapshot.batches(reader)), reader.schema)
    snapshot.close()
    assert [column[0].as_py() for column in values.columns] == ["repeatable read", "on", "5min", "5min"]


def test_6_explain_is_not_served(name, engine):
    assert refused(engine, f"explain select id from {name}") == "sql_not_allowed"


@pytest.mark.parametrize("how", ["read to its end", "left in the middle", "never begun"])
def test_7_a_read_does_not_block_a_new_column(make_table, pxt, engine, how):
    table = make_table({"id": pxt.Int, "s": pxt.String}, [{"id": i, "s": str(i) * 5000} for i in range(3000)])
    request = request_for(f"select * from {table.get_metadata()['name']}")
    stream = engine.stream(request, engine.plan(request).pins, tier="copy")
    if how == "read to its end":
        assert all_rows(stream).num_rows == 3000
    else:
        if how == "left in the middle":
            assert 0 < next(iter(stream.batches)).num_rows < 3000
        stream.close()
    with ThreadPoolExecutor(1) as writer:
        writer.submit(table.add_column, extra=pxt.Int | None).result(DEADLINE)
    assert engine.plan(request).schema.names == ["id", "s", "extra"]


@pytest.mark.parametrize("how", ["read to its end", "left in the middle"])
def test_7_nor_does_a_client(make_table, pxt, db, how):
    """An ADBC connection that stays open holds nothing, whatever became of its cursor."""
    table = make_table({"id": pxt.Int, "s": pxt.String}, [{"id": i, "s": str(i) * 5000} for i in range(3000)])
    with db.adbc() as connection:
        with connection.cursor() as cursor:
            cursor.execute(f"select * from {table.get_metadata()['name']}")
            reader = cursor.fetch_record_batch()
            assert reader.read_next_batch().num_rows
            if how == "read to its end":
                reader.read_all()
            reader.close()
        with ThreadPoolExecutor(1) as writer:
            writer.submit(table.add_column, extra=pxt.Int | None).result(DEADLINE)


@pytest.mark.parametrize("clause", ["tablesample system (10)", "order by random()", "tablesample bernoulli (10) repeatable (1)"])
def test_8_no_sample_can_be_asked_for(name, engine, clause):
    assert refused(engine, f"select id from {name} {clause}") == "sql_unsupported"


def test_8_a_sample_is_not_for_the_copy_tier(table):
    """Its seed is a parameter without a value; were one ever planned, cursor() would read it."""
    assert compiled(table.select(table.id).sample(n=3)) is None
    assert compiled(table.select(table.id).sample(n=3, seed=1)) is None


@TIERS
def test_9_floats_keep_their_64_bits(make_table, pxt, read, tier):
    floats = [0.1, 1 / 3, 1e308, 16777217.0, 5e-324]
    name = make_table({"f": pxt.Float}, [{"f": value} for value in floats]).get_metadata()["name"]
    answer = read(f"select f from {name}", tier=tier)
    assert answer.schema.field("f").type == pa.float64()
    same([(value,) for value in floats], answer)


def test_10_a_lost_sample_clause_cannot_occur(table, engine, name):
    """Pixeltable drops the sample of `sample().select()`; our SQL has no sample (trap 8), and LIMIT survives any select list."""
    assert compiled(table.sample(n=5).select(table.id)) is not None  # Pixeltable's own fault: what is planned is no sample
    for items in ("id", "id + 1 as n", "*"):
        stream = engine.stream(request_for(f"select {items} from {name} limit 5"), pin(table.get_metadata()["version"]))
        assert all_rows(stream).num_rows == 5


def test_11_arrays_of_bool_are_refused_by_name(make_table, pxt, db):
    table = make_table({"id": pxt.Int, "mask": pxt.Array[(4,), pxt.Bool] | None}, [{"id": 1, "mask": np.array([True, False, True, True])}])
    name = table.get_metadata()["name"]
    with pytest.raises(InvalidRequestError) as caught:
        db.sql(f"select * from {name}")
    assert (caught.value.code, caught.value.where["column"]) == ("type_unsupported", "mask")
    assert db.sql(f"select id from {name}").to_arrow().to_pylist() == [{"id": 1}]


@TIERS
def test_json_with_parts_outside_is_not_passed_through(make_table, pxt, read, tier):
    """An array inside of JSON lives in a file of its own: neither tier may send its place in the store for the value."""
    table = make_table({"id": pxt.Int, "j": pxt.Json | None}, [{"id": 1, "j": {"a": np.arange(3)}}, {"id": 2, "j": {"a": 1}}])
    name = table.get_metadata()["name"]
    with pytest.raises(InvalidRequestError) as caught:
        read(f"select j from {name}", tier="cursor")
    assert (caught.value.code, caught.value.where["column"]) == ("type_unsupported", "j")
    same([(2, {"a": 1})], read(f"select id, j from {name} where id = 2", tier=tier))


@pytest.fixture(params=["UTC", "Asia/Tokyo", "America/Los_Angeles"])
def zoned_engine(pxt, request):
    """An engine on a store whose owner lives somewhere: Pixeltable's sessions are in that zone."""
    from pixeltable.env import Env

    from pxt_flight.engine.engine import Engine

    before = Env.get().default_time_zone
    Env.get().default_time_zone = ZoneInfo(request.param)
    engine = Engine()
    yield engine
    engine.close()
    Env.get().default_time_zone = before


@TIERS
def test_moments_are_compared_in_one_time_zone(make_table, pxt, zoned_engine, tier):
    """A date beside a timestamp is midnight of the session's zone, which must be Pixeltable's in both tiers."""
    midnight = dt.datetime(2024, 3, 1, tzinfo=dt.UTC)
    rows = [{"id": h, "d": midnight.date(), "t": midnight + dt.timedelta(hours=h)} for h in range(-24, 24)]
    table = make_table({"id": pxt.Int, "d": pxt.Date, "t": pxt.Timestamp}, rows)
    expected = [(row["id"],) for row in table.where(table.t >= table.d).select(table.id).collect()]
    request = request_for(f"select id from {table.get_metadata()['name']} where t >= d")
    stream = zoned_engine.stream(request, zoned_engine.plan(request).pins, tier=tier)
    same(expected, all_rows(stream))
