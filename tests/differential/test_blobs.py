"""Arrays and bytes, in the row and in chunk files: element by element what `collect()` gives, and of the Arrow type that was promised."""

import io

import numpy as np
import pyarrow as pa
import pytest

from pxt_flight.errors import PxtFlightError

ROWS = 7
RANDOM = np.random.default_rng(7)


def fixed(dtype, shape):
    values = RANDOM.integers(0, 2, (ROWS, *shape)) if dtype == "bool" else RANDOM.integers(0, 120, (ROWS, *shape))
    return [np.asarray(value, dtype) for value in values]


# name -> declaration (in Pixeltable's `Array[...]`), values, Arrow type
NUMBERS = ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float16", "float32", "float64")
CASES = {
    **{
        f"small_{dtype}": (((3, 2), dtype), fixed(dtype, (3, 2)), pa.fixed_shape_tensor(pa.type_for_alias(dtype), (3, 2)))
        for dtype in NUMBERS
    },
    "large": (((400,), "float32"), fixed("float32", (400,)), pa.fixed_shape_tensor(pa.float32(), (400,))),
    "cube": (((8, 9, 10), "int16"), fixed("int16", (8, 9, 10)), pa.fixed_shape_tensor(pa.int16(), (8, 9, 10))),
    "bits": (((5,), "bool"), fixed("bool", (5,)), pa.list_(pa.bool_(), 5)),
    "many_bits": (((30, 30), "bool"), fixed("bool", (30, 30)), pa.list_(pa.list_(pa.bool_(), 30), 30)),
    "words": (((2,), "str"), [np.array([f"a{i}", "é" * i]) for i in range(ROWS)], pa.list_(pa.utf8(), 2)),
    "ragged": (((None,), "float32"), [np.arange(i * 60, dtype="float32") for i in range(ROWS)], pa.list_(pa.float32())),
    "ragged_rows": (((None, 3), "int64"), [np.arange(i * 30).reshape(-1, 3) for i in range(ROWS)], pa.list_(pa.list_(pa.int64()))),
    "ragged_bits": (((None,), "bool"), [np.arange(i * 200) % 3 == 0 for i in range(ROWS)], pa.list_(pa.bool_())),
    "order": (
        ((4, 5), "float64"),
        [np.asfortranarray(value) for value in fixed("float64", (4, 5))],
        pa.fixed_shape_tensor(pa.float64(), (4, 5)),
    ),
    "any_shape": ("float32", [np.ones((i + 1,) * (i % 3 + 1), "float32") for i in range(ROWS)], pa.binary()),
    "anything": (None, [np.ones(3, "int8"), np.ones((2, 2), "float64"), *fixed("float32", (300,))[: ROWS - 2]], pa.binary()),
}
BYTES = [b"", b"\x00", b"\x01abc", b"\x93NUMPY", bytes(512), bytes(range(256)) * 3, bytes(100_000)]


def declared(pxt, what):
    if what is None:
        return pxt.Array | None
    return (pxt.Array[np.dtype(what).type] if isinstance(what, str) else pxt.Array[what[0], np.dtype(what[1]).type]) | None


@pytest.fixture(scope="module")
def table(pxt):
    schema = {name: declared(pxt, what) for name, (what, _, _) in CASES.items()}
    table = pxt.create_table("diff_blobs", {"id": pxt.Int, "raw": pxt.Binary | None, **schema})
    table.insert({"id": i, "raw": BYTES[i], **{name: values[i] for name, (_, values, _) in CASES.items()}} for i in range(ROWS))
    table.insert([{"id": ROWS}])
    table.add_computed_column(failing=1 / (table.id - 2))
    pxt.create_view("diff_blobs_view", table.where(table.id > 1))
    yield table
    pxt.drop_table(table, force=True)


@pytest.fixture(scope="module")
def collected(table):
    return {row["id"]: row for row in table.order_by(table.id).collect()}


def array_of(value, field):
    """A value of our answer as a numpy array; of a tensor its rows are flat."""
    if value is None:
        return None
    if (field.metadata or {}).get(b"pxt:encoding") == b"npy":
        return np.load(io.BytesIO(value))
    found = np.array(value)
    return found.reshape(field.type.shape) if isinstance(field.type, pa.FixedShapeTensorType) else found


def check(answer, name, collected):
    field = answer.schema.field(name)
    for i, value in zip(answer["id"].to_pylist(), answer[name].to_pylist(), strict=True):
        wanted = collected[i][name]
        found = array_of(value, field)
        assert (found is None) is (wanted is None)
        if wanted is not None:
            np.testing.assert_array_equal(found.reshape(wanted.shape), wanted)


@pytest.mark.parametrize("name", CASES)
def test_arrays(table, collected, read, name):
    answer = read(f"select id, {name} from diff_blobs order by id", tier="copy")
    assert answer.schema.field(name).type == CASES[name][2]
    assert answer.schema.field(name).metadata[b"pxt:type"] == b"Array"
    assert len(answer) == ROWS + 1
    check(answer, name, collected)


def test_bytes(table, collected, read):
    answer = read("select id, raw from diff_blobs order by id", tier="copy")
    assert answer.schema.field("raw").type == pa.binary()
    assert answer["raw"].to_pylist() == [collected[i]["raw"] for i in range(ROWS + 1)] == [*BYTES, None]


@pytest.mark.parametrize("where", ["id < 0", f"id = {ROWS}", "id = 3"])
def test_no_row_and_one(table, collected, read, where):
    answer = read(f"select * from diff_blobs where {where}", tier="copy")
    for name in CASES:
        check(answer, name, collected)


@pytest.mark.parametrize(
    "sql",
    [
        "select a.id, b.large, a.raw from {t} a join {t} b on a.id = b.id + 0",
        "with x as (select id, large, raw from {t}) select id, large, raw from x where id > 1",
        "select id, large, raw from {t} where id < 3 union all select id, large, raw from {t} where id >= 3",
        "select id, case when id >= 0 then large end as large, coalesce(raw, raw) as raw from {t}",
        "select id, first_value(large) over (partition by id) as large, raw from {t}_view",
        'select id, large, raw from "{t}:1"',
    ],
)
def test_through_statements(table, collected, read, sql):
    answer = read(sql.format(t="diff_blobs"), tier="copy")
    assert answer.schema.field("large").type == CASES["large"][2]
    assert len(answer) > 4
    check(answer, "large", collected)
    assert answer["raw"].to_pylist() == [collected[i]["raw"] for i in answer["id"].to_pylist()]


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("select large from {t} union all select small_int8 from {t}", "TYPE_MISMATCH"),
        ("select distinct raw from {t}", "TYPE_MISMATCH"),
        ("select raw from {t} order by raw", "TYPE_MISMATCH"),
        ("select count(*) from {t} where raw = raw", "TYPE_MISMATCH"),
        ("select case when id < 3 then large else '(0,{7},1,,)' end from {t}", "type_unsupported"),
        ("select case when id < 3 then large else '(0,,,x,)' end from {t}", "media_unreadable"),
        ("select array_agg(raw) from {t}", "type_unsupported"),
    ],
)
def test_what_has_no_meaning(table, read, sql, code):
    with pytest.raises(PxtFlightError) as refused:
        read(sql.format(t="diff_blobs").replace("{7}", "{7}") if "{7}" not in sql else sql.replace("{t}", "diff_blobs"), tier="copy")
    assert refused.value.code == code


def test_the_errors_of_a_null_array(pxt, make_table, read):
    from row_functions import ones

    table = make_table({"id": pxt.Int}, [{"id": i} for i in range(4)])
    table.add_computed_column(made=ones(table.id), on_error="ignore")
    answer = read(f"select made, made__errortype from {table.get_metadata()['name']} order by id", tier="copy")
    assert [value is None for value in answer["made"].to_pylist()] == [True, False, True, False]
    assert answer["made__errortype"].to_pylist() == ["ZeroDivisionError", None, "ZeroDivisionError", None]


@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_embeddings(pxt, make_table, read, precision):
    from row_functions import direction

    table = make_table({"id": pxt.Int, "s": pxt.String | None}, [{"id": i, "s": f"text {i}" if i != 3 else None} for i in range(9)])
    table.add_embedding_index("s", embedding=direction, precision=precision)
    name = table.get_metadata()["name"]
    answer = read(f"select id, s__embedding from {name} order by id", tier="copy")
    assert answer.schema.field("s__embedding").type == pa.fixed_shape_tensor(pa.float32(), (8,))
    wanted = [row["e"] for row in table.order_by(table.id).select(e=table.s.embedding()).collect()]
    for found, value in zip(answer["s__embedding"].to_pylist(), wanted, strict=True):
        assert (found is None) is (value is None)
        if value is not None:
            np.testing.assert_array_equal(np.array(found, np.float32), value)
    with pytest.raises(PxtFlightError):
        read(f"select id__embedding from {name}", tier="copy")
