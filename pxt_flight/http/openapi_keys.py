"""Rows by a condition and one row by its key share methods of a path, of which OpenAPI has one entry each: it tells of both."""

from typing import Any

from pxt_flight.http.openapi_problems import codes_of, problems

Json = dict[str, Any]


def combined(entry: Json, by_key: Json) -> Json:
    """The entry of both operations.

    Args:
        entry: of that which answers where the query names no key; the result has its name.
        by_key: of that which answers where it does.
    """
    summary = by_key["summary"]
    text = f"With a primary key in the query, `key.id=7`, it is about that row alone: {summary[:1].lower()}{summary[1:]}."
    both = entry | {
        "description": "\n\n".join(part for part in (entry.get("description"), text) if part),
        "parameters": _parameters(entry["parameters"], by_key["parameters"]),
        "responses": _responses(entry, by_key),
    }
    if "requestBody" in entry:
        both["requestBody"] = {"content": _content(entry["requestBody"]["content"], by_key["requestBody"]["content"])}
    return both


def _parameters(ours: list[Json], by_key: list[Json]) -> list[Json]:
    known = {(one["name"], one["in"]) for one in ours}
    return ours + [_optional(one) for one in by_key if (one["name"], one["in"]) not in known]


def _optional(parameter: Json) -> Json:
    """A parameter that may be there only with a key; the key itself, whose first example is none: pages that try requests send that."""
    if parameter["name"] != "key":
        return parameter | {"required": False, "description": f"With a key: {parameter['description']}"}
    schema = {name: part for name, part in parameter["schema"].items() if name != "minProperties"}
    examples = {
        "rows": {"summary": "The rows of a condition", "value": {}},
        "row": {"summary": "One row", "value": parameter["example"]},
    }
    kept = {name: part for name, part in parameter.items() if name != "example"}
    return kept | {
        "required": False,
        "description": f"{parameter['description']} Only arguments about one row may stand beside it.",
        "schema": schema,
        "examples": examples,
    }


def _responses(entry: Json, by_key: Json) -> Json:
    faults = problems([*codes_of(entry), *codes_of(by_key)])
    found = dict(entry["responses"])
    for status in by_key["responses"].keys() - faults.keys():
        ours, other = found.get(status, {}), by_key["responses"][status]
        told = [*([ours["description"]] if ours else ()), f"With a key: {other['description']}"]
        found[status] = other | ours | {"description": " ".join(told)}
        if "content" in other:
            found[status]["content"] = _content(ours.get("content", {}), other["content"])
    return dict(sorted((found | faults).items()))


def _content(ours: Json, by_key: Json) -> Json:
    """Bodies of either; `anyOf`, for what one of them takes or answers may be in the form of both."""
    found = dict(ours)
    for kind, content in by_key.items():
        found[kind] = {"schema": {"anyOf": [ours[kind]["schema"], content["schema"]]}} if kind in ours else content
    return found
