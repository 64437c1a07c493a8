"""Indexes are added and dropped as Pixeltable itself would, by both wires."""

import httpx
import numpy as np
import pytest

from pxt_flight.errors import PxtFlightError


@pytest.fixture
def films(pxt, place):
    schema = {"id": pxt.Int, "name": pxt.String, "seen": pxt.Bool, "vector": pxt.Array[(3,), np.float32]}
    table = pxt.create_table(f"{place}/films", schema)
    table.insert([{"id": n, "name": f"film {n}", "seen": True, "vector": np.array([n, 1, 0], np.float32)} for n in range(5)])
    return table


@pytest.fixture
def path(films, place):
    return f"{place}/films"


def indexes_of(pxt, path):
    return dict(pxt.get_table(path).get_metadata()["indexes"])


def test_a_btree(call, pxt, films, path, place):
    made = call("Table.add_index", table_path=path, column="Name", name="by_name")
    assert made == {"name": "by_name", "columns": ["name"], "kind": "btree", "metric": None, "precision": None, "function": None}
    assert call("Table.indexes", table_path=path) == [made]
    twin = pxt.create_table(f"{place}/twin", {"name": pxt.String})
    twin.add_btree_index("name", idx_name="by_name")
    assert indexes_of(pxt, path) == indexes_of(pxt, f"{place}/twin")
    unnamed = call("Table.add_index", table_path=path, column="id")
    assert unnamed["name"] in indexes_of(pxt, path)
    assert call("Table.add_index", table_path=path, column="id", if_exists="ignore") == unnamed
    assert call("Table.drop_index", table_path=path, index="by_name")["changed"] is True
    assert list(indexes_of(pxt, path)) == [unnamed["name"]]


def test_embeddings(call, pxt, place):
    # Without rows nothing is computed: no service is asked.
    for name in ("t", "twin"):
        pxt.create_table(f"{place}/{name}", {"text": pxt.String})
    path, options = f"{place}/t", {"metric": "l2", "precision": "fp32"}
    asked = {"table_path": path, "column": "text", "kind": "embedding", "name": "near", "function": "openai.embeddings"}
    asked["arguments"] = {"model": "text-embedding-3-small"}
    made = call("Table.add_index", **asked, **options)
    assert (made["name"], made["kind"], made["metric"], made["precision"]) == ("near", "embedding", "l2", "fp32")
    function = pxt.functions.openai.embeddings.using(model="text-embedding-3-small")
    pxt.get_table(f"{place}/twin").add_embedding_index("text", idx_name="near", embedding=function, **options)
    assert indexes_of(pxt, path) == indexes_of(pxt, f"{place}/twin")
    assert made["function"] == indexes_of(pxt, path)["near"]["parameters"]["embedding"]
    with pytest.raises(PxtFlightError, match="INDEX_ALREADY_EXISTS"):
        call("Table.add_index", **asked)
    assert call("Table.add_index", **asked, metric="ip", if_exists="ignore") == made
    assert call("Table.add_index", **asked, metric="ip", if_exists="replace")["metric"] == "ip"
    assert list(indexes_of(pxt, path)) == ["near"]
    call("Table.drop_index", table_path=path, index="near")
    assert indexes_of(pxt, path) == {}


def test_what_is_no_index(call, pxt, path, place):
    embedding = {"kind": "embedding", "column": "name"}
    for arguments, code in (
        ({"column": "none"}, "COLUMN_NOT_FOUND"),
        ({"column": "seen"}, "TYPE_MISMATCH"),
        ({"column": "id", "name": "a b"}, "INVALID_COLUMN_NAME"),
        ({"column": "id", "function": "huggingface.clip"}, "INVALID_ARGUMENT"),
        ({"column": "id", "if_exists": "replace"}, "INVALID_ARGUMENT"),
        ({"column": "id", "kind": "hash"}, "INVALID_ARGUMENT"),
        (embedding, "MISSING_REQUIRED"),
        (embedding | {"function": "huggingface.none"}, "FUNCTION_NOT_FOUND"),
        (embedding | {"function": "os.system"}, "FUNCTION_NOT_FOUND"),
        (embedding | {"function": "huggingface.Env"}, "FUNCTION_NOT_FOUND"),
        (embedding | {"function": "huggingface.clip.using"}, "FUNCTION_NOT_FOUND"),
        (embedding | {"function": "huggingface.clip", "arguments": {"none": 1}}, "INVALID_ARGUMENT"),
        (embedding | {"function": "string.upper"}, "INVALID_CONFIGURATION"),
        (embedding | {"function": "huggingface.clip", "metric": "other"}, "INVALID_ARGUMENT"),
        ({"kind": "embedding", "column": "vector"}, "MISSING_REQUIRED"),
    ):
        with pytest.raises(PxtFlightError) as caught:
            call("Table.add_index", table_path=path, **arguments)
        assert caught.value.code == code, arguments
    for name, arguments, code in (
        ("Table.drop_index", {"table_path": path, "index": "none"}, "INDEX_NOT_FOUND"),
        ("Table.drop_index", {"table_path": f"{place}/none", "index": "none"}, "TABLE_NOT_FOUND"),
        ("Table.indexes", {"table_path": f"{place}/none"}, "TABLE_NOT_FOUND"),
    ):
        with pytest.raises(PxtFlightError) as caught:
            call(name, **arguments)
        assert caught.value.code == code
    assert call("Table.drop_index", table_path=path, index="none", if_missing="ignore")["changed"] is False
    assert indexes_of(pxt, path) == {}


def test_a_package_that_the_server_lacks_is_named(call, pxt, path):
    with pytest.raises(PxtFlightError) as caught:
        call(
            "Table.add_index",
            table_path=path,
            column="name",
            kind="embedding",
            function="huggingface.clip",
            arguments={"model_id": "openai/clip-vit-base-patch32"},
        )
    assert caught.value.code == "INVALID_CONFIGURATION"
    assert "the package transformers" in str(caught.value)
    assert indexes_of(pxt, path) == {}


def test_the_paths_of_rest(server, pxt, path):
    url = f"/api/v1/tables/{path.replace('/', '.')}/indexes"
    with httpx.Client(base_url=server.http_url, headers={"X-API-Key": server.key}, timeout=60) as client:
        assert client.post(url, json={"column": "id", "name": "by_id"}).status_code == 201
        assert [index["name"] for index in client.get(url).json()] == ["by_id"]
        assert client.delete(f"{url}/by_id").json()["changed"] is True
        assert client.delete(f"{url}/by_id").status_code == 404


def test_a_key_for_some_tables(as_key, path):
    for name, arguments in (("Table.add_index", {"column": "id"}), ("Table.drop_index", {"index": "x"})):
        with pytest.raises(PxtFlightError, match="TABLE_NOT_FOUND"):
            as_key("schema", tables=("other/*",))(name, table_path=path, **arguments)
        with pytest.raises(PxtFlightError, match="permission_denied"):
            as_key("read", "write")(name, table_path=path, **arguments)
    with pytest.raises(PxtFlightError, match="TABLE_NOT_FOUND"):
        as_key("read", tables=("other/*",))("Table.indexes", table_path=path)
