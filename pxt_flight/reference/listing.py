"""The public API as a list: for a person, as JSON, as Markdown, and as the outline (OPML) that Pixeltable's documentation tools read."""

import json
from collections.abc import Callable
from xml.sax.saxutils import quoteattr

from pxt_flight.operations.dispatch import flight_calls
from pxt_flight.public_api import Operation, get_public_api, routes_of
from pxt_flight.reference.markdown import code, table
from pxt_flight.reference.pages import heading

OPML_PATH = "docs/public_api.opml"


def text(operations: tuple[Operation, ...]) -> str:
    """A line for each operation: name, route, permission, what it does."""
    rows = [(heading(operation), f"{operation.http_method} {operation.path}", operation.permission or "-") for operation in operations]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    cells = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(f"{cell}  {operation.summary}" for cell, operation in zip(cells, operations, strict=True)) + "\n"


def as_json(operations: tuple[Operation, ...]) -> str:
    """A list of objects."""
    return json.dumps([_described(operation) for operation in operations], indent=2) + "\n"


def markdown(operations: tuple[Operation, ...]) -> str:
    """A table."""
    rows = [
        (code(heading(operation)), code(f"{operation.http_method} {operation.path}"), operation.permission or "", operation.summary)
        for operation in operations
    ]
    return table(("Operation", "HTTP", "Permission", ""), rows) + "\n"


def opml(_: tuple[Operation, ...]) -> str:
    """An outline of `get_public_api`: categories, and in them the names of a noun below it, as `insert` below `Table`."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<opml version="2.0">', "  <head><title>Public API</title></head>", "  <body>"]
    for category, names in sorted(get_public_api().items()):
        lines.append(f"    <outline text={quoteattr(category)}>")
        for noun in sorted({name.rpartition(".")[0] for name in names}):
            below = sorted(name.rpartition(".")[2] for name in names if name.rpartition(".")[0] == noun)
            indent = "      " if not noun else "        "
            leaves = [f"{indent}<outline text={quoteattr(name)}/>" for name in below]
            lines += leaves if not noun else [f"      <outline text={quoteattr(noun)}>", *leaves, "      </outline>"]
        lines.append("    </outline>")
    return "\n".join([*lines, "  </body>", "</opml>", ""])


FORMATS: dict[str, Callable[[tuple[Operation, ...]], str]] = {"text": text, "json": as_json, "opml": opml, "markdown": markdown}


def _described(operation: Operation) -> dict[str, object]:
    return {
        "name": operation.name,
        "version": operation.version,
        "category": operation.category,
        "flight": flight_calls(operation),
        "routes": [{"method": method, "path": path} for method, path in routes_of(operation)],
        "permission": operation.permission,
        "rate_limit": None if operation.rate_limit is None else str(operation.rate_limit),
        "deprecated": None if operation.deprecated is None else operation.deprecated.release,
        "replacement": operation.replacement,
        "raises": list(operation.raises),
        "summary": operation.summary,
    }
