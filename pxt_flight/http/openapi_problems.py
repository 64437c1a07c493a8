"""The errors of the API as OpenAPI describes them: one schema, an answer for each status, and an example of every code."""

from collections.abc import Iterable, Iterator
from typing import Any

from pxt_flight.errors import REFERENCE, ErrorCode
from pxt_flight.http.problems import PROBLEM_JSON

Json = dict[str, Any]
PROBLEM: Json = {
    "type": "object",
    "title": "Problem",
    "description": "An error, as RFC 9457 has it.",
    "required": ["type", "title", "status", "detail", "code", "hint", "where", "retryable", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "description": "The place of the code in the error reference."},
        "title": {"type": "string", "description": "What the code means."},
        "status": {"type": "integer", "description": "The HTTP status."},
        "detail": {"type": "string", "description": "What happened, in one sentence."},
        "code": {"type": "string", "description": "The stable name of what happened."},
        "hint": {"type": ["string", "null"], "description": "What to do about it."},
        "where": {"type": "object", "additionalProperties": True, "description": "The place: an argument, a table, a column, a line."},
        "retryable": {"type": "boolean", "description": "Whether the same request may succeed later."},
        "request_id": {"type": "string", "description": "The id under which the server logged the request."},
    },
}
"""The schema `Problem`."""


def problems(codes: Iterable[str]) -> Json:
    """The answers of these codes, by status."""
    by_status: dict[int, list[ErrorCode]] = {}
    for code in dict.fromkeys(codes):
        by_status.setdefault(REFERENCE[code].http_status, []).append(REFERENCE[code])
    return {
        str(status): {
            "description": " ".join(f"`{one.code}`: {one.meaning}" for one in found),
            "content": {
                PROBLEM_JSON: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "examples": {one.code: {"$ref": f"#/components/examples/{one.code}"} for one in found},
                }
            },
        }
        for status, found in sorted(by_status.items())
    }


def codes_of(entry: Json) -> Iterator[str]:
    """The codes that an operation answers."""
    for answer in entry["responses"].values():
        yield from answer.get("content", {}).get(PROBLEM_JSON, {}).get("examples", ())


def examples(codes: Iterable[str]) -> Json:
    """The examples of these codes, in the order of the reference."""
    named = set(codes)
    return {code: _example(entry) for code, entry in REFERENCE.items() if code in named}


def _example(code: ErrorCode) -> Json:
    body = {
        "type": f"/errors#{code.code}",
        "title": code.meaning,
        "status": code.http_status,
        "detail": code.meaning,
        "code": code.code,
        "hint": code.remedy,
        "where": {},
        "retryable": code.retryable,
        "request_id": "8c1f0b7e4d2a4f6f9a3e5d7c1b2a3f40",
    }
    return {"summary": code.meaning, "value": body}
