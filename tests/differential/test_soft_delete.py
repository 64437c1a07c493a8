"""Rows that are deleted softly, against `collect()` with the same condition: hidden in every tier, and there with `include_deleted`."""

import datetime as dt
from contextlib import closing

import pyarrow as pa
import pytest
from comparison import rows_of, same
from exec_pictures import pictures
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pxt_flight.errors import PxtFlightError

MARK = {"pxt_flight": "soft_delete"}
MOMENT = dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def own_login(pxt, reader):
    """An engine whose statements run row by row, as a login that is no superuser."""
    import psycopg

    from pxt_flight.engine.engine import Engine
    from pxt_flight.engine.seam.store import libpq_uri
    from pxt_flight.engine.store import Store

    with psycopg.connect(libpq_uri(), autocommit=True) as owner:
        owner.execute("CREATE ROLE soft_plain LOGIN PASSWORD 'x' NOSUPERUSER IN ROLE CURRENT_USER")
    engine = Engine(threads=2)
    engine.store.close()
    engine.store = Store(psycopg.conninfo.make_conninfo(libpq_uri(), user="soft_plain", password="x"))
    engine.read_as(None)
    yield engine
    engine.close()
    with psycopg.connect(libpq_uri(), autocommit=True) as owner:
        owner.execute("REASSIGN OWNED BY soft_plain TO CURRENT_USER")
        owner.execute("DROP OWNED BY soft_plain")
        owner.execute("DROP ROLE soft_plain")


@pytest.fixture(scope="module")
def tables(pxt, tmp_path_factory):
    """Ten rows of which three are deleted softly, a key table, views with and without the column, tiles, and snapshots before and after."""
    from pixeltable.functions.image import tile_iterator

    files = pictures(tmp_path_factory.mktemp("soft"))
    table = pxt.create_table("soft", {"id": pxt.Int, "n": pxt.Int | None, "s": pxt.String | None, "img": pxt.Image | None})
    table.insert([{"id": i, "n": i % 3, "s": f"s{i}", "img": files[i % 2]} for i in range(10)])
    pxt.create_snapshot("soft_unmarked", table)
    table.add_columns({"deleted_at": {"type": pxt.Timestamp | None, "custom_metadata": MARK}})
    table.add_computed_column(shout=table.s.upper())
    pxt.create_snapshot("soft_before", table)
    view = pxt.create_view("soft_view", table.where(table.id > 1), additional_columns={"m": table.n + 1})
    pxt.create_view("soft_of_view", view.where(view.id < 9))
    pxt.create_view("soft_narrow", table.select(table.id, table.n))
    pxt.create_view("soft_small", table, additional_columns={"small": {"value": table.img.resize((4, 4)), "stored": False}})
    pxt.create_view("soft_tiles", table.where(table.id < 4), iterator=tile_iterator(table.img, (20, 30)))
    table.update({"deleted_at": MOMENT}, where=(table.id == 3) | (table.id == 7) | (table.id == 0))
    pxt.create_snapshot("soft_after", table)
    pxt.create_snapshot("soft_view_after", view)
    table.update({"deleted_at": MOMENT}, where=table.id == 8)
    table.update({"deleted_at": None}, where=table.id == 0)
    other = pxt.create_table("soft_other", {"id": pxt.Int, "w": pxt.Int | None})
    other.insert([{"id": i, "w": i * 10} for i in range(10)])
    yield table
    for name in ("view_after", "after", "tiles", "small", "narrow", "of_view", "view", "before", "unmarked", "other"):
        pxt.drop_table(f"soft_{name}")
    pxt.drop_table("soft")


def read(engine, sql, parameters=(), *, tier=None, include_deleted=False, pins=None, media="bytes"):
    from pxt_flight.engine.scan import Request

    request = Request(sql, tuple(parameters), media, include_deleted=include_deleted)
    insisted = tier if tier in ("exec", "cursor") else None
    with closing(engine.stream(request, pins, tier=insisted)) as stream:
        assert tier in (None, stream.tier)
        return pa.Table.from_batches(list(stream.batches), stream.schema)


def collected(table, *columns, include_deleted=False):
    """What Pixeltable gives of the columns, without the rows that we hide."""
    rows = table if include_deleted else table.where(table.deleted_at == None)  # Pixeltable's IS NULL
    return rows_of(rows.select(*(getattr(table, name) for name in columns)).collect())


@pytest.mark.parametrize("tier", ["copy", "psycopg", "exec", "cursor"])
@pytest.mark.parametrize("name", ["soft", "soft_view", "soft_of_view"])
def test_each_tier(tables, pxt, engine, own_login, name, tier):
    reader, table = own_login if tier == "psycopg" else engine, pxt.get_table(name)
    for include_deleted in (False, True):
        wanted = collected(table, "id", "n", "s", include_deleted=include_deleted)
        assert 0 < len(wanted) < 10 or include_deleted
        same(wanted, read(reader, f"select id, n, s from {name}", tier=tier, include_deleted=include_deleted))
        few = [row for row in wanted if row[0] > 2 and row[1] == 1]
        sql = f"select id, n, s from {name} where id > $1 and n = 1 or id = -1"
        same(few, read(reader, sql, [2], tier=tier, include_deleted=include_deleted))
        same([(len(wanted),)], read(reader, f"select count(*) as n from {name}", tier=tier, include_deleted=include_deleted))
    star = read(reader, f"select * from {name}", tier=tier).column_names
    assert star == ([] if name == "soft" else ["m"]) + ["id", "n", "s", "img", "shout"]


def test_what_only_pixeltable_computes(tables, pxt, engine):
    """The exec tier by itself: a picture that is stored nowhere."""
    assert read(engine, "select id, small from soft_small order by id", tier="exec")["id"].to_pylist() == [0, 1, 2, 4, 5, 6, 9]
    assert read(engine, "select id, small from soft_small", tier="exec", include_deleted=True).num_rows == 10
    assert read(engine, "select id from soft where false", tier="exec").num_rows == 0


def test_a_view_without_the_column(tables, engine):
    for tier in ("exec", "cursor"):
        assert sorted(read(engine, "select id from soft_narrow", tier=tier)["id"].to_pylist()) == [0, 1, 2, 4, 5, 6, 9]
        assert read(engine, "select id from soft_narrow", tier=tier, include_deleted=True).num_rows == 10


def test_an_unknown_pixeltable(tables, new_engine):
    """By its public names alone: right, or refused where these do not tell."""
    engine = new_engine()
    engine.disable_copy("the test says so")
    for name, ids in (("soft", [0, 1, 2, 4, 5, 6, 9]), ("soft_view", [2, 4, 5, 6, 9]), ("soft_other", [*range(10)])):
        assert sorted(read(engine, f"select id from {name}", tier="cursor")["id"].to_pylist()) == ids
    assert read(engine, "select id, deleted_at from soft", tier="cursor", include_deleted=True).num_rows == 10
    with pytest.raises(PxtFlightError) as refused:
        read(engine, "select id from soft_narrow")
    assert refused.value.code == "UNSUPPORTED_OPERATION"
    assert read(engine, "select id from soft_narrow", include_deleted=True).num_rows == 10


def test_components(tables, engine):
    """Tiles of rows that are hidden are hidden, too: two of each picture, of the rows 0, 1 and 2 and not of 3."""
    for tier in ("copy", "exec"):
        assert sorted(set(read(engine, "select id from soft_tiles", tier=tier)["id"].to_pylist())) == [0, 1, 2]
        assert 3 in read(engine, "select id from soft_tiles", tier=tier, include_deleted=True)["id"].to_pylist()


def test_snapshots_are_as_they_were_taken(tables, engine):
    ids = {"unmarked": [*range(10)], "before": [*range(10)], "after": [1, 2, 4, 5, 6, 8, 9], "view_after": [2, 4, 5, 6, 8, 9]}
    for name, wanted in ids.items():
        for tier in ("copy", "exec"):
            assert sorted(read(engine, f"select id from soft_{name}", tier=tier)["id"].to_pylist()) == wanted
    assert read(engine, "select id from soft_after", include_deleted=True).num_rows == 10
    assert len(read(engine, "select * from soft_unmarked").column_names) == 4


def test_versions_are_as_they_were(tables, pxt, engine):
    """Each version hides the rows that were hidden in it; one of before the column was there hides none."""
    live = pxt.get_table("soft").get_metadata()["version"]
    for version in range(1, live + 1):
        table = pxt.get_table(f"soft:{version}")
        marked = "deleted_at" in table.columns()
        wanted = collected(table, "id", include_deleted=not marked)
        for tier in ("copy", "exec"):
            same(wanted, read(engine, f'select id from "soft:{version}"', tier=tier))
    beside = read(engine, f'select o.id from "soft:{live - 1}" as o except select id from soft')
    assert beside["id"].to_pylist() == []
    assert read(engine, f'select id from soft except select id from "soft:{live - 2}"')["id"].to_pylist() == [0]


STATEMENTS = {
    "a join": ("select a.id, b.id from {0} as a join {0} as b on a.id = b.id + 1"),
    "another table": "select o.id, s.id from soft_other as o left join {0} as s using (id)",
    "an aggregate": "select n, count(*), min(id), max(s) from {0} group by n",
    "a subquery": "select w, 0 from soft_other where id in (select id from {0})",
    "not in": "select w, 0 from soft_other where not exists (select 1 from {0} as s where s.id = soft_other.id)",
    "a with": "with {1} as (select * from {0} where id > 2) select id, count(*) over () from {1}",
    "a union": "select id, n from {0} union all select id, n from soft_view",
    "a window": "select id, lag(id) over (order by id) from {0}",
    "a lateral": "select o.id, l.id from soft_other as o, lateral (select s.id from {0} as s where s.id = o.id) as l",
    "a case": "select o.id, case when exists (select from {0} as s where s.id = o.id) then 1 else 0 end from soft_other as o",
}


@pytest.mark.parametrize("sql", STATEMENTS.values(), ids=STATEMENTS.keys())
@pytest.mark.parametrize("include_deleted", [False, True])
def test_everywhere_in_a_statement(tables, pxt, engine, sql, include_deleted):
    """As the same statement over a table that never had the other rows."""
    view = "soft_view" in sql
    rows = collected(tables, "id", "n", "s", include_deleted=include_deleted)
    plain = pxt.create_table("soft_plain", {"id": pxt.Int, "n": pxt.Int | None, "s": pxt.String | None}, if_exists="replace")
    plain.insert([{"id": i, "n": n, "s": s} for i, n, s in rows])
    same_sql = sql.replace("soft_view", "(select * from soft_plain where id > 1) as v") if view else sql
    wanted = read(engine, same_sql.format("soft_plain", "x"))
    found = read(engine, sql.format("soft", "x"), tier="copy", include_deleted=include_deleted)
    assert sorted(map(repr, found.to_pylist())) == sorted(
        map(repr, [dict(zip(found.column_names, row.values(), strict=True)) for row in wanted.to_pylist()])
    )
    pxt.drop_table("soft_plain")


# The column itself


def test_the_column_is_part_of_reads_with_deleted_rows_only(tables, engine):
    sql = "select * from soft_view order by id"
    assert "deleted_at" not in read(engine, sql).column_names
    both = read(engine, sql, include_deleted=True)
    assert [i for i, moment in zip(both["id"].to_pylist(), both["deleted_at"].to_pylist(), strict=True) if moment == MOMENT] == [3, 7, 8]
    found = read(engine, "select id from soft where deleted_at is not null order by id", include_deleted=True)
    assert found["id"].to_pylist() == [3, 7, 8]
    for tier in (None, "exec"):
        with pytest.raises(PxtFlightError) as refused:
            read(engine, "select id, deleted_at from soft", tier=tier)
        assert refused.value.code == "COLUMN_NOT_FOUND"
    with pytest.raises(PxtFlightError) as refused:
        read(engine, "select id from soft where deleted_at is null")
    assert "include_deleted" in refused.value.hint
    assert refused.value.where["character"] == 27


def test_a_users_own_column_hides_nothing(make_table, pxt, engine):
    table = make_table({"id": pxt.Int, "deleted_at": pxt.Timestamp | None}, [{"id": 1, "deleted_at": MOMENT}, {"id": 2}])
    name = table.get_metadata()["name"]
    for tier in ("copy", "exec", "cursor"):
        same([(1, MOMENT), (2, None)], read(engine, f"select * from {name}", tier=tier))


def test_the_mark_goes_with_the_column_and_the_table(make_table, pxt, engine):
    table = make_table({"id": pxt.Int}, [{"id": i} for i in range(4)])
    name = table.get_metadata()["name"]
    table.add_columns({"deleted_at": {"type": pxt.Timestamp | None, "custom_metadata": MARK}})
    table.update({"deleted_at": MOMENT}, where=table.id > 1)
    assert read(engine, f"select * from {name}").to_pydict() == {"id": [0, 1]}
    table.rename_column("deleted_at", "gone")
    table.add_column(deleted_at=pxt.Timestamp | None)
    assert read(engine, f"select id, deleted_at from {name}").to_pydict() == {"id": [0, 1], "deleted_at": [None, None]}
    pxt.create_dir("soft_dir")
    pxt.move(name, f"soft_dir/{name}")
    assert read(engine, f"select id from soft_dir.{name}").num_rows == 2
    assert read(engine, f"select gone from soft_dir.{name}", include_deleted=True).num_rows == 4
    pxt.drop_dir("soft_dir", force=True)


# Plans, tickets and parts


def test_plans_are_kept_apart(tables, engine):
    """The same text with and without, in turn, and a plan that was kept while the table had no such column."""
    for _ in range(3):
        assert read(engine, "select id from soft_view").num_rows == 5
        assert read(engine, "select id from soft_view", include_deleted=True).num_rows == 8


def test_a_kept_plan_ends_with_the_change(make_table, pxt, engine):
    table = make_table({"id": pxt.Int}, [{"id": i} for i in range(4)])
    sql = f"select * from {table.get_metadata()['name']}"
    view = pxt.create_view("soft_kept_view", table)
    for source in (sql, "select * from soft_kept_view"):
        assert read(engine, source).num_rows == 4
    table.add_columns({"deleted_at": {"type": pxt.Timestamp | None, "custom_metadata": MARK}})
    for source in (sql, "select * from soft_kept_view"):
        assert read(engine, source).to_pydict() == {"id": [0, 1, 2, 3]}
    table.update({"deleted_at": MOMENT}, where=table.id > 0)
    for source in (sql, "select * from soft_kept_view"):
        assert read(engine, source).to_pydict() == {"id": [0]}
    table.drop_column("deleted_at")
    assert read(engine, sql).num_rows == 4
    pxt.drop_table(view)


@pytest.mark.parametrize("tier", ["copy", "exec"])
def test_a_ticket_reads_what_was_there(make_table, pxt, engine, tier):
    from pxt_flight.engine.scan import Request

    table = make_table({"id": pxt.Int}, [{"id": i} for i in range(4)])
    table.add_columns({"deleted_at": {"type": pxt.Timestamp | None, "custom_metadata": MARK}})
    sql = f"select id from {table.get_metadata()['name']}"
    table.update({"deleted_at": MOMENT}, where=table.id == 0)
    pins = engine.plan(Request(sql, (), "bytes")).pins
    table.update({"deleted_at": MOMENT}, where=table.id == 1)
    assert sorted(read(engine, sql, pins=pins, tier=tier)["id"].to_pylist()) == [1, 2, 3]
    assert read(engine, sql, pins=pins, tier=tier, include_deleted=True).num_rows == 4
    assert sorted(read(engine, sql, tier=tier)["id"].to_pylist()) == [2, 3]


@pytest.mark.parametrize("include_deleted", [False, True])
def test_parts(tables, engine, include_deleted):
    from pxt_flight.engine.scan import Request

    request = Request("select id from soft", (), "bytes", include_deleted=include_deleted)
    plan = engine.plan(request)
    parts = engine.partitions(request, plan, 4)
    assert len(parts) == 4
    found = []
    for part in parts:
        with closing(engine.stream(part, plan.pins)) as stream:
            found += pa.Table.from_batches(list(stream.batches), stream.schema)["id"].to_pylist()
    assert sorted(found) == ([*range(10)] if include_deleted else [0, 1, 2, 4, 5, 6, 9])


def test_a_stream_stays_what_it_was(make_table, pxt, engine):
    """Rows that are deleted softly while they are read are read to the end; the next read has none of them."""
    from pxt_flight.engine.scan import Request

    table = make_table({"id": pxt.Int, "s": pxt.String}, [{"id": i, "s": "x" * 500} for i in range(5000)])
    table.add_columns({"deleted_at": {"type": pxt.Timestamp | None, "custom_metadata": MARK}})
    sql = f"select id, s from {table.get_metadata()['name']}"
    with closing(engine.stream(Request(sql, (), "bytes"))) as stream:
        first = next(iter(stream.batches))
        table.update({"deleted_at": MOMENT})
        rest = list(stream.batches)
    assert first.num_rows + sum(batch.num_rows for batch in rest) == 5000
    assert read(engine, sql).num_rows == 0


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hidden=st.sets(st.integers(0, 9)), low=st.integers(-1, 10), tier=st.sampled_from(["copy", "exec", "cursor"]))
def test_any_rows(tables, any_rows, engine, hidden, low, tier):
    any_rows.update({"deleted_at": None})
    if hidden:
        any_rows.update({"deleted_at": MOMENT}, where=any_rows.id.isin(list(hidden)))
    living = [i for i in range(10) if i not in hidden and i > low]
    assert sorted(read(engine, f"select id from soft_any where id > {low}", tier=tier)["id"].to_pylist()) == living
    assert read(engine, f"select count(*) as n from soft_any where id > {low}", tier=tier).to_pylist() == [{"n": len(living)}]


@pytest.fixture(scope="module")
def any_rows(pxt):
    table = pxt.create_table("soft_any", {"id": pxt.Int})
    table.insert([{"id": i} for i in range(10)])
    table.add_columns({"deleted_at": {"type": pxt.Timestamp | None, "custom_metadata": MARK}})
    yield table
    pxt.drop_table("soft_any")
