"""What Pixeltable computes in Python, over the wire: the first rows come while the rest is computed, and none of it is kept."""

import sys
import time

import psutil
import pyarrow.flight as fl
import pytest

ROWS = 200_000
BOUND = 64 << 20  # bytes above idle; `cursor()` takes 400 MB (measured)
SOON = 5.0  # seconds on a machine that does other things, too; a fifteenth of a second on one that does not


@pytest.fixture(scope="module")
def computed(pxt, postgres):
    """A table of 200,000 rows with a column that is computed while it is read, which Postgres cannot do."""
    table = pxt.create_table("wire_computed", {"id": pxt.Int, "s": pxt.String})
    table.add_computed_column(swapped=pxt.functions.string.swapcase(table.s), stored=False)
    table.insert([{"id": 0, "s": "Row 0"}])
    store = f"tbl_{table.get_metadata()['id'].hex}"
    columns = [
        name
        for (name,) in postgres.execute(
            "select column_name from information_schema.columns where table_name = %s order by ordinal_position", [store]
        )
    ]
    values = {"rowid": "n", columns[-2]: "n", columns[-1]: "'Row ' || n || repeat('.', 100)"}
    chosen = ", ".join(values.get(column, column) for column in columns)
    postgres.execute(f"insert into {store} select {chosen} from {store}, generate_series(1, {ROWS - 1}) n where rowid = 0")
    return "wire_computed"


def test_a_long_stream_of_a_function(server, stranger, as_owner, computed):
    process = psutil.Process(server.planes["flight"].pid)
    assert stranger.do_get(fl.Ticket(f"select id, swapped from {computed} limit 3000".encode()), as_owner).read_all().num_rows == 3000
    idle = process.memory_info().rss
    began = time.monotonic()
    reader = stranger.do_get(fl.Ticket(f"select id, swapped from {computed}".encode()), as_owner)
    chunk = reader.read_chunk().data
    first, rows, size, peak = time.monotonic() - began, chunk.num_rows, chunk.nbytes, 0
    assert 0 < rows < ROWS / 10
    for number, chunk in enumerate(reader):
        rows += chunk.data.num_rows
        size += chunk.data.nbytes
        assert chunk.data["swapped"][0].as_py().startswith("rOW ")
        if number % 4 == 0:
            peak = max(peak, process.memory_info().rss - idle)
    all_of_it = time.monotonic() - began
    sys.__stdout__.write(
        f"\n{rows:,} rows of a function, {size / 2**20:.0f} MiB: the first after {first:.2f} s, all after {all_of_it:.1f} s; "
        f"the server grew by {peak / 2**20:.1f} MiB at most\n"
    )
    assert rows == ROWS
    assert first < SOON
    assert first < all_of_it / 4
    assert peak < BOUND
