"""Json cells that hold more than JSON: images come as data URLs, arrays as lists, bytes in base64, wherever an expression took them."""

import base64
import io
import json

import pytest
from PIL import Image

import pxt_flight as pf

PLAIN = [{"a": 1}, None, ["plain", '"__pxtinlinedobjmd__":', {"b": [1.5, None]}]]


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6), "teal").save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def documents(make_table, pxt):
    # numpy is Pixeltable's dependency: imported beside it.
    import numpy as np

    image = Image.open(io.BytesIO(png()))
    objects = [
        {"image": image, "n": 7},
        {"array": np.arange(6.0).reshape(3, 2), "bits": np.arange(20) % 3 == 0, "large": np.arange(5000)},
        [{"deep": [b"bytes", image]}, "text"],
    ]
    table = make_table({"id": pxt.Int, "j": pxt.Json | None}, [{"id": i, "j": cell} for i, cell in enumerate([*PLAIN, *objects])])
    return table.get_metadata()["name"]


def picture(text):
    assert text.startswith("data:image/png;base64,")
    image = Image.open(io.BytesIO(base64.b64decode(text.partition(",")[2])))
    assert image.size == (8, 6)
    # Pixeltable keeps it in a format that loses a little.
    return all(abs(found - wanted) < 5 for found, wanted in zip(image.convert("RGB").getpixel((0, 0)), (0, 128, 128), strict=True))


def pulled(db, sql):
    return [json.loads(value) if value is not None else None for value in db.sql(sql).to_arrow().column(0).to_pylist()]


def test_whole_cells(db, documents):
    found = pulled(db, f"select j from {documents} order by id")
    assert found[:3] == PLAIN
    assert picture(found[3].pop("image"))
    assert found[3] == {"n": 7}
    assert found[4] == {"array": [[0, 1], [2, 3], [4, 5]], "bits": [i % 3 == 0 for i in range(20)], "large": list(range(5000))}
    deep = found[5][0]["deep"]
    assert base64.b64decode(deep[0]) == b"bytes"
    assert picture(deep[1])


def test_parts_of_cells(db, documents):
    (image,) = pulled(db, f"select j->'image' from {documents} where id = 3")
    assert picture(image)
    (array,) = pulled(db, f"select jsonb_build_object('x', j->'array') from {documents} where id = 4")
    assert array == {"x": [[0, 1], [2, 3], [4, 5]]}
    (both,) = pulled(db, f"select jsonb_agg(j->'n') from {documents} where id in (3, 4)")
    assert both == [7, None]
    assert db.sql(f"select id from {documents} where (j->>'n')::int = 7").to_arrow()["id"].to_pylist() == [3]


@pytest.mark.parametrize(
    "forged",
    [
        # Another cell's number under the signature of this one; another place in the files; no signature at all.
        "replace(j::text, ' 3 ', ' 4 ')::jsonb",
        "jsonb_build_object(k, jsonb_set(v, '{img_start}', '1'))",
        "jsonb_build_object(k, jsonb_set(v, '{url_idx}', '1'))",
        "jsonb_build_object('pxt$object 0 1 3 ' || repeat('0', 32), v)",
        "jsonb_build_object('pxt$object x y z', v)",
    ],
)
def test_what_is_not_signed_stays_as_it_is(db, documents, forged):
    sql = f"select {forged} from {documents}, jsonb_each(j->'image') as e(k, v) where id = 3"
    try:
        (found,) = pulled(db, sql)
    except pf.PxtFlightError as refused:
        assert refused.code in ("sql_not_allowed", "sql_unsupported", "FUNCTION_NOT_FOUND")  # noqa: PT017  # the function is not served
    else:
        assert "data:image" not in json.dumps(found)


def test_no_place_is_shown(db, documents, store):
    shown = json.dumps(db.sql(f"select j::text, to_jsonb(j)::text from {documents}").to_arrow().to_pylist())
    assert str(store) not in shown
    assert "file:" not in shown
