"""An example call of each operation, run against a server, and what was answered, as the pages show it.

Each call finds the tables and directories of `example_calls` fresh; a call that needs more names what is called before it.
"""

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import httpx

from pxt_flight.config import Settings
from pxt_flight.public_api import Operation, operations
from pxt_flight.reference.example_calls import DIRECTORIES, EXAMPLES, TABLES

PATH = "docs/reference/examples.json"
_LONGEST_ANSWER = 40
_TIMEOUT = 60.0
# What another run would answer otherwise, and what it becomes.
_VOLATILE = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)"), "2026-01-31T12:00:00Z"),
    (re.compile(r'"(\d+\.\d+)\.[0-9a-f]{12}"'), '"\\1.0123456789ab"'),
    (re.compile(r"owner of \S+"), "owner"),
    (re.compile(r"\b[\w-]{24,}(?:\.[\w-]+)+"), "SIGNED"),
    (re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"), "01234567-89ab-cdef-0123-456789abcdef"),
)


@dataclass(frozen=True)
class Exchange:
    """A request over HTTP and its answer.

    Attributes:
        method, path, body: of the request; the path has its query.
        status, answer: what came.
    """

    method: str
    path: str
    body: Any = None
    status: int = 0
    answer: Any = None

    def asked(self) -> str:
        """The request as one types it in a shell."""
        method = "" if self.method == "GET" else f"-X {self.method} "
        words = [f'curl {method}"$URL{self.path}" -H "Authorization: Bearer $KEY"']
        if self.body is not None:
            words += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(json.dumps(self.body, ensure_ascii=False))}"]
        return " \\\n  ".join(words)

    def answered(self) -> str:
        """The answer as JSON, cut where it is long."""
        lines = json.dumps(self.answer, indent=2, ensure_ascii=False).splitlines()
        more = ["..."] if len(lines) > _LONGEST_ANSWER else []
        return "\n".join(lines[:_LONGEST_ANSWER] + more)


def settings(home: Path) -> Settings:
    """Those of a server that examples run on.

    Args:
        home: a new one.
    """
    return Settings(home=home, flight_port=0, http_port=0, export_dir=home / "exports")


def request_of(operation: Operation, arguments: Mapping[str, Any]) -> Exchange:
    """The request that calls an operation, at the path of its declaration."""
    given = dict(arguments)
    path = re.sub(r"{(\w+)}", lambda found: quote(str(given.pop(found[1])), safe=""), operation.path)
    if operation.http_method in ("GET", "DELETE"):
        query = urlencode({name: value if isinstance(value, str) else json.dumps(value) for name, value in given.items()})
        return Exchange(operation.http_method, path + (f"?{query}" if query else ""))
    return Exchange(operation.http_method, path, body=given)


class Guide:
    """Runs examples on a server whose store is for nothing else: before each, its tables and directories are made anew.

    Args:
        http_url: of the server.
        key: of the owner.
    """

    def __init__(self, http_url: str, key: str) -> None:
        self._http = httpx.Client(base_url=http_url, headers={"authorization": f"Bearer {key}"}, timeout=_TIMEOUT)
        self._operations = {operation.action: operation for operation in operations()}

    def run(self, action: str) -> Exchange:
        """What the example of an operation asks and is answered.

        Args:
            action: the operation's.

        Raises:
            httpx.HTTPStatusError: a call before it failed.
        """
        example = EXAMPLES[action]
        self.reset()
        for before, arguments in example.before:
            self.call(before, arguments)
        asked = request_of(self._operations[action], example.arguments)
        answer = self._ask(asked)
        return Exchange(asked.method, asked.path, asked.body, answer.status_code, _steady(answer.json() if answer.content else None))

    def reset(self) -> None:
        """Make the tables and directories anew, and drop all others.

        Raises:
            httpx.HTTPStatusError: as of `call`.
        """
        for noun, found in (("table", "pixeltable.list_tables"), ("dir", "pixeltable.list_dirs")):
            for path in self.call(found, {"recursive": False}):
                self.call(f"pixeltable.drop_{noun}", {"path": path, "force": True, "if_missing": "ignore"})
        for path, arguments in TABLES.items():
            self.call("pixeltable.create_table", {"path": path} | arguments)
        for path in DIRECTORIES:
            self.call("pixeltable.create_dir", {"path": path})

    def call(self, action: str, arguments: Mapping[str, Any]) -> Any:
        """The answer of an operation.

        Args:
            action: the operation's.
            arguments: its arguments.

        Raises:
            httpx.HTTPStatusError: it answered an error.
        """
        return self._ask(request_of(self._operations[action], arguments)).raise_for_status().json()

    def close(self) -> None:
        """Close the connection of HTTP."""
        self._http.close()

    def _ask(self, asked: Exchange) -> httpx.Response:
        return self._http.request(asked.method, asked.path, **({} if asked.body is None else {"json": asked.body}))


def recorded(exchanges: Iterable[tuple[str, Exchange]]) -> str:
    """Exchanges as the file that is committed."""
    return json.dumps({name: asdict(exchange) for name, exchange in sorted(exchanges)}, indent=1, ensure_ascii=False) + "\n"


def read_recorded(text: str) -> dict[str, Exchange]:
    """The exchanges of the committed file."""
    return {name: Exchange(**exchange) for name, exchange in json.loads(text).items()}


def shape(value: Any) -> Any:
    """What of an answer is the same in every run: its fields and their types; of a list, those of its first."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value[:1]]
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def _steady(value: Any) -> Any:
    """An answer without what another run would answer otherwise."""
    if isinstance(value, dict):
        return {name: "01234567" if name == "request_id" else _steady(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_steady(inner) for inner in value]
    if isinstance(value, str):
        for pattern, text in _VOLATILE:
            value = pattern.sub(text, value)
    return value
