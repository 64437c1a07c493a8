"""The ways to an operation: its path, the path of its name, and Flight; each asked in the same words, each answering in the same ones.

Rows go as JSON to its path, and as Arrow the two other ways.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
import pyarrow as pa
import pyarrow.flight as fl

ARROW = "application/vnd.apache.arrow.stream"
PROBLEM = {"type", "title", "status", "detail", "code", "hint", "where", "retryable", "request_id"}
_FLIGHT_ERRORS = {401: fl.FlightUnauthenticatedError, 403: fl.FlightUnauthorizedError, 500: fl.FlightInternalError}


@dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes:
        status: the HTTP status; on Flight that which the class of its error stands for, 200 where there is none.
        code: of the error; None where there is none.
        body: the JSON of an answer, or its rows.
        text: all of it as text, to look for what must not be in it.
    """

    status: int
    code: str | None = None
    body: Any = None
    text: str = ""

    @property
    def fault(self) -> tuple[int, str | None]:
        return self.status, self.code


class RestPath:
    """HTTP at the path of the operation's declaration."""

    takes_arrow = False

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def place(self, operation: Any) -> tuple[str, str]:
        """The method and the path."""
        return operation.http_method, operation.path

    def names_in_url(self, operation: Any) -> set[str]:
        """The arguments that stand in the path, and cannot be left out."""
        return set(re.findall(r"{(\w+)}", self.place(operation)[1]))

    def is_query(self, operation: Any, arguments: Mapping[str, Any]) -> bool:
        """Whether arguments travel in the query string."""
        return (self.takes_arrow and has_rows(operation, arguments)) or self.place(operation)[0] in ("GET", "DELETE")

    def ask(self, operation: Any, arguments: Mapping[str, Any], key: str | None) -> Answer:
        """Call an operation."""
        arguments, rows = apart(operation, arguments) if self.takes_arrow else (arguments, None)
        method, path = self.place(operation)
        named = self.names_in_url(operation)
        url = path.format_map({name: quote(str(arguments[name]), safe="") for name in named})
        others = {name: value for name, value in arguments.items() if name not in named}
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        sent: dict[str, Any] = {}
        if rows is not None or self.is_query(operation, arguments):
            sent["params"] = {name: value if isinstance(value, str) else json.dumps(value) for name, value in others.items()}
        elif others or not named:
            sent["json"] = others
        if rows is not None:
            headers["content-type"] = ARROW
            sent["content"] = stream(rows)
        return _answer(self._client.request(method, url, headers=headers, **sent))


class RestName(RestPath):
    """HTTP at the path of the operation's name."""

    takes_arrow = True

    def place(self, operation: Any) -> tuple[str, str]:
        return operation.call_method, operation.call_path


class Flight:
    """An action, a ticket, or rows that are put."""

    def __init__(self, client: fl.FlightClient) -> None:
        self._client = client

    def names_in_url(self, operation: Any) -> set[str]:
        return set()

    def is_query(self, operation: Any, arguments: Mapping[str, Any]) -> bool:
        return False

    def ask(self, operation: Any, arguments: Mapping[str, Any], key: str | None) -> Answer:
        arguments, rows = apart(operation, arguments)
        headers = [] if key is None else [(b"authorization", f"Bearer {key}".encode())]
        options = fl.FlightCallOptions(headers=headers, timeout=60)
        try:
            if rows is not None:
                return Answer(200, body=self._put(operation, arguments, rows, options))
            if operation.answers_rows:
                table = self._client.do_get(fl.Ticket(json.dumps(arguments).encode()), options).read_all()
                return Answer(200, body=table.to_pylist(), text=str(table.to_pylist()))
            (result,) = self._client.do_action(fl.Action(operation.action, json.dumps(arguments).encode()), options)
        except fl.FlightError as failure:
            return _failed(failure)
        text = result.body.to_pybytes().decode()
        return Answer(200, body=json.loads(text), text=text)

    def _put(self, operation: Any, arguments: Mapping[str, Any], rows: pa.Table, options: fl.FlightCallOptions) -> Any:
        command = json.dumps({operation.action: arguments}).encode()
        writer, reader = self._client.do_put(fl.FlightDescriptor.for_command(command), rows.schema, options)
        with writer:
            writer.write_table(rows)
            writer.done_writing()
            written = None
            while (message := reader.read()) is not None:
                written = json.loads(message.to_pybytes()).get("written", written)
        return written


def has_rows(operation: Any, arguments: Mapping[str, Any]) -> bool:
    """Whether rows are sent that a wire may bring beside the arguments."""
    return operation.takes_rows and "rows" in arguments


def apart(operation: Any, arguments: Mapping[str, Any]) -> tuple[Mapping[str, Any], pa.Table | None]:
    """Arguments, and the rows that were among them as Arrow."""
    if not has_rows(operation, arguments):
        return arguments, None
    others = {name: value for name, value in arguments.items() if name != "rows"}
    return others, pa.Table.from_pylist(arguments["rows"])


def stream(rows: pa.Table) -> bytes:
    """Rows as the bytes of an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    return sink.getvalue().to_pybytes()


def _answer(response: httpx.Response) -> Answer:
    kind = response.headers.get("content-type", "").partition(";")[0]
    if kind == ARROW:
        table = pa.ipc.open_stream(response.content).read_all()
        return Answer(response.status_code, body=table.to_pylist(), text=str(table.to_pylist()))
    if response.is_success:
        return Answer(response.status_code, body=response.json() if response.content else None, text=response.text)
    assert kind == "application/problem+json", (response.status_code, kind, response.text)
    problem = response.json()
    assert problem.keys() >= PROBLEM, problem
    assert problem["status"] == response.status_code
    assert problem["request_id"]
    if response.status_code == 401:
        assert response.headers["www-authenticate"].startswith("Bearer")
    return Answer(response.status_code, problem["code"], problem, response.text)


def _failed(failure: fl.FlightError) -> Answer:
    from pxt_flight.errors import from_json

    fault = from_json(failure.extra_info)
    assert str(failure).startswith(str(fault)), str(failure)
    expected = _FLIGHT_ERRORS.get(fault.http_status, fl.FlightServerError)
    if fault.http_status != 503:
        assert type(failure) is expected, (type(failure), fault.http_status)
    return Answer(fault.http_status, fault.code, json.loads(failure.extra_info), str(failure))
