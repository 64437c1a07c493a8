"""Batches are sliced for clients that refuse large messages: nothing is lost, and the bounds are kept."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

often = settings(max_examples=60, deadline=None)


@pytest.fixture(scope="module")
def scan(pxt):
    from pxt_flight.engine import scan  # it brings Pixeltable, which must not be imported before the fixture `pxt`

    return scan


@often
@given(rows=st.integers(0, 200_000), columns=st.integers(1, 8))
def test_numbers(scan, rows, columns):
    batch = pa.record_batch({f"c{i}": pa.array(range(rows), pa.int64()) for i in range(columns)})
    check(scan, batch)


@often
@given(
    sizes=st.lists(
        st.one_of(st.none(), st.integers(0, 2000), st.sampled_from([1 << 20, (2 << 20) - 1, 2 << 20, 3 << 20])), min_size=1, max_size=12
    ),
    repeat=st.integers(1, 40),
)
def test_texts_of_any_size(scan, sizes, repeat):
    small = [size for size in sizes if size is None or size < 1 << 20]
    values = [None if size is None else "x" * size for size in sizes + small * repeat]
    check(scan, pa.record_batch({"text": pa.array(values, pa.utf8())}))


def check(scan, batch):
    slices = list(scan.sliced(batch))
    assert pa.Table.from_batches(slices, batch.schema).equals(pa.Table.from_batches([batch]))
    assert all(part.num_rows <= scan.MAX_ROWS for part in slices)
    # Offsets of a slice count one more than its rows, and a bitmap to the next byte.
    slack = 64 * batch.num_columns
    assert all(part.nbytes <= scan.TARGET_BYTES + slack or part.num_rows == 1 for part in slices)
    assert all(part.num_rows > 0 for part in slices) or batch.num_rows == 0


def test_one_huge_row_passes_whole(scan):
    batch = pa.record_batch({"text": ["x" * (20 << 20)]})
    assert list(scan.sliced(batch)) == [batch]


def test_a_huge_row_among_small_ones_goes_alone(scan):
    batch = pa.record_batch({"text": ["a"] * 50 + ["x" * (20 << 20)] + ["b"] * 50})
    slices = list(scan.sliced(batch))
    assert [part.num_rows for part in slices if part.nbytes > scan.TARGET_BYTES] == [1]
    assert sum(part.num_rows for part in slices) == 101


def test_a_small_batch_is_not_touched(scan):
    batch = pa.record_batch({"id": [1, 2, 3]})
    assert next(scan.sliced(batch)) is batch
    empty = batch.slice(0, 0)
    assert [part.num_rows for part in scan.sliced(empty)] == [0]
