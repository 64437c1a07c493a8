"""What the bytes of a descriptor or ticket ask for.

Four kinds arrive on the same wire: a Flight SQL message (a protobuf Any), SQL as plain text, and the JSON bodies of the operations `query`
and `Table.query`.
"""

from typing import Any

from pydantic_core import from_json

from pxt_flight.engine.partitions import MAX_PARTITIONS
from pxt_flight.engine.scan import Request
from pxt_flight.errors import error
from pxt_flight.flight import messages
from pxt_flight.flight.tickets import Statement
from pxt_flight.public_api import find_operation

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


def plain_statement(command: bytes | None, media: str | None, *, include_deleted: bool = False) -> Statement:
    """The statement of a command that is SQL text, or the JSON body of `query`.

    Args:
        command: the bytes.
        media: the caller's media mode, where the body names none.
        include_deleted: whether the caller reads rows that are deleted softly, too; the body may say so, as well.

    Raises:
        InvalidRequestError: it is neither.
    """
    try:
        text = (command or b"").decode()
    except UnicodeDecodeError:
        raise error("INVALID_ARGUMENT", "The command is neither SQL, JSON nor a Flight SQL message.") from None
    if not text.lstrip().startswith("{"):
        return Statement(Request(text, (), media or DEFAULT_MEDIA, include_deleted=include_deleted))
    body = find_operation("query").read(text.encode())
    chosen = body["media"] if '"media"' in text else media or DEFAULT_MEDIA
    request = Request(body["sql"], tuple(body["parameters"] or ()), chosen, include_deleted=body["include_deleted"] or include_deleted)
    return Statement(request, partitions=body["partitions"])


def flag(asked: str | None, name: str) -> bool:
    """What a header says that is `true` or `false`; default the latter.

    Args:
        asked: its value; None where it is not there.
        name: of the header.

    Raises:
        InvalidRequestError: `INVALID_ARGUMENT`, it is neither.
    """
    if asked not in (None, "true", "false"):
        raise error("INVALID_ARGUMENT", f"{name} is neither true nor false.", where={"argument": name})
    return asked == "true"


def table_arguments(command: bytes | None, media: str | None, *, include_deleted: bool = False) -> dict[str, Any] | None:
    """The arguments of a command that is the JSON body of `Table.query`: it names a table, and no SQL. None where it is anything else.

    Args:
        command: the bytes.
        media, include_deleted: as of `plain_statement`.

    Raises:
        InvalidRequestError: it is one, and an argument is at fault.
    """
    if command is None or not command.lstrip().startswith(b"{"):
        return None
    try:
        named = from_json(command)
    except ValueError:
        return None
    if "table_path" not in named or "sql" in named:
        return None
    arguments = find_operation("Table.query").read(command)
    chosen = arguments["media"] if "media" in named else media or DEFAULT_MEDIA
    return arguments | {"media": chosen, "include_deleted": arguments["include_deleted"] or include_deleted}


def partition_count(asked: int | str) -> int:
    """How many partitions a header or a command asks for.

    Raises:
        InvalidRequestError: `INVALID_ARGUMENT`, it is no number that is served.
    """
    if not str(asked).isdecimal() or len(str(asked)) > 4 or not 1 <= int(asked) <= MAX_PARTITIONS:
        raise error("INVALID_ARGUMENT", f"partitions must be a whole number from 1 to {MAX_PARTITIONS}.", where={"argument": "partitions"})
    return int(asked)


def path_request(path: list[bytes], media: str | None, *, include_deleted: bool = False) -> Request:
    """The scan of a table that a path descriptor names: one element, or one per part."""
    name = "/".join(part.decode(errors="replace") for part in path)
    return Request(scan_of(name), (), media or DEFAULT_MEDIA, include_deleted=include_deleted)


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


def refuse_transaction(transaction_id: bytes | None) -> None:
    """Refuse to be part of a transaction.

    Raises:
        InvalidRequestError: `UNSUPPORTED_OPERATION`.
    """
    if transaction_id:
        raise error("UNSUPPORTED_OPERATION", "Transactions are not served.", hint="Each statement is one, by itself.")
