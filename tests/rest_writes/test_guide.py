"""The examples of docs/rest-writes.md, in their order."""

import io
import json
import re
from pathlib import Path

import pytest
from PIL import Image

GUIDE = (Path(__file__).parents[2] / "docs" / "rest-writes.md").read_text()
EXAMPLE = re.compile(r"```(http|python)\n(.*?)```", re.DOTALL)


@pytest.fixture
def guide_films(pxt):
    schema = {"id": pxt.Int, "name": pxt.String, "score": pxt.Float | None, "poster": pxt.Image | None}
    yield pxt.create_table("films", schema, primary_key=["id"], if_exists="replace")
    pxt.drop_table("films")


def run(client, example):
    """Send a request and compare its answer with what stands behind it."""
    sent, said = example.strip().rsplit("\n\n", 1)
    line, *rest = sent.splitlines()
    method, path = line.split(" ", 1)
    headers = dict(text.split(": ", 1) for text in rest if not text.startswith("{"))
    body = next((json.loads(text) for text in rest if text.startswith("{")), None)
    answer = client.request(method, path, json=body, headers=headers)
    status, _, expected = said.partition(" ")
    assert answer.status_code == int(status), (sent, answer.text)
    if expected:
        found = answer.json()
        assert {name: found[name] for name in json.loads(expected)} == json.loads(expected), (sent, answer.text)


def test_every_example(rest, guide_films):
    examples = EXAMPLE.findall(GUIDE)
    assert len(examples) == len(re.findall("```", GUIDE)) // 2
    out = io.BytesIO()
    Image.new("RGB", (4, 4)).save(out, "PNG")
    for kind, example in examples:
        if kind == "http":
            run(rest, example)
        else:
            told = {"json": json, "client": rest, "png": out.getvalue()}
            exec(example, told)  # our own text
            assert told["answer"].json()["inserted"] == 1
