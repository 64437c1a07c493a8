"""What one query may take: seconds, rows, bytes. What exceeds them ends with an error, and is never cut short without one."""

import contextlib

import psycopg
import pytest

from pxt_flight.errors import PxtFlightError


@pytest.fixture(scope="module")
def numbers(pxt):
    table = pxt.create_table("limits_numbers", {"n": pxt.Int, "text": pxt.String})
    table.insert([{"n": n, "text": "x" * 100} for n in range(30_000)])
    yield "limits_numbers"
    pxt.drop_table("limits_numbers")


@pytest.fixture
def read(new_engine):
    """Read SQL in an engine with limits: `read(sql, tier="copy", rows=10)` answers the rows that arrived before the end or the error."""
    from pxt_flight.engine.limits import Limits
    from pxt_flight.engine.scan import Request

    def read(sql, *, tier="copy", **limits):
        rows = 0
        try:
            with contextlib.closing(new_engine(limits=Limits(**limits)).stream(Request(sql), tier=tier)) as stream:
                for batch in stream.batches:
                    rows += batch.num_rows
        except PxtFlightError as fault:
            return rows, fault
        return rows, None

    return read


@pytest.mark.parametrize("tier", ["copy", "exec", "cursor"])
def test_rows(read, numbers, tier):
    rows, fault = read(f"select n from {numbers} where n < 1000", tier=tier, rows=1000)
    assert (rows, fault) == (1000, None)
    rows, fault = read(f"select n from {numbers} where n <= 1000", tier=tier, rows=1000)
    assert rows <= 1000
    assert (fault.code, fault.http_status) == ("result_too_large", 422)
    assert "1000 rows" in fault.message
    assert "LIMIT" in fault.hint


@pytest.mark.parametrize("tier", ["copy", "exec", "cursor"])
def test_bytes(read, numbers, tier):
    rows, fault = read(f"select n, text from {numbers}", tier=tier, size=1 << 20)
    assert 0 <= rows < 30_000
    assert fault.code == "result_too_large"
    assert "1048576 bytes" in fault.message
    assert read(f"select n, text from {numbers}", tier=tier, size=1 << 23) == (30_000, None)


def test_seconds(read, numbers):
    _, fault = read(f"select count(*) as n from {numbers} a, {numbers} b, {numbers} c", seconds=0.3)
    assert (fault.code, fault.retryable) == ("timeout", True)
    assert "PXT_FLIGHT_QUERY_TIMEOUT" in fault.hint


def test_temporary_files_and_memory_are_bounded_by_the_role(reader):
    with psycopg.connect(reader) as connection:
        names = ("temp_file_limit", "work_mem", "transaction_read_only")
        shown = {name: connection.execute(f"SHOW {name}").fetchone()[0] for name in names}
    assert shown == {"temp_file_limit": "16GB", "work_mem": "64MB", "transaction_read_only": "on"}
