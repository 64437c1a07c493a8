"""Columns as they are sent -> staged values, and the rows that have none."""

import datetime as dt
import io
import uuid
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest

from pxt_flight.errors import PxtFlightError, error

BERLIN = ZoneInfo("Europe/Berlin")
SOME_UUID = uuid.UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")


def npy(array):
    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    return out.getvalue()


def us(*parts):
    return dt.datetime(*parts, tzinfo=dt.UTC)


def naive(*parts):
    return us(*parts).replace(tzinfo=None)


SCALARS = [
    ("Int", [1, -128], pa.int8(), [1, -128]),
    ("Int", [2**63 - 1], pa.uint64(), [2**63 - 1]),
    ("Int", [Decimal(2**63 - 1), Decimal(-(2**63))], pa.decimal128(38, 0), [2**63 - 1, -(2**63)]),
    ("Int | None", [None, None], pa.null(), [None, None]),
    ("Int", ["7", "8"], None, None),
    ("Int", [1.0], pa.float64(), None),
    ("Int", [True], pa.bool_(), None),
    ("Int", [Decimal("1.5")], None, None),
    ("Float", [1, 2**53 + 1], pa.int64(), [1.0, float(2**53 + 1)]),
    ("Float", [0.5], pa.float16(), [0.5]),
    ("Float", [0.25], pa.float32(), [0.25]),
    ("Float", [Decimal("0.1"), Decimal("12345678901234567.891")], None, [0.1, 12345678901234567.891]),
    ("Float", [True], None, None),
    ("Float", ["1.5"], None, None),
    ("Bool", [True, False], None, [True, False]),
    ("Bool", [1], None, None),
    ("String", ["a\0b", ""], pa.large_utf8(), ["a b", ""]),
    ("String", ["a\0b", "ä"], pa.string_view(), ["a b", "ä"]),
    ("String", ["a", "b", "a"], pa.dictionary(pa.int8(), pa.utf8()), ["a", "b", "a"]),
    ("String", [dt.time(1, 2, 3)], pa.time64("us"), ["01:02:03.000000"]),
    ("String", [b"a"], None, None),
    ("String", [1], None, None),
    ("UUID", [SOME_UUID.bytes], pa.binary(16), [SOME_UUID.bytes]),
    ("UUID", [str(SOME_UUID), SOME_UUID.hex, SOME_UUID.urn, str(SOME_UUID).upper()], None, [SOME_UUID.bytes] * 4),
    ("UUID | None", [None, str(SOME_UUID)], pa.large_utf8(), [None, SOME_UUID.bytes]),
    ("UUID", [b"x"], pa.binary(), None),
    ("Binary", [b"a", b""], pa.large_binary(), [b"a", b""]),
    ("Binary", [b"abcd"], pa.binary(4), [b"abcd"]),
    ("Binary", [b"abcd"], pa.binary_view(), [b"abcd"]),
    ("Binary", ["a"], None, None),
    ("Date", [dt.date(1, 1, 1), dt.date(9999, 12, 31)], pa.date32(), [dt.date(1, 1, 1), dt.date(9999, 12, 31)]),
    ("Date", [dt.date(2020, 2, 29)], pa.date64(), [dt.date(2020, 2, 29)]),
    ("Date", [naive(1969, 12, 31)], pa.timestamp("ns"), [dt.date(1969, 12, 31)]),
    ("Date", ["2020-02-29", "2020-02-29T05:00:00"], None, [dt.date(2020, 2, 29)] * 2),
    ("Date", [us(2020, 1, 1)], pa.timestamp("us", "UTC"), None),
    ("Timestamp", [us(1, 1, 2), us(9999, 12, 30)], pa.timestamp("s", "UTC"), [us(1, 1, 2), us(9999, 12, 30)]),
    ("Timestamp", [us(2020, 1, 1)], pa.timestamp("ms", "America/New_York"), [us(2020, 1, 1)]),
    ("Timestamp", ["2020-01-01T00:00:00+01:00", "2020-01-01"], None, [us(2019, 12, 31, 23), us(2020, 1, 1)]),
    ("Timestamp", [dt.date(2020, 1, 1)], None, None),
]


@pytest.mark.parametrize(("declaration", "values", "kind", "staged"), SCALARS)
def test_scalars(checker, stage, declaration, values, kind, staged):
    if staged is None:
        with pytest.raises(PxtFlightError) as refused:
            checker({"c": declaration}, pa.schema([("c", pa.array(values, kind).type)]))
        assert (refused.value.code, refused.value.where) == ("TYPE_MISMATCH", {"table": "t", "column": "c"})
        assert "It takes" in refused.value.hint
    else:
        assert stage(declaration, values, kind) == (staged, [])


@pytest.mark.parametrize(
    ("declaration", "values", "kind", "good", "reason"),
    [
        ("Int", [1, 2**64 - 1], pa.uint64(), [1], "does not fit into 64 bits"),
        ("Int", [Decimal(2**63), Decimal(1)], pa.decimal128(38, 0), [1], "does not fit into 64 bits"),
        ("Int", [1, None], None, [1], "has no value, and needs one"),
        ("UUID", ["6ba7b810", str(SOME_UUID)], None, [SOME_UUID.bytes], "is no UUID"),
        ("Date", [naive(2020, 1, 1, 1), naive(2020, 1, 1)], None, [dt.date(2020, 1, 1)], "has a time of the day"),
        ("Date", [2932897, 0], pa.date32(), [dt.date(1970, 1, 1)], "is not of the years 1 to 9999"),
        ("Date", ["tomorrow", "1970-01-01"], None, [dt.date(1970, 1, 1)], "is no time in ISO 8601"),
        ("Timestamp", [1, 1000], pa.timestamp("ns", "UTC"), [us(1970, 1, 1, 0, 0, 0, 1)], "is finer than a microsecond"),
        ("Timestamp", [2**62, 0], pa.timestamp("s", "UTC"), [us(1970, 1, 1)], "is not of the years 1 to 9999"),
        ("Timestamp", [-(2**63), 0], pa.timestamp("us"), [us(1970, 1, 1)], "is not of the years 1 to 9999"),
        ("Timestamp", ["0001-01-01T00:00:00+05:00", "1970-01-01"], None, [us(1970, 1, 1)], "is not of the years 1 to 9999"),
    ],
)
def test_rows_at_fault(stage, declaration, values, kind, good, reason):
    array = pa.array(values, kind)
    assert stage(declaration, array) == (good, [f"c {reason}"])


def test_naive_times_are_of_the_zone_as_python_has_it(stage):
    """The hour that comes twice is the first of the two, and the one that is left out is counted by the offset before it."""
    times = [
        naive(2020, 10, 25, 2, 30),
        naive(2020, 3, 29, 2, 30),
        naive(1893, 3, 31, 23, 57),
        naive(2090, 7, 1),
        None,
    ]
    wanted = [value and value.replace(tzinfo=BERLIN).astimezone(dt.UTC) for value in times]
    for unit in ("ms", "us", "ns"):
        assert stage("Timestamp | None", times, pa.timestamp(unit), zone=BERLIN) == (wanted, [])
    texts = [value and value.isoformat() for value in times]
    assert stage("Timestamp | None", texts, zone=BERLIN) == (wanted, [])
    # Pixeltable reads times in this zone: the last hour of 9999 at UTC is of the year 10000 there.
    assert stage("Timestamp", [us(9999, 12, 31, 23, 30)], zone=BERLIN)[1] == ["c is not of the years 1 to 9999"]


GOOD_JSON = ['{"a": [1, 2.5, "x\\n"]}', "-0", '"\\\\u0000"', '"\\ud83d\\ude00"', "1e400", "9" * 5000, " \n[true]\t", '"nan"']
BAD_JSON = {
    "": "is no JSON",
    "{a: 1}": "is no JSON",
    "[1,]": "is no JSON",
    "1 2": "is no JSON",
    '"\n"': "is no JSON",
    "NaN": "holds NaN or Infinity, which JSON has not",
    '{"a": -Infinity}': "holds NaN or Infinity, which JSON has not",
    '"\\u0000"': "holds \\u0000, which Postgres cannot",
    '["\\\\\\u0000"]': "holds \\u0000, which Postgres cannot",
    '"\\ud83d"': "holds half of a surrogate pair",
    '{"\\udc00": 1}': "holds half of a surrogate pair",
    "1e200000": "holds a number that is out of range",
    "1e-20000": "holds a number that is out of range",
    "[" * 100_000: "is nested too deeply",
}


def test_texts_of_json(stage):
    assert stage("Json", GOOD_JSON) == (GOOD_JSON, [])
    assert stage("Json", pa.array(GOOD_JSON).cast(pa.string_view())) == (GOOD_JSON, [])
    assert stage("Json | None", ["null", " null ", None, '"null"']) == ([None, None, None, '"null"'], [])
    staged, reasons = stage("Json", [*BAD_JSON, "1"])
    assert staged == ["1"]
    assert reasons == [f"c {reason}" for reason in BAD_JSON.values()]


def test_nested_values_become_json(stage):
    struct = pa.struct(
        [
            ('a"b', pa.float64()),
            ("l", pa.list_(pa.struct([("s", pa.large_utf8())]))),
            ("m", pa.map_(pa.int8(), pa.bool_())),
            ("t", pa.timestamp("us", "Europe/Berlin")),
            ("n", pa.timestamp("ms")),
            ("d", pa.date32()),
            ("u", pa.uuid()),
            ("x", pa.dictionary(pa.int8(), pa.string_view())),
            ("dec", pa.decimal128(5, 2)),
            ("f", pa.list_(pa.float16(), 2)),
            ("j", pa.json_()),
        ]
    )
    full = {
        'a"b': 1.5,
        "l": [{"s": 'q"\\\n\x01ü'}, None],
        "m": [(1, True), (2, None)],
        "t": us(2020, 1, 1, 0, 0, 0, 5),
        "n": naive(2020, 1, 1),
        "d": dt.date(2020, 1, 1),
        "u": SOME_UUID.bytes,
        "x": "nan,inf",
        "dec": Decimal("1.50"),
        "f": [0.5, 2],
        "j": '{"k":[1]}',
    }
    children = [_column([None, full[field.name], None], field.type) for field in struct]
    array = pa.StructArray.from_arrays(children, fields=list(struct), mask=pa.array([False, False, True]))
    wanted = (
        '{"a\\"b":1.5,"l":[{"s":"q\\"\\\\\\n\\u0001ü"},null],"m":{"1":true,"2":null},"t":"2020-01-01T00:00:00.000005Z","n":"2020-01-01T00:00:00.000",'
        f'"d":"2020-01-01","u":"{SOME_UUID}","x":"nan,inf","dec":1.50,"f":[0.5,2],"j":{{"k":[1]}}}}'
    )
    nothing = "{" + ",".join(f"{name}:null" for name in ('"a\\"b"', *(f'"{name}"' for name in list(full)[1:]))) + "}"
    assert stage("Json | None", array) == ([nothing, wanted, None], [])
    assert stage("Json | None", array.slice(1, 2)) == ([wanted, None], [])


def _column(values, kind):
    storage = kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
    if pa.types.is_dictionary(kind):
        indices = pa.array([None if value is None else 0 for value in values], kind.index_type)
        return pa.DictionaryArray.from_arrays(indices, pa.array([value for value in values if value is not None], kind.value_type))
    array = pa.array(values, storage)
    return array if storage is kind else pa.ExtensionArray.from_storage(kind, array)


@pytest.mark.parametrize(
    ("array", "wanted"),
    [
        (pa.array([1, 2]), ["1", "2"]),
        (pa.array([True]), ["true"]),
        (pa.array([us(2020, 1, 1)]), ['"2020-01-01T00:00:00.000000Z"']),
        (pa.array([[1, None], []], pa.large_list(pa.int8())), ["[1,null]", "[]"]),
        (pa.array([[[1]], [[2, 3], []]], pa.list_view(pa.list_(pa.int8()))).slice(1), ["[[2,3],[]]"]),
        (pa.array([[("k", 1)], None, [("l", 2), ("m", 3)]], pa.map_(pa.utf8(), pa.int8())).slice(2), ['{"l":2,"m":3}']),
        (pa.array([{}], pa.struct([])), ["{}"]),
        (pa.FixedShapeTensorArray.from_numpy_ndarray(np.arange(8).reshape(2, 2, 2)).slice(1), ["[[4,5],[6,7]]"]),
        (pa.RunEndEncodedArray.from_arrays([2, 3], pa.array([1, 2])), ["1", "1", "2"]),
        (pa.array([1, 2], pa.dictionary(pa.int8(), pa.int64())), ["1", "2"]),
    ],
)
def test_json_of_other_types(stage, array, wanted):
    assert stage("Json", array) == (wanted, [])


def test_nested_values_that_json_has_not(stage, checker):
    nan = pa.array([{"a": float("nan")}, {"a": float("-inf")}, {"a": 1.0}])
    assert stage("Json", nan) == (['{"a":1}'], ["c holds NaN or Infinity, which JSON has not"] * 2)
    assert stage("Json", pa.array([["a\0"], ["b"]])) == (['["b"]'], ["c holds \\u0000, which Postgres cannot"])
    assert stage("Json", pa.ExtensionArray.from_storage(pa.json_(), pa.array(["{", "1"]))) == (["1"], ["c is no JSON"])
    for kind in (pa.struct([("a", pa.binary())]), pa.duration("s"), pa.map_(pa.struct([("a", pa.int8())]), pa.int8())):
        with pytest.raises(PxtFlightError, match="TYPE_MISMATCH"):
            checker({"c": "Json"}, pa.schema([("c", kind)]))


def test_arrays_of_a_known_shape(stage):
    declared = "Array[(2, 2), float32]"
    two = np.arange(8, dtype=np.float32).reshape(2, 2, 2)
    flat = two.reshape(2, 4).tolist()
    assert stage(declared, pa.FixedShapeTensorArray.from_numpy_ndarray(two)) == (flat, [])
    assert stage(declared, pa.array(two.tolist(), pa.list_(pa.list_(pa.float64())))) == (flat, [])
    assert stage(declared, pa.array(two.tolist(), pa.list_(pa.list_(pa.int8(), 2), 2))) == (flat, [])
    assert stage(declared, pa.array([npy(two[0]), npy(np.asfortranarray(two[1]))])) == (flat, [])
    assert stage(f"{declared} | None", pa.array([None, two[1].tolist()])) == ([None, flat[1]], [])
    assert stage("Array[(2,), bool]", pa.array([[True, False]])) == ([[True, False]], [])
    bad = pa.array([two[0].tolist(), [[1, 2], [3]], [[1, 2]], [[1, 2], [3, None]], [[1, 2], None], [[1e300, 0], [0, 0]]])
    assert stage(declared, bad) == (
        flat[:1],
        [f"c has {'another shape'}"] * 2
        + ["c has an empty place", "c has another shape; c has an empty place", "c holds elements that do not fit"],
    )


def test_arrays_of_any_length(stage):
    def loaded(staged):
        return [value and np.load(io.BytesIO(value)).tolist() for value in staged]

    declared = "Array[(None, 2), int32] | None"
    values = [[[1, 2], [3, 4]], None, [], [[5, 6]]]
    for kind in (pa.list_(pa.list_(pa.int64())), pa.large_list(pa.list_(pa.int8(), 2)), pa.list_view(pa.list_view(pa.int32()))):
        staged, reasons = stage(declared, pa.array(values, kind))
        assert (loaded(staged), reasons) == (values, [])
        assert staged[0] == npy(np.array(values[0], np.int32))
    assert stage(declared, [[[1, 2**40]], [[1, 2, 3]]])[1] == ["c holds elements that do not fit", "c has another shape"]
    assert loaded(stage("Array", [[1.5], [2.5, 3.5]])[0]) == [[1.5], [2.5, 3.5]]
    assert loaded(stage("Array[str]", [["a", "bcd"], []])[0]) == [["a", "bcd"], []]
    assert loaded(stage("Array[(2,), str]", [npy(np.array(["a", "bc"]))])[0]) == [["a", "bc"]]
    assert loaded(stage("Array", pa.FixedShapeTensorArray.from_numpy_ndarray(np.ones((1, 2, 3))))[0]) == np.ones((1, 2, 3)).tolist()


def test_array_files_are_not_believed(stage):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (10**15,)})
    pickled = npy(np.array([{"a": 1}], object))
    empty = npy(np.array([1, 2], np.float32)).replace(b"'<f4'", b"'<U0'")
    files = [
        header.getvalue(),
        pickled,
        empty,
        b"",
        b"PK\x03\x04",
        npy(np.ones(2)),
        npy(np.ones(2, ">f4")),
        npy(np.ones((1, 2), np.float32)),
    ]
    staged, reasons = stage("Array[(2,), float32]", [npy(np.ones(2, np.float32)), *files])
    assert staged == [[1.0, 1.0]]
    assert reasons == [*["c is no array in the format npy"] * 5, "c is an array of float64", "c is an array of >f4", "c has another shape"]


@pytest.mark.parametrize(
    ("declaration", "kind"),
    [
        ("Array[(2, 2), float32]", pa.fixed_shape_tensor(pa.float64(), (2, 2))),
        ("Array[(2, 2), float32]", pa.fixed_shape_tensor(pa.float32(), (4,))),
        ("Array[(2, 3), float32]", pa.fixed_shape_tensor(pa.float32(), (2, 3), permutation=[1, 0])),
        ("Array[(2, 2), float32]", pa.list_(pa.float32(), 4)),
        ("Array[(2,), float32]", pa.list_(pa.float32(), 3)),
        ("Array[(2,), int64]", pa.list_(pa.float64())),
        ("Array[(2,), bool]", pa.list_(pa.int8())),
        ("Array[(2,), int64]", pa.list_(pa.utf8())),
        ("Array[(2,), float32]", pa.utf8()),
        ("Image", pa.int64()),
    ],
)
def test_types_that_can_never_fit(checker, declaration, kind):
    with pytest.raises(PxtFlightError, match="TYPE_MISMATCH"):
        checker({"c": declaration}, pa.schema([("c", kind)]))


def test_media_are_bytes_or_fetched(stage):
    asked = []

    def fetch(urls):
        asked.append(list(urls))
        return [b"JPEG" if url.endswith("a") else error("media_unreadable", "is a URL that answers 404") for url in urls]

    assert stage("Image", [b"x", b"y"]) == ([b"x", b"y"], [])
    staged, reasons = stage("Image | None", ["https://x/a", None, "https://x/b", *["https://x/a"] * 8], fetch=fetch)
    assert staged == [b"JPEG", None, *[b"JPEG"] * 8]
    assert reasons == ["c is a URL that answers 404"]
    assert [len(urls) for urls in asked] == [7, 3]
    staged, reasons = stage("Image", ["http://example.com/a.png", "/etc/passwd", "file:///etc/passwd"])
    assert (staged, reasons) == ([], ["c is no https URL: send the bytes of the file"] * 3)
