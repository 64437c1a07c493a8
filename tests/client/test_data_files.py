"""Files of rows on the client's machine, inserted as streams."""

import json
import subprocess
import sys

import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

import pxt_flight as pf

ROWS = pa.table({"id": [1, 2, 3], "name": ["007", None, 'x, "y"'], "score": [1.0, None, 2.5]})


@pytest.fixture
def films(db, pxt, make_table):
    made = make_table({"id": pxt.Int, "name": pxt.String | None, "score": pxt.Float | None, "info": pxt.Json | None})
    return db.table(made.get_metadata()["path"])


def _stream(rows, path):
    with pa.ipc.new_stream(path, rows.schema) as writer:
        writer.write_table(rows)


def _file(rows, path):
    with pa.ipc.new_file(path, rows.schema) as writer:
        writer.write_table(rows, max_chunksize=2)


def _lines(rows, path):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows.to_pylist()) + "\n")


WRITERS = {
    "rows.parquet": pq.write_table,
    "rows.csv": pa.csv.write_csv,
    "rows.jsonl": _lines,
    "rows.NDJSON": _lines,
    "rows.json": _lines,
    "rows.arrow": _stream,
    "rows.feather": pa.feather.write_feather,
    "file.arrow": _file,
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("as_text", [False, True])
def test_every_format(films, tmp_path, name, as_text):
    path = tmp_path / name
    WRITERS[name](ROWS, path)
    assert films.insert(str(path) if as_text else path).inserted == 3
    assert films.scan(["id", "name", "score"], order_by="id").to_arrow().to_pylist() == ROWS.to_pylist()


def test_json_stays_as_it_is(films, tmp_path):
    """Where Arrow would give to each object the names of all others."""
    path = tmp_path / "rows.jsonl"
    values = [{"a": 1}, {"b": [1, "x"]}, "text", [{}], None]
    path.write_text("\n".join(json.dumps({"id": i, "info": value}) for i, value in enumerate(values)))
    films.insert(path)
    got = films.scan(["info"], order_by="id").to_arrow()["info"].to_pylist()
    assert [None if text is None else json.loads(text) for text in got] == values


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("gone.parquet", None, "gone.parquet cannot be read: No such file"),
        ("gone.jsonl", None, "gone.jsonl cannot be read: No such file"),
        ("bad.parquet", b"no parquet", "bad.parquet cannot be read"),
        ("bad.arrow", b"no arrow at all", "bad.arrow cannot be read"),
        ("bad.csv", b'id,name\n1,"a"\n2\n', "bad.csv cannot be read"),
        ("bad.jsonl", b'{"id": 1}\n[1]\n', "Line 2 of bad.jsonl"),
        ("list.json", b'[{"id": 1}]', "Line 1 of list.json"),
        ("notes.txt", b"x", "is no file of rows"),
    ],
)
def test_what_cannot_be_read(films, tmp_path, name, content, why):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(pf.InvalidRequestError, match=why) as refused:
        films.insert(path)
    assert str(tmp_path) not in str(refused.value)
    assert films.versions()[0].version == 0


READ = """
import resource, sys
from pxt_flight.client.batches import Batches
from pxt_flight.client.sources import open_source
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
source = open_source(sys.argv[1], None, {}, None)
rows = sum(batch.num_rows for batch in Batches(source, None))
print(rows, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv", "rows.jsonl", "rows.arrow"])
def test_a_long_file_takes_little_memory(tmp_path, name):
    rows = pa.table({"id": range(30_000), "name": [f"{i:0>1000}" for i in range(30_000)]})  # 30 MB
    path = tmp_path / name
    pq.write_table(rows, path, row_group_size=5000, compression="none", use_dictionary=False) if name == "rows.parquet" else WRITERS[name](
        rows, path
    )
    run = subprocess.run([sys.executable, "-c", READ, str(path)], capture_output=True, text=True, check=True)
    count, grown = map(int, run.stdout.split())
    assert count == 30_000
    assert grown < 45 or name == "rows.arrow"  # a file that is mapped counts as memory, and is none
