"""Views and snapshots are made as Pixeltable itself would, by both wires."""

import httpx
import pytest

from pxt_flight.errors import PxtFlightError


@pytest.fixture
def films(pxt, place):
    table = pxt.create_table(f"{place}/films", {"id": pxt.Int, "name": pxt.String | None, "score": pxt.Float})
    table.insert([{"id": number, "name": f"film {number}" if number % 3 else None, "score": number / 2} for number in range(10)])
    table.add_computed_column(half=table.score / 2, stored=False)
    return table


@pytest.fixture
def base(films, place):
    return f"{place}/films"


def ids(table):
    return sorted(table.select(table.id).collect()["id"])


def test_a_view_is_what_pixeltable_would_make(call, pxt, films, base, place):
    told = call("create_view", path=f"{place}.V", base=base, where="score > 2 AND Films.name LIKE 'film%'", comment="good ones")
    assert told == {"path": f"{place}/v", "changed": True, "version": 0}
    twin = pxt.create_view(f"{place}/twin", films.where((films.score > 2) & films.name.startswith("film")), comment="good ones")
    made = pxt.get_table(f"{place}/v")
    assert ids(made) == ids(twin) != []
    for part in ("columns", "comment", "base", "kind", "primary_key"):
        assert made.get_metadata()[part] == twin.get_metadata()[part]
    films.insert([{"id": 10, "name": "film 10", "score": 9.0}, {"id": 11, "name": None, "score": 9.0}])
    assert ids(pxt.get_table(f"{place}/v")) == ids(pxt.get_table(f"{place}/twin"))


def test_a_view_of_some_columns(call, pxt, base, place):
    call("create_view", path=f"{place}/v", base=base, columns=["Name", "id"])
    assert pxt.get_table(f"{place}/v").columns() == ["name", "id"]
    call("create_view", path=f"{place}/w", base=f"{place}/v", where="id = 3")
    assert ids(pxt.get_table(f"{place}/w")) == [3]


def test_a_snapshot_stays_as_it_is(call, pxt, films, base, place):
    assert call("create_snapshot", path=f"{place}/s", base=base)["changed"] is True
    films.delete()
    snapshot = pxt.get_table(f"{place}/s")
    assert (snapshot.count(), snapshot.get_metadata()["kind"]) == (10, "snapshot")
    assert call("get_table", path=f"{place}/s")["kind"] == "snapshot"


def test_views_of_versions_and_of_snapshots(call, pxt, films, base, place):
    films.insert([{"id": 99, "name": None, "score": 1.0}])
    call("create_snapshot", path=f"{place}/old", base=f"{base}:1")
    assert pxt.get_table(f"{place}/old").count() == 10
    call("create_view", path=f"{place}/of_old", base=f"{place}/old", where="id < 3")
    assert ids(pxt.get_table(f"{place}/of_old")) == [0, 1, 2]


def test_what_stands_on_a_view_that_one_may_not_see_is_not_named(as_key, pxt, films, place):
    pxt.create_dir(f"{place}/mine")
    mine = as_key("schema", tables=(f"{place}/mine/*", f"{place}/films"))
    mine("create_view", path=f"{place}/mine/v", base=f"{place}/films")
    pxt.create_view("unseen_view", pxt.get_table(f"{place}/mine/v"))
    with pytest.raises(PxtFlightError) as caught:
        mine("create_view", path=f"{place}/mine/v", base=f"{place}/films", if_exists="replace")
    assert caught.value.code == "CONSTRAINT_VIOLATION"
    assert "unseen" not in str(caught.value) + str(caught.value.where)
    pxt.drop_table("unseen_view")


def test_what_is_there_already(call, pxt, base, place):
    view = {"path": f"{place}/v", "base": base}
    call("create_view", **view, where="id > 3")
    with pytest.raises(PxtFlightError, match="PATH_ALREADY_EXISTS"):
        call("create_view", **view)
    assert call("create_view", **view, if_exists="ignore")["changed"] is False
    assert ids(pxt.get_table(f"{place}/v")) == [4, 5, 6, 7, 8, 9]
    assert call("create_view", **view, where="id < 3", if_exists="replace")["changed"] is True
    assert ids(pxt.get_table(f"{place}/v")) == [0, 1, 2]
    call("create_view", path=f"{place}/w", base=f"{place}/v")
    for name, arguments, code in (
        ("create_view", view | {"if_exists": "replace"}, "CONSTRAINT_VIOLATION"),
        ("create_view", {"path": f"{place}/w", "base": base, "if_exists": "ignore"}, "PATH_ALREADY_EXISTS"),
        ("create_snapshot", view | {"if_exists": "replace"}, "PATH_ALREADY_EXISTS"),
        ("create_view", {"path": base, "base": f"{place}/v", "if_exists": "replace"}, "PATH_ALREADY_EXISTS"),
        ("create_view", {"path": place, "base": base, "if_exists": "replace"}, "PATH_ALREADY_EXISTS"),
    ):
        with pytest.raises(PxtFlightError) as caught:
            call(name, **arguments)
        assert caught.value.code == code, (name, arguments)
    assert pxt.get_table(base).count() == 10


def test_what_is_no_view(call, pxt, base, place):
    for arguments, code in (
        ({"where": "nothing > 1"}, "COLUMN_NOT_FOUND"),
        ({"where": "id > 'x'"}, "TYPE_MISMATCH"),
        ({"where": "id +"}, "sql_syntax"),
        ({"where": "id"}, "TYPE_MISMATCH"),
        ({"where": "id > 1; drop table films"}, "sql_not_allowed"),
        ({"where": "id IN (SELECT id FROM other)"}, "sql_unsupported"),
        ({"where": "count(*) > 1"}, "sql_unsupported"),
        ({"where": "half > 1"}, "sql_unsupported"),
        ({"where": "id > $1"}, "INVALID_ARGUMENT"),
        ({"where": "false"}, "INVALID_EXPRESSION"),
        ({"columns": ["nothing"]}, "COLUMN_NOT_FOUND"),
        ({"columns": ["id", "ID"]}, "INVALID_ARGUMENT"),
        ({"columns": []}, "INVALID_ARGUMENT"),
        ({"base": f"{place}/none"}, "TABLE_NOT_FOUND"),
        ({"base": place}, "TABLE_NOT_FOUND"),
        ({"path": f"{place}/none/v"}, "DIRECTORY_NOT_FOUND"),
        ({"path": f"{place}/1"}, "INVALID_PATH"),
        ({"path": "pxt_flight_staging/v"}, "TABLE_NOT_FOUND"),
    ):
        with pytest.raises(PxtFlightError) as caught:
            call("create_view", **{"path": f"{place}/v", "base": base} | arguments)
        assert caught.value.code == code, arguments
    with pytest.raises(PxtFlightError) as caught:
        call("create_view", path=f"{place}/v", base=base, where="id > 1\nAND nothing > 1")
    assert (caught.value.where["line"], caught.value.where["argument"]) == (2, "where")
    assert pxt.list_tables(place) == [base]


def test_rows_that_are_deleted_softly_are_in_no_view(call, pxt, base, place, db):
    call("Table.enable_soft_delete", table_path=base)
    with pytest.raises(PxtFlightError, match="COLUMN_NOT_FOUND"):
        call("create_view", path=f"{place}/narrow", base=base, columns=["id", "deleted_at"])
    call("Table.delete", table_path=base, where="id = 0", soft=True)
    call("create_view", path=f"{place}/v", base=base)
    call("create_view", path=f"{place}/narrow", base=base, columns=["id"], where="id < 8")
    call("create_snapshot", path=f"{place}/kept", base=base)
    assert call("get_table", path=f"{place}/v")["soft_delete"] is True
    call("Table.delete", table_path=base, where="id > 3", soft=True)
    for name, wanted in {"v": [1, 2, 3], "narrow": [1, 2, 3], "kept": [*range(1, 10)]}.items():
        assert sorted(db.sql(f'select id from "{place}/{name}"').to_arrow()["id"].to_pylist()) == wanted


def test_the_paths_of_rest(server, pxt, base, place):
    with httpx.Client(base_url=server.http_url, headers={"X-API-Key": server.key}, timeout=60) as client:
        assert client.post("/api/v1/views", json={"path": f"{place}.v", "base": base, "where": "id > 3"}).status_code == 201
        assert client.post("/api/v1/snapshots", json={"path": f"{place}.s", "base": base}).status_code == 201
    assert sorted(pxt.get_table(base).list_views()) == [f"{place}/s", f"{place}/v"]


def test_a_key_for_some_tables(as_key, pxt, base, place):
    pxt.create_dir(f"{place}/mine")
    mine = as_key("read", "schema", tables=(f"{place}/mine/*",))
    for name in ("create_view", "create_snapshot"):
        with pytest.raises(PxtFlightError, match="TABLE_NOT_FOUND"):
            mine(name, path=f"{place}/mine/v", base=base)
        with pytest.raises(PxtFlightError, match="TABLE_NOT_FOUND"):
            as_key("schema", tables=(base,))(name, path=f"{place}/v", base=base)
        with pytest.raises(PxtFlightError, match="permission_denied"):
            as_key("read", "write")(name, path=f"{place}/v", base=base)
    assert pxt.list_tables(place) == [base]
