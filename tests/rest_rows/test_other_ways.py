"""Rows by the arguments of `Table.rows` over Flight and from Python, and of tables that are read in other ways."""

import json

import numpy as np
import pyarrow.flight as fl
import pytest
from film_rows import film, path_of
from PIL import Image

import pxt_flight as pf


@pytest.fixture
def flight(server):
    """Reads a command over Flight: by a ticket of its own, and by a FlightInfo."""
    options = fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {server.key}".encode())], timeout=60)

    def read(**command):
        body = json.dumps(command).encode()
        with fl.connect(server.flight_uri) as client:
            direct = client.do_get(fl.Ticket(body), options).read_all()
            info = client.get_flight_info(fl.FlightDescriptor.for_command(body), options)
            by_info = client.do_get(info.endpoints[0].ticket, options).read_all()
        assert info.schema == direct.schema
        assert by_info.equals(direct)
        return direct

    return read


def test_over_flight(flight, films):
    name = path_of(films)
    whole = flight(table_path=name)
    assert sorted(whole["id"].to_pylist()) == list(range(40))
    found = flight(table_path=name, select="id,meta.lab", where={"score": {"gt": 1}}, order_by=["-id"], limit=3)
    wanted = [i for i in range(39, -1, -1) if (film(i)["score"] or 0) > 1][:3]
    assert found["id"].to_pylist() == wanted
    assert found.schema.names == ["id", "meta.lab"]
    counted = flight(table_path=name, aggregate=["count(*)", "max(id)"])
    assert counted.to_pylist() == [{"count(*)": 40, "max(id)": 39}]
    for wrong, code in (
        ({"nope": 1}, "INVALID_ARGUMENT"),
        ({"cursor": "x"}, "INVALID_ARGUMENT"),
        ({"count": "exact"}, "INVALID_ARGUMENT"),
        ({"where": {"id": {"gtt": 1}}}, "INVALID_EXPRESSION"),
        ({"where": "id in (select id from nowhere)"}, "TABLE_NOT_FOUND"),
    ):
        with pytest.raises(fl.FlightError, match=code):
            flight(table_path=name, **wrong)


def test_from_python(db, films):
    table = db.table(path_of(films))
    found = table.scan(["id", "score"], where={"score": {"ge": 1.5}, "id": {"lt": 20}}, order_by="score desc, id", limit=4, version=1)
    assert found.to_arrow().to_pylist() == table.scan(
        ["id", "score"], where="score >= 1.5 and id < 20", order_by="score desc, id", limit=4
    ).to_arrow().to_pylist()  # fmt: skip
    assert "film 01" in table.scan(where={"id": 1})._repr_html_()
    with pytest.raises(pf.InvalidRequestError, match="UNSUPPORTED_OPERATION"):
        table.scan(where={"id": 1}).explain()
    with pytest.raises(pf.NotFoundError, match="COLUMN_NOT_FOUND"):
        table.scan(where={"nope": 1})


def pages(http, table, **params):
    """The ids of each page."""
    found, cursor = [], None
    while True:
        answer = http.get(f"/api/v1/tables/{table}/rows", params=params | ({"cursor": cursor} if cursor else {}))
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found.append([row["id"] for row in page["rows"]])
        cursor = page["next_cursor"]
        if cursor is None:
            return found, page["truncated"]


def test_what_pixeltable_computes_while_it_reads(http, pxt, make_table):
    import pixeltable.functions

    rows = [{"id": i, "name": "x" * (9 - i), "image": Image.fromarray(np.zeros((4 + i, 8, 3), np.uint8))} for i in range(7)]
    schema = {"id": pxt.Int, "name": pxt.String, "image": pxt.Image | None}
    keyed, plain = make_table(schema, rows, primary_key="id"), make_table(schema, rows)
    for table in (keyed, plain):
        table.add_computed_column(length=pixeltable.functions.string.len(table.name), stored=False)
    params = {"select": "id,length,image.height,image.mode", "media": "bytes"}
    answer = http.get(f"/api/v1/tables/{path_of(keyed)}/rows", params=params | {"limit": 2, "where": '{"id": {"ge": 3}}'}).json()
    assert answer["rows"] == [{"id": i, "length": 9 - i, "image.height": 4 + i, "image.mode": "RGB"} for i in (3, 4)]
    # In the order of the key, which Pixeltable can read; of a table without one no row has a name there.
    assert pages(http, path_of(keyed), **params, limit=3) == ([[0, 1, 2], [3, 4, 5], [6]], False)
    assert pages(http, path_of(keyed), **params, limit=3, order_by="-name") == ([[0, 1, 2], [3, 4, 5], [6]], False)
    found, is_truncated = pages(http, path_of(plain), **params, limit=3)
    assert (len(found[0]), is_truncated) == (3, True)
    wrong = http.get(f"/api/v1/tables/{path_of(keyed)}/rows", params={"select": "image.exif"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "INVALID_ARGUMENT")


def test_tables_without_versions_and_views(http, pxt, make_table):
    rows = [{"id": i, "name": f"{i % 2}"} for i in range(7)]
    operational = make_table({"id": pxt.Int, "name": pxt.String | None}, rows, primary_key="id", _is_data_versioned=False)
    assert pages(http, path_of(operational), limit=4, order_by="-name") == ([[1, 3, 5, 0], [2, 4, 6]], False)
    answer = http.get(f"/api/v1/tables/{path_of(operational)}/rows")
    assert answer.json()["version"] is None
    assert "etag" not in answer.headers
    table = make_table({"id": pxt.Int, "name": pxt.String | None}, rows)
    view = pxt.create_view("rest_rows_view", table.where(table.id > 1))
    assert pages(http, path_of(view), limit=2, order_by="name") == ([[2, 4], [6, 3], [5]], False)
    pxt.drop_table("rest_rows_view")
