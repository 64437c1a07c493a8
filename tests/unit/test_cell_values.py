"""Values in Python as Arrow: of exactly the promised type, NULL and nothing at all included."""

import base64
import datetime as dt
import io
import json
import uuid

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from pxt_flight.engine.cell_values import ENCODING, image_bytes, json_text, to_arrow
from pxt_flight.errors import PxtFlightError

TENSOR = pa.fixed_shape_tensor(pa.float32(), (2, 3))
ARRAYS = [np.arange(6, dtype=np.float32).reshape(2, 3), None, np.full((2, 3), np.nan, np.float32)]


def field(kind, **metadata):
    return pa.field("c", kind, metadata={f"pxt:{name}": value for name, value in metadata.items()} or None)


PLAIN = [
    (pa.int64(), [1, None, -(2**63)]),
    (pa.float64(), [0.1, None, float("inf")]),
    (pa.bool_(), [True, None, False]),
    (pa.utf8(), ["é🙂", None, ""]),
    (pa.binary(), [b"\0\xff", None, b""]),
    (pa.date32(), [dt.date(2024, 2, 29), None]),
    (pa.timestamp("us", tz="UTC"), [dt.datetime(2024, 2, 29, 1, 2, 3, 4, dt.UTC), None]),
    (pa.uuid(), [uuid.UUID(int=7), None]),
    (pa.list_(pa.int64()), [[1, 2], None, [], [3]]),
    (pa.list_(pa.list_(pa.float32())), [[[1.0, 2.0], [3.0]], None, [], [[]]]),
    (pa.list_(pa.bool_()), [[True, False], None, []]),
    (pa.list_(pa.utf8()), [["a", "é"], None, []]),
    (pa.list_(pa.bool_(), 2), [[True, False], None, [False, False]]),
    (pa.list_(pa.list_(pa.utf8(), 2), 1), [[["a", "b"]], None, [["", "é"]]]),
]


@pytest.mark.parametrize(("kind", "values"), PLAIN, ids=str)
@pytest.mark.parametrize("rows", ["all", "nulls", "none"])
def test_each_type_comes_back(kind, values, rows):
    values = {"all": values, "nulls": [None, None], "none": []}[rows]
    array = to_arrow(values, field(kind))
    array.validate(full=True)
    assert array.type == kind
    assert array.to_pylist() == values


def test_lists_of_numpy_arrays():
    ragged = to_arrow([np.array([1, 2], np.int64), None, np.array([], np.int64)], field(pa.list_(pa.int64())))
    assert ragged.to_pylist() == [[1, 2], None, []]
    texts = to_arrow([np.array(["a", "bcd"]), None], field(pa.list_(pa.utf8(), 2)))
    assert texts.to_pylist() == [["a", "bcd"], None]


@pytest.mark.parametrize("order", ["C", "F"])
def test_tensors(order):
    array = to_arrow([None if value is None else np.asarray(value, order=order) for value in ARRAYS], field(TENSOR))
    array.validate(full=True)
    assert array.type == TENSOR
    assert array.is_valid().to_pylist() == [True, False, True]
    assert np.array_equal(np.array(array[0].as_py()).reshape(2, 3), ARRAYS[0])
    assert np.isnan(np.array(array[2].as_py())).all()
    assert to_arrow([None], field(TENSOR)).null_count == 1
    assert to_arrow([], field(TENSOR)).type == TENSOR


def test_a_tensor_of_another_shape_is_refused():
    with pytest.raises(PxtFlightError, match="out of range"):
        to_arrow([np.zeros((3, 2), np.float32)], field(TENSOR))


@pytest.mark.parametrize("value", [np.array(["a", "bc"]), np.array([[True], [False]]), np.array(3.5)], ids=str)
def test_arrays_of_any_kind_as_files(value):
    array = to_arrow([value, None], field(pa.binary(), encoding="npy"))
    assert field(pa.binary(), encoding="npy").metadata[ENCODING] == b"npy"
    assert np.array_equal(np.load(io.BytesIO(array[0].as_py()), allow_pickle=False), value)
    assert array[1].as_py() is None


def test_json_with_objects_inside():
    image = Image.new("RGBA", (2, 2), (1, 2, 3, 4))
    text = json_text({"i": image, "a": np.arange(4).reshape(2, 2), "b": b"\0\xff", "n": np.float32(0.5), "t": (1, "é")}, "j")
    found = json.loads(text)
    assert (found["a"], found["n"], found["t"]) == ([[0, 1], [2, 3]], 0.5, [1, "é"])
    assert base64.b64decode(found["b"]) == b"\0\xff"
    head, _, body = found["i"].partition(",")
    assert head == "data:image/png;base64"
    assert Image.open(io.BytesIO(base64.b64decode(body))).tobytes() == image.tobytes()


def test_json_has_no_nan():
    text = json_text({"a": np.array([1.0, np.nan]), "b": [float("inf"), 2, True, None]}, "j")
    assert json.loads(text, parse_constant=pytest.fail) == {"a": [1.0, None], "b": [None, 2, True, None]}


def test_json_refuses_what_it_has_no_form_for():
    with pytest.raises(PxtFlightError) as caught:
        to_arrow([{"a": object()}], field(pa.utf8(), type="Json"))
    assert caught.value.code == "type_unsupported"


def test_a_number_that_does_not_fit():
    with pytest.raises(PxtFlightError) as caught:
        to_arrow([2**63], field(pa.int64()))
    assert caught.value.code == "INVALID_ARGUMENT"


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I", "I;16", "F", "HSV"])
def test_a_picture_of_any_mode_becomes_a_file(mode):
    body = image_bytes(Image.new(mode, (4, 3)))
    found = Image.open(io.BytesIO(body))
    assert found.size == (4, 3)
    assert found.format == ("JPEG" if mode in ("L", "RGB") else "PNG")
