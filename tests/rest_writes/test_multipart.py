"""Rows with files beside them."""

import io
import json
from pathlib import Path

import pytest
from PIL import Image

PNG = io.BytesIO()
Image.new("RGB", (4, 4), (1, 2, 3)).save(PNG, "PNG")
PNG = PNG.getvalue()


@pytest.fixture
def pictures(pxt, make_table):
    return make_table({"id": pxt.Int, "image": pxt.Image | None, "raw": pxt.Binary | None})


@pytest.fixture
def post(rest, pictures):
    def post(rows, files, **query):
        parts = {"rows": (None, json.dumps(rows) if not isinstance(rows, str) else rows)}
        return rest.post(
            f"/api/v1/tables/{pictures.get_metadata()['name']}/rows",
            params=query,
            files=parts | {name: (f"{name}.bin", body) for name, body in files.items()},
        )

    return post


def problem(answer):
    return answer.status_code, answer.json()["code"]


def test_one_file_for_many_rows(post, pictures):
    rows = [{"id": i, "image": {"$file": "a"}} for i in range(20)] + [{"id": 20, "image": None, "raw": {"$file": "b"}}]
    assert post(rows, {"a": PNG, "b": b"\0" * 100_000}).json()["inserted"] == 21
    found = pictures.order_by(pictures.id).select(path=pictures.image.localpath, raw=pictures.raw).collect()
    assert {Path(row["path"]).read_bytes() for row in found if row["path"]} == {PNG}
    assert found[20]["raw"] == b"\0" * 100_000


def test_many_files(post, pictures):
    rows = [{"id": i, "raw": {"$file": f"part {i}"}} for i in range(999)]
    assert post(rows, {f"part {i}": str(i).encode() for i in range(999)}).json()["inserted"] == 999
    found = pictures.order_by(pictures.id).select(pictures.raw).collect()
    assert [row["raw"] for row in found] == [str(i).encode() for i in range(999)]


def test_arguments_stand_in_the_query(post, pictures):
    rows = [{"id": 1, "image": {"$file": "a"}}, {"id": "x", "image": {"$file": "a"}}]
    written = post(rows, {"a": PNG}, on_error="ignore").json()
    assert (written["inserted"], written["rejected"]) == (1, 1)
    assert written["rejected_rows"][0]["image"] == {"$file": "a"}


def test_rows_of_one_key_again(rest, pictures, post):
    rest.headers["idempotency-key"] = "multipart-1"
    assert not post([{"id": 1, "image": {"$file": "a"}}], {"a": PNG}).json()["repeated"]
    assert post([{"id": 1, "image": {"$file": "other name"}}], {"other name": PNG}).json()["repeated"]
    assert problem(post([{"id": 1, "raw": {"$file": "a"}}], {"a": PNG})) == (409, "idempotency_key_reused")
    assert pictures.count() == 1


REFUSED = {
    "a part is missing": ([{"id": 1, "image": {"$file": "b"}}], {}, 422, "INVALID_ARGUMENT"),
    "a part is not named": ([{"id": 1}], {"a": PNG}, 422, "INVALID_ARGUMENT"),
    "one of two": ([{"id": 1, "image": {"$file": "a"}}], {"a": PNG, "b": PNG}, 422, "INVALID_ARGUMENT"),
    "no picture": ([{"id": 1, "image": {"$file": "a"}}], {"a": b"text"}, 422, "media_unreadable"),
    "rows that are no JSON": ("[{", {}, 422, "INVALID_ARGUMENT"),
    "rows that are no list": ("5", {}, 422, "INVALID_ARGUMENT"),
    "too many rows": ([{"id": i} for i in range(1001)], {}, 413, "upload_too_large"),
    "too many parts": (
        [{"id": i, "raw": {"$file": str(i)}} for i in range(1000)],
        {str(i): b"" for i in range(1000)},
        413,
        "upload_too_large",
    ),
}


@pytest.mark.parametrize(("rows", "files", "status", "code"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_leaves_no_trace(post, pictures, rows, files, status, code):
    version = pictures.get_metadata()["version"]
    assert problem(post(rows, files)) == (status, code)
    assert (pictures.count(), pictures.get_metadata()["version"]) == (0, version)


BOUNDARY = b"--x\r\n"
ROW = b'content-disposition: form-data; name="row"\r\n\r\n{"id": 1}\r\n'
BROKEN = {
    "cut": (BOUNDARY + ROW, "upload_incomplete"),
    "nothing": (b"", "upload_incomplete"),
    "another boundary": (b"--y\r\n" + ROW + b"--y--\r\n", "INVALID_ARGUMENT"),
    "a part without a name": (BOUNDARY + b"content-disposition: form-data\r\n\r\nx\r\n--x--\r\n", "INVALID_ARGUMENT"),
    "a part twice": (BOUNDARY + ROW + BOUNDARY + ROW + b"--x--\r\n", "INVALID_ARGUMENT"),
    "a huge header": (BOUNDARY + b"x-a: " + b"a" * 100_000 + b"\r\n\r\nx\r\n--x--\r\n", "INVALID_ARGUMENT"),
    "many headers": (BOUNDARY + b"x-a: a\r\n" * 1000 + b"\r\nx\r\n--x--\r\n", "INVALID_ARGUMENT"),
}


@pytest.mark.parametrize(("body", "code"), BROKEN.values(), ids=BROKEN)
def test_bodies_that_are_broken(rest, pictures, body, code):
    headers = {"content-type": "multipart/form-data; boundary=x"}
    assert problem(rest.post(f"/api/v1/tables/{pictures.get_metadata()['name']}/rows", content=body, headers=headers)) == (422, code)
    assert pictures.count() == 0


def test_a_body_without_a_boundary(rest, pictures):
    answer = rest.post(
        f"/api/v1/tables/{pictures.get_metadata()['name']}/rows", content=b"", headers={"content-type": "multipart/form-data"}
    )
    assert problem(answer) == (422, "INVALID_ARGUMENT")


def test_rows_that_are_too_long(post, pictures):
    assert problem(post(json.dumps([{"id": 1}]) + " " * (17 << 20), {})) == (413, "upload_too_large")
    assert pictures.count() == 0


def test_nothing_stays_on_disk(server, store, post, pictures):
    before = set((store / "pxt_flight" / "spool").iterdir())
    post([{"id": 1, "raw": {"$file": "a"}}], {"a": b"x" * (1 << 20)})
    assert set((store / "pxt_flight" / "spool").iterdir()) == before
