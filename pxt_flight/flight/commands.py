"""What the bytes of a descriptor or ticket ask for.

Three kinds arrive on the same wire: a Flight SQL message (a protobuf Any), SQL as plain text, and the JSON body of the operation `query`.
"""

from typing import Any

from pydantic import ValidationError

from pxt_flight.engine.partitions import MAX_PARTITIONS
from pxt_flight.engine.scan import Request
from pxt_flight.errors import error
from pxt_flight.flight import messages
from pxt_flight.flight.tickets import Statement
from pxt_flight.public_api import Operation, find_operation

DEFAULT_MEDIA = Request("").media


def unpacked(command: bytes | None) -> Any | None:
    """The Flight SQL message that a command, ticket or body holds; None where it is anything else.

    Raises:
        InvalidRequestError: it says that it is one, and is not.
    """
    try:
        return messages.unpack_any(command or b"")
    except ValueError:
        raise error("INVALID_ARGUMENT", "The Flight SQL message is damaged.") from None


def plain_statement(command: bytes | None, media: str | None) -> Statement:
    """The statement of a command that is SQL text, or the JSON body of `query`.

    Args:
        command: the bytes.
        media: the caller's media mode, where the body names none.

    Raises:
        InvalidRequestError: it is neither.
    """
    try:
        text = (command or b"").decode()
    except UnicodeDecodeError:
        raise error("INVALID_ARGUMENT", "The command is neither SQL, JSON nor a Flight SQL message.") from None
    if not text.lstrip().startswith("{"):
        return Statement(Request(text, (), media or DEFAULT_MEDIA))
    body = arguments(find_operation("query"), text.encode())
    chosen = body["media"] if '"media"' in text else media or DEFAULT_MEDIA
    return Statement(Request(body["sql"], tuple(body["parameters"] or ()), chosen), partitions=body["partitions"])


def partition_count(asked: int | str) -> int:
    """How many partitions a header or a command asks for.

    Raises:
        InvalidRequestError: `INVALID_ARGUMENT`, it is no number that is served.
    """
    if not str(asked).isdecimal() or len(str(asked)) > 4 or not 1 <= int(asked) <= MAX_PARTITIONS:
        raise error("INVALID_ARGUMENT", f"partitions must be a whole number from 1 to {MAX_PARTITIONS}.", where={"argument": "partitions"})
    return int(asked)


def path_request(path: list[bytes], media: str | None) -> Request:
    """The scan of a table that a path descriptor names: one element, or one per part."""
    name = "/".join(part.decode(errors="replace") for part in path)
    return Request(scan_of(name), (), media or DEFAULT_MEDIA)


def scan_of(path: str, columns: tuple[str, ...] = ()) -> str:
    """The SQL that reads a table.

    Args:
        path: its path with slashes.
        columns: the names of the columns; none for all.
    """
    selected = ", ".join(map(_quoted, columns)) or "*"
    return f"SELECT {selected} FROM {_quoted(path)}"  # noqa: S608  # our own parser reads it, and no other


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def arguments(operation: Operation, body: bytes) -> dict[str, Any]:
    """The arguments of an operation, read from a JSON body and checked against its declaration.

    Raises:
        InvalidRequestError: `INVALID_ARGUMENT`, naming the field at fault.
    """
    try:
        # Pydantic's own JSON, unlike Python's, refuses half of a surrogate pair, which no answer could quote.
        checked = operation.request_model.model_validate_json(body or b"{}")
    except ValidationError as fault:
        first = fault.errors(include_url=False, include_input=False)[0]
        if first["type"] == "json_invalid":
            raise error("INVALID_ARGUMENT", f"{operation.name}: the body is not valid JSON.") from None
        name = ".".join(str(part) for part in first["loc"])
        raise error("INVALID_ARGUMENT", f"{operation.name}: {name or 'the body'}: {first['msg']}", where={"argument": name}) from None
    return dict(checked)


def refuse_transaction(transaction_id: bytes | None) -> None:
    """Refuse to be part of a transaction.

    Raises:
        InvalidRequestError: `UNSUPPORTED_OPERATION`.
    """
    if transaction_id:
        raise error("UNSUPPORTED_OPERATION", "Transactions are not served.", hint="Each statement is one, by itself.")
