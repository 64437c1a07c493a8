"""What bodies of rows may be, as OpenAPI describes it."""

from typing import Any

from pxt_flight.operations.json_source import MAX_ROWS, rows_model
from pxt_flight.public_api import Operation

JSON = "application/json"
ARROW_STREAM = "application/vnd.apache.arrow.stream"
MULTIPART = "multipart/form-data"
KINDS = (ARROW_STREAM, JSON, MULTIPART)
_BYTES = {"type": "string", "format": "binary"}


def request_body(operation: Operation, in_path: tuple[str, ...]) -> dict[str, Any]:
    """The `requestBody` of an operation that takes rows.

    Args:
        operation: the operation.
        in_path: its arguments that stand in the path.
    """
    schema = rows_model(operation, in_path).model_json_schema()
    schema = _inlined(schema, schema.pop("$defs", {}))
    for name in ("rows", "source"):
        schema["properties"][name]["maxItems"] = MAX_ROWS
    parts = {
        "type": "object",
        "description": 'The rows in JSON, and a part for each file that they name: `{"$file": "part"}`.',
        "properties": {name: {"type": "string", "contentMediaType": JSON} for name in ("rows", "row")},
        "additionalProperties": _BYTES,
    }
    return {"required": True, "content": {JSON: {"schema": schema}, ARROW_STREAM: {"schema": _BYTES}, MULTIPART: {"schema": parts}}}


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    """A schema with what it refers to in place: OpenAPI has its definitions elsewhere."""
    if isinstance(schema, list):
        return [_inlined(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    return {name: _inlined(part, definitions) for name, part in schema.items()}
