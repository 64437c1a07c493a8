"""`sdk-js/src/operations.ts`: the types of every request and answer, and where each operation is served."""

import json
from collections.abc import Iterator

from pxt_flight.docstrings import read_docstring
from pxt_flight.public_api import Operation
from pxt_flight.reference.schemas import TYPESCRIPT, Schema, Schemas, fields_of, said_of, schemas_of, type_of

PATH = "sdk-js/src/operations.ts"
_HEADER = """\
// Generated from the registry of operations by `make docs`; written by hand it would be overwritten.

/** How an operation is called over HTTP: `{name}` in the path is the argument of that name. */
export interface OperationInfo {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  /** Its name, on Flight too. */
  readonly action: string;
  /** Whether record batches travel beside the arguments. */
  readonly takesRows: boolean;
  /** Whether the answer is a stream of record batches where Arrow is accepted. */
  readonly answersRows: boolean;
}
"""
_ROWS = "  /** the rows, where they are sent as JSON; as Arrow they are the body. */\n  rows?: Record<string, unknown>[];"


def render(operations: tuple[Operation, ...]) -> str:
    """The module.

    Args:
        operations: of the registry.
    """
    served = [operation for operation in operations if operation.endpoint]
    schemas = schemas_of(served)
    types = [_type(name, schema) for name, schema in schemas.definitions.items()]
    requests = [_interface(f"{operation.title}Request", operation.summary, _request(operation, schemas)) for operation in served]
    pairs = [line for operation in served for line in _pair(operation, schemas)]
    table = [f"  {json.dumps(operation.action)}: {_info(operation)}," for operation in served]
    return "\n".join(
        [
            _HEADER,
            *types,
            *requests,
            "/** What each operation is asked, and what it answers. */",
            "export interface Operations {",
            *pairs,
            "}\n",
            "export const OPERATIONS = {",
            *table,
            "} as const satisfies Record<keyof Operations, OperationInfo>;",
            "",
        ]
    )


def _request(operation: Operation, schemas: Schemas) -> Iterator[str]:
    yield from _members(schemas.requests[operation.action], read_docstring(operation.function).entries)
    if operation.takes_rows:
        yield _ROWS


def _type(name: str, schema: Schema) -> str:
    if "properties" not in schema:
        return f"{_comment(said_of(schema))}export type {name} = {type_of(schema, TYPESCRIPT)};\n"
    return _interface(name, said_of(schema), _members(schema))


def _interface(name: str, said: str, members: Iterator[str]) -> str:
    return "\n".join([f"{_comment(said)}export interface {name} {{", *members, "}\n"])


def _members(schema: Schema, meanings: dict[str, str] | None = None) -> Iterator[str]:
    for field in fields_of(schema, meanings):
        optional = "" if field.default is None else "?"
        yield f"{_comment(field.meaning, '  ')}  {field.name}{optional}: {type_of(field.schema, TYPESCRIPT)};"


def _pair(operation: Operation, schemas: Schemas) -> list[str]:
    response = type_of(schemas.answers[operation.action], TYPESCRIPT)
    deprecated = f"  /** @deprecated {operation.replacement or 'It may go.'} */" if operation.deprecated else ""
    line = f"  {json.dumps(operation.action)}: {{ request: {operation.title}Request; response: {response} }};"
    return [deprecated, line] if deprecated else [line]


def _info(operation: Operation) -> str:
    texts = {"method": operation.http_method, "path": operation.path, "action": operation.action}
    flags = {"takesRows": operation.takes_rows, "answersRows": operation.answers_rows}
    return "{ " + ", ".join(f"{name}: {json.dumps(value)}" for name, value in (texts | flags).items()) + " }"


def _comment(text: str, indent: str = "") -> str:
    return f"{indent}/** {text.replace('*/', '* /')} */\n" if text else ""
