"""The four requests that the seed of the public API shows, sent by curl as they stand there, with a key beside; and its named functions."""

import json
import subprocess
from typing import Any

import pytest

JSON = ("-H", "Content-Type: application/json")
NAMED = {
    "create_table",
    "get_table",
    "list_tables",
    "Table.add_column",
    "Table.insert",
    "export_to_parquet",
    "export_to_s3",
    "delete_all_tables",
}
CREATE = """{
    "path": "my_table",
    "schema": {
      "id": "Int",
      "name": "String"
    },
    "primary_key": "id"
  }"""
INSERT = """{
    "table_path": "my_table",
    "source": [
      {"id": 1, "name": "Alice"},
      {"id": 2, "name": "Bob"}
    ]
  }"""


@pytest.fixture
def curl(place: Any) -> Any:
    """Send a request of the seed: `curl("-X", "GET", path)`."""

    def curl(*arguments: str) -> Any:
        *options, path = arguments
        command = ["curl", "--silent", "--show-error", "--fail-with-body", "-H", f"Authorization: Bearer {place.server.key}"]
        done = subprocess.run([*command, *options, place.server.http_url + path], stdout=subprocess.PIPE, timeout=60)
        assert done.returncode == 0, done.stdout
        return json.loads(done.stdout)

    return curl


def test_the_requests_of_the_seed(curl):
    made = curl("-X", "POST", *JSON, "-d", CREATE, "/api/pixeltable/create_table")
    assert (made["kind"], made["table"]) == ("create", "my_table")
    table = curl("-X", "GET", "/api/pixeltable/get_table?path=my_table")
    assert (table["path"], [column["name"] for column in table["columns"]], table["primary_key"]) == ("my_table", ["id", "name"], ["id"])
    assert "my_table" in curl("-X", "GET", "/api/pixeltable/list_tables?dir_path=/&recursive=true")
    written = curl("-X", "POST", *JSON, "-d", INSERT, "/api/table/insert")
    assert written["inserted"] == 2
    page = curl("-X", "GET", "/api/v1/tables/my_table/rows?order_by=id&select=id,name")
    assert page["rows"] == [{"id": 1, "name": "Alice"}, {"id": 2, "name": "Bob"}]


def test_the_named_functions_of_the_seed(by_action):
    served = {operation.name: operation for operation in by_action.values() if operation.name in NAMED}
    assert served.keys() == NAMED
    assert {operation.call_path for operation in served.values()} == {
        f"/api/table/{name[6:]}" if name.startswith("Table.") else f"/api/pixeltable/{name}" for name in NAMED
    }


def test_the_shape_of_the_public_api(by_action):
    from pxt_flight.public_api import get_public_api

    api = get_public_api()
    names = [name for category in api.values() for name in category]
    assert all(isinstance(category, str) and isinstance(names, list) for category, names in api.items())
    assert set(names) >= NAMED
    assert all(len(category) == len(set(category)) for category in api.values())
