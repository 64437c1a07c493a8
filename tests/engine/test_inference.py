"""An Arrow schema -> the columns of a table."""

import pyarrow as pa
import pytest

from pxt_flight.errors import PxtFlightError


@pytest.fixture
def infer(pxt):
    from pxt_flight.engine.inference import infer

    return infer


INFERRED = [
    (pa.int8(), "Int"),
    (pa.uint64(), "Int"),
    (pa.decimal128(38, 0), "Int"),
    (pa.float16(), "Float"),
    (pa.decimal128(10, 2), "Float"),
    (pa.bool_(), "Bool"),
    (pa.bool8(), "Bool"),
    (pa.large_utf8(), "String"),
    (pa.string_view(), "String"),
    (pa.dictionary(pa.int8(), pa.utf8()), "String"),
    (pa.time64("us"), "String"),
    (pa.timestamp("ns"), "Timestamp"),
    (pa.timestamp("s", "Europe/Berlin"), "Timestamp"),
    (pa.date64(), "Date"),
    (pa.uuid(), "UUID"),
    (pa.binary(), "Binary"),
    (pa.binary(16), "Binary"),
    (pa.binary_view(), "Binary"),
    (pa.json_(), "Json"),
    (pa.struct([("a", pa.int8())]), "Json"),
    (pa.list_(pa.float32()), "Json"),
    (pa.map_(pa.utf8(), pa.int8()), "Json"),
    (pa.list_(pa.utf8(), 3), "Json"),
    (pa.fixed_shape_tensor(pa.float32(), (3, 4)), "Array[(3, 4), float32]"),
    (pa.fixed_shape_tensor(pa.float32(), (3, 4), permutation=[1, 0]), None),
    (pa.list_(pa.list_(pa.uint8(), 4), 3), "Array[(3, 4), uint8]"),
    (pa.list_(pa.bool_(), 3), "Array[(3,), bool]"),
    (pa.list_(pa.decimal128(3, 1), 3), "Json"),
    (pa.run_end_encoded(pa.int32(), pa.int64()), "Int"),
    (pa.duration("s"), None),
    (pa.sparse_union([pa.field("a", pa.int8())]), None),
]


@pytest.mark.parametrize(("kind", "declaration"), INFERRED, ids=lambda value: str(value)[:40])
def test_types(infer, kind, declaration):
    schema = pa.schema([pa.field("Req", kind, nullable=False), pa.field("opt", kind)])
    if declaration is None:
        with pytest.raises(PxtFlightError, match=r"type_unsupported: Column Req"):
            infer(schema)
    else:
        assert [(column.name, column.declaration) for column in infer(schema)] == [("req", declaration), ("opt", f"{declaration} | None")]


def test_every_column_that_is_inferred_takes_what_it_was_inferred_from(infer):
    import datetime as dt
    import uuid

    from pxt_flight.engine.target import Target
    from pxt_flight.engine.validation import InsertChecker

    schema = pa.schema([(f"c{i}", kind) for i, (kind, declaration) in enumerate(INFERRED) if declaration])
    checker = InsertChecker(Target("t", uuid.uuid4(), 1, infer(schema), (), is_versioned=True), schema, zone=dt.UTC)
    (staged,) = checker.check(pa.RecordBatch.from_arrays([pa.nulls(1, field.type) for field in schema], schema=schema))
    checker.finish()
    assert staged.to_pylist() == [dict.fromkeys(schema.names)]


def test_pixeltable_makes_the_table_that_was_inferred(pxt, infer):
    from pxt_flight.engine.inference import pixeltable_types

    schema = pa.schema([pa.field(f"c{i}", kind, nullable=i % 2 == 0) for i, (kind, declaration) in enumerate(INFERRED) if declaration])
    media = [pa.field(name, pa.binary(), metadata={b"pxt:type": name.encode()}) for name in ("Image", "Video", "Audio", "Document")]
    ragged = pa.field("ragged", pa.list_(pa.list_(pa.float64())), metadata={b"pxt:type": b"Array[(None, 4), float32]"})
    text = pa.field("text", pa.list_(pa.utf8(), 2), metadata={b"pxt:type": b"Array[(2,), str]"})
    columns = infer(
        pa.schema([*schema, *media, ragged, text, pa.field("loose", pa.binary(), metadata={b"pxt:type": b"Array"})]), primary_key=["C0"]
    )
    table = pxt.create_table("inferred", pixeltable_types(columns), primary_key="c0", if_exists="replace")
    made = {name: column["type_"] for name, column in table.get_metadata()["columns"].items()}
    pxt.drop_table("inferred")
    assert made == {column.name: column.declaration for column in columns}
    assert made["c0"] == "Int"


def test_metadata_says_otherwise(infer):
    def declared(kind, said):
        (column,) = infer(pa.schema([pa.field("c", kind, nullable=False, metadata={b"pxt:type": said})]))
        return column.declaration

    assert declared(pa.utf8(), b"Json") == "Json"
    assert declared(pa.utf8(), b"Image") == "Image"
    assert declared(pa.fixed_shape_tensor(pa.int8(), (2,)), b"Array") == "Array[(2,), int8]"
    assert declared(pa.duration("s"), b"Json") == "Json"
    for wrong in (b"Tensor", b"Array[(3,), object]", b"\xff", b"Array[(", b"String]"):
        with pytest.raises(PxtFlightError, match="INVALID_ARGUMENT"):
            declared(pa.utf8(), wrong)


def test_null_columns_are_texts_that_may_be_missing(infer):
    (column,) = infer(pa.schema([pa.field("c", pa.null())]))
    assert column.declaration == "String | None"


@pytest.mark.parametrize(
    ("names", "keys", "code", "at_fault"),
    [
        (["a", "A"], [], "INVALID_ARGUMENT", "A"),
        (["a b"], [], "INVALID_COLUMN_NAME", "a b"),
        (["_rowid"], [], "INVALID_COLUMN_NAME", "_rowid"),
        (["ä"], [], "INVALID_COLUMN_NAME", "ä"),
        (["1a"], [], "INVALID_COLUMN_NAME", "1a"),
        ([""], [], "INVALID_COLUMN_NAME", ""),
        (["class"], [], "INVALID_COLUMN_NAME", "class"),
        (["Count"], [], "INVALID_COLUMN_NAME", "Count"),
        (["a"], ["b"], "COLUMN_NOT_FOUND", "b"),
        ([], [], "INVALID_ARGUMENT", None),
    ],
)
def test_names(infer, names, keys, code, at_fault):
    with pytest.raises(PxtFlightError) as refused:
        infer(pa.schema([(name, pa.int8()) for name in names]), primary_key=keys)
    assert (refused.value.code, refused.value.where.get("column")) == (code, at_fault)
