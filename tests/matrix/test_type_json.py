"""Each type as JSON over HTTP: what `collect()` gives, in the form that `operations/json_rows` promises."""

import base64
import datetime as dt
import uuid

import httpx
import numpy as np
import pytest
from plain_values import is_null, same
from test_type_clients import fetched
from type_table import ROWS

_READ = {
    "Timestamp": dt.datetime.fromisoformat,
    "Date": dt.date.fromisoformat,
    "UUID": uuid.UUID,
    "Binary": base64.b64decode,
    "Float": float,
}
_NOT_FINITE = ("NaN", "Infinity", "-Infinity")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_type_in_json(tables, collected, server, row):
    headers = {"authorization": f"Bearer {server.key}"}
    answer = httpx.post(f"{server.http_url}/api/v1/query", json={"sql": row.sql, "media": row.media}, headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text
    page = answer.json()
    column, kind = page["columns"][1]["name"], page["columns"][1]["type"]
    wanted = collected(row)
    assert len(page["rows"]) == len(wanted) > 1
    for found, expected in zip((record[column] for record in page["rows"]), wanted, strict=True):
        same_as_json(row, kind, found, expected)


def same_as_json(row, kind, found, wanted):
    if found is None or row.form == "json":
        same(row.form, found, wanted)
    elif row.form in ("array", "npy"):
        read = np.array(floats(found))
        assert read.shape == np.asarray(wanted).shape
        same("array", read, wanted)
    elif row.form == "url":
        same(row.form, fetched(found), wanted)
    elif row.form in ("file", "thumbnail", "picture"):
        same(row.form, base64.b64decode(found, validate=True), wanted)
    else:
        assert not is_null(wanted)
        same(row.form, _READ.get(kind, lambda value: value)(found), wanted)


def floats(value):
    if isinstance(value, list):
        return [floats(part) for part in value]
    return float(value) if value in _NOT_FINITE else value
