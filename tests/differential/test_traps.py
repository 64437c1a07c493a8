"""The traps of a fast read, one test each (two where a trap has two sides): each was once reproduced, and fails here if ours had it."""

import datetime as dt
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.flight as fl
import pytest
from comparison import same

from pxt_flight.errors import InvalidRequestError

TIERS = pytest.mark.parametrize("tier", ["copy", "exec", "cursor"])
DEADLINE = 20.0  # seconds; a lock that is held would be held for minutes


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


def compiled(table, *columns):
    """What the seam makes of columns of a table; None where it takes Pixeltable itself."""
    from pxt_flight.engine.seam import plan
    from pxt_flight.engine.seam.probe import NotSqlError
    from pxt_flight.engine.types import parse_type

    kinds = {name: parse_type(column["type_"]).name for name, column in table.get_metadata()["columns"].items()}
    wanted = [plan.Wanted(name, name) for name in columns]
    try:
        return plan.in_transaction(lambda: plan.compile_relation(table, wanted, kinds, {}))
    except NotSqlError:
        return None


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


def test_1_modulo_is_one_percent_sign(name, read, postgres):
    expected = postgres.execute("select id % 3, -id % 3, '%' || (id % 3) || '%%' from generate_series(0, 9) id")
    same(expected, read(f"select id % 3 as m, -id % 3 as n, '%' || (id % 3) || '%%' as s from {name}", tier="copy"))


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
        stream = engine.stream(request, engine.plan(request).pins, tier=None if tier == "copy" else tier)
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
    stream = engine.stream(request, engine.plan(request).pins, tier=None if tier == "copy" else tier)
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


def test_4_functions_of_other_types_are_what_postgres_says(name, engine, read):
    """int4, numeric and refused: extract takes no text."""
    answer = read(
        f"select length(s) as n, extract(epoch from now() - now()) as e, extract(year from date '2024-02-29') as y from {name}", tier="copy"
    )
    assert answer.schema.types == [pa.int64(), pa.float64(), pa.int64()]
    assert set(zip(*(column.to_pylist() for column in answer.columns), strict=True)) == {(2, 0.0, 2024), (3, 0.0, 2024)}
    assert refused(engine, f"select extract(year from s) as n from {name}") == "TYPE_MISMATCH"


def test_4_postgres_types_arrive_as_declared(name, read):
    """smallint, real, numeric, varchar, char, intervals and arrays: nothing of them is left to ADBC's own reading."""
    items = {
        "1::smallint": (pa.int64(), 1),
        "0.1::real": (pa.float64(), 0.10000000149011612),
        "12.5::numeric(6, 2)": (pa.decimal128(6, 2), Decimal("12.50")),
        "1.5 + 1": (pa.decimal128(38, 18), Decimal("2.5")),
        "'ab'::varchar(1)": (pa.utf8(), "a"),
        "'a'::char(3)": (pa.utf8(), "a  "),
        "interval '1 day 00:00:01'": (pa.duration("us"), dt.timedelta(days=1, seconds=1)),
        "time '12:30'": (pa.time64("us"), dt.time(12, 30)),
        "timestamp '2024-02-29 12:00'": (pa.timestamp("us"), dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC).replace(tzinfo=None)),
        "array[1, null]": (pa.list_(pa.int64()), [1, None]),
        "array[0.5]": (pa.list_(pa.float64()), [0.5]),
        "array['a', 'it''s']": (pa.list_(pa.utf8()), ["a", "it's"]),
        "'\\x00ff'::bytea": (pa.binary(), b"\x00\xff"),
    }
    answer = read(f"select {', '.join(f'{item} as c{i}' for i, item in enumerate(items))} from {name} where id = 1", tier="copy")
    assert answer.schema.types == [arrow for arrow, _ in items.values()]
    assert [column[0].as_py() for column in answer.columns] == [value for _, value in items.values()]


@TIERS
def test_4_a_sum_beyond_64_bits_is_an_error(make_table, pxt, read, tier):
    big = make_table({"i": pxt.Int}, [{"i": 2**63 - 1}, {"i": 1}]).get_metadata()["name"]
    with pytest.raises(InvalidRequestError) as caught:
        read(f"select sum(i) as s from {big}", tier=tier)
    assert caught.value.code == "INVALID_ARGUMENT"


def test_5_types_unknown_to_arrow_are_not_passed_through(make_table, pxt, read):
    """Arrays and bytes are bytes to Postgres: what they are is in the schema, also of no rows, and behind a join."""
    table = make_table({"id": pxt.Int, "raw": pxt.Binary | None, "vector": pxt.Array[(3,), pxt.Float] | None})
    name = table.get_metadata()["name"]
    for sql in (f"select raw, vector from {name}", f"select a.raw, b.vector from {name} as a join {name} as b using (id)"):
        assert read(sql, tier="copy").schema.types == [pa.binary(), pa.fixed_shape_tensor(pa.float32(), (3,))]


def test_5_an_unexpected_type_is_cast(table, name, read, monkeypatch):
    """Were a column to arrive in another type than promised, Postgres casts it: the promise comes from Postgres' own description."""
    import sqlalchemy as sql

    from pxt_flight.engine.seam import columns

    monkeypatch.setattr(columns, "scalar", lambda name, kind, column: sql.cast(column, sql.SmallInteger))
    answer = read(f"select id, id + 1 as n from {name}", tier="copy")
    assert answer.schema.types == [pa.int64(), pa.int64()]
    assert answer.to_pylist() == [{"id": i, "n": i + 1} for i in range(10)]


def test_6_settings_reach_the_session(engine, reader):
    """ADBC wraps what it executes in COPY, in which BEGIN and SET would fail or be lost."""
    from pxt_flight.engine.adbc import ConnectionPool

    expected = {
        "transaction_isolation": "repeatable read",
        "transaction_read_only": "on",
        "statement_timeout": "5min",
        "idle_in_transaction_session_timeout": "5min",
        "timezone": "UTC",
        "jit": "off",
        "work_mem": "64MB",
        "temp_file_limit": "16GB",
        "is_superuser": "off",
    }
    pool = ConnectionPool(reader, timeout=300)
    with engine.store.snapshot() as (snapshot, _):
        joined = pool.join_snapshot(snapshot)
    rows = joined.read(f"SELECT {', '.join(f'current_setting({name!r})' for name in expected)}")
    values = pa.Table.from_batches(list(joined.batches(rows)), rows.schema)
    joined.close()
    pool.close()
    assert [column[0].as_py() for column in values.columns] == list(expected.values())


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


@pytest.mark.parametrize("clause", ["tablesample system (10)", "as t tablesample system (10)", "tablesample bernoulli (10) repeatable (1)"])
def test_8_no_sample_can_be_asked_for(name, engine, clause):
    assert refused(engine, f"select id from {name} {clause}") == "sql_unsupported"


def test_8_an_order_by_random_keeps_every_row(name, read):
    """It is no sample: all rows, and with a limit as many as that."""
    assert sorted(read(f"select id from {name} order by random()", tier="copy")["id"].to_pylist()) == list(range(10))
    assert len(set(read(f"select id from {name} order by random() limit 4", tier="copy")["id"].to_pylist())) == 4


@TIERS
def test_9_floats_keep_their_64_bits(make_table, pxt, read, tier):
    floats = [0.1, 1 / 3, 1e308, 16777217.0, 5e-324]
    name = make_table({"f": pxt.Float}, [{"f": value} for value in floats]).get_metadata()["name"]
    answer = read(f"select f from {name}", tier=tier)
    assert answer.schema.field("f").type == pa.float64()
    same([(value,) for value in floats], answer)


def test_10_a_lost_limit_cannot_occur(engine, name):
    """Pixeltable drops the sample of `sample().select()`; a relation is always a whole table, and LIMIT survives any select list."""
    for items in ("id", "id + 1 as n", "*", "count(*) over () as c", "distinct id"):
        assert all_rows(engine.stream(request_for(f"select {items} from {name} limit 5"))).num_rows == 5


def test_11_arrays_of_bool_are_lists(make_table, pxt, db):
    """pyarrow's tensors of bool cannot be read as numpy arrays; lists of a fixed size can."""
    table = make_table({"id": pxt.Int, "mask": pxt.Array[(4,), pxt.Bool] | None}, [{"id": 1, "mask": np.array([True, False, True, True])}])
    name = table.get_metadata()["name"]
    answer = db.sql(f"select * from {name}").to_arrow()
    assert answer.schema.field("mask").type == pa.list_(pa.bool_(), 4)
    assert answer.to_pylist() == [{"id": 1, "mask": [True, False, True, True]}]


@TIERS
def test_json_with_parts_outside_is_not_passed_through(make_table, pxt, read, tier):
    """An array inside of JSON lives in a file of its own: neither tier may send its place in the store for the value."""
    table = make_table({"id": pxt.Int, "j": pxt.Json | None}, [{"id": 1, "j": {"a": np.arange(3)}}, {"id": 2, "j": {"a": 1}}])
    name = table.get_metadata()["name"]
    same([(1, {"a": [0, 1, 2]}), (2, {"a": 1})], read(f"select id, j from {name} order by id", tier=tier), ordered=True)
    same([(2, {"a": 1})], read(f"select id, j from {name} where id = 2", tier=tier))


@pytest.fixture(params=["UTC", "Asia/Tokyo", "America/Los_Angeles"])
def zoned_engine(new_engine, request):
    """An engine on a store whose owner lives somewhere: Pixeltable's sessions are in that zone."""
    from pixeltable.env import Env

    before = Env.get().default_time_zone
    Env.get().default_time_zone = ZoneInfo(request.param)
    yield new_engine()
    Env.get().default_time_zone = before


def test_moments_are_compared_in_utc(make_table, pxt, zoned_engine):
    """A date, or a text without a zone, beside a timestamp is of UTC, as on the wire; Pixeltable would take its owner's zone."""
    midnight = dt.datetime(2024, 3, 1, tzinfo=dt.UTC)
    rows = [{"id": h, "d": midnight.date(), "t": midnight + dt.timedelta(hours=h)} for h in range(-24, 24)]
    name = make_table({"id": pxt.Int, "d": pxt.Date, "t": pxt.Timestamp}, rows).get_metadata()["name"]
    for condition in ("t >= d", "t >= '2024-03-01'", "t >= timestamp '2024-03-01 00:00'", "t::date >= d", "extract(day from t) = 1"):
        answer = all_rows(zoned_engine.stream(request_for(f"select id from {name} where {condition}"), tier="copy"))
        same([(h,) for h in range(24)], answer)
    same(
        [(h,) for h in range(24)],
        all_rows(zoned_engine.stream(request_for(f"select id from {name} where t >= '2024-03-01'"), tier="cursor")),
    )
    with pytest.raises(InvalidRequestError) as caught:
        zoned_engine.stream(request_for(f"select id from {name} where t >= d"), tier="cursor")
    assert caught.value.code == "sql_unsupported"


BEYOND = ["timestamptz 'infinity'", "date '-infinity'", "timestamp 'infinity'", "array[date 'infinity']", "timestamp '294276-12-31'"]


@pytest.mark.parametrize("item", BEYOND)
def test_5_a_moment_beyond_arrow_is_an_error(read, name, item):
    with pytest.raises(InvalidRequestError) as caught:
        read(f"select {item} as x, id from {name}", tier="copy")
    assert (caught.value.code, caught.value.where["column"]) == ("INVALID_ARGUMENT", "x")
    kept = read(f"select {item}::text as x, id from {name} where id < 2", tier="copy")
    assert all("infinity" in text or "294276" in text for text in kept["x"].to_pylist())


def test_5_the_first_moments_arrive(read, name):
    answer = read(
        f"select date '4713-01-01 BC' as a, timestamp '4713-01-01 BC' as b, null::date as c from {name} where id = 1", tier="copy"
    )
    days = -2_440_550
    assert [answer["a"].cast(pa.int32())[0].as_py(), answer["b"].cast(pa.int64())[0].as_py(), answer["c"][0].as_py()] == [
        *(days, days * 86_400_000_000, None)
    ]
