"""The tables that writes ask for are kept while only rows are written, and found anew after any other change, whoever makes it."""

import json
from dataclasses import replace

import pyarrow as pa
import pytest

from pxt_flight.errors import PxtFlightError

SCHEMA = {"id": "Int", "v": "Int | None", "s": "String | None"}
WRITES = ("insert", "update", "delete", "revert")
CHANGES = {
    "a column comes": lambda pxt, path: pxt.get_table(path).add_column(extra=pxt.Int | None),
    "a column is computed": lambda pxt, path: pxt.get_table(path).add_computed_column(more=pxt.get_table(path).v * 10),
    "a column goes": lambda pxt, path: pxt.get_table(path).drop_column("s"),
    "a column is renamed": lambda pxt, path: pxt.get_table(path).rename_column("s", "text"),
    "a column is taken back": lambda pxt, path: (pxt.get_table(path).add_column(extra=pxt.Int | None), pxt.get_table(path).revert()),
    "another table takes the name": lambda pxt, path: (pxt.drop_table(path), pxt.create_table(path, {"id": pxt.String})),
    "the table moves": lambda pxt, path: pxt.move(path, f"{path}_moved"),
    "the table is dropped": lambda pxt, path: pxt.drop_table(path),
}


@pytest.fixture
def path(pxt, request):
    path = f"targets{abs(hash(request.node.nodeid)) % 10**9}"
    table = pxt.create_table(path, {"id": pxt.Int, "v": pxt.Int | None, "s": pxt.String | None})
    table.insert([{"id": i, "v": i, "s": str(i)} for i in range(4)])
    table.update({"v": 5}, where=table.id == 1)
    yield path
    for name in (path, f"{path}_moved"):
        pxt.drop_table(name, force=True, if_not_exists="ignore")


@pytest.fixture(scope="module")
def writer(engine):
    from pxt_flight.engine.writer import Writer

    writer = Writer(engine)
    yield writer
    writer.close()


@pytest.fixture
def insert(writer):
    """Insert a row into a table as it was found."""
    from pxt_flight.engine.written import Asked

    def insert(target, **row):
        batch = pa.RecordBatch.from_pylist([row])
        reception = writer.receive(target, batch.schema)
        reception.add(batch)
        with reception.finish() as upload:
            return writer.insert(target, upload, Asked("insert", "0", None, upload.digest))

    return insert


def outcome(ask):
    try:
        return ask()
    except PxtFlightError as fault:
        return fault.code


def write(pxt, path, kind):
    table = pxt.get_table(path)
    {
        "insert": lambda: table.insert([{"id": 100, "v": 7, "s": "late"}]),
        "update": lambda: table.update({"v": 8}, where=table.id == 2),
        "delete": lambda: table.delete(where=table.id == 3),
        "revert": table.revert,
    }[kind]()


def test_after_writes_of_rows_it_is_kept_and_its_version_is_the_live_one(path, pxt, writer, monkeypatch):
    from pxt_flight.engine import target

    found = writer.target(path)
    assert [(column.name, column.declaration) for column in found.columns] == list(SCHEMA.items())
    described = []
    describe = target.describe
    monkeypatch.setattr(target, "describe", lambda asked: (described.append(asked), describe(asked))[1])
    for kind in (*WRITES, *WRITES):
        write(pxt, path, kind)
        assert writer.target(path) == replace(found, version=pxt.get_table(path).get_metadata()["version"])
    assert described == []


@pytest.mark.parametrize("change", CHANGES)
def test_after_any_other_change_it_is_found_anew(path, pxt, writer, engine, change):
    from pxt_flight.engine import target

    writer.target(path)
    CHANGES[change](pxt, path)
    expected = outcome(lambda: engine.run(lambda: target.describe(path)))
    assert outcome(lambda: writer.target(path)) == expected
    assert outcome(lambda: writer.target(path)) == expected
    assert (expected == "TABLE_NOT_FOUND") is (change in ("the table moves", "the table is dropped"))


@pytest.mark.parametrize("change", CHANGES)
def test_rows_that_were_checked_before_a_change_are_not_written_after_it(path, pxt, writer, insert, change):
    """The table is the one that was found, with its columns, in the very transaction of the write; or nothing is written."""
    found = writer.target(path)
    insert(found, id=10, v=1, s="a")  # so that the writing thread knows the table
    CHANGES[change](pxt, path)
    tables = [name for name in (path, f"{path}_moved") if pxt.get_table(name, if_not_exists="ignore") is not None]
    before = [json.dumps(list(pxt.get_table(name).collect()), default=str) for name in tables]
    if change == "a column is taken back":
        assert insert(found, id=11, v=1, s="a").inserted == 1
        return
    code = outcome(lambda: insert(found, id=11, v=1, s="a"))
    assert code in ("table_busy", "TABLE_NOT_FOUND")
    assert [json.dumps(list(pxt.get_table(name).collect()), default=str) for name in tables] == before


def test_rows_may_be_written_meanwhile(path, pxt, writer, insert):
    found = writer.target(path)
    for kind in WRITES:
        write(pxt, path, kind)
        assert insert(found, id=10, v=1, s="a").version == pxt.get_table(path).get_metadata()["version"]


def test_a_view_takes_no_writes(path, pxt, writer):
    pxt.create_view(f"{path}_view", pxt.get_table(path))
    for _ in range(2):
        assert outcome(lambda: writer.target(f"{path}_view")) == "UNSUPPORTED_OPERATION"
        assert outcome(lambda: writer.target(f"{path}:1")) == "UNSUPPORTED_OPERATION"


def test_of_a_pixeltable_that_is_not_known_nothing_is_kept(path, pxt, new_engine):
    from pxt_flight.engine.writer import Writer

    other = new_engine()
    other.disable_copy("test")
    writer = Writer(other)
    assert (writer.target(path).version, writer.target(path).shapes) == (2, frozenset())
    pxt.get_table(path).add_column(extra=pxt.Int | None)
    assert [column.name for column in writer.target(path).columns] == ["id", "v", "s", "extra"]
    writer.close()
