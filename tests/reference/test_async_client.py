"""The awaited client: the same answers, and streams that end where nobody awaits them any more."""

import asyncio
import inspect

import pytest
from events import eventually

import pxt_flight as pf
from pxt_flight.client.aio import AsyncResult, AsyncTable
from pxt_flight.client.operations import AsyncDatabaseOperations, AsyncTableOperations, DatabaseOperations, TableOperations

ROWS = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]


@pytest.fixture
def awaited(server, make_table, pxt):
    """Run a coroutine function with a connection and the name of a table of two rows."""

    def run(use):
        name = make_table({"id": pxt.Int, "name": pxt.String | None}, ROWS, primary_key="id").get_metadata()["name"]

        async def connected():
            async with await pf.aconnect(server.flight_uri, key=server.key) as db:
                return await use(db, name)

        return asyncio.run(connected())

    return run


def test_it_reads(awaited):
    async def use(db, name):
        assert name in await db.list_tables()
        assert name in await db.tables()
        result = await db.sql(f"select id, name from {name} where id > $1 order by id", [0])
        assert result.schema.names == ["id", "name"]
        assert (await result.explain()).tier == "copy"
        return (await result.to_arrow()).to_pylist(), (await (await db[name].scan(["id"], limit=1)).to_polars()).rows()

    assert awaited(use) == (ROWS, [(1,)])


def test_it_writes(awaited):
    async def use(db, name):
        table = db.table(name)
        assert (await table.schema()).names == ["id", "name"]
        written = [
            await table.insert([{"id": 3, "name": "c"}]),
            await table.insert(id=4, name="d"),
            await table.update({"name": "z"}, "id = 1"),
            await table.update_rows([{"id": 2, "name": "y"}]),
            await table.upsert([{"id": 5, "name": "e"}]),
            await table.delete("id = 3"),
            await table.delete_rows([{"id": 4}]),
            await db.execute(f"delete from {name} where id = 5"),
            await table.revert(),
        ]
        assert [version.version for version in await table.versions(1)] == [8]
        assert (await table.writes(1))[0]["kind"] == "revert"
        made = await db.create_table(name, [{"n": 1}], if_exists="replace")
        assert (await (await made.scan()).to_arrow()).to_pylist() == [{"n": 1}]
        return [one.kind for one in written]

    kinds = ["insert", "insert", "update", "update", "upsert", "delete", "delete", "delete", "revert"]
    assert awaited(use) == kinds


def test_the_batches_of_a_loop(awaited):
    async def use(db, name):
        async with await db.sql(f"select id from {name}") as result:
            return [row async for batch in result for row in batch.to_pylist()]

    assert sorted(row["id"] for row in awaited(use)) == [1, 2]


def test_errors_are_those_of_the_client(awaited):
    async def use(db, name):
        with pytest.raises(pf.NotFoundError) as raised:
            await db.sql("select * from nowhere")
        return raised.value.code

    assert awaited(use) == "TABLE_NOT_FOUND"


ENDLESS = "select a.id from {0} a, {0} b, {0} c, {0} d"


@pytest.mark.parametrize("way", ["to_arrow", "loop"])
def test_a_read_that_is_cancelled_ends_on_the_server(awaited, busy_backends, way):
    async def use(db, name):
        await db[name].insert([{"id": number} for number in range(10, 500)])
        result = await db.sql(ENDLESS.format(name))

        async def read():
            if way == "to_arrow":
                reads.set()
                await result.to_arrow()
            async for _ in result:
                reads.set()

        reads = asyncio.Event()
        reading = asyncio.create_task(read())
        await reads.wait()
        assert busy_backends()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await asyncio.to_thread(eventually, lambda: not busy_backends())

    awaited(use)


@pytest.mark.parametrize(
    ("ours", "twins"), [(DatabaseOperations, AsyncDatabaseOperations), (TableOperations, AsyncTableOperations)], ids=["database", "table"]
)
def test_twins_have_the_same_arguments(ours, twins):
    methods = {name: method for name, method in vars(ours).items() if inspect.isfunction(method)}
    awaited_methods = {name: method for name, method in vars(twins).items() if inspect.isfunction(method)}
    assert methods.keys() == awaited_methods.keys()
    for name, method in methods.items():
        assert inspect.signature(awaited_methods[name]) == inspect.signature(method)
        assert inspect.iscoroutinefunction(awaited_methods[name])
        assert awaited_methods[name].__doc__ == method.__doc__


@pytest.mark.parametrize(
    ("ours", "awaited_class", "left_out"),
    [
        # `read_rows` is what `scan` is made of; a lazy frame is polars' own to await; an ADBC connection has no coroutines.
        (pf.Database, pf.AsyncDatabase, {"adbc", "read_rows"}),
        (pf.Table, AsyncTable, {"scan_polars", "source", "schema_if_there"}),
        (pf.Result, AsyncResult, {"to_reader", "with_files"}),
    ],
)
def test_no_method_is_missing(ours, awaited_class, left_out):
    public = {name for name in dir(ours) if not name.startswith("_")}
    assert public - {name for name in dir(awaited_class) if not name.startswith("_")} == left_out
