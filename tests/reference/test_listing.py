"""The public API as lists, and what is listed that no wire serves."""

import json
from xml.etree import ElementTree

import pytest

from pxt_flight.cli import main

pytestmark = pytest.mark.usefixtures("store")  # Pixeltable is imported: its home must be known


@pytest.fixture
def listed(capsys):
    """What the command line lists in a format."""

    def run(form):
        assert main(["reference", "--format", form]) == 0
        return capsys.readouterr().out

    return run


def test_as_text(listed, capsys):
    line = next(line for line in listed("text").splitlines() if line.startswith("Table.versions "))
    assert line.split(maxsplit=4) == [
        "Table.versions",
        "GET",
        "/api/v1/tables/{table_path}/versions",
        "read",
        "List the versions of a table, newest first.",
    ]
    assert main(["reference"]) == 0
    assert capsys.readouterr().out == listed("text")


def test_as_json_and_markdown(listed):
    operations = json.loads(listed("json"))
    (versions,) = [operation for operation in operations if operation["name"] == "Table.versions"]
    assert versions["routes"][1] == {"method": "GET", "path": "/api/table/versions"}
    assert (versions["permission"], versions["deprecated"], versions["flight"]) == ("read", None, {"action": "table.versions"})
    flight = {operation["name"]: operation["flight"] for operation in operations if operation["name"] in ("Table.insert", "query")}
    assert flight == {"Table.insert": {"action": "table.insert", "put": "table.insert"}, "query": {"ticket": "pixeltable.query"}}
    assert len(listed("markdown").splitlines()) == len(operations) + 2


def test_the_outline_is_the_public_api(listed):
    from pxt_flight.public_api import get_public_api

    body = ElementTree.fromstring(listed("opml")).find("body")
    found = {}
    for category in body:
        names = []
        for outline in category:
            names += [f"{outline.get('text')}.{inner.get('text')}" for inner in outline] or [outline.get("text")]
        found[category.get("text")] = sorted(names)
    assert found == {category: sorted(names) for category, names in get_public_api().items()}


def test_a_format_that_there_is_not():
    with pytest.raises(SystemExit):
        main(["reference", "--format", "yaml"])


def test_functions_of_pixeltable_are_listed_and_left_as_they_are():
    import pixeltable.functions.huggingface as huggingface

    from pxt_flight.documented import listed
    from pxt_flight.operations.dispatch import import_operations
    from pxt_flight.public_api import get_public_api, operations

    import_operations()
    api = get_public_api()
    assert "clip" in api["functions.huggingface"]
    assert "clip" in api["functions.video.editing"]
    assert "yolox" in api["functions.yolox"]
    assert not hasattr(huggingface.clip, "__public_api__")
    assert all(entry.docstring and entry.signatures for entry in listed())
    assert not {operation.name for operation in operations()} & {"clip", "yolox"}


def test_another_registry_of_functions_lists_none(monkeypatch):
    from pixeltable.func import FunctionRegistry

    from pxt_flight.engine.seam.functions import library_functions

    assert library_functions()
    monkeypatch.delattr(FunctionRegistry, "list_functions")
    assert library_functions() == []
