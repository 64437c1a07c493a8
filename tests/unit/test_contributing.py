"""What CONTRIBUTING.md says of a new operation is true: its very lines are declared here, and called."""

import json
import re
from contextlib import closing
from pathlib import Path

import pytest

from pxt_flight.errors import PermissionDeniedError
from pxt_flight.public_api import find_operation, public_api, routes_of

TREE = Path(__file__).parents[2]


@pytest.fixture
def is_empty(engine, empty_registry):
    """The operation of the page, in a registry of its own."""
    from pxt_flight.engine.scan import Request
    from pxt_flight.operations.call import Call
    from pxt_flight.operations.references import OfTable

    (lines,) = re.findall(r"```python\n(@public_api.*?)```", (TREE / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.DOTALL)
    exec(
        lines,
        {"__name__": "contributing", "Call": Call, "OfTable": OfTable, "Request": Request, "closing": closing, "public_api": public_api},
    )
    return find_operation("Table.is_empty")


@pytest.fixture
def ask(engine, is_empty):
    """Call it on a table, as a key with these permissions."""
    from pxt_flight.access.principals import Principal
    from pxt_flight.operations.call import Call
    from pxt_flight.operations.dispatch import invoke

    def ask(table, permissions=("read",)):
        call = Call(Principal("k", "k", frozenset(permissions)), engine, writer=None, links=None, signer=None)
        return invoke(is_empty, call, is_empty.read(json.dumps({"table_path": table}).encode()))

    return ask


def test_it_is_served_where_the_page_says(is_empty):
    assert routes_of(is_empty) == (("GET", "/api/v1/tables/{table_path}/is-empty"), ("GET", "/api/table/is_empty"))
    assert is_empty.action == "table.is_empty"


def test_it_answers(ask, make_table, pxt):
    table = make_table({"id": pxt.Int})
    name = table.get_metadata()["name"]
    assert ask(name) is True
    table.insert([{"id": 1}])
    assert ask(name) is False
    with pytest.raises(PermissionDeniedError):
        ask(name, ["write"])


def test_it_is_a_method_of_the_client(is_empty):
    from pxt_flight.reference import client

    made = client.render((is_empty,))
    assert "def is_empty(self) -> bool:" in made
    assert '"table.is_empty", table_path=self.name' in made
    assert "is_empty = twin(TableOperations.is_empty)" in made
