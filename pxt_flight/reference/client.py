"""`pxt_flight/client/operations.py`: the methods of the Python client that are nothing but a call of an operation."""

import ast
import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pxt_flight
from pxt_flight.docstrings import read_docstring
from pxt_flight.public_api import Operation
from pxt_flight.reference.schemas import PYTHON, Field, Schema, Schemas, fields_of, said_of, schemas_of, type_of

PATH = "pxt_flight/client/operations.py"
CLIENT = Path(pxt_flight.__file__).parent / "client"
# By noun: the class whose methods they are, and its module.
CLASSES = {"pixeltable": ("Database", "database.py"), "table": ("Table", "table.py")}
_MODULE = "pxt_flight.client.operations"
OBJECT = "table_path"
"""The argument that a method of a table fills in."""
# Of those that stream rows, which are written by hand.
_NAMES = {"pixeltable.query": "sql", "table.query": "scan", "table.rows": "scan"}
_WIDTH = 132
_HEADER = '''\
# Generated from the registry of operations by `make docs`; written by hand it would be overwritten.
"""The operations of the server as methods: those that the client has nothing to add to.

A class has none of the methods that `Database` or `Table` have by hand.
"""

from collections.abc import Callable
from typing import Any, Literal, NotRequired, TypedDict

from pxt_flight.client.twins import twin
from pxt_flight.client.writes import Writes
from pxt_flight.client.written import Written
'''


def render(operations: tuple[Operation, ...]) -> str:
    """The module, formatted.

    Args:
        operations: of the registry.
    """
    schemas = schemas_of(operation for operation in operations if is_generated(operation))
    parts = [_HEADER, *_dictionaries(schemas)]
    for noun, (owner, _) in CLASSES.items():
        methods = [operation for operation in operations if operation.noun == noun and is_generated(operation)]
        parts += [_mixin(owner, methods, schemas), _async_mixin(owner, methods)]
    unused = _ruff("check", "--fix", "--quiet", "--select", "F401", text="\n\n".join(parts))
    return _ruff("format", text=unused)


def _ruff(*command: str, text: str) -> str:
    line = [sys.executable, "-m", "ruff", *command, "--stdin-filename", PATH, "-"]
    return subprocess.run(line, input=text.encode(), capture_output=True, check=True, cwd=CLIENT.parents[1]).stdout.decode()  # noqa: S603


def is_generated(operation: Operation) -> bool:
    """Whether the client has a method for it that is made here."""
    streams = operation.takes_rows or operation.answers_rows
    return operation.endpoint and not streams and method_name(operation) not in hand_written(operation.noun)


def method_name(operation: Operation) -> str:
    """What the client calls it."""
    return _NAMES.get(operation.action) or operation.short_name + ("" if operation.version == "v1" else f"_{operation.version}")


@cache
def hand_written(noun: str) -> dict[str, ast.FunctionDef]:
    """The methods of a class of the client that are written by hand, in it or in a base of it."""
    owner, module = CLASSES[noun]
    return dict(_methods(module, owner))


def _methods(module: str, owner: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    tree = ast.parse((CLIENT / module).read_text(encoding="utf-8"))
    sources = {alias.name: node.module for node in tree.body if isinstance(node, ast.ImportFrom) and node.module for alias in node.names}
    found = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == owner)
    for base in map(ast.unparse, found.bases):
        if base in sources and sources[base] != _MODULE:
            yield from _methods(f"{sources[base].rpartition('.')[2]}.py", base)
    yield from ((node.name, node) for node in found.body if isinstance(node, ast.FunctionDef))


def signature(operation: Operation, schemas: Schemas) -> str:
    """The method as one writes it in a class, from its name to the type that it answers.

    Args:
        operation: the operation.
        schemas: its own among them.
    """
    if (written := hand_written(operation.noun).get(method_name(operation))) is not None:
        written.args.args = [argument for argument in written.args.args if argument.arg != "self"]
        return f"{written.name}({ast.unparse(written.args)}) -> {ast.unparse(written.returns or ast.Constant(None))}"
    fields = _arguments(operation, schemas)
    given = [_parameter(field) for field in fields if field.default is None]
    options = [_parameter(field) for field in fields if field.default is not None]
    parameters = ", ".join(given + (["*", *options] if options else []))
    return f"{method_name(operation)}({parameters}) -> {_answer(operation, schemas)}"


def _arguments(operation: Operation, schemas: Schemas) -> list[Field]:
    fields = fields_of(schemas.requests[operation.action], read_docstring(operation.function).entries)
    return [field for field in fields if not (operation.noun == "table" and field.name == OBJECT)]


def _parameter(field: Field) -> str:
    default = "" if field.default is None else f" = {json.loads(field.default)!r}"
    return f"{field.name}: {type_of(field.schema, PYTHON)}{default}"


def _is_write(operation: Operation, schemas: Schemas) -> bool:
    """Whether it is asked for again, under its key, where the connection is lost."""
    return "idempotency_key" in operation.arguments and type_of(schemas.answers[operation.action], PYTHON) == "Written"


def _answer(operation: Operation, schemas: Schemas) -> str:
    return type_of(schemas.answers[operation.action], PYTHON)


def _dictionaries(schemas: Schemas) -> Iterator[str]:
    """The objects of requests and answers, as types of dicts; `Written` is a class of the client's."""
    for name, schema in schemas.definitions.items():
        if name == "Written":
            continue
        if "properties" not in schema:
            yield f"{name} = {type_of(schema, PYTHON)}\n"
            continue
        yield "\n".join([f"class {name}(TypedDict):", _quoted(_class_docstring(schema)), *_members(schema)])


def _members(schema: Schema) -> Iterator[str]:
    for field in fields_of(schema):
        kind = type_of(field.schema, PYTHON)
        yield f"    {field.name}: {kind if field.default is None else f'NotRequired[{kind}]'}"


def _class_docstring(schema: Schema) -> str:
    entries = {field.name: field.meaning for field in fields_of(schema) if field.meaning}
    return said_of(schema) + _section("Attributes", entries)


def _mixin(owner: str, methods: list[Operation], schemas: Schemas) -> str:
    where = "the server" if owner == "Database" else "a table"
    lines = [f"class {owner}Operations:", f'    """Operations of {where}."""', "", "    _call: Callable[..., Any]", "    _writes: Writes"]
    lines += ["    name: str"] if owner == "Table" else []
    return "\n".join([*lines, *(f"\n{textwrap.indent(_method(operation, schemas), '    ')}" for operation in methods)]) + "\n"


def _method(operation: Operation, schemas: Schemas) -> str:
    head, _, answer = signature(operation, schemas).partition("(")
    fields = _arguments(operation, schemas)
    sent = [f"{OBJECT}=self.name"] if operation.noun == "table" else []
    sent += [f"{field.name}={field.name}" for field in fields]
    call = f"({', '.join([repr(operation.action), *sent])})"
    body = f"return self._writes.call{call}" if _is_write(operation, schemas) else _called(call, _answer(operation, schemas))
    separator = "" if answer.startswith(")") else ", "
    return "\n".join([f"def {head}(self{separator}{answer}:", _quoted(_docstring(operation, fields)), textwrap.indent(body, "    ")])


def _called(call: str, answer: str) -> str:
    return f"self._call{call}" if answer == "None" else f"answer: {answer} = self._call{call}\nreturn answer"


def _async_mixin(owner: str, methods: list[Operation]) -> str:
    lines = [f"class Async{owner}Operations:", f'    """The same as `{owner}Operations`, awaited."""', ""]
    return "\n".join(lines + [f"    {(name := method_name(operation))} = twin({owner}Operations.{name})" for operation in methods]) + "\n"


def _docstring(operation: Operation, fields: list[Field]) -> str:
    said = read_docstring(operation.function)
    parts = [said.summary]
    if operation.deprecated:
        instead = f"; use `{operation.replacement}`" if operation.replacement else ""
        parts.append(f"Deprecated since {operation.deprecated.release}{instead}.")
    parts += [said.text] if said.text else []
    text = "\n\n".join(parts) + _section("Args", {field.name: field.meaning for field in fields})
    if said.returns:
        text += f"\n\nReturns:\n{textwrap.fill(said.returns, _WIDTH, initial_indent='    ', subsequent_indent='    ')}"
    codes = ", ".join(f"`{code}`" for code in operation.raises)
    told = "what the server says" + (f": {codes}." if codes else ".")
    return text + _section("Raises", {"PxtFlightError": told})


def _section(title: str, entries: dict[str, str]) -> str:
    if not entries:
        return ""
    lines = [
        textwrap.fill(f"{name}: {said}", _WIDTH, initial_indent="    ", subsequent_indent=" " * 8, break_on_hyphens=False)
        for name, said in entries.items()
    ]
    return "\n".join([f"\n\n{title}:", *lines])


def _quoted(docstring: str) -> str:
    closing = "\n" if "\n" in docstring else ""
    return textwrap.indent(f'"""{docstring}{closing}"""\n', "    ")
