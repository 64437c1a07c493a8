"""The examples of docs/rest-rows.md, run as they stand there."""

import json
import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "rest-rows.md").read_text()
BLOCKS = re.findall(r"```(http|json|python)\n(.*?)```", PAGE, re.DOTALL)
ASKED = [(text, BLOCKS[i + 1][1]) for i, (kind, text) in enumerate(BLOCKS) if kind == "http"]


@pytest.fixture
def documented(pxt):
    """Five films, at the very name of the page."""
    schema = {"id": pxt.Int, "name": pxt.String | None, "score": pxt.Float | None, "meta": pxt.Json | None}
    table = pxt.create_table("films", schema, if_exists="replace")
    table.insert([{"id": i, "name": f"film {i}", "score": i / 2, "meta": {"lab": f"l{i % 2}"}} for i in range(5)])
    yield table
    pxt.drop_table("films")


@pytest.mark.parametrize(("request_", "expected"), ASKED)
def test_a_request(http, documented, request_, expected):
    head, _, body = request_.partition("\n")
    method, url = head.split(" ", 1)
    path, _, query = url.partition("?")
    params = dict(part.split("=", 1) for part in query.split("&")) if query else None
    answer = http.request(method, path, params=params, json=json.loads(body) if body.strip() else None)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    for name, value in json.loads(expected).items():
        assert found[name] == value or (value == "..." and found[name]), name


def test_python(db, documented):
    (code,) = (text for kind, text in BLOCKS if kind == "python")
    exec(code, {"db": db})
