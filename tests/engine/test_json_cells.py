"""Json cells that hold more than JSON: both tiers refuse them alike, and only them."""

import io

import pytest
from PIL import Image

import pxt_flight as pf


@pytest.fixture
def documents(make_table, pxt):
    # numpy is Pixeltable's dependency: imported beside it.
    import numpy as np

    image = Image.open(io.BytesIO(_png()))
    cells = [{"a": 1}, None, {"image": image}, {"array": np.ones((3, 2))}, ["plain"]]
    table = make_table({"id": pxt.Int, "j": pxt.Json | None}, [{"id": i, "j": cell} for i, cell in enumerate(cells)])
    return table.get_metadata()["name"]


def test_a_cell_with_an_image_or_array_is_refused(db, documents):
    for condition in ("id = 2", "id = 3", "id < 3", "j is not null"):
        with pytest.raises(pf.PxtFlightError, match="type_unsupported: Json column j holds images"):
            db.sql(f"select id, j from {documents} where {condition}").to_arrow()


def test_the_other_cells_are_served(db, documents):
    rows = db.sql(f"select j, id from {documents} where id < 2 or id = 4 order by id").to_arrow().to_pylist()
    assert rows == [{"j": '{"a": 1}', "id": 0}, {"j": None, "id": 1}, {"j": '["plain"]', "id": 4}]
    assert db.sql(f"select j from {documents} order by id limit 1").to_arrow()["j"].to_pylist() == ['{"a": 1}']
    assert db.sql(f"select id from {documents} order by id").to_arrow()["id"].to_pylist() == [0, 1, 2, 3, 4]


def _png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6), "teal").save(buffer, "PNG")
    return buffer.getvalue()


def test_an_error_in_the_middle_of_a_stream_keeps_its_code(db, make_table, pxt):
    import numpy as np

    rows = [{"id": i, "j": ["x" * 1000]} for i in range(4000)]
    name = make_table({"id": pxt.Int, "j": pxt.Json}, [*rows, {"id": 4000, "j": [np.ones(2)]}]).get_metadata()["name"]
    for read in (lambda result: result.to_arrow(), lambda result: result.to_reader().read_all()):
        result = db.sql(f"select j from {name}")  # begins well: rows come as they were inserted
        with pytest.raises(pf.InvalidRequestError) as caught:
            read(result)
        assert (caught.value.code, caught.value.where) == ("type_unsupported", {"column": "j"})
