"""Arguments of operations that HTTP has a header for: it fills them, whatever the operation."""

import inspect
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Header, Request

from pxt_flight.operations.json_source import merged
from pxt_flight.public_api import Operation

_HEADERS = {
    "idempotency_key": ("Idempotency-Key", "A name for this write: asked again under it within 24 hours, it is not done again."),
    "if_match": ("If-Match", "Only where the row is still one of these versions, or `*`: else 412."),  # RFC 9110, section 13.1.1
    "if_none_match": ("If-None-Match", "Only where the row is none of these versions: else 304."),  # section 13.1.2
}


def header_parameters(operation: Operation) -> list[inspect.Parameter]:
    """The headers of an operation, as parameters of its handler, for its documentation."""
    return [
        inspect.Parameter(
            f"header_{name}",
            inspect.Parameter.KEYWORD_ONLY,
            annotation=Annotated[str | None, Header(alias=_HEADERS[name][0], description=_HEADERS[name][1])],
            default=None,
        )
        for name in operation.arguments
        if name in _HEADERS
    ]


def with_headers(operation: Operation, request: Request, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a request, those of its headers among them.

    Raises:
        InvalidRequestError: `INVALID_ARGUMENT`, one is given in both ways, and they differ.
    """
    said = {name: request.headers.getlist(_HEADERS[name][0]) for name in operation.arguments if name in _HEADERS}
    known = {name: value for name, value in arguments.items() if not name.startswith("header_")}
    return merged(known, {name: ", ".join(values) for name, values in said.items() if values})
