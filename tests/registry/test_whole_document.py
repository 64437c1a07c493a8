"""The whole OpenAPI document against a server: whatever schemathesis makes of it, the answer is one that the document tells of.

It deletes and drops what it finds, so it comes last of this folder.
"""

import traceback
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

# The coverage phase alone makes hundreds of requests of each operation; what it varies, tests/registry/test_every_operation.py does.
CONFIG = {"phases": {"coverage": {"enabled": False}, "examples": {"enabled": False}}, "seed": 1}
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


HURRIED = settings(
    max_examples=8, deadline=None, derandomize=True, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)


@pytest.fixture(scope="module")
def document(place: Any) -> Any:
    """The document as the server gives it."""
    config = schemathesis.Config.from_dict(CONFIG | {"base-url": place.server.http_url})
    return schemathesis.openapi.from_dict(httpx.get(f"{place.server.http_url}/openapi.json", timeout=60).json(), config=config)


@pytest.mark.parametrize(
    ("method", "body", "status"),
    [
        ("GET", None, 200),
        ("PUT", {"row": {"name": "new", "score": None}}, 200),
        ("PATCH", {"set": {"name": "new"}}, 200),
        ("DELETE", None, 204),
    ],
)
def test_an_answer_about_one_row_by_its_key_is_documented(
    document: Any, place: Any, guide: Any, method: str, body: Any, status: int
) -> None:
    headers = {"authorization": f"Bearer {place.server.key}"}
    guide.reset()
    operation = document["/api/v1/tables/{table_path}/rows"][method]
    sent = {} if body is None else {"body": body, "media_type": "application/json"}
    for key, expected in (({"key.id": "1"}, status), ({"key.id": "77"}, 404), ({"key.id": "1", "where": "id = 1"}, 422)):
        case = operation.Case(path_parameters={"table_path": "films"}, query=key, **sent)
        assert case.call_and_validate(headers=headers, checks=CHECKS, timeout=60).status_code == expected


def test_every_answer_is_documented(document: Any, place: Any) -> None:
    headers = {"authorization": f"Bearer {place.server.key}"}
    faults: dict[str, str] = {}
    seen: dict[str, set[int]] = {}

    def try_all(operation: Any) -> None:
        @HURRIED
        @given(case=operation.as_strategy())
        def answers(case: Any) -> None:
            response = case.call_and_validate(headers=headers, checks=CHECKS, timeout=60)
            seen.setdefault(operation.label, set()).add(response.status_code)

        answers()

    for made in document.get_all_operations():
        operation = made.ok()
        try:
            try_all(operation)
        except (FailureGroup, Failure, ExceptionGroup) as fault:
            faults[operation.label] = "".join(traceback.format_exception_only(fault))
    assert not faults, "\n\n".join(f"{label}\n{text}" for label, text in faults.items())
    assert 200 in seen["GET /api/v1/tables"]
    assert 200 in seen["GET /api/pixeltable/list_tables"]
    assert all(seen.values())
