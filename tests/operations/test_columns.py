"""Columns are added, dropped, renamed and altered as Pixeltable itself would, by both wires."""

import httpx
import pytest

from pxt_flight.errors import PxtFlightError


def types_of(table):
    return {name: column["type_"] for name, column in table.get_metadata()["columns"].items()}


@pytest.fixture
def films(pxt, place):
    table = pxt.create_table(f"{place}/films", {"id": pxt.Int, "name": pxt.String}, primary_key="id")
    table.insert([{"id": 1, "name": "a"}, {"id": 2, "name": "b"}])
    return table


@pytest.fixture
def path(place):
    return f"{place}/films"


def test_columns_are_added(call, pxt, films, path, place):
    schema = {"Score": "Float | None", "photo": {"type": "Image['RGB']", "nullable": True, "comment": "as sent"}}
    assert call("Table.add_column", table_path=path, schema=schema) == {"path": path, "changed": True, "version": 2}
    twin = pxt.create_table(f"{place}/twin", {"id": pxt.Int, "name": pxt.String}, primary_key="id")
    twin.add_columns({"score": pxt.Float | None, "photo": {"type": pxt.Image["RGB"] | None, "comment": "as sent"}})
    films = pxt.get_table(path)
    assert types_of(films) == types_of(twin)
    assert films.get_metadata()["columns"]["photo"]["comment"] == "as sent"
    assert list(films.select(films.score).collect()["score"]) == [None, None]
    told = call("Table.columns", table_path=path)
    assert [(column["name"], column["type"]) for column in told] == list(types_of(films).items())
    assert [column["name"] for column in call("Table.columns", table_path=f"{path}:1")] == ["id", "name"]


def test_columns_that_are_there(call, pxt, films, path):
    with pytest.raises(PxtFlightError, match="COLUMN_ALREADY_EXISTS"):
        call("Table.add_column", table_path=path, schema={"new": "Int | None", "NAME": "Int | None"})
    assert pxt.get_table(path).columns() == ["id", "name"]
    assert call("Table.add_column", table_path=path, schema={"name": "Int | None"}, if_exists="ignore")["changed"] is False
    assert (
        call("Table.add_column", table_path=path, schema={"name": "Int | None", "x": "Int | None"}, if_exists="ignore")["changed"] is True
    )
    assert types_of(pxt.get_table(path)) == {"id": "Int", "name": "String", "x": "Int | None"}
    assert call("Table.add_column", table_path=path, schema={"name": "Int | None"}, if_exists="replace")["changed"] is True
    table = pxt.get_table(path)
    assert types_of(table) == {"id": "Int", "x": "Int | None", "name": "Int | None"}
    assert list(table.select(table.name).collect()["name"]) == [None, None]


def test_what_cannot_be_added(call, pxt, films, path, place):
    for schema, options, code in (
        ({"x": "Int"}, {}, "UNSUPPORTED_OPERATION"),
        ({"name": "Int"}, {"if_exists": "replace"}, "UNSUPPORTED_OPERATION"),
        ({"id": "Int | None"}, {"if_exists": "replace"}, "UNSUPPORTED_OPERATION"),
        ({"x": "Integer | None"}, {}, "INVALID_TYPE"),
        ({"1x": "Int | None"}, {}, "INVALID_COLUMN_NAME"),
        ({"x": {"type": "Int | None", "value": "id + 1"}}, {}, "UNSUPPORTED_OPERATION"),
        ({}, {}, "INVALID_SCHEMA"),
    ):
        with pytest.raises(PxtFlightError) as caught:
            call("Table.add_column", table_path=path, schema=schema, **options)
        assert caught.value.code == code, schema
    pxt.create_snapshot(f"{place}/s", films)
    with pytest.raises(PxtFlightError, match="UNSUPPORTED_OPERATION"):
        call("Table.add_column", table_path=f"{place}/s", schema={"x": "Int | None"})
    with pytest.raises(PxtFlightError, match="TABLE_NOT_FOUND"):
        call("Table.add_column", table_path=f"{place}/none", schema={"x": "Int | None"})
    assert (types_of(pxt.get_table(path)), pxt.get_table(path).get_metadata()["version"]) == ({"id": "Int", "name": "String"}, 1)


def test_an_empty_table_takes_columns_without_null(call, pxt, place):
    pxt.create_table(f"{place}/t", {"a": pxt.Int})
    call("Table.add_column", table_path=f"{place}/t", schema={"b": "Int"})
    assert types_of(pxt.get_table(f"{place}/t")) == {"a": "Int", "b": "Int"}


def test_a_column_is_dropped(call, pxt, films, path):
    films.add_computed_column(double=films.id * 2)
    films.add_computed_column(loud=films.name + "!")
    assert call("Table.drop_column", table_path=path, column="Double")["changed"] is True
    assert pxt.get_table(path).columns() == ["id", "name", "loud"]
    for name, code in (("none", "COLUMN_NOT_FOUND"), ("name", "UNSUPPORTED_OPERATION"), ("id", "UNSUPPORTED_OPERATION")):
        with pytest.raises(PxtFlightError) as caught:
            call("Table.drop_column", table_path=path, column=name)
        assert caught.value.code == code, name
    assert call("Table.drop_column", table_path=path, column="none", if_missing="ignore")["changed"] is False
    call("Table.revert", table_path=path)
    assert pxt.get_table(path).columns() == ["id", "name", "double", "loud"]


def test_a_column_is_renamed(call, pxt, films, path):
    assert call("Table.rename_column", table_path=path, column="NAME", new_name="Title") == {"path": path, "changed": True, "version": 2}
    assert pxt.get_table(path).columns() == ["id", "title"]
    assert call("Table.rename_column", table_path=path, column="title", new_name="title")["changed"] is False
    for name, new_name, code in (
        ("none", "x", "COLUMN_NOT_FOUND"),
        ("title", "id", "COLUMN_ALREADY_EXISTS"),
        ("title", "a b", "INVALID_COLUMN_NAME"),
    ):
        with pytest.raises(PxtFlightError) as caught:
            call("Table.rename_column", table_path=path, column=name, new_name=new_name)
        assert caught.value.code == code
    assert pxt.get_table(path).get_metadata()["version"] == 2


def test_a_column_comes_to_hold_null(call, pxt, films, path):
    assert call("Table.alter_column", table_path=path, column="name", type="String | None")["changed"] is True
    assert types_of(pxt.get_table(path))["name"] == "String | None"
    assert call("Table.alter_column", table_path=path, column="name", type="String | None")["changed"] is False
    for name, declared, code in (
        ("name", "String", "UNSUPPORTED_OPERATION"),
        ("name", "Int | None", "UNSUPPORTED_OPERATION"),
        ("id", "Int | None", "UNSUPPORTED_OPERATION"),
        ("name", "str", "INVALID_TYPE"),
        ("none", "Int | None", "COLUMN_NOT_FOUND"),
    ):
        with pytest.raises(PxtFlightError) as caught:
            call("Table.alter_column", table_path=path, column=name, type=declared)
        assert caught.value.code == code, (name, declared)


def test_the_paths_of_rest(server, pxt, films, path):
    url = f"/api/v1/tables/{path.replace('/', '.')}/columns"
    with httpx.Client(base_url=server.http_url, headers={"X-API-Key": server.key}, timeout=60) as client:
        assert client.post(url, json={"schema": {"x": "Int | None"}}).status_code == 201
        assert client.post("/api/table/add_column", json={"table_path": path, "schema": {"y": "Int | None"}}).status_code == 201
        assert client.patch(f"{url}/x", json={"new_name": "z"}).json()["changed"] is True
        assert client.put(f"{url}/name", json={"type": "String | None"}).json()["changed"] is True
        assert client.delete(f"{url}/y").json()["changed"] is True
        assert client.delete(f"{url}/y").status_code == 404
        assert [column["name"] for column in client.get(url).json()] == ["id", "name", "z"]
    assert types_of(pxt.get_table(path)) == {"id": "Int", "name": "String | None", "z": "Int | None"}


def test_the_mark_of_soft_deletion_stays(call, pxt, films, path):
    call("Table.enable_soft_delete", table_path=path)
    (name,) = set(pxt.get_table(path).columns()) - {"id", "name"}
    told = call("get_table", path=path)
    assert ([column["name"] for column in told["columns"]], told["soft_delete"]) == (["id", "name"], True)
    for operation, arguments in (
        ("Table.drop_column", {"column": name}),
        ("Table.add_column", {"schema": {name: "Int | None"}, "if_exists": "replace"}),
    ):
        with pytest.raises(PxtFlightError, match="UNSUPPORTED_OPERATION"):
            call(operation, table_path=path, **arguments)


def test_a_key_for_some_tables(as_key, films, path):
    asked = (
        ("Table.add_column", {"schema": {"x": "Int | None"}}),
        ("Table.drop_column", {"column": "name"}),
        ("Table.rename_column", {"column": "name", "new_name": "x"}),
        ("Table.alter_column", {"column": "name", "type": "String | None"}),
    )
    for name, arguments in asked:
        with pytest.raises(PxtFlightError, match="TABLE_NOT_FOUND"):
            as_key("schema", tables=("other/*",))(name, table_path=path, **arguments)
        with pytest.raises(PxtFlightError, match="permission_denied"):
            as_key("read", "write", "delete")(name, table_path=path, **arguments)
    with pytest.raises(PxtFlightError, match="TABLE_NOT_FOUND"):
        as_key("read", tables=("other/*",))("Table.columns", table_path=path)
