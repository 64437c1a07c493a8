"""OpenAPI 3.1 as 3.0.3, for tools that know no newer one.

The two differ in the schemas: 3.1's are JSON Schema 2020-12, 3.0.3's an older dialect with words of its own (OpenAPI 3.0.3, section
"Schema Object"). What 3.0 cannot say is left out, so that it allows more than 3.1 does, and never less.
"""

from typing import Any

Json = dict[str, Any]
# Of JSON Schema 2020-12, and unknown to 3.0.
_UNKNOWN = (
    *("$schema", "$id", "$anchor", "$comment", "$defs", "contains", "minContains", "maxContains", "contentSchema", "dependentRequired"),
    *("dependentSchemas", "else", "if", "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties"),
)
# Where schemas stand in a schema.
_ONE = ("items", "additionalProperties", "not")
_LISTS = ("anyOf", "oneOf", "allOf")


def converted(document: Json) -> Json:
    """A document of OpenAPI 3.1 as one of 3.0.3; the other is left as it is."""
    whole: Json = _walked({name: part for name, part in document.items() if name not in ("webhooks", "jsonSchemaDialect", "components")})
    whole["openapi"] = "3.0.3"
    whole["info"].pop("summary", None)
    whole["info"].get("license", {}).pop("identifier", None)
    components = document.get("components", {})
    whole["components"] = {name: _walked(part) for name, part in components.items() if name not in ("schemas", "pathItems")}
    whole["components"]["schemas"] = {name: schema_30(schema) for name, schema in components.get("schemas", {}).items()}
    return whole


def _walked(part: Any) -> Any:
    """A part of the document with its schemas converted."""
    if isinstance(part, list):
        return [_walked(one) for one in part]
    if not isinstance(part, dict):
        return part
    return {
        name: schema_30(one) if name == "schema" else one if name in ("example", "examples") else _walked(one) for name, one in part.items()
    }


def schema_30(schema: Any) -> Json:
    """A schema of JSON Schema 2020-12 in the dialect of OpenAPI 3.0."""
    if isinstance(schema, bool):
        return {} if schema else {"not": {}}
    found = {name: part for name, part in schema.items() if name not in _UNKNOWN}
    _types(found)
    _null(found)
    _values(found)
    _bounds(found)
    _items(found)
    _nested(found)
    if "$ref" in found and len(found) > 1:  # what stands beside a reference is not read in 3.0
        found["allOf"] = [{"$ref": found.pop("$ref")}]
    return found


def _types(schema: Json) -> None:
    kinds = schema.get("type")
    if isinstance(kinds, list):
        del schema["type"]
        others = [kind for kind in kinds if kind != "null"]
        if len(others) < len(kinds):
            schema["nullable"] = True
        if len(others) == 1:
            schema["type"] = others[0]
        elif others:
            schema["anyOf"] = [{"type": kind} for kind in others]
    elif kinds == "null":
        del schema["type"]
        schema |= {"nullable": True, "enum": [None]}


def _null(schema: Json) -> None:
    """`anyOf: [X, null]` is X that may be null."""
    for name in ("anyOf", "oneOf"):
        parts = schema.get(name, [])
        others = [part for part in parts if part != {"type": "null"}]
        if len(others) == len(parts):
            continue
        schema["nullable"] = True
        if len(others) > 1:
            schema[name] = others
            continue
        del schema[name]
        for only in others:
            if "$ref" in only:
                schema["allOf"] = [only]
            else:
                schema |= {key: value for key, value in schema_30(only).items() if key not in schema}


def _values(schema: Json) -> None:
    if "const" in schema:
        schema["enum"] = [schema.pop("const")]
    if examples := schema.pop("examples", None):
        schema.setdefault("example", examples[0])
    if schema.pop("contentEncoding", None) == "base64":
        schema.setdefault("format", "byte")
    if schema.pop("contentMediaType", None) == "application/octet-stream":
        schema.setdefault("format", "binary")


def _bounds(schema: Json) -> None:
    for exclusive, inclusive in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        bound = schema.get(exclusive)
        if bound is not None and not isinstance(bound, bool):
            schema |= {inclusive: bound, exclusive: True}


def _items(schema: Json) -> None:
    """A tuple is a list of whatever its members are; names that match patterns are any names."""
    if members := schema.pop("prefixItems", None):
        schema["items"] = {"anyOf": members}
    if schema.get("type") == "array" and not isinstance(schema.get("items"), dict):
        schema["items"] = {}
    if patterns := schema.pop("patternProperties", None):
        schema.setdefault("additionalProperties", next(iter(patterns.values())))


def _nested(schema: Json) -> None:
    for name in _ONE:
        if isinstance(schema.get(name), dict):
            schema[name] = schema_30(schema[name])
    for name in _LISTS:
        if name in schema:
            schema[name] = [schema_30(part) for part in schema[name]]
    if "properties" in schema:
        schema["properties"] = {name: schema_30(part) for name, part in schema["properties"].items()}
