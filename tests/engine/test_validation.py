"""Rows that are checked for a hand-made table: names, faults, damage, and how much is taken at once."""

import sys
import time
import uuid

import numpy as np
import pyarrow as pa
import pytest

from pxt_flight.errors import CODES, PxtFlightError

SOME_UUID = uuid.UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
ONE_VIEW = np.array([1 << 20, int.from_bytes(b"xxxx", "little"), 0, 0], np.int32)


def test_names(checker):
    declared = {"id": "Int", "name": "String | None", "twice": "Int"}
    cases = {
        ("id", "nmae"): ("COLUMN_NOT_FOUND", "nmae"),
        ("id", "ID"): ("INVALID_ARGUMENT", "id"),
        ("id", "twice"): ("INVALID_ARGUMENT", "twice"),
        ("name",): ("MISSING_REQUIRED", "id"),
        ("_rowid", "id"): ("COLUMN_NOT_FOUND", "_rowid"),
        (): ("INVALID_ARGUMENT", None),
    }
    for names, (code, column) in cases.items():
        with pytest.raises(PxtFlightError) as refused:
            checker(declared, pa.schema([(name, pa.int64()) for name in names]), computed=("twice",))
        assert (refused.value.code, refused.value.where.get("column")) == (code, column)
        assert isinstance(refused.value, CODES[code])
    with pytest.raises(PxtFlightError, match=r"Did you mean name\?"):
        checker(declared, pa.schema([("NMAE", pa.utf8())]))
    assert checker(declared, pa.schema([("ID", pa.int8())]), computed=("twice",)).schema == pa.schema([("id", pa.int64())])


def test_rows_that_change_others_name_their_keys(checker):
    declared = {"id": "Int", "name": "String"}
    schema = pa.schema([("_rowid", pa.uint8()), ("name", pa.utf8())])
    checks = checker(declared, schema, partial=True, keys=("_rowid",))
    (staged,) = checks.check(pa.record_batch([pa.array([1], pa.uint8()), pa.array(["a"])], schema=schema))
    assert staged.schema == pa.schema([("_rowid", pa.int64()), ("name", pa.utf8())])
    assert list(checks.check(pa.record_batch([pa.array([None], pa.uint8()), pa.array(["a"])], schema=schema))) == []
    with pytest.raises(PxtFlightError, match=r"MISSING_REQUIRED: Column _rowid .*row 1,"):
        checks.finish()
    with pytest.raises(PxtFlightError, match="MISSING_REQUIRED"):
        checker(declared, pa.schema([("name", pa.utf8())]), partial=True, keys=("id",))
    assert checker(declared, pa.schema([("name", pa.utf8())]), partial=True).schema.names == ["name"]


def test_abort_counts_over_the_whole_stream(checker):
    schema = pa.schema([("id", pa.uint64()), ("name", pa.utf8())])
    checks = checker({"id": "Int", "name": "String"}, schema)
    good = pa.record_batch([pa.array([1, 2], pa.uint64()), pa.array(["a", "b"])], schema=schema)
    bad = pa.record_batch([pa.array([2**63, 1, 2**63], pa.uint64()), pa.array(["a", None, None])], schema=schema)
    staged = [batch for sent in (good, bad, good, bad, bad) for batch in checks.check(sent)]
    assert [batch.num_rows for batch in staged] == [2]
    with pytest.raises(PxtFlightError) as refused:
        checks.finish()
    assert refused.value.code == "TYPE_MISMATCH"
    assert refused.value.where == {"table": "t", "column": "id", "rows": [2, 4, 7, 9, 10], "count": 6}
    assert refused.value.message == "Column id does not fit into 64 bits: rows 2, 4, 7, 9, 10 and 1 more, counted from 0."
    assert refused.value.hint == "Rows are at fault in other columns too: name."


def test_rows_that_are_left_out_come_back_as_they_were_sent(checker):
    schema = pa.schema([("ID", pa.uint64()), ("name", pa.dictionary(pa.int8(), pa.utf8()))])
    checks = checker({"id": "Int", "name": "String"}, schema, on_error="ignore")
    for names in (["a", None, "b"], ["c", "d", "e"]):
        batch = pa.record_batch([pa.array([2**63, 2**63, 3], pa.uint64()), pa.array(names, schema.field("name").type)], schema=schema)
        assert [staged.to_pylist() for staged in checks.check(batch)] == [[{"id": 3, "name": names[2]}]]
    checks.finish()
    assert checks.rejected.schema == schema.append(pa.field("pxt_error", pa.utf8(), nullable=False))
    assert checks.rejected["name"].to_pylist() == ["a", None, "c", "d"]
    assert checks.rejected["pxt_error"].to_pylist()[1] == "id does not fit into 64 bits; name has no value, and needs one"


@pytest.mark.parametrize("values", [[None] * 10_001, ["x" * (1 << 20)] * 40])
def test_too_many_rows_at_fault_are_an_error(checker, values):
    batch = pa.record_batch([pa.array(values, pa.utf8())], ["id"])
    checks = checker({"id": "UUID"}, batch.schema, on_error="ignore")
    with pytest.raises(PxtFlightError, match="INVALID_ARGUMENT: Too many rows are at fault"):
        list(checks.check(batch))


def test_damaged_batches_are_refused(checker):
    offsets, data = np.array([0, 1 << 20, 3], np.int32), b"abc"
    damaged = pa.Array.from_buffers(pa.utf8(), 2, [None, pa.py_buffer(offsets), pa.py_buffer(data)])
    latin = pa.Array.from_buffers(pa.utf8(), 1, [None, pa.py_buffer(np.array([0, 1], np.int32)), pa.py_buffer(b"\xff")])
    for array in (damaged, latin):
        batch = pa.RecordBatch.from_arrays([array], ["c"])
        with pytest.raises(PxtFlightError, match="INVALID_ARGUMENT: A batch is damaged"):
            list(checker({"c": "String"}, batch.schema).check(batch))
    with pytest.raises(PxtFlightError, match="INVALID_ARGUMENT"):
        list(checker({"c": "String"}, pa.schema([("c", pa.utf8())])).check(pa.record_batch([pa.array([1])], ["c"])))


@pytest.mark.parametrize(
    "array",
    [
        pa.DictionaryArray.from_arrays(pa.array(np.zeros(100_000, np.int32)), pa.array(["x" * (1 << 20)])),
        pa.RunEndEncodedArray.from_arrays(pa.array([100_000], pa.int32()), pa.array(["x" * (1 << 20)])),
        pa.Array.from_buffers(pa.string_view(), 1000, [None, pa.py_buffer(ONE_VIEW.tobytes() * 1000), pa.py_buffer(b"x" * (1 << 20))]),
    ],
    ids=["dictionary", "runs", "views"],
)
def test_few_bytes_that_stand_for_many_are_cast_in_pieces(checker, array):
    batch = pa.RecordBatch.from_arrays([array], ["c"])
    first = next(checker({"c": "String"}, batch.schema).check(batch))
    assert 16 < first.num_rows <= 64
    assert first["c"][0].as_py() == "x" * (1 << 20)


def test_views_that_name_the_same_bytes_too_often_are_not_even_validated(checker):
    views = [None, pa.py_buffer(ONE_VIEW.tobytes() * 5000), pa.py_buffer(b"x" * (1 << 20))]
    array = pa.StructArray.from_arrays([pa.Array.from_buffers(pa.string_view(), 5000, views)], ["a"])
    batch = pa.RecordBatch.from_arrays([array], ["c"])
    with pytest.raises(PxtFlightError, match="INVALID_ARGUMENT: A batch has more than 4 GiB"):
        list(checker({"c": "Json"}, batch.schema).check(batch))


def test_slices_are_cast_as_their_rows(stage):
    """Every cast works on buffers; none may look beyond its slice."""
    for declaration, array in (
        ("String | None", pa.array(["a\0", None, "b\0", "c"])),
        ("Timestamp | None", pa.array([1000, None, 2000, 3000], pa.timestamp("ns"))),
        ("Date | None", pa.array([1, None, 2, 3], pa.date32())),
        ("UUID | None", pa.array([str(SOME_UUID), None, str(SOME_UUID), SOME_UUID.hex])),
        ("Array[(2,), int64] | None", pa.array([[1, 2], None, [3, 4], [5, 6]])),
        ("Array[(2,), int64] | None", pa.array([[1, 2], None, [3, 4], [5, 6]], pa.list_(pa.int8(), 2))),
        ("Array[int64] | None", pa.array([[1, 2], None, [3], []])),
        ("Json | None", pa.array([{"a": [1]}, None, {"a": None}, {"a": [2, 3]}])),
        ("Json | None", pa.array([[("k", 1)], None, [], [("l", 2)]], pa.map_(pa.utf8(), pa.int8()))),
    ):
        whole, reasons = stage(declaration, array)
        assert not reasons
        for start in range(4):
            assert stage(declaration, array.slice(start, 2)) == (whole[start : start + 2], [])


def test_speed_of_checking(checker, capsys):
    rows = 100_000
    columns = [pa.array(np.arange(rows)), pa.array(np.linspace(0, 1, rows)), pa.array([f"row {i}" for i in range(rows)])]
    batch = pa.RecordBatch.from_arrays(columns, ["a", "b", "c"])
    checks = checker({"a": "Int", "b": "Float", "c": "String"}, batch.schema)
    started = time.perf_counter()
    staged = sum(piece.num_rows for piece in checks.check(batch))
    with capsys.disabled():
        sys.stdout.write(f"\n100K x 3 checked in {1000 * (time.perf_counter() - started):.1f} ms\n")
    assert staged == rows
