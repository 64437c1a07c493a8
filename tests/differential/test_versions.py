"""Versions: beside each other in one statement, of several tables in one ticket, and pinned while columns come and go."""

import pyarrow as pa
import pyarrow.flight as fl
import pytest
from comparison import rows_of, same


def all_rows(stream):
    return pa.Table.from_batches(list(stream.batches), stream.schema)


def request_for(sql):
    from pxt_flight.engine.scan import Request

    return Request(sql, (), "bytes")


@pytest.fixture
def tables(make_table, pxt):
    """Two tables of some versions each."""
    left = make_table({"id": pxt.Int, "v": pxt.Int}, [{"id": i, "v": i} for i in range(6)])
    right = make_table({"id": pxt.Int, "w": pxt.Int | None}, [{"id": i, "w": i * 10} for i in range(6)])
    return left, right


def names(tables):
    return [table.get_metadata()["name"] for table in tables]


def test_a_version_beside_the_live_table(tables, pxt, read):
    """What changed between two versions, in one statement; and the live version by its number."""
    left, _ = tables
    name, old = left.get_metadata()["name"], left.get_metadata()["version"]
    left.update({"v": left.v + 100}, where=left.id < 2)
    left.delete(where=left.id == 5)
    new = left.get_metadata()["version"]
    for live in (name, f'"{name}:{new}"'):
        sql = f'select o.id, o.v as before, n.v as after from "{name}:{old}" as o left join {live} as n using (id)'
        same([(i, i, None if i == 5 else i + 100 * (i < 2)) for i in range(6)], read(sql, tier="copy"))
        sql = f'select * from "{name}:{old}" except select * from {live} order by id'
        same([(0, 0), (1, 1), (5, 5)], read(sql, tier="copy"), ordered=True)
    # Without an alias the name is that of the table, whatever the version.
    same([(0,)], read(f'select {name}.id from "{name}:{old}" where {name}.v = 0', tier="copy"))


def test_all_versions_are_what_they_were(tables, pxt, read):
    left, _ = tables
    name = left.get_metadata()["name"]
    contents = {left.get_metadata()["version"]: rows_of(left.select(left.id, left.v).collect())}
    for value in (10, 20):
        left.update({"v": value}, where=left.id == value // 10)
        contents[left.get_metadata()["version"]] = rows_of(left.select(left.id, left.v).collect())
    sql = " union all ".join(f'select {version} as version, id, v from "{name}:{version}"' for version in contents)
    same([(version, *row) for version, rows in contents.items() for row in rows], read(sql, tier="copy"))


def test_a_ticket_of_several_tables(tables, engine):
    """After writes to each of them it reads what both were when it was made; a new plan reads what they are."""
    left, right = tables
    a, b = names(tables)
    request = request_for(f"select l.id, l.v, r.w from {a} as l join {b} as r using (id) order by id")
    planned = engine.plan(request)
    assert {pin.path: pin.version for pin in planned.pins} == {a: 1, b: 1}
    before = all_rows(engine.stream(request, planned.pins))
    left.update({"v": -1})
    assert all_rows(engine.stream(request, planned.pins)).equals(before)
    right.delete(where=right.id > 2)
    right.insert([{"id": 0, "w": 5}])
    left.insert([{"id": 0, "v": 7}])
    stream = engine.stream(request, planned.pins)
    assert stream.tier == "copy"
    assert all_rows(stream).equals(before)
    expected = [(0, -1, 0), (0, -1, 5), (0, 7, 0), (0, 7, 5), (1, -1, 10), (2, -1, 20)]
    same(expected, all_rows(engine.stream(request)))


def test_a_ticket_over_the_wire_of_several_tables(tables, server):
    left, right = tables
    a, b = names(tables)
    options = fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {server.key}".encode())])
    with fl.connect(server.flight_uri) as client:
        sql = f'with r as (select * from {b}) select l.id, v, w from {a} as l, r where l.id = r.id union all select id, v, -1 from "{a}:1"'
        (endpoint,) = client.get_flight_info(fl.FlightDescriptor.for_command(sql), options).endpoints
        before = client.do_get(endpoint.ticket, options).read_all().sort_by([("id", "ascending"), ("w", "ascending")])
        assert before.num_rows == 12
        left.delete(where=left.id > 0)
        right.update({"w": None})
        after = client.do_get(endpoint.ticket, options).read_all().sort_by([("id", "ascending"), ("w", "ascending")])
    assert after.equals(before)


@pytest.mark.parametrize("change", ["add", "add computed", "drop another", "rename another"])
@pytest.mark.parametrize("items", ["id, v", "*"])
def test_a_ticket_after_a_change_of_columns(make_table, pxt, engine, change, items):
    """The columns, too, are those of the version: no new one in a star, and none missing."""
    table = make_table({"id": pxt.Int, "v": pxt.Int, "s": pxt.String | None}, [{"id": i, "v": i, "s": "a"} for i in range(5)])
    request = request_for(f"select {items} from {table.get_metadata()['name']} order by id")
    planned = engine.plan(request)
    before = all_rows(engine.stream(request, planned.pins))
    if change == "add":
        table.add_column(extra=pxt.Int | None)
    elif change == "add computed":
        table.add_computed_column(extra=table.v * 2)
    elif change == "drop another":
        table.drop_column("s")
    else:
        table.rename_column("s", "text")
    table.insert([{"id": 9, "v": 9}])
    answer = all_rows(engine.stream(request, planned.pins))
    assert answer.equals(before)
    assert answer.schema.equals(planned.schema)
    assert all_rows(engine.stream(request)).num_rows == 6
