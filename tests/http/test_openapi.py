"""The OpenAPI documents: valid, whole, and made from the registry without a store."""

import json
import subprocess
import sys

import httpx
import pyarrow as pa
import pyarrow.flight as fl
import pytest
from openapi_spec_validator import OpenAPIV30SpecValidator, OpenAPIV31SpecValidator

from pxt_flight.errors import REFERENCE
from pxt_flight.http.openapi30 import converted, schema_30

VALIDATORS = {"3.1": OpenAPIV31SpecValidator, "3.0": OpenAPIV30SpecValidator}


@pytest.fixture(scope="module")
def document(pxt):
    """The 3.1 document."""
    from pxt_flight.http.api import document

    return document()


@pytest.fixture(scope="module")
def registered(document):
    """Each operation of the registry with what the document says at each of its routes."""
    from pxt_flight.public_api import operations, routes_of

    described = {(method.upper(), path): entry for path, method, entry in entries(document)}
    return [(one, described[route]) for one in operations() if one.endpoint for route in routes_of(one) if route in described]


def entries(document):
    return [(path, method, entry) for path, methods in document["paths"].items() for method, entry in methods.items()]


@pytest.mark.parametrize("version", VALIDATORS)
def test_the_document_is_valid(document, version):
    whole = document if version == "3.1" else converted(document)
    assert whole["openapi"].startswith(version)
    assert [fault.message for fault in VALIDATORS[version](whole).iter_errors()] == []


def test_what_an_operation_raises_is_documented_with_its_status(registered):
    assert len(registered) > 12
    for operation, entry in registered:
        for code in (*operation.raises, "key_missing", "permission_denied", "INVALID_ARGUMENT", "INTERNAL_ERROR", "unavailable"):
            if code in ("key_missing", "permission_denied") and not operation.auth_required:
                continue
            answer = entry["responses"][str(REFERENCE[code].http_status)]["content"]["application/problem+json"]
            assert answer["schema"] == {"$ref": "#/components/schemas/Problem"}
            assert answer["examples"][code] == {"$ref": f"#/components/examples/{code}"}


def test_the_registry_is_told(registered):
    for operation, entry in registered:
        assert ("x-flight-ticket" in entry) is operation.answers_rows
        assert ("x-flight-put" in entry) is operation.takes_rows
        assert entry.get("x-permission") == operation.permission
        assert bool(entry.get("deprecated")) is (operation.deprecated is not None)
        assert bool(entry.get("security")) is operation.auth_required


def test_an_entry_tells_of_one_row_by_its_key_too(document):
    from pxt_flight.http.keyed_rows import keyed

    assert {method for method, _ in keyed()} == {"GET", "PUT", "PATCH", "DELETE"}
    for (method, path), operation in keyed().items():
        entry, by_row_id = document["paths"][path][method.lower()], document["paths"][operation.path][method.lower()]
        parameters = {one["name"]: one for one in entry["parameters"]}
        assert (parameters["key"]["style"], parameters["key"]["explode"]) == ("form", True)
        assert parameters["key"]["required"] is (method == "PUT")  # with which nothing else is asked there
        others = {one["name"] for one in by_row_id["parameters"]} - {"row_id", "key"}
        assert others <= parameters.keys()
        assert by_row_id["responses"].keys() <= entry["responses"].keys()
        for code in (*operation.raises, "TABLE_NOT_FOUND"):
            assert code in entry["responses"][str(REFERENCE[code].http_status)]["content"]["application/problem+json"]["examples"]
        for answer in ("200", "204"):
            schemas = [one for content in content_of(by_row_id, answer) for one in alternatives(content["schema"])]
            assert all(one in alternatives(content_of(entry, answer)[0]["schema"]) for one in schemas)


def content_of(entry, status):
    return list(entry["responses"].get(status, {}).get("content", {}).values())


def alternatives(schema):
    return schema.get("anyOf", [schema])


def test_no_two_schemas_want_one_name(document):
    assert [name for name in document["components"]["schemas"] if "__" in name] == []


def test_the_calls_of_flight_are_those_that_it_serves(document, server):
    def named(call):
        return {entry[call] for _, _, entry in entries(document) if call in entry}

    options = fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {server.key}".encode())])
    with fl.connect(server.flight_uri) as client:
        assert named("x-flight-action") == {action.type for action in client.list_actions(options) if "." in action.type}
        writer, _ = client.do_put(fl.FlightDescriptor.for_command(b"{}"), pa.schema([]), options)
        with pytest.raises(fl.FlightError) as refused:
            writer.close()
    hint = json.loads(refused.value.extra_info)["hint"]
    assert named("x-flight-put") == set(hint.removeprefix("One of ").removesuffix(".").split(", "))
    assert named("x-flight-ticket") == {"pixeltable.query", "table.query", "table.rows"}


def test_every_argument_is_described(document, registered):
    for operation, entry in registered:
        for parameter in entry.get("parameters", ()):
            assert parameter.get("description"), (operation.name, parameter["name"])
        for content in entry.get("requestBody", {}).get("content", {}).values():
            model = document["components"]["schemas"].get(content.get("schema", {}).get("$ref", "").rpartition("/")[2], {})
            for name, field in model.get("properties", {}).items():
                assert field.get("description"), (operation.name, name)


def test_no_text_of_an_operation_repeats_its_arguments(registered):
    for _, entry in registered:
        assert "Args:" not in entry.get("description", "")
        assert "call: who asks" not in json.dumps(entry)


def test_every_page_of_the_reference_is_described_and_every_id_is_one(document):
    described = {tag["name"] for tag in document["tags"]}
    found = entries(document)
    assert {tag for _, _, entry in found for tag in entry.get("tags", ())} == described
    ids = [entry["operationId"] for _, _, entry in found]
    assert len(set(ids)) == len(ids)


def test_an_example_is_what_is_answered(document, server):
    example = document["components"]["examples"]["key_missing"]["value"]
    answer = httpx.get(f"{server.http_url}/api/v1/tables", timeout=60).json()
    assert answer.keys() == example.keys() == set(document["components"]["schemas"]["Problem"]["required"])
    assert {name: answer[name] for name in ("type", "title", "status", "code", "retryable")} == {
        name: example[name] for name in ("type", "title", "status", "code", "retryable")
    }


def test_the_server_serves_both_without_a_key(document, server):
    assert httpx.get(f"{server.http_url}/openapi.json", timeout=60).json() == document
    assert httpx.get(f"{server.http_url}/openapi-3.0.json", timeout=60).json() == converted(document)


@pytest.mark.parametrize("version", VALIDATORS)
def test_the_command_prints_it_without_a_store(document, version, tmp_path):
    command = [sys.executable, "-m", "pxt_flight", "openapi", "--version", version]
    printed = subprocess.run(
        command, capture_output=True, check=True, env={"PIXELTABLE_HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    )
    assert json.loads(printed.stdout) == (document if version == "3.1" else converted(document))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        ({"type": ["string", "null"]}, {"type": "string", "nullable": True}),
        ({"type": ["string", "integer"]}, {"anyOf": [{"type": "string"}, {"type": "integer"}]}),
        ({"type": "null"}, {"nullable": True, "enum": [None]}),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}], "title": "N"}, {"type": "integer", "nullable": True, "title": "N"}),
        ({"anyOf": [{"$ref": "#/x"}, {"type": "null"}]}, {"allOf": [{"$ref": "#/x"}], "nullable": True}),
        (
            {"anyOf": [{"type": "integer"}, {"type": "string", "examples": ["a"]}, {"type": "null"}]},
            {"anyOf": [{"type": "integer"}, {"type": "string", "example": "a"}], "nullable": True},
        ),
        ({"const": "a", "type": "string"}, {"enum": ["a"], "type": "string"}),
        ({"examples": [1, 2]}, {"example": 1}),
        ({"type": "string", "contentMediaType": "application/octet-stream"}, {"type": "string", "format": "binary"}),
        ({"type": "string", "contentEncoding": "base64"}, {"type": "string", "format": "byte"}),
        ({"exclusiveMinimum": 0}, {"minimum": 0, "exclusiveMinimum": True}),
        ({"exclusiveMaximum": 9}, {"maximum": 9, "exclusiveMaximum": True}),
        ({"type": "array", "prefixItems": [{"type": "integer"}]}, {"type": "array", "items": {"anyOf": [{"type": "integer"}]}}),
        ({"type": "array"}, {"type": "array", "items": {}}),
        ({"patternProperties": {"^x": {"const": 1}}}, {"additionalProperties": {"enum": [1]}}),
        ({"$ref": "#/x", "description": "An x."}, {"allOf": [{"$ref": "#/x"}], "description": "An x."}),
        ({"$ref": "#/x"}, {"$ref": "#/x"}),
        ({"properties": {"const": {"const": 1}}}, {"properties": {"const": {"enum": [1]}}}),
        ({"additionalProperties": False}, {"additionalProperties": False}),
        ({"propertyNames": {"minLength": 1}, "type": "object"}, {"type": "object"}),
        (True, {}),
        (False, {"not": {}}),
    ],
)
def test_a_schema_of_3_1_in_the_words_of_3_0(newer, older):
    before = json.dumps(newer)
    assert schema_30(newer) == older
    assert json.dumps(newer) == before
