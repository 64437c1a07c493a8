"""A long insert takes the server no more memory than a few of its batches."""

import json
import sys

import pyarrow as pa
import pyarrow.flight as fl
import pytest

from benchmarks.memory import watch

ROWS = 1_000_000
BATCH = 50_000
BOUND = 100 << 20  # bytes above idle; Table.insert takes 1.5 KB a row (measured)
SCHEMA = pa.schema([("id", pa.int64()), ("score", pa.float64()), ("name", pa.string())])


@pytest.fixture
def table(pxt):
    yield pxt.create_table("write_memory", {"id": pxt.Int, "score": pxt.Float, "name": pxt.String}, if_exists="replace")
    pxt.drop_table("write_memory")


def test_a_million_rows(server, stranger, as_owner, table):
    names = pa.array([f"a name that is not short {i}" for i in range(BATCH)])
    scores = pa.array([i / 7 for i in range(BATCH)])
    batches = [pa.record_batch([pa.array(range(first, first + BATCH)), scores, names], schema=SCHEMA) for first in range(0, ROWS, BATCH)]

    def insert(some):
        descriptor = fl.FlightDescriptor.for_command(json.dumps({"table.insert": {"table_path": "write_memory"}}).encode())
        writer, reader = stranger.do_put(descriptor, SCHEMA, as_owner)
        for batch in some:
            writer.write_batch(batch)
        writer.done_writing()
        written = json.loads(reader.read().to_pybytes())["written"]
        writer.close()
        return written

    insert(batches[:1])
    with watch(server.planes["flight"].pid) as peak:
        written = insert(batches)
    sys.__stdout__.write(f"\n{ROWS:,} rows inserted: the server grew by {peak.growth / 2**20:.1f} MiB at most\n")
    assert (written["inserted"], written["tier"], written["version"]) == (ROWS, "bulk", 2)
    assert table.count() == ROWS + BATCH
    assert peak.growth < BOUND
