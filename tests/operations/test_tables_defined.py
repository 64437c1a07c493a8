"""Tables are made, described, moved and dropped as Pixeltable itself would, by both wires."""

from contextlib import suppress

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pxt_flight.errors import InvalidRequestError, PxtFlightError

DECLARATIONS = [
    "Int",
    "Float | None",
    "String",
    "Bool",
    "Timestamp",
    "Date | None",
    "UUID",
    "Json | None",
    "Binary",
    "Image",
    "Image['RGB'] | None",
    "Image[(30, 20)]",
    "Image[(30, 20), 'L']",
    "Video",
    "Audio | None",
    "Document",
    "Array",
    "Array[float32]",
    "Array[(3, None), float32]",
    "Array[(3,), bool] | None",
    "Array[(2, 2), str]",
]


def definition(table):
    """What of a table's metadata says how it was declared."""
    metadata = table.get_metadata()
    columns = [(name, c["type_"], c["is_primary_key"], c["comment"], c["is_stored"]) for name, c in metadata["columns"].items()]
    return columns, metadata["primary_key"], metadata["comment"], metadata["kind"], metadata["is_data_versioned"], metadata["version"]


def test_a_table_is_what_pixeltable_would_make(call, pxt, place):
    schema = {f"C{number}": said for number, said in enumerate(DECLARATIONS)}
    written = call("create_table", path=f"{place}.Films", schema={"id": "Int"} | schema, primary_key="ID", comment="of films")
    assert (written["kind"], written["table"], written["inserted"], written["version"]) == ("create", f"{place}/films", 0, 0)

    types = [
        pxt.Int,
        pxt.Float | None,
        pxt.String,
        pxt.Bool,
        pxt.Timestamp,
        pxt.Date | None,
        pxt.UUID,
        pxt.Json | None,
        pxt.Binary,
        pxt.Image,
        pxt.Image["RGB"] | None,
        pxt.Image[(30, 20)],
        pxt.Image[(30, 20), "L"],
        pxt.Video,
        pxt.Audio | None,
        pxt.Document,
        pxt.Array,
        pxt.Array[np.float32],
        pxt.Array[(3, None), np.float32],
        pxt.Array[(3,), np.bool_] | None,
        pxt.Array[(2, 2), np.str_],
    ]
    own = {"id": pxt.Int} | {f"c{number}": kind for number, kind in enumerate(types)}
    twin = pxt.create_table(f"{place}.twin", own, primary_key="id", comment="of films")
    made = pxt.get_table(f"{place}.films")
    assert definition(made) == definition(twin)
    assert [column[1] for column in definition(made)[0][1:]] == DECLARATIONS


def test_columns_with_more_than_a_type(call, pxt, place):
    schema = {
        "a": {"type": "Int", "nullable": True, "comment": "how many"},
        "b": {"type": "String | None"},
        "c": {"type": "Float", "nullable": False},
    }
    call("create_table", path=f"{place}/t", schema=schema)
    spec = {"a": {"type": pxt.Int | None, "comment": "how many"}, "b": pxt.String | None, "c": pxt.Float}
    assert definition(pxt.get_table(f"{place}/t")) == definition(pxt.create_table(f"{place}/twin", spec))


@pytest.mark.parametrize(
    ("schema", "code"),
    [
        ({}, "INVALID_SCHEMA"),
        ({"a": "int"}, "INVALID_TYPE"),
        ({"a": "Int[3]"}, "INVALID_TYPE"),
        ({"a": "Array[(3, -1), float32]"}, "INVALID_TYPE"),
        ({"a": "Array[(3,), float99]"}, "INVALID_TYPE"),
        ({"a": "Array[(3,)]"}, "INVALID_TYPE"),
        ({"a": "Image['XYZ']"}, "INVALID_TYPE"),
        ({"a": "Image[__import__('os')]"}, "INVALID_TYPE"),
        ({"a": "Image[(1, 2), (3, 4)]"}, "INVALID_TYPE"),
        ({"a": ""}, "INVALID_TYPE"),
        ({"a": {"type": "Int | None", "nullable": False}}, "INVALID_TYPE"),
        ({"a b": "Int"}, "INVALID_COLUMN_NAME"),
        ({"class": "Int"}, "INVALID_COLUMN_NAME"),
        ({"a": "Int", "A": "Int"}, "INVALID_SCHEMA"),
        ({"a": {"type": "Int", "value": "b + 1"}}, "UNSUPPORTED_OPERATION"),
        ({"a": {"type": "Int", "other": 1}}, "INVALID_ARGUMENT"),
        ({"a": 1}, "INVALID_ARGUMENT"),
    ],
)
def test_bad_schemas_are_refused(call, pxt, place, schema, code):
    with pytest.raises(PxtFlightError) as caught:
        call("create_table", path=f"{place}/t", schema=schema)
    assert caught.value.code == code
    assert pxt.list_tables(place) == []


def test_bad_keys_are_refused(call, pxt, place):
    for key, schema, code in (("b", {"a": "Int"}, "COLUMN_NOT_FOUND"), ("a", {"a": "Int | None"}, "INVALID_SCHEMA")):
        with pytest.raises(PxtFlightError) as caught:
            call("create_table", path=f"{place}/t", schema=schema, primary_key=key)
        assert caught.value.code == code
    assert pxt.list_tables(place) == []


def test_bad_paths_are_refused(call, place):
    for path, code in (
        (f"{place}/1a", "INVALID_PATH"),
        (f"{place}//a", "INVALID_PATH"),
        ("_a", "INVALID_PATH"),
        (f"{place}/a:3", "INVALID_PATH"),
        (place, "PATH_ALREADY_EXISTS"),
        ("no_such_dir/a", "DIRECTORY_NOT_FOUND"),
        ("pxt_flight_staging/a", "TABLE_NOT_FOUND"),
    ):
        with pytest.raises(PxtFlightError) as caught:
            call("create_table", path=path, schema={"a": "Int"})
        assert caught.value.code == code, path
    with pytest.raises(PxtFlightError, match="MISSING_REQUIRED"):
        call("create_table", path=f"{place}/a")


def test_what_is_there_already(call, pxt, place):
    table = pxt.create_table(f"{place}/t", {"a": pxt.Int})
    table.insert([{"a": 1}])
    with pytest.raises(PxtFlightError, match="PATH_ALREADY_EXISTS"):
        call("create_table", path=f"{place}/t", schema={"b": "Int"})
    for choice in ("ignore", "append"):
        assert call("create_table", path=f"{place}/t", schema={"b": "Int"}, if_exists=choice)["version"] == 1
        assert pxt.get_table(f"{place}/t").columns() == ["a"]
    call("create_table", path=f"{place}/t", schema={"b": "Int"}, if_exists="replace")
    assert (pxt.get_table(f"{place}/t").columns(), pxt.get_table(f"{place}/t").count()) == (["b"], 0)
    pxt.create_view(f"{place}/v", pxt.get_table(f"{place}/t"))
    with pytest.raises(PxtFlightError, match="PATH_ALREADY_EXISTS"):
        call("create_table", path=f"{place}/v", schema={"b": "Int"}, if_exists="ignore")
    with pytest.raises(PxtFlightError, match="UNSUPPORTED_OPERATION"):
        call("create_table", path=f"{place}/t", schema={"b": "Int"}, if_exists="replace")
    with pytest.raises(PxtFlightError, match="PATH_ALREADY_EXISTS"):
        call("create_table", path=place, schema={"b": "Int"}, if_exists="replace")


def test_asked_again_it_is_not_made_again(call, pxt, place):
    asked = {"path": f"{place}/t", "schema": {"a": "Int"}, "idempotency_key": f"make {place} {call.__name__}{id(call)}"}
    assert call("create_table", **asked)["repeated"] is False
    assert call("create_table", **asked)["repeated"] is True
    with pytest.raises(PxtFlightError, match="idempotency_key_reused"):
        call("create_table", **asked | {"schema": {"b": "Int"}})
    assert call("Table.writes", table_path=f"{place}/t")[0]["kind"] == "create"


def test_the_paths_of_the_requirements(server, pxt, place):
    with httpx.Client(base_url=server.http_url, headers={"X-API-Key": server.key}, timeout=60) as client:
        body = {"path": f"{place}.my_table", "schema": {"id": "Int", "name": "String"}, "primary_key": "id"}
        assert client.post("/api/pixeltable/create_table", json=body).status_code == 201
        answer = client.post("/api/v1/tables", json=body | {"path": f"{place}.other"})
        assert (answer.status_code, answer.json()["table"]) == (201, f"{place}/other")
        assert client.get(answer.headers["location"]).json()["path"] == f"{place}/other"
        one = client.get("/api/pixeltable/get_table", params={"path": f"{place}.my_table"})
        assert one.json()["primary_key"] == ["id"]
        assert client.get(f"/api/v1/tables/{place}.my_table").json() == one.json()
        assert client.get(f"/api/v1/tables/{place}.my_table/info").json() == one.json()
        assert client.delete(f"/api/v1/tables/{place}.other").json() == {"path": f"{place}/other", "changed": True, "version": None}
        assert client.delete(f"/api/v1/tables/{place}.other").json()["code"] == "TABLE_NOT_FOUND"
        assert client.get(f"/api/v1/tables/{place}.other").status_code == 404


def test_a_description_is_pixeltables(call, pxt, place):
    table = pxt.create_table(f"{place}/t", {"id": pxt.Int, "photo": pxt.Image | None, "name": pxt.String}, primary_key="id", comment="c")
    table.add_computed_column(double=table.id * 2)
    table.add_computed_column(path=table.name + "/etc/secret", stored=False)
    table.add_btree_index("name", idx_name="by_name")
    view = pxt.create_view(f"{place}/v", table.where(table.id > 3))
    snapshot = pxt.create_snapshot(f"{place}/s", view)
    for each, kind in ((table, "table"), (view, "view"), (snapshot, "snapshot")):
        metadata = each.get_metadata()
        told = call("get_table", path=metadata["path"])
        assert (told["kind"], told["version"], told["comment"]) == (kind, metadata["version"], metadata["comment"])
        assert told["base"] == metadata["base"]
        assert [column["name"] for column in told["columns"]] == list(metadata["columns"])
        for column in told["columns"]:
            own = metadata["columns"][column["name"]]
            assert (column["type"], column["is_computed"], column["is_stored"]) == (own["type_"], own["is_computed"], own["is_stored"])
            assert (column["is_primary_key"], column["comment"]) == (own["is_primary_key"], own["comment"])
    told = call("get_table", path=f"{place}/t")
    by_name = {column["name"]: column for column in told["columns"]}
    assert by_name["photo"]["media"] == "image"
    assert (by_name["id"]["media"], by_name["id"]["nullable"], by_name["photo"]["nullable"]) == (None, False, True)
    assert by_name["double"]["computed_with"] == "id * 2"
    assert by_name["path"]["computed_with"] is None
    assert told["views"] == [f"{place}/s", f"{place}/v"]
    assert told["indexes"] == [
        {"name": "by_name", "columns": ["name"], "kind": "btree", "metric": None, "precision": None, "function": None}
    ]
    assert call("get_table", path=f"{place}/v")["where"] == "id > 3"


def test_an_earlier_version_is_described(call, pxt, place):
    table = pxt.create_table(f"{place}/t", {"a": pxt.Int})
    table.insert([{"a": 1}])
    table.add_column(b=pxt.Int | None)
    told = call("get_table", path=f"{place}.t:1")
    assert ([column["name"] for column in told["columns"]], told["version"], told["path"]) == (["a"], 1, f"{place}/t:1")
    for path in (f"{place}/t:99", f"{place}/none", place):
        with pytest.raises(PxtFlightError, match="TABLE_NOT_FOUND"):
            call("get_table", path=path)


def test_a_table_is_dropped(call, pxt, place):
    pxt.create_table(f"{place}/t", {"a": pxt.Int})
    assert call("drop_table", path=f"{place}.t") == {"path": f"{place}/t", "changed": True, "version": None}
    assert pxt.list_tables(place) == []
    with pytest.raises(PxtFlightError, match="TABLE_NOT_FOUND"):
        call("drop_table", path=f"{place}.t")
    assert call("drop_table", path=f"{place}.t", if_missing="ignore")["changed"] is False


def test_what_others_stand_on_is_not_dropped(call, pxt, place):
    table = pxt.create_table(f"{place}/t", {"a": pxt.Int})
    view = pxt.create_view(f"{place}/v", table)
    pxt.create_snapshot(f"{place}/s", view)
    with pytest.raises(PxtFlightError) as caught:
        call("drop_table", path=f"{place}.t")
    assert (caught.value.code, caught.value.where["views"]) == ("CONSTRAINT_VIOLATION", [f"{place}/s", f"{place}/v"])
    assert len(pxt.list_tables(place)) == 3
    call("drop_table", path=f"{place}.t", force=True)
    assert pxt.list_tables(place) == []


def test_a_table_is_moved_with_its_versions(call, pxt, place):
    pxt.create_table(f"{place}/t", {"a": pxt.Int}).insert([{"a": 1}])
    pxt.create_dir(f"{place}/sub")
    pxt.create_table(f"{place}/other", {"b": pxt.Int})
    assert call("move_table", path=f"{place}.t", new_path=f"{place}.sub.u") == {"path": f"{place}/sub/u", "changed": True, "version": None}
    assert pxt.list_tables(place) == [f"{place}/other", f"{place}/sub/u"]
    assert pxt.get_table(f"{place}/sub/u:1").count() == 1
    for new_path, code in (
        (f"{place}/other", "PATH_ALREADY_EXISTS"),
        (f"{place}/none/t", "DIRECTORY_NOT_FOUND"),
        (f"{place}/sub/u", "INVALID_ARGUMENT"),
        (f"{place}/1", "INVALID_PATH"),
        ("pxt_flight_staging/t", "TABLE_NOT_FOUND"),
    ):
        with pytest.raises(PxtFlightError) as caught:
            call("move_table", path=f"{place}/sub/u", new_path=new_path)
        assert caught.value.code == code, new_path
    assert call("move_table", path=f"{place}/sub/u", new_path=f"{place}/other", if_exists="ignore")["changed"] is False
    with pytest.raises(PxtFlightError, match="TABLE_NOT_FOUND"):
        call("move_table", path=f"{place}/none", new_path=f"{place}/t")


def test_a_key_for_some_tables(as_key, pxt, place):
    mine = as_key("read", "schema", tables=(f"{place}/mine/*",))
    pxt.create_dir(f"{place}/mine")
    base = pxt.create_table(f"{place}/mine/base", {"a": pxt.Int})
    pxt.create_view(f"{place}/mine/seen", base)
    pxt.create_view(f"{place}/unseen", base)
    assert mine("get_table", path=f"{place}/mine/base")["views"] == [f"{place}/mine/seen"]
    for force in (False, True):
        with pytest.raises(PxtFlightError) as caught:
            mine("drop_table", path=f"{place}/mine/base", force=force)
        assert caught.value.code == "CONSTRAINT_VIOLATION"
        assert "unseen" not in str(caught.value) + str(caught.value.where)
    for name, arguments in (
        ("get_table", {"path": f"{place}/unseen"}),
        ("drop_table", {"path": f"{place}/unseen"}),
        ("create_table", {"path": f"{place}/t", "schema": {"a": "Int"}}),
        ("move_table", {"path": f"{place}/mine/seen", "new_path": f"{place}/t"}),
        ("move_table", {"path": f"{place}/unseen", "new_path": f"{place}/mine/t"}),
    ):
        with pytest.raises(PxtFlightError, match="TABLE_NOT_FOUND"):
            mine(name, **arguments)
    reader = as_key("read", "write", "delete")
    for name, arguments in (
        ("drop_table", {"path": f"{place}/unseen"}),
        ("create_table", {"path": f"{place}/t", "schema": {"a": "Int"}}),
        ("move_table", {"path": f"{place}/unseen", "new_path": f"{place}/t"}),
    ):
        with pytest.raises(PxtFlightError, match="permission_denied"):
            reader(name, **arguments)
    seer = as_key("read", tables=(f"{place}/unseen",))
    assert seer("get_table", path=f"{place}/unseen")["base"] is None
    assert sorted(pxt.list_tables(place)) == [f"{place}/mine/base", f"{place}/mine/seen", f"{place}/unseen"]


_TEXTS = st.text("Int Array[(3,None)float32]|Image'RGB'_\\", max_size=40) | st.text(max_size=40)


@settings(max_examples=300, deadline=None)
@given(text=_TEXTS | st.builds("Array[{}]".format, _TEXTS) | st.builds("Image[{}]".format, _TEXTS))
def test_any_text_is_a_type_or_refused(pxt, text):
    from pxt_flight.engine.schemas import read_type

    with suppress(InvalidRequestError):
        kind, declared = read_type(text, "a")
        assert pxt.type_system.ColumnType.normalize_type(declared).nullable is kind.nullable


def test_pixeltables_own_text_of_a_type_is_read_as_that_type(pxt):
    from pxt_flight.engine.schemas import read_type

    for text in DECLARATIONS:
        assert str(pxt.type_system.ColumnType.normalize_type(read_type(text, "a")[1])) == text
