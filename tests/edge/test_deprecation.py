"""What is deprecated says so, on every wire; and versions of one name stand beside each other."""

import json
import warnings
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.flight as fl
import pytest
from edge_wires import registered

import pxt_flight as pf
from pxt_flight.public_api import Deprecation, find_operation, operations, public_api, successor_of

SINCE = Deprecation("0.2.0", date(2026, 1, 2), date(2027, 3, 4))


def declare(name, answer, *, folder=False, **options):
    def plain(call: object) -> str:
        """Answer."""
        return answer

    def of_folder(call: object, folder: str) -> str:
        """Answer."""
        return f"{answer} {folder}"

    operation = of_folder if folder else plain
    operation.__qualname__ = operation.__name__ = name
    return public_api(**{"permission": "read", **options})(operation).__api_metadata__


@contextmanager
def recorded():
    """The warnings of a block."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        yield told


@pytest.fixture
def served(wires):
    """An operation that is deprecated for another, at a path of its own and by its name, and its successor in version 2."""
    with registered():
        declare("edge_folder", "new", folder=True, http_method="GET", path="/api/v1/edge/{folder}")
        declare(
            "edge_info",
            "old",
            folder=True,
            http_method="GET",
            path="/api/v1/edge/{folder}/info",
            deprecated=SINCE,
            replacement="edge_folder",
        )
        declare("edge_count", "one", deprecated="0.3.0", replacement="edge_count")
        declare("edge_count", "two", version="v2")
        declare("edge_gone", "last", deprecated=Deprecation("0.2.0"))
        yield wires()


# HTTP


def test_headers_of_what_is_deprecated(served):
    answer = served.http.get("/api/v1/edge/a b/info")
    assert answer.json() == "old a b"
    assert answer.headers["deprecation"] == f"@{int(datetime(2026, 1, 2, tzinfo=UTC).timestamp())}"
    assert answer.headers["sunset"] == "Thu, 04 Mar 2027 00:00:00 GMT"
    assert answer.headers["link"] == '</api/v1/edge/a%20b>; rel="successor-version"'
    assert served.http.get("/api/v1/edge/a%20b").json() == "new a b"


def test_the_same_by_its_name_and_of_its_errors(served):
    by_name = served.http.get("/api/pixeltable/edge_info", params={"folder": "x"})
    assert by_name.json() == "old x"
    assert by_name.headers["link"] == '</api/pixeltable/edge_folder>; rel="successor-version"'
    refused = served.http.get("/api/v1/edge/x/info", headers={"authorization": "Bearer no"})
    assert refused.status_code == 401
    assert refused.headers["sunset"] == "Thu, 04 Mar 2027 00:00:00 GMT"


def test_days_that_are_not_known_are_not_said(served):
    headers = served.http.post("/api/pixeltable/edge_count", json={}).headers
    assert headers["link"] == '</api/v2/pixeltable/edge_count>; rel="successor-version"'
    assert not {"deprecation", "sunset"} & headers.keys()
    assert not {"deprecation", "sunset", "link"} & served.http.post("/api/pixeltable/edge_gone", json={}).headers.keys()
    assert not {"deprecation", "sunset", "link"} & served.http.get("/api/v1/edge/x").headers.keys()


def test_the_document_marks_it(served):
    paths = served.http.get("/openapi.json").json()["paths"]
    assert paths["/api/v1/edge/{folder}/info"]["get"]["deprecated"] is True
    assert "deprecated" not in paths["/api/v1/edge/{folder}"]["get"]


# Versions


def test_two_versions_are_served_side_by_side(served):
    assert served.http.post("/api/pixeltable/edge_count", json={}).json() == "one"
    assert served.http.post("/api/v2/pixeltable/edge_count", json={}).json() == "two"
    with served.connect() as db, recorded():
        assert db._transport.call("pixeltable.edge_count") == "one"
        assert db._transport.call("pixeltable.edge_count.v2") == "two"


def test_a_version_is_asked_for_by_its_own_permission(engine, served):
    from pxt_flight.access.principals import Principal

    with registered(replace(find_operation("edge_count", "v2"), permission="admin")):
        call = served.store.call(Principal("k", "k", frozenset({"read"})), None)
        call.require("edge_count")
        with pytest.raises(pf.PermissionDeniedError):
            call.require("edge_count", version="v2")


def test_the_successor_is_the_latest_of_its_name(served):
    with registered():
        declare("edge_count", "ten", version="v10")
        assert successor_of(find_operation("edge_count")).version == "v10"
        assert successor_of(find_operation("edge_gone")) is None


def test_every_replacement_of_the_product_is_there(engine):
    named = [operation for operation in operations() if operation.replacement and not operation.name.startswith("edge_")]
    assert all(successor_of(operation) for operation in named)


# Flight, and the client


def test_flight_says_it_in_a_header(served):
    heard = []

    class Listener(fl.ClientMiddleware):
        def received_headers(self, headers):
            heard.extend(headers.get("x-pxt-deprecated", []))

    class Listening(fl.ClientMiddlewareFactory):
        def start_call(self, info):
            return Listener()

    options = fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {served.key}".encode())])
    with fl.connect(served.uri, middleware=[Listening()]) as stranger:
        list(stranger.do_action(fl.Action("pixeltable.edge_info", b'{"folder": "x"}'), options))
        list(stranger.do_action(fl.Action("pixeltable.edge_folder", b'{"folder": "x"}'), options))
    assert [json.loads(notice) for notice in heard] == [
        {"operation": "pixeltable.edge_info", "release": "0.2.0", "replacement": "edge_folder", "sunset": "2027-03-04"}
    ]


def test_the_client_warns_once_where_it_is_called(served):
    with served.connect() as db:
        with recorded() as told:
            for _ in range(3):
                db._transport.call("pixeltable.edge_info", folder="x")
        assert [str(warning.message) for warning in told] == [
            "pixeltable.edge_info is deprecated since release 0.2.0, and may be gone after 2027-03-04; use edge_folder."
        ]
        assert told[0].filename == __file__
        with pytest.warns(DeprecationWarning, match=r"edge_gone is deprecated since release 0\.2\.0\.$") as told:
            db._transport.call("pixeltable.edge_gone")
        assert len(told) == 1
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            db._transport.call("pixeltable.edge_gone")
            db._transport.call("pixeltable.edge_folder", folder="x")


def test_record_batches_warn_too(wires, make_table, pxt):
    name = make_table({"id": pxt.Int}, [{"id": 1}]).get_metadata()["name"]
    old = {"deprecated": Deprecation("0.2.0"), "replacement": "list_tables"}
    changed = replace(find_operation("Table.insert"), **old), replace(find_operation("query"), **old)
    with registered(*changed), wires().connect() as db, recorded() as told:
        assert db.sql(f"select id from {name}").to_arrow().num_rows == 1
        db.table(name).insert(pa.table({"id": [2]}))
        db.table(name).insert(pa.table({"id": [3]}))
    assert [str(warning.message).partition(" ")[0] for warning in told] == ["pixeltable.query", "table.insert"]
    assert {warning.filename for warning in told} == {__file__}
