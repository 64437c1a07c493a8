"""The memory of the data plane does not grow with the rows that it streams, nor with a client that lags."""

import sys
import threading

import psutil
import pyarrow.flight as fl
import pytest

ROWS = 1_000_000
BOUND = 64 << 20  # bytes above idle; back-pressure holds about 6 MiB per stream (measured)


@pytest.fixture(scope="module")
def million(pxt, postgres):
    """A table of a million rows: a few through Pixeltable, the rest copied from them where Pixeltable keeps its rows."""
    table = pxt.create_table("wire_million", {"id": pxt.Int, "score": pxt.Float, "name": pxt.String})
    table.insert([{"id": 0, "score": 0.0, "name": "row 0 of a million"}])
    store = f"tbl_{table.get_metadata()['id'].hex}"
    columns = [
        name
        for (name,) in postgres.execute(
            "select column_name from information_schema.columns where table_name = %s order by ordinal_position", [store]
        )
    ]
    values = {"rowid": "n", columns[-3]: "n", columns[-2]: "n / 2.0", columns[-1]: "'row ' || n || repeat('.', 160)"}
    chosen = ", ".join(values.get(column, column) for column in columns)
    postgres.execute(f"insert into {store} select {chosen} from {store}, generate_series(1, {ROWS - 1}) n where rowid = 0")
    return "wire_million"


@pytest.fixture
def memory(server, stranger, as_owner, million):
    """The data plane's memory, in bytes above what it takes idle and warm."""
    process = psutil.Process(server.planes["flight"].pid)
    for _ in range(2):
        assert stranger.do_get(fl.Ticket(f"select * from {million} limit 100000".encode()), as_owner).read_all().num_rows == 100_000
    idle = process.memory_info().rss
    return lambda: process.memory_info().rss - idle


def read_slowly(reader, memory):
    """Read a stream batch by batch, and no batch is kept; answers the rows, their bytes and the highest memory seen."""
    rows = size = peak = 0
    for number, chunk in enumerate(reader):
        rows += chunk.data.num_rows
        size += chunk.data.nbytes
        if number % 4 == 0:
            peak = max(peak, memory())
    return rows, size, peak


def report(text):
    sys.__stdout__.write(f"\n{text}\n")


def test_a_long_stream(stranger, as_owner, million, memory):
    rows, size, peak = read_slowly(stranger.do_get(fl.Ticket(f"select * from {million}".encode()), as_owner), memory)
    report(f"{rows:,} rows, {size / 2**20:.0f} MiB streamed: the server grew by {peak / 2**20:.1f} MiB at most")
    assert rows == ROWS
    assert size > 2 * BOUND  # or keeping all of it would pass too
    assert peak < BOUND


def test_five_million_rows(stranger, as_owner, million, films, memory):
    sql = f"select m.id, m.score, m.name from {million} m, {films} f where f.id < 5"
    rows, size, peak = read_slowly(stranger.do_get(fl.Ticket(sql.encode()), as_owner), memory)
    report(f"{rows:,} rows, {size / 2**20:.0f} MiB streamed: the server grew by {peak / 2**20:.1f} MiB at most")
    assert rows == 5 * ROWS
    assert peak < BOUND


def test_a_client_that_lags(server, stranger, as_owner, million, films, memory):
    first_read, go_on = threading.Event(), threading.Event()
    received = []

    def lag():
        with fl.connect(server.flight_uri) as client:
            reader = client.do_get(fl.Ticket(f"select * from {million}".encode()), as_owner)
            received.append(reader.read_chunk().data.num_rows)
            first_read.set()
            assert go_on.wait(120)
            received.extend(chunk.data.num_rows for chunk in reader)

    lagging = threading.Thread(target=lag)
    lagging.start()
    try:
        assert first_read.wait(60)
        peak = 0
        for _ in range(30):
            ticket = fl.Ticket(f"select id, score from {million} limit 100000".encode())
            assert stranger.do_get(ticket, as_owner).read_all().num_rows == 100_000
            peak = max(peak, memory())
    finally:
        go_on.set()
        lagging.join()
    report(f"beside a client that lags, the server grew by {peak / 2**20:.1f} MiB at most")
    assert peak < BOUND
    assert sum(received) == ROWS
