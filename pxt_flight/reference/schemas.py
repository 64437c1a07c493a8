"""The requests and answers of the operations as JSON schemas with shared definitions, and their types in a language."""

import inspect
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue

from pxt_flight.docstrings import parse
from pxt_flight.public_api import Operation

Schema = dict[str, Any]
_REFERENCE = "#/$defs/"


@dataclass(frozen=True)
class Schemas:
    """The schemas of a set of operations.

    Attributes:
        requests: of each operation, by name: an object with its arguments.
        answers: of each operation, by name; what streams rows has a form in JSON too.
        definitions: what both refer to, by name.
    """

    requests: dict[str, Schema]
    answers: dict[str, Schema]
    definitions: dict[str, Schema]


@dataclass(frozen=True)
class Field:
    """A field of an object: the default is None where the field must be given."""

    name: str
    schema: Schema
    default: str | None
    meaning: str


@dataclass(frozen=True)
class Language:
    """How types are written in a language.

    Attributes:
        names: of the plain types of JSON.
        any_value: what may be anything.
        array, mapping: of a type.
        choice: of values.
    """

    names: dict[str, str]
    any_value: str
    array: Callable[[str], str]
    mapping: Callable[[str], str]
    choice: Callable[[list[Any]], str]


PYTHON = Language(
    {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"},
    "Any",
    "list[{}]".format,
    "dict[str, {}]".format,
    lambda values: f"Literal[{', '.join(map(repr, values))}]",
)
TYPESCRIPT = Language(
    {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"},
    "unknown",
    lambda item: f"({item})[]" if " | " in item else f"{item}[]",
    "Record<string, {}>".format,
    lambda values: " | ".join(map(json.dumps, values)),
)
JSON = Language(
    {name: name for name in ("string", "integer", "number", "boolean", "null")},
    "any",
    TYPESCRIPT.array,
    lambda value: "object" if value == "any" else f"object of {value}",
    TYPESCRIPT.choice,
)


class _Generator(GenerateJsonSchema):
    """An answer has all of its fields, also those that its class gives a default; each says what its class, or a base of it, says of it."""

    def dataclass_schema(self, schema: Any) -> JsonSchemaValue:
        made = super().dataclass_schema(schema)
        said = {name: text for base in reversed(schema["cls"].__mro__) for name, text in _said_of_fields(base).items()}
        for name, field in made.get("properties", {}).items():
            if name in said:
                field.setdefault("description", said[name])
        return made

    def field_is_required(self, field: Any, total: bool) -> bool:
        if self.mode == "serialization" and field["type"] != "typed-dict-field":
            return True
        return super().field_is_required(field, total)


def schemas_of(operations: Iterable[Operation]) -> Schemas:
    """The schemas of operations; a type that several of them have is defined once."""
    wanted: list[tuple[tuple[str, str], JsonSchemaMode, TypeAdapter[Any]]] = []
    for operation in operations:
        wanted.append((("request", operation.action), "validation", TypeAdapter(operation.request_model)))
        wanted.append((("answer", operation.action), "serialization", operation.response))
    made, shared = TypeAdapter.json_schemas(
        wanted,
        schema_generator=_Generator,
    )
    definitions = {_plain(name): schema for name, schema in shared.get("$defs", {}).items()}
    resolved = {key: _inlined(schema, definitions) for (key, _), schema in made.items()}
    requests = {action: schema for (kind, action), schema in resolved.items() if kind == "request"}
    answers = {action: made[("answer", action), "serialization"] for kind, action in resolved if kind == "answer"}
    titles = {schema["title"] for schema in requests.values()}
    return Schemas(requests, answers, {name: schema for name, schema in sorted(definitions.items()) if name not in titles})


def _said_of_fields(base: type) -> dict[str, str]:
    """What a class says of its fields; not what `inspect.getdoc` finds in a base of it."""
    return parse(inspect.cleandoc(base.__doc__ or "")).entries


def _inlined(schema: JsonSchemaValue, definitions: dict[str, Schema]) -> Schema:
    return definitions[reference_of(schema)] if "$ref" in schema else schema


def reference_of(schema: Schema) -> str:
    """The name of the definition that a schema refers to; empty where it refers to none."""
    return _plain(schema.get("$ref", "").removeprefix(_REFERENCE))


def fields_of(schema: Schema, meanings: dict[str, str] | None = None) -> list[Field]:
    """The fields of an object.

    Args:
        schema: of the object.
        meanings: what each is, where that is not what its own schema says.
    """
    required = schema.get("required", [])
    return [
        Field(name, field, None if name in required else json.dumps(field.get("default")), (meanings or {}).get(name) or said_of(field))
        for name, field in schema.get("properties", {}).items()
    ]


def said_of(schema: Schema) -> str:
    """What the schema of a field or type says of it, in one line."""
    return parse(schema.get("description", "")).summary


def type_of(schema: Schema, language: Language) -> str:
    """A type as a language writes it."""
    if name := reference_of(schema):
        return name
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return union(map(partial(type_of, language=language), schema[choice]))
    if "const" in schema:
        return language.choice([schema["const"]])
    if "enum" in schema:
        return language.choice(schema["enum"])
    kind = schema.get("type")
    if kind == "array":
        return language.array(type_of(schema.get("items", {}), language))
    if kind == "object":
        values = schema.get("additionalProperties")
        return language.mapping(type_of(values, language) if isinstance(values, dict) else language.any_value)
    return language.any_value if kind is None else language.names[kind]


def union(types: Iterable[str]) -> str:
    """One of several types, each named once."""
    return " | ".join(dict.fromkeys(types))


def _plain(name: str) -> str:
    """A name that any language takes: pydantic tells apart `Sort-Input` and `Sort-Output`."""
    return name.replace("-", "")
