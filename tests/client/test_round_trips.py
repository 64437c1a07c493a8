"""Frames and values that become a table, or rows of one, and come back as they were."""

import datetime as dt
import io
import uuid
from decimal import Decimal
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from PIL import Image

import pxt_flight as pf

AT = [dt.datetime(2026, 3, 29, 1, 59, 59, 123456, tzinfo=dt.UTC), None, dt.datetime(1, 1, 1, tzinfo=dt.UTC)]
KEYS = [uuid.UUID(int=7), None, uuid.UUID(int=2**127)]


@pytest.fixture
def made(pxt, request):
    """A name for a table, which is dropped after the test."""
    name = f"trip{abs(hash(request.node.nodeid)) % 10**9}"
    yield name
    pxt.drop_table(name, force=True, if_not_exists="ignore")


def read(table, columns=None):
    return table.scan(columns, order_by="id", media="bytes")


# Arrow itself, by every way in

COLUMNS = {
    "bool": pa.array([True, None, False]),
    "int8": pa.array([-128, None, 127], pa.int8()),
    "uint32": pa.array([0, None, 2**32 - 1], pa.uint32()),
    "int64": pa.array([-(2**63), None, 2**63 - 1]),
    "float32": pa.array([0.5, None, -3.25], pa.float32()),
    "float64": pa.array([1e308, None, 5e-324]),
    "text": pa.array(["é\u2603", None, ""]),
    "large": pa.array(["a" * 5000, None, "b"], pa.large_string()),
    "view": pa.array(["long enough for a view of its own", None, "b"], pa.string_view()),
    "category": pa.array(["red", None, "red"]).dictionary_encode(),
    "bytes": pa.array([b"\0\xff", None, b""]),
    "day": pa.array([dt.date(1, 1, 1), None, dt.date(9999, 12, 31)]),
    "at": pa.array(AT, pa.timestamp("us", "UTC")),
    "there": pa.array(AT, pa.timestamp("us", "Asia/Kathmandu")),
    "ms": pa.array([0, None, 1234], pa.timestamp("ms", "UTC")),
    "whole": pa.array([Decimal(12), None, Decimal(-7)], pa.decimal128(20, 0)),
    "price": pa.array([Decimal("0.125"), None, Decimal("-12345.5")], pa.decimal128(12, 3)),
    "struct": pa.array([{"a": 1, "b": ["x"]}, None, {"a": None, "b": []}]),
    "list": pa.array([[1, 2], None, []]),
    "vector": pa.array([[1, 2, 3], None, [4, 5, 6]], pa.list_(pa.float32(), 3)),
}
# As Pixeltable has them: what another type of Arrow becomes, where it is not that of the values as Python has them.
AS_READ = {
    "price": [0.125, None, -12345.5],
    "struct": ['{"a": 1, "b": ["x"]}', None, '{"a": null, "b": []}'],
    "list": ["[1, 2]", None, "[]"],
}


def test_every_type_of_arrow(db, made):
    rows = pa.table({"id": [0, 1, 2], **COLUMNS})
    table = db.create_table(made, rows)
    got = read(table).to_arrow()
    assert got.schema.names == rows.schema.names
    for name in COLUMNS:
        expected = AS_READ.get(name, rows[name].to_pylist())
        assert got[name].to_pylist() == expected, name
    table.insert(rows)
    assert read(table).to_arrow().slice(0, 2)["struct"].to_pylist() == [AS_READ["struct"][0]] * 2


def test_what_was_read_is_a_table_again(db, made):
    """Its Json stays Json, and its types stay what they are."""
    first = read(db.create_table(made, pa.table({"id": [0, 1, 2], **COLUMNS}))).to_arrow()
    second = read(db.create_table(made, first, if_exists="replace")).to_arrow()
    assert second.schema.types == first.schema.types
    assert second.to_pylist() == first.to_pylist()


def test_polars(db, made):
    frame = pl.DataFrame(
        {
            "id": [0, 1, 2],
            "name": ["Brazil", None, "é"],
            "score": [0.5, None, -1.0],
            "seen": [True, None, False],
            "at": pl.Series([AT[0], None, AT[2]]).dt.convert_time_zone("Asia/Kathmandu"),
            "day": [dt.date(2026, 1, 1), None, dt.date(1, 1, 1)],
            "data": [b"\0", None, b"x"],
            "kind": pl.Series(["a", None, "a"], dtype=pl.Categorical),
            "tall": pl.Series(["a", None, "b"], dtype=pl.Enum(["a", "b"])),
            "price": pl.Series([Decimal("1.50"), None, Decimal("2.25")], dtype=pl.Decimal(10, 2)),
        }
    )
    got = read(db.create_table(made, frame)).to_polars()
    expected = frame.with_columns(
        pl.col("at").dt.convert_time_zone("UTC"), pl.col("kind", "tall").cast(pl.String), pl.col("price").cast(pl.Float64)
    )
    assert got.equals(expected)
    assert dict(got.schema) == dict(expected.schema)


def test_pandas(db, made):
    frame = pd.DataFrame(
        {
            "id": [0, 1, 2],
            "name": ["Brazil", None, "é"],
            "text": np.array(["Brazil", None, "é"], dtype=object),
            "amount": pd.array([1, None, 3], dtype="Int64"),
            "score": [0.5, 1.5, -1.0],
            "seen": pd.array([True, None, False], dtype="boolean"),
            "at": pd.to_datetime(["2026-03-29T01:59:59Z", None, "2026-01-01T00:00:00Z"]).tz_convert("Europe/Berlin"),
            "kind": pd.Categorical(["a", None, "a"]),
            "info": [{"a": 1}, None, [1, 2]],
        },
        index=["x", "y", "z"],
    )
    read_back = read(db.create_table(made, frame))
    assert read_back.schema.names == list(frame.columns)  # the index stays behind
    got = read_back.to_arrow()
    assert got["name"].to_pylist() == got["text"].to_pylist() == ["Brazil", None, "é"]
    assert got["amount"].to_pylist() == [1, None, 3]
    assert got["score"].to_pylist() == [0.5, 1.5, -1.0]
    assert got["seen"].to_pylist() == [True, None, False]
    assert got["at"].to_pylist() == [
        dt.datetime(2026, 3, 29, 1, 59, 59, tzinfo=dt.UTC),
        None,
        dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    ]
    assert got["kind"].to_pylist() == ["a", None, "a"]
    assert got["info"].to_pylist() == ['{"a": 1}', None, "[1, 2]"]


def test_duckdb(db, made):
    relation = duckdb.sql(
        """select * from (values
            (0, 'a', 1.25::decimal(9, 2), date '2026-01-01', timestamptz '2026-01-01 00:00:00+00', {'x': [1, 2]}, '\\x00'::blob),
            (1, null, null, null, null, null, null)
        ) as t(id, name, price, day, moment, nested, data)"""
    )
    got = read(db.create_table(made, relation)).to_arrow().to_pylist()
    assert got[0] == {
        "id": 0,
        "name": "a",
        "price": 1.25,
        "day": dt.date(2026, 1, 1),
        "moment": dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        "nested": '{"x": [1, 2]}',
        "data": b"\0",
    }
    assert set(got[1].values()) == {1, None}


def test_values_of_python(db, made):
    rows = [
        {
            "id": i,
            "at": AT[i],
            "key": KEYS[i],
            "info": {"a": [i, None]},
            "data": b"\0",
            "day": dt.date(2026, 1, 1 + i),
            "seen": i == 1,
            "size": 2.0,
        }
        | {"vector": np.arange(6, dtype="float32").reshape(2, 3) + i, "flags": np.array([True, i == 0])}
        for i in range(3)
    ]
    got = read(db.create_table(made, rows, primary_key="id")).to_arrow()
    for name in ("at", "key", "data", "day", "seen", "size"):
        assert got[name].to_pylist() == [row[name] for row in rows], name
    assert got["info"].to_pylist() == [f'{{"a": [{i}, null]}}' for i in range(3)]
    assert np.array_equal(got["vector"].combine_chunks().to_numpy_ndarray(), np.stack([row["vector"] for row in rows]))
    assert got["flags"].to_pylist() == [[True, i == 0] for i in range(3)]


def test_arrays_of_any_length(db, made):
    rows = [{"id": i, "path": np.ones((i + 1, 2), "int32")} for i in range(3)]
    table = db.create_table(made, rows)
    assert read(table).to_arrow()["path"].to_pylist() == [[[1, 1]] * (i + 1) for i in range(3)]
    table.insert(id=3, path=[[7, 8]])
    assert read(table).to_arrow()["path"][3].as_py() == [[7, 8]]


def test_an_empty_table_has_its_columns(db, made):
    schema = pa.schema([pa.field("id", pa.int64(), nullable=False), ("name", pa.string())])
    for source in (schema, schema.empty_table(), schema.empty_table().to_reader(), pl.DataFrame(schema.empty_table())):
        table = db.create_table(made, source, if_exists="replace")
        assert table.schema.names == ["id", "name"]
        assert table.scan().to_arrow().num_rows == 0
    table.insert(id=1)


def test_a_table_that_is_there(db, made):
    db.create_table(made, [{"id": 1}])
    with pytest.raises(pf.ConflictError, match="PATH_ALREADY_EXISTS"):
        db.create_table(made, [{"id": 2}])
    assert read(db.create_table(made, [{"id": 2}], if_exists="append")).to_arrow()["id"].to_pylist() == [1, 2]
    assert read(db.create_table(made, [{"id": 3}], if_exists="replace")).to_arrow()["id"].to_pylist() == [3]


@pytest.mark.parametrize(
    "rows",
    [
        [{"id": None}],
        [{"id": object()}],
        [{"id": 1}, {"id": "x"}],
        [{"id": np.zeros(2)}, {"id": np.zeros(2, "int8")}],
        [{"id": np.zeros(2)}, {"id": np.zeros((2, 2))}],
    ],
)
def test_values_of_no_type(db, made, rows):
    with pytest.raises(pf.InvalidRequestError, match="TYPE_MISMATCH"):
        db.create_table(made, rows)
    assert made not in db.tables()


# Media


def picture(color):
    return Image.new("RGB", (8, 6), color)


def jpeg(color):
    target = io.BytesIO()
    picture(color).save(target, "JPEG")
    return target.getvalue()


def opened(content):
    return Image.open(io.BytesIO(content))


@pytest.fixture
def photos(db, pxt, make_table):
    made = make_table({"id": pxt.Int | None, "image": pxt.Image | None, "album": pxt.String | None})
    return db.table(made.get_metadata()["path"])


def test_pictures_in_every_form(photos, tmp_path):
    (tmp_path / "blue.jpg").write_bytes(jpeg("blue"))
    pixels = np.asarray(picture("green"))
    lossy = opened(jpeg("red"))
    photos.insert(
        [
            {"id": 0, "image": jpeg("red")},
            {"id": 1, "image": picture("green")},
            {"id": 2, "image": pixels},
            {"id": 3, "image": tmp_path / "blue.jpg"},
            {"id": 4, "image": str(tmp_path / "blue.jpg")},
            {"id": 5, "image": lossy},
            {"id": 6, "image": None},
        ]
    )
    got = read(photos).to_arrow()["image"].to_pylist()
    assert got[0] == jpeg("red")
    assert [np.array_equal(np.asarray(opened(got[i])), pixels) for i in (1, 2)] == [True, True]
    assert got[3] == got[4] == jpeg("blue")
    assert opened(got[5]).format == "JPEG"
    assert np.array_equal(np.asarray(opened(got[5])), np.asarray(opened(jpeg("red"))))
    assert got[6] is None


def test_a_pattern_of_files(photos, tmp_path, monkeypatch):
    for name in ("b", "a", "c"):
        (tmp_path / f"{name}.jpg").write_bytes(jpeg({"a": "red", "b": "green", "c": "blue"}[name]))
    (tmp_path / "d.jpg").mkdir()
    (tmp_path / "notes.txt").write_text("none")
    assert photos.insert(str(tmp_path / "*.jpg"), column="image", album="Rome").inserted == 3
    got = photos.scan(order_by="_rowid", media="bytes").to_arrow()
    assert got["image"].to_pylist() == [jpeg(color) for color in ("red", "green", "blue")]
    assert got["album"].to_pylist() == ["Rome"] * 3
    monkeypatch.chdir(tmp_path)
    assert photos.insert("a.jpg", column="image").inserted == 1
    with pytest.raises(pf.InvalidRequestError, match="No file fits"):
        photos.insert("*.png", column="image")


def test_paths_in_a_frame(photos, tmp_path):
    (tmp_path / "red.jpg").write_bytes(jpeg("red"))
    path = str(tmp_path / "red.jpg")
    for i, frame in enumerate([pl.DataFrame({"image": [path]}), pd.DataFrame({"image": [path]}), pa.table({"image": [path]})]):
        photos.insert(frame, id=i)
    assert read(photos).to_arrow()["image"].to_pylist() == [jpeg("red")] * 3


def test_a_table_of_files(db, made, tmp_path):
    (tmp_path / "red.jpg").write_bytes(jpeg("red"))
    table = db.create_table(made, tmp_path / "*.jpg", column="image")
    assert table.schema.field("image").metadata[b"pxt:type"] == b"Image"
    assert table.scan(media="bytes").to_arrow()["image"].to_pylist() == [jpeg("red")]


def test_a_result_takes_its_files_along(photos, db, made):
    photos.insert(id=1, image=picture("red"))
    copy = db.create_table(made, photos.scan())
    copy.insert(photos.scan())
    expected = read(photos).to_arrow()["image"].to_pylist()
    assert read(copy).to_arrow()["image"].to_pylist() == expected * 2


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("no/such/file.jpg", "cannot be read: No such file"),
        ("file:///etc/hosts", "only https"),
        (np.zeros((2, 2)), "is no picture"),
        (7, "an int is no file"),
    ],
)
def test_what_is_no_picture(photos, value, why):
    with pytest.raises(pf.InvalidRequestError, match=why) as refused:
        photos.insert([{"image": None}, {"image": value}])
    assert (refused.value.code, refused.value.where) == ("TYPE_MISMATCH", {"row": 1, "column": "image"})


def test_times_without_a_zone_are_those_of_pixeltable(db, pxt, make_table):
    naive = dt.datetime(2026, 7, 1, 12)  # noqa: DTZ001  # that is the question
    made = make_table({"id": pxt.Int, "at": pxt.Timestamp | None})
    made.insert([{"id": 0, "at": naive}])
    table = db.table(made.get_metadata()["path"])
    table.insert(id=1, at=naive)
    table.insert(pl.DataFrame({"id": [2], "at": [naive]}))
    table.insert(pd.DataFrame({"id": [3], "at": pd.to_datetime([naive])}))
    table.insert(id=4, at=naive.replace(tzinfo=ZoneInfo("Asia/Kathmandu")))
    got = read(table).to_arrow()["at"].to_pylist()
    assert got[:4] == [got[0]] * 4
    assert got[4] == dt.datetime(2026, 7, 1, 6, 15, tzinfo=dt.UTC)
    with pytest.raises(pf.InvalidRequestError, match="mixed"):
        table.insert([{"id": 5, "at": naive}, {"id": 6, "at": naive.replace(tzinfo=dt.UTC)}])
