"""The standard operations of REST, as the requests of a client: what `rest` times and `soak` mixes."""

from collections.abc import Callable
from dataclasses import dataclass

import pixeltable as pxt

from benchmarks.http_client import Ask, Connection

ROWS = 10_000
MANY = 1000
_BASE = 1_000_000  # the first id that nobody else inserts


@dataclass(frozen=True)
class Standard:
    """A standard operation.

    Attributes:
        name: what it does.
        ask: the request of turn 0, 1, ...; each changes, or asks for, another row.
        status: that it answers.
    """

    name: str
    ask: Callable[[int], Ask]
    status: int = 200


def make_table(name: str) -> None:
    """The table that they are about: an Int that is its key, a String, a Float."""
    table = pxt.create_table(name, {"id": pxt.Int, "name": pxt.String, "score": pxt.Float}, primary_key="id")
    table.insert([row(i) for i in range(ROWS)])


def row(i: int) -> dict[str, object]:
    """Row `i`."""
    return {"id": i, "name": f"name-{i % 977}-{i}", "score": i * 37 % 1000 / 10}


def operations(table: str) -> tuple[Standard, ...]:
    """All of them, on a table of `make_table`. Row `i` has the row id `i`; turn `i` deletes it, and updates another from the other end."""
    at = f"/api/v1/tables/{table}"

    def inserted(turn: int, count: int) -> list[dict[str, object]]:
        first = _BASE * (1 + (count > 1)) + turn * count
        return [row(i) for i in range(first, first + count)]

    return (
        Standard("list_tables", lambda _: Ask.of("GET", "/api/v1/tables")),
        Standard("get_table", lambda _: Ask.of("GET", at)),
        Standard("GET rows, a page of 100", lambda turn: Ask.of("GET", f"{at}/rows?limit=100&offset={turn * 100 % (ROWS // 2)}")),
        Standard("GET rows by key", lambda turn: Ask.of("GET", f"{at}/rows?key.id={_late(turn)}")),
        Standard("GET row by row id", lambda turn: Ask.of("GET", f"{at}/rows/{_late(turn)}")),
        Standard("SQL query of 1 row", lambda turn: Ask.of("POST", "/api/v1/query", _sql(table, turn))),
        Standard("count", lambda _: Ask.of("GET", f"{at}/rows?aggregate=count(*)")),
        Standard("insert 1 row", lambda turn: Ask.of("POST", f"{at}/rows", {"row": inserted(turn, 1)[0]}), 201),
        Standard("insert 1000 rows", lambda turn: Ask.of("POST", f"{at}/rows", {"rows": inserted(turn, MANY)}), 201),
        Standard("update by key", lambda turn: Ask.of("PATCH", f"{at}/rows?key.id={_late(turn)}", {"set": {"score": turn}})),
        Standard("delete by row id", lambda turn: Ask.of("DELETE", f"{at}/rows/{turn % (ROWS // 2)}"), 204),
    )


async def served(operations: tuple[Standard, ...], connection: Connection) -> dict[str, str]:
    """Try each once; answers why those that do not succeed do not, by name."""
    faults = {}
    for operation in operations:
        reply = await connection.ask(operation.ask(0))
        if reply.status != operation.status:
            faults[operation.name] = f"HTTP {reply.status}: {reply.body[:200].decode(errors='replace')}"
    return faults


def _late(turn: int) -> int:
    """A row of the half that nobody deletes."""
    return ROWS - 1 - turn % (ROWS // 2)


def _sql(table: str, turn: int) -> dict[str, object]:
    return {"sql": f"SELECT id, name, score FROM {table} WHERE id = $1", "parameters": [_late(turn)]}
