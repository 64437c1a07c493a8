"""Readers beside a writer: each answer is one committed version of 20,000 rows, whole, whichever way it is asked for."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.flight as fl
import pytest

import pxt_flight as pf

ROWS = 20_000
NAME = "diff_writers"
SQL = f"select id, mark from {NAME}"


@pytest.fixture
def written(pxt):
    """A table whose rows all have mark 0."""
    schema = {"id": pxt.Int, "mark": pxt.Int}
    table = pxt.create_table(NAME, schema, if_exists="replace")
    table.insert(pa.table({"id": range(ROWS), "mark": [0] * ROWS}).to_pandas())
    yield table
    pxt.drop_table(NAME)


def write(table, step):
    """One version: other marks for some rows, or rows beside the 20,000."""
    if step % 4 == 3:
        table.insert([{"id": ROWS + step * 100 + i, "mark": step} for i in range(50)])
    elif step % 4 == 0:
        table.delete(where=(table.id >= ROWS) & (table.id % 2 == 0))
    else:
        table.update({"mark": step}, where=table.id % 3 == step % 3)


def versions(steps):
    """What of the rows of each version tells it from all others, and from a mix of them."""
    marks, more = [0] * ROWS, {}
    yield summary(marks, more)
    for step in range(1, steps + 1):
        if step % 4 == 3:
            more |= {ROWS + step * 100 + i: step for i in range(50)}
        elif step % 4 == 0:
            more = {key: mark for key, mark in more.items() if key % 2}
        else:
            marks[step % 3 :: 3] = [step] * len(marks[step % 3 :: 3])
            more = {key: step if key % 3 == step % 3 else mark for key, mark in more.items()}
        yield summary(marks, more)


def summary(marks, more):
    rows = [*enumerate(marks), *more.items()]
    return len(rows), sum(key for key, _ in rows), sum(key * mark for key, mark in rows)


def summary_of(answer):
    product = pc.sum(pc.multiply(answer["id"], answer["mark"])).as_py()
    return answer.num_rows, pc.sum(answer["id"]).as_py(), product


STEPS = 8


def test_every_answer_is_one_version(written, server):
    expected = list(versions(STEPS))
    assert len(set(expected)) == STEPS + 1
    done = threading.Event()
    options = fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {server.key}".encode())])

    def write_all():
        try:
            for step in range(1, STEPS + 1):
                write(written, step)
        finally:
            done.set()

    def by_sql():
        """Live: later answers are of no earlier version."""
        with pf.connect(server.flight_uri, key=server.key) as db:
            seen = []
            while not done.is_set():
                seen.append(summary_of(db.sql(SQL).to_arrow()))
        numbers = [expected.index(one) for one in seen]
        assert numbers == sorted(numbers)
        return len(seen)

    def by_ticket():
        """The same ticket again and again, and a new one now and then, in parts too."""
        reads = 0
        with fl.connect(server.flight_uri) as client:
            while not done.is_set():
                partitions = 1 + 2 * (reads % 2)
                command = json.dumps({"sql": SQL, "partitions": partitions})
                endpoints = client.get_flight_info(fl.FlightDescriptor.for_command(command), options).endpoints
                assert len(endpoints) == partitions
                seen = [summary_of(pa.concat_tables(client.do_get(one.ticket, options).read_all() for one in endpoints)) for _ in range(3)]
                assert len(set(seen)) == 1
                assert seen[0] in expected
                reads += 1
        return reads

    with ThreadPoolExecutor(5) as threads:
        readers = [threads.submit(read) for read in (by_sql, by_sql, by_ticket, by_ticket)]
        threads.submit(write_all).result()
        counts = [reader.result() for reader in readers]
    assert min(counts) > 0
    with pf.connect(server.flight_uri, key=server.key) as db:
        assert summary_of(db.sql(SQL).to_arrow()) == expected[-1]
        for number, one in enumerate(expected):
            assert summary_of(db.table(NAME).scan(version=number + 1).to_arrow()) == one
