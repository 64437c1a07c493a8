"""Every type of Pixeltable through JSON: what is sent is what Pixeltable has."""

import base64
import datetime as dt
import json
import math
import uuid
from pathlib import Path

import numpy as np
import pytest
from every_type import MEDIA, VALUES, files, schema


@pytest.fixture(params=[False, True], ids=["required", "nullable"])
def table(request, pxt, make_table):
    return make_table(schema(pxt, nullable=request.param))


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    return files(tmp_path_factory.mktemp("media"))


def rows_path(table):
    return f"/api/v1/tables/{table.get_metadata()['name']}/rows"


def stored(table, number=1):
    (row,) = (
        table.where(table.id == number)
        .select(*(table[name] for name in VALUES), **{f"{name}_path": table[name].localpath for name in MEDIA})
        .collect()
    )
    return row


def check(row, media):
    moment = dt.datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=dt.UTC)
    assert (row["string"], row["int"], row["float"], row["bool"]) == (VALUES["string"], VALUES["int"], 0.1, True)
    assert (row["timestamp"], row["date"], row["uuid"]) == (moment, dt.date(2026, 1, 31), uuid.UUID(VALUES["uuid"]))
    assert (row["json"], row["binary"]) == (VALUES["json"], b"\x00\x01\x02\xff")
    for name in ("array", "ragged", "flags", "words", "any_array"):
        assert row[name].tolist() == VALUES[name]
    assert (row["array"].dtype, row["any_array"].dtype) == (np.float32, np.int64)
    for name, content in media.items():
        assert Path(row[f"{name}_path"]).read_bytes() == content


def test_media_as_data_uris(rest, table, media):
    uris = {name: f"data:application/x;base64,{base64.b64encode(content).decode()}" for name, content in media.items()}
    answer = rest.post(rows_path(table), json={"row": {"id": 1} | VALUES | uris})
    assert answer.status_code == 201, answer.text
    check(stored(table), media)


@pytest.mark.parametrize("name", ["row", "rows"])
def test_media_as_files(rest, table, media, name):
    row = {"id": 1} | VALUES | {kind: {"$file": f"the {kind}"} for kind in MEDIA}
    parts = {name: (None, json.dumps(row if name == "row" else [row]), "application/json")}
    answer = rest.post(rows_path(table), files=parts | {f"the {kind}": (f"x.{kind}", content) for kind, content in media.items()})
    assert (answer.status_code, answer.json()["row_ids"]) == (201, [0]), answer.text
    check(stored(table), media)


def test_what_is_sent_is_what_is_read(rest, table, media):
    encoded = {name: base64.b64encode(content).decode() for name, content in media.items()}
    sent = {"id": 1} | VALUES | {name: f"data:;base64,{content}" for name, content in encoded.items()}
    path = f"{rows_path(table)}/0"
    assert rest.post(rows_path(table), json={"row": sent}).status_code == 201
    read = {name: f"data:;base64,{content}" for name, content in encoded.items()}
    for change in (None, ("PATCH", "set"), ("PUT", "row")):
        if change is not None:
            answer = rest.request(change[0], path, json={change[1]: VALUES | read | ({"id": 1} if change[0] == "PUT" else {})})
            assert answer.status_code == 200, answer.text
        found = rest.get(path, params={"media": "bytes"}).json()["row"]
        assert found == {"id": 1} | VALUES | encoded
    check(stored(table), media)
    assert rest.get(path).json()["row"]["image"].startswith("http")


def test_null_of_every_type(rest, pxt, make_table):
    table = make_table(schema(pxt, nullable=True))
    nothing = dict.fromkeys((*VALUES, *MEDIA))
    assert rest.post(rows_path(table), json={"rows": [{"id": 1} | nothing, {"id": 2}]}).json()["inserted"] == 2
    for number in (1, 2):
        assert set(stored(table, number).values()) == {None}


def test_null_where_there_must_be_a_value(rest, pxt, make_table, media):
    table = make_table(schema(pxt, nullable=False))
    uris = {name: f"data:;base64,{base64.b64encode(content).decode()}" for name, content in media.items()}
    for name in (*VALUES, *MEDIA):
        answer = rest.post(rows_path(table), json={"row": {"id": 1} | VALUES | uris | {name: None}})
        assert (answer.status_code, answer.json()["code"], answer.json()["where"]["column"]) == (422, "MISSING_REQUIRED", name)
    assert table.count() == 0


@pytest.mark.parametrize(("text", "value"), [("NaN", math.nan), ("Infinity", math.inf), ("-Infinity", -math.inf)])
def test_floats_that_json_has_not(rest, pxt, make_table, text, value):
    table = make_table({"id": pxt.Int, "float": pxt.Float, "floats": pxt.Array[(2,), np.float64]})
    assert rest.post(rows_path(table), json={"row": {"id": 1, "float": text, "floats": [text, 1]}}).status_code == 201
    (row,) = table.select(table.float, table.floats).collect()
    np.testing.assert_equal([row["float"], *row["floats"]], [value, value, 1.0])


WRONG = {
    "int": [1.5, "1", True, 2**63, -(2**63) - 1, [1], {}],
    "float": ["high", True, [1.0], "nan", 10**400],
    "bool": [0, "true"],
    "string": [1, True, ["a"], {"a": 1}],
    "timestamp": [5, "yesterday", "2026-13-01"],
    "date": [5, "31.1.2026"],
    "uuid": [5, "12345"],
    "array": [
        [1.0, 2.0, 3.0],
        [[1.0, 2.0], [3.0, 4.0]],
        [[1, 2, 3], [4, 5]],
        [[1, 2, None], [4, 5, 6]],
        [["a"] * 3] * 2,
        "x",
        {},
        [[1e39] * 3] * 2,
    ],
    "ragged": [[[1, 2], [3]], [[1.5, 2]], [1, 2], [[True, False]]],
    "flags": [[1, 0], [True], ["a", "b"]],
    "words": [[1, 2], ["a"]],
    "any_array": [[1, "a"], [[1], [1, 2]], 5],
    "binary": ["not base64!", 5, [1], {"$file": "nothing"}, {"a": 1}],
    "image": [
        "/etc/passwd",
        "file:///etc/passwd",
        "http://x/y.png",
        "cid:x",
        "data:image/png,x",
        "data:;base64,!",
        {"$file": "nothing"},
        5,
    ],
}


@pytest.mark.parametrize("column", WRONG)
def test_values_that_do_not_fit(rest, every_nullable, column):
    for value in WRONG[column]:
        answer = rest.post(rows_path(every_nullable), json={"rows": [{"id": 1}, {"id": 2, column: value}]})
        found = answer.status_code, answer.json()["where"].get("column"), answer.json()["where"].get("rows")
        assert found == (422, column, [1]), (value, answer.text)
        assert answer.json()["code"] in ("TYPE_MISMATCH", "INVALID_ARGUMENT")
    assert every_nullable.count() == 0


@pytest.fixture(scope="module")
def every_nullable(pxt):
    yield pxt.create_table("every_nullable", schema(pxt, nullable=True), if_exists="replace")
    pxt.drop_table("every_nullable")


def test_empty_and_mixed_arrays(rest, pxt, make_table):
    table = make_table({"id": pxt.Int, "a": pxt.Array[(None,), np.float32] | None, "b": pxt.Array | None})
    rows = [{"id": 1, "a": [], "b": [1, 2]}, {"id": 2, "a": [1, 2.5], "b": [[1.5]]}, {"id": 3, "a": [3], "b": ["x"]}]
    assert rest.post(rows_path(table), json={"rows": rows}).status_code == 201
    found = table.order_by(table.id).select(table.a, table.b).collect()
    assert [(row["a"].tolist(), row["b"].tolist()) for row in found] == [([], [1, 2]), ([1.0, 2.5], [[1.5]]), ([3.0], ["x"])]
