"""`docs/reference/`: a page for each category of operations, and their list."""

import ast
import re
from collections.abc import Iterable
from typing import Any

from pxt_flight.docstrings import read_docstring
from pxt_flight.operations.dispatch import flight_calls
from pxt_flight.public_api import Operation, routes_of
from pxt_flight.reference import client
from pxt_flight.reference.examples import Exchange
from pxt_flight.reference.markdown import block, code, page, table
from pxt_flight.reference.schemas import JSON, Field, Schema, Schemas, fields_of, reference_of, said_of, schemas_of, type_of

FOLDER = "docs/reference"
GENERATED = "<!-- Generated from the registry of operations by `make docs`. -->"
# Those that `raises` of a declaration does not name.
EVERYWHERE = ("INVALID_ARGUMENT", "key_missing", "key_invalid", "permission_denied", "rate_limited", "unavailable", "INTERNAL_ERROR")
_OR_ARROW = "; with `Accept: application/vnd.apache.arrow.stream` a stream of record batches"
_ROWS = """\
**Rows** travel beside the arguments. Over HTTP they are a field `rows` of the JSON body, a list of objects; or the body is an Arrow stream
(`application/vnd.apache.arrow.stream`) or a form with files, and the arguments stand in the query."""
_WIDTH = 100
_INDEX = """\
# Reference

The public operations of the server. Each is declared once, with `@public_api`; this reference, the routes of HTTP, the actions of Flight,
the methods of the clients and the [matrix of permissions](permissions.md) are made from that declaration. `make docs` writes the pages, and
runs the examples: their answers are those of a server.

**Over HTTP** an operation has the path that stands with it, and one more by its name (`/api/table/insert`) that takes all of its
arguments in the query or in the body. Keys travel as `Authorization: Bearer KEY` or `X-API-Key: KEY`; answers are JSON. **Over Flight** it
is an action with all of its arguments as a JSON object in the body. **In Python** it is a method of what `pxt_flight.connect` answers, or
of a table of it (`db.table("films")`); `pxt_flight.aconnect` has the same as coroutines.

Beside the errors that stand with it, each operation may answer {everywhere}.
"""


def render(operations: tuple[Operation, ...], examples: dict[str, Exchange], functions: Iterable[str] = ()) -> dict[str, str]:
    """The pages, by path.

    Args:
        operations: of the registry.
        examples: what was asked and answered, by the name of the operation.
        functions: the categories that have a page of functions.
    """
    served = [operation for operation in operations if operation.endpoint]
    schemas = schemas_of(served)
    categories: dict[str, list[Operation]] = {}
    for operation in served:
        categories.setdefault(operation.category, []).append(operation)
    pages = {f"{FOLDER}/{name}.md": _category(name, found, schemas, examples) for name, found in categories.items()}
    return {f"{FOLDER}/index.md": _index(categories, functions)} | pages


def error_link(name: str) -> str:
    """A code with the place that explains it."""
    return f"[`{name}`](../errors.md#{name})"


def _index(categories: dict[str, list[Operation]], functions: Iterable[str]) -> str:
    parts = [GENERATED, _INDEX.format(everywhere=", ".join(map(error_link, EVERYWHERE)))]
    for category, operations in sorted(categories.items()):
        rows = [
            (f"[`{name}`]({category}.md#{anchor(name)})", f"{code(f'{operation.http_method} {operation.path}')}", operation.summary)
            for operation in operations
            for name in [heading(operation)]
        ]
        parts += [f"## [{category}]({category}.md)", table(("Operation", "HTTP", ""), rows)]
    links = ", ".join(f"[{name.removeprefix('functions.')}]({name}.md)" for name in sorted(set(functions)))
    return page(*parts, "## Functions of Pixeltable" if links else "", links)


def heading(operation: Operation) -> str:
    """The name of an operation, with its version where that is not the first."""
    return operation.name + ("" if operation.version == "v1" else f" {operation.version}")


def anchor(text: str) -> str:
    """What a heading is linked by."""
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


def _category(name: str, operations: list[Operation], schemas: Schemas, examples: dict[str, Exchange]) -> str:
    parts = [GENERATED, f"# {name.capitalize()}"]
    named: list[str] = []
    for operation in operations:
        parts += _operation(operation, schemas, examples.get(operation.action))
        for schema in (schemas.requests[operation.action], schemas.answers[operation.action]):
            named += [name for name in _definitions(schema, schemas) if name not in named]
    if named:
        parts += ["## Types", *(part for name in sorted(named) for part in _type(name, schemas.definitions[name]))]
    return page(*parts)


def _definitions(schema: Schema, schemas: Schemas) -> list[str]:
    """The names of the definitions that a schema needs, and that those need."""
    found: list[str] = []
    parts: list[Any] = [schema]
    while parts:
        part = parts.pop()
        if isinstance(part, list):
            parts += part
        elif isinstance(part, dict):
            name = reference_of(part)
            if name and name not in found:
                found.append(name)
                parts.append(schemas.definitions[name])
            parts += part.values()
    return found


def _type(name: str, schema: Schema) -> list[str]:
    if "properties" not in schema:
        return [f"### {name}", said_of(schema), code(type_of(schema, JSON))]
    return [f"### {name}", said_of(schema), _fields(fields_of(schema))]


def _operation(operation: Operation, schemas: Schemas, example: Exchange | None) -> list[str]:
    said = read_docstring(operation.function)
    fields = fields_of(schemas.requests[operation.action], said.entries)
    parts = [f"## {heading(operation)}", _deprecation(operation), said.summary, said.text, block("python", _python(operation, schemas))]
    parts += [_wires(operation), "**Arguments**" if fields else "", _fields(fields) if fields else ""]
    parts += [_rows_of(operation), "**Answer** " + _answer(operation, schemas), said.returns]
    if operation.raises:
        parts.append(f"**Errors** {', '.join(map(error_link, dict.fromkeys(operation.raises)))}")
    return parts + (_example(example) if example else [])


def _deprecation(operation: Operation) -> str:
    if operation.deprecated is None:
        return ""
    instead = f"; use `{operation.replacement}`" if operation.replacement else ""
    until = f" It may be gone after {operation.deprecated.sunset}." if operation.deprecated.sunset else ""
    return f"**Deprecated** since {operation.deprecated.release}{instead}.{until}"


def _python(operation: Operation, schemas: Schemas) -> str:
    """The method of the client, one argument a line where they do not fit on one."""
    owner = "Table" if operation.noun == "table" else "Database"
    tree = ast.parse(f"def {client.signature(operation, schemas)}: ...").body[0]
    assert isinstance(tree, ast.FunctionDef)
    positional, named = tree.args.args, tree.args.kwonlyargs
    defaults = [None] * (len(positional) - len(tree.args.defaults)) + tree.args.defaults
    lines = [_parameter(argument, default) for argument, default in zip(positional, defaults, strict=True)]
    lines += ["*"] if named else []
    lines += [_parameter(argument, default) for argument, default in zip(named, tree.args.kw_defaults, strict=True)]
    lines += [f"**{ast.unparse(tree.args.kwarg)}"] if tree.args.kwarg else []
    returns = ast.unparse(tree.returns or ast.Constant(None))
    line = f"{owner}.{tree.name}({', '.join(lines)}) -> {returns}"
    return line if len(line) <= _WIDTH else "\n".join([f"{owner}.{tree.name}(", *(f"    {part}," for part in lines), f") -> {returns}"])


def _parameter(argument: ast.arg, default: ast.expr | None) -> str:
    return ast.unparse(argument) + ("" if default is None else f" = {ast.unparse(default)}")


def _wires(operation: Operation) -> str:
    rows = [("HTTP", ", ".join(code(f"{method} {path}") for method, path in routes_of(operation))), ("Flight", _flight(operation))]
    rows += [("Permission", operation.permission or "none; no key is needed")]
    rows += [("Limit", f"{operation.rate_limit} for each key")] if operation.rate_limit else []
    rows += [("Status", str(operation.status))] if operation.status != 200 else []
    return table(("", ""), rows)


def _flight(operation: Operation) -> str:
    texts = {
        "action": f"action `{operation.action}`",
        "put": f'DoPut with the command `{{"{operation.action}": {{...}}}}`',
        "ticket": f"DoGet with the arguments as ticket (`{operation.action}`)",
    }
    return ", or ".join(texts[call] for call in flight_calls(operation))


def _rows_of(operation: Operation) -> str:
    return _ROWS if operation.takes_rows else ""


def _answer(operation: Operation, schemas: Schemas) -> str:
    schema = schemas.answers[operation.action]
    name = reference_of(schema) or reference_of(schema.get("items", {}))
    kind = code(type_of(schema, JSON))
    return (f"[{kind}](#{anchor(name)})" if name else kind) + (_OR_ARROW if operation.answers_rows else "")


def _fields(fields: list[Field]) -> str:
    rows = [
        (code(field.name), code(type_of(field.schema, JSON)), "" if field.default is None else code(field.default), field.meaning)
        for field in fields
    ]
    if all(field.default is None for field in fields):
        return table(("Field", "Type", "Meaning"), [(name, kind, meaning) for name, kind, _, meaning in rows])
    return table(("Field", "Type", "Default", "Meaning"), rows)


def _example(example: Exchange) -> list[str]:
    return ["**Example**", block("sh", example.asked()), block("json", example.answered())]
