"""What the tests of operations share: each is run by both wires, and as a key that may less."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pyarrow.flight as fl
import pytest

from pxt_flight.errors import from_json
from pxt_flight.registration import Server

Run = Callable[..., Any]


@pytest.fixture(scope="session")
def over_http(server: Server) -> Iterator[Run]:
    """Run an operation over HTTP, at the path by its name: `over_http("drop_table", path="films")`."""
    from pxt_flight.operations.dispatch import import_operations
    from pxt_flight.public_api import find_operation

    import_operations()
    with httpx.Client(base_url=server.http_url, timeout=60, headers={"authorization": f"Bearer {server.key}"}) as client:

        def run(name: str, /, **arguments: Any) -> Any:
            operation = find_operation(name)
            if operation.call_method == "GET":
                answer = client.get(operation.call_path, params=arguments)
            else:
                answer = client.post(operation.call_path, json=arguments)
            if answer.is_error:
                problem = answer.json()
                raise from_json(json.dumps(problem | {"message": problem["detail"]}).encode())
            body = answer.json()
            assert answer.status_code == (200 if isinstance(body, dict) and body.get("repeated") else operation.status)
            return body

        yield run


@pytest.fixture(scope="session")
def over_flight(server: Server, over_http: Run) -> Iterator[Run]:
    """Run an operation as a Flight action."""
    from pxt_flight.public_api import find_operation

    options = fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {server.key}".encode())])
    with fl.connect(server.flight_uri) as client:

        def run(name: str, /, **arguments: Any) -> Any:
            try:
                (answer,) = client.do_action(fl.Action(find_operation(name).action, json.dumps(arguments).encode()), options)
            except fl.FlightError as fault:
                raise from_json(fault.extra_info) from None
            return json.loads(answer.body.to_pybytes())

        yield run


@pytest.fixture(params=["http", "flight"])
def call(request: pytest.FixtureRequest, over_http: Run, over_flight: Run) -> Run:
    """Run an operation by one wire, then by the other."""
    return over_http if request.param == "http" else over_flight


@pytest.fixture(scope="session")
def as_key(engine: Any) -> Iterator[Callable[..., Run]]:
    """Run operations as a key that may less: `as_key("schema", tables=("a/*",))("drop_table", path="a/films")`."""
    from pxt_flight.access.grants import MediaGrants, Signer
    from pxt_flight.access.principals import Principal
    from pxt_flight.engine.writer import Writer
    from pxt_flight.operations.call import Call
    from pxt_flight.operations.dispatch import import_operations, invoke
    from pxt_flight.operations.links import MediaLinks
    from pxt_flight.operations.receipt import receipt
    from pxt_flight.public_api import find_operation

    import_operations()
    writer, links = Writer(engine), MediaLinks(MediaGrants(b"s" * 32), lambda: "http://localhost")

    def make(*permissions: str, tables: tuple[str, ...] = ("*",)) -> Run:
        who = Call(Principal("limited", "limited", frozenset(permissions), tables), engine, writer, links, Signer(b"s" * 32))

        def run(name: str, /, **arguments: Any) -> Any:
            operation = find_operation(name)
            read = operation.read(json.dumps(arguments).encode())
            answer = receipt(*invoke(operation, who, read, rows=None)) if operation.takes_rows else invoke(operation, who, read)
            return json.loads(operation.response.dump_json(answer))

        return run

    yield make
    writer.close()


@pytest.fixture
def place(pxt: Any, request: pytest.FixtureRequest) -> Iterator[str]:
    """The path of an empty directory of this test's own."""
    path = f"d{abs(hash(request.node.nodeid)) % 10**9}"
    pxt.create_dir(path)
    yield path
    pxt.drop_dir(path, force=True, if_not_exists="ignore")
