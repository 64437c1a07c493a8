"""Rows put over Flight, by the path of a table and by a command."""

import json
import subprocess
import sys

import adbc_driver_manager
import pyarrow as pa
import pyarrow.flight as fl
import pytest

PATH = fl.FlightDescriptor.for_path("puts_films")
ROWS = pa.table({"id": [1, 2], "name": ["a", None]})


@pytest.fixture
def films(pxt):
    yield pxt.create_table("puts_films", {"id": pxt.Int, "name": pxt.String | None}, if_exists="replace")
    pxt.drop_table("puts_films")


def command(**body):
    """A command of `insert` and what stands beside it."""
    if "insert" in body:
        body = {"table.insert": body.pop("insert"), **body}
    return fl.FlightDescriptor.for_command(json.dumps(body).encode())


def put(uri, options, descriptor, rows=ROWS, end=False, size=None):
    """The messages that answer a put: JSON, and bytes of rejected rows."""
    with fl.connect(uri) as client:
        writer, reader = client.do_put(descriptor, rows.schema, options)
        with writer:
            writer.write_table(rows, size)
            if end:
                writer.write_with_metadata(pa.RecordBatch.from_pylist([], schema=rows.schema), b"end")
            writer.done_writing()
            answers = []
            while (message := reader.read()) is not None:
                answers.append(message.to_pybytes())
    return [answer if answer.startswith(b"ARROW") else json.loads(answer) for answer in answers]


def ids(table):
    return sorted(table.select(table.id).collect()["id"])


@pytest.mark.parametrize(
    "descriptor",
    [PATH, fl.FlightDescriptor.for_path("puts_films/"), command(insert={"table_path": "/Puts_Films"})],
    ids=["path", "slash", "command"],
)
def test_rows_by_path_and_by_command(server, as_owner, films, descriptor):
    (answer,) = put(server.flight_uri, as_owner, descriptor)
    assert (answer["written"]["kind"], answer["written"]["inserted"], answer["written"]["version"]) == ("insert", 2, 1)
    assert ids(films) == [1, 2]


def test_a_path_of_parts_names_a_table_of_a_directory(server, as_owner, pxt):
    pxt.create_dir("puts_dir", if_exists="ignore")
    table = pxt.create_table("puts_dir.inner", {"id": pxt.Int, "name": pxt.String | None})
    put(server.flight_uri, as_owner, fl.FlightDescriptor.for_path("puts_dir", "inner"))
    put(server.flight_uri, as_owner, fl.FlightDescriptor.for_path("puts_dir/inner"))
    assert ids(table) == [1, 1, 2, 2]
    pxt.drop_dir("puts_dir", force=True)


def test_batches_are_one_version(server, as_owner, films):
    rows = pa.table({"id": range(1000)})
    (answer,) = put(server.flight_uri, as_owner, PATH, rows, size=100)
    assert (answer["written"]["inserted"], answer["written"]["version"]) == (1000, 1)
    assert ids(films) == list(range(1000))


def test_progress_is_told_before_the_end(server, as_owner, films):
    *told, last = put(
        server.flight_uri, as_owner, command(insert={"table_path": "puts_films"}, progress=True), pa.table({"id": range(5000)})
    )
    assert told[-1] == {"progress": [5000, 5000]}
    assert all(done <= total == 5000 for done, total in (message["progress"] for message in told))
    assert last["written"]["inserted"] == 5000


def test_a_fault_of_a_write_that_tells_its_progress(server, as_owner, films):
    with pytest.raises(fl.FlightError, match="COLUMN_NOT_FOUND"):
        put(server.flight_uri, as_owner, command(insert={"table_path": "puts_films"}, progress=True), pa.table({"id": [1], "nope": [1]}))


def test_a_client_that_says_when_it_ends(server, as_owner, films):
    descriptor = command(insert={"table_path": "puts_films"}, ends=True)
    with pytest.raises(fl.FlightError, match="upload_incomplete: The rows ended in the middle"):
        put(server.flight_uri, as_owner, descriptor)
    assert films.count() == 0
    assert put(server.flight_uri, as_owner, descriptor, end=True)[-1]["written"]["inserted"] == 2


BAD = {
    "no such table": (fl.FlightDescriptor.for_path("puts_nothing"), "TABLE_NOT_FOUND"),
    "a version": (fl.FlightDescriptor.for_path("puts_films:0"), "UNSUPPORTED_OPERATION"),
    "a path out of nowhere": (fl.FlightDescriptor.for_path("..", "etc", "passwd"), "TABLE_NOT_FOUND|INVALID"),
    "not JSON": (fl.FlightDescriptor.for_command(b"{"), "INVALID_ARGUMENT: The command names no operation"),
    "nothing": (fl.FlightDescriptor.for_command(b""), "INVALID_ARGUMENT: The command names no operation"),
    "SQL": (fl.FlightDescriptor.for_command(b"insert into puts_films values (1)"), "INVALID_ARGUMENT: The command names no operation"),
    "a list": (fl.FlightDescriptor.for_command(b"[1]"), "INVALID_ARGUMENT: The command names no operation"),
    "deep": (fl.FlightDescriptor.for_command(b"[" * 100_000), "INVALID_ARGUMENT: The command names no operation"),
    "no operation": (command(ends=True), "INVALID_ARGUMENT: The command names no operation"),
    "an operation without rows": (command(list_tables={}), "INVALID_ARGUMENT: The command names no operation"),
    "two operations": (
        command(insert={"table_path": "puts_films"}, **{"pixeltable.create_table": {"path": "x"}}),
        "INVALID_ARGUMENT: The command names no op",
    ),
    "no table": (command(insert={}), "INVALID_ARGUMENT: Table.insert: table_path"),
    "no arguments": (command(insert=3), "INVALID_ARGUMENT: Table.insert"),
    "an unknown argument": (command(insert={"table_path": "puts_films", "nope": 1}), "INVALID_ARGUMENT: Table.insert: nope"),
    "an unknown flag": (command(insert={"table_path": "puts_films"}, nope=True), "INVALID_ARGUMENT: Beside the operation"),
    "a flag of another type": (command(insert={"table_path": "puts_films"}, ends="yes"), "INVALID_ARGUMENT: Beside the operation"),
    "an unknown choice": (command(insert={"table_path": "puts_films", "on_error": "x"}), "INVALID_ARGUMENT: .*on_error"),
}


@pytest.mark.parametrize(("descriptor", "expected"), BAD.values(), ids=BAD)
def test_commands_that_are_refused(server, as_owner, films, descriptor, expected):
    with pytest.raises(fl.FlightError, match=expected) as caught:
        put(server.flight_uri, as_owner, descriptor)
    assert "Traceback" not in str(caught.value)
    assert films.count() == 0


def test_no_rows_make_no_version(server, as_owner, films):
    batch = pa.RecordBatch.from_pylist([], schema=ROWS.schema)
    (answer,) = put(server.flight_uri, as_owner, PATH, pa.Table.from_batches([batch]), end=True)
    assert (answer["written"]["inserted"], answer["written"]["version"]) == (0, 0)
    assert len(films.get_versions()) == 1


def test_a_stream_without_any_message(adbc, films):
    """As ADBC sends a table without any batch: pyarrow refuses it before this server is asked."""
    with adbc.cursor() as cursor:
        for mode in ("append", "replace"):
            with pytest.raises(adbc_driver_manager.Error, match="Stream finished before first message sent"):
                cursor.adbc_ingest("puts_films", pa.table({"id": pa.array([], pa.int64())}), mode=mode)
        cursor.execute("insert into puts_films (id) values (1)")
    assert films.count() == 1


def test_rows_without_columns(server, as_owner, films):
    with pytest.raises(fl.FlightError, match=r"INVALID_ARGUMENT|MISSING_REQUIRED"):
        put(server.flight_uri, as_owner, PATH, pa.table({}))
    assert films.count() == 0


def test_keys_that_may_not_write(films, limited):
    reading, elsewhere = limited("read"), limited("write", tables=("other*",))
    for options, expected in ((reading, "permission_denied: This key may not write"), (elsewhere, "TABLE_NOT_FOUND")):
        with pytest.raises(fl.FlightError, match=expected):
            put(limited.uri, options, PATH)
    assert films.count() == 0


def test_rejected_rows_come_back_as_arrow(server, as_owner, films):
    rows = pa.table({"id": [1, None, 3], "name": ["a", "b" * (2 << 20), "c"]})
    *pieces, last = put(server.flight_uri, as_owner, command(insert={"table_path": "puts_films", "on_error": "ignore"}), rows)
    assert (last["written"]["inserted"], last["written"]["rejected"]) == (2, 1)
    assert len(pieces) > 1  # none is too large a message for any client
    rejected = pa.ipc.open_stream(b"".join(piece.removeprefix(b"ARROW") for piece in pieces)).read_all()
    assert rejected.select(["id", "name"]).to_pylist() == [rows.slice(1, 1).to_pylist()[0]]
    assert rejected["pxt_error"][0].as_py()
    assert ids(films) == [1, 3]


CLIENT = """
import os, sys
import pyarrow as pa, pyarrow.flight as fl
uri, key, ends = sys.argv[1:]
rows = pa.table({"id": [1, 2]})
options = fl.FlightCallOptions(headers=[(b"authorization", b"Bearer " + key.encode())])
client = fl.connect(uri)
writer, reader = client.do_put(fl.FlightDescriptor.for_path("puts_films"), rows.schema, options)
writer.write_table(rows)
if ends == "no":
    os._exit(0)
writer.done_writing()
reader.read()
"""


def client(server, ends):
    """A process that puts two rows; it dies before their end, or waits for the answer."""
    return subprocess.Popen([sys.executable, "-c", CLIENT, server.flight_uri, server.key, ends], stderr=subprocess.DEVNULL)


def test_a_killed_client_writes_nothing(server, as_owner, films):
    assert client(server, "no").wait(60) == 0
    # Through the same line: what would come of the other put came before.
    assert put(server.flight_uri, as_owner, PATH, pa.table({"id": [9]}))[-1]["written"]["version"] == 1
    assert ids(films) == [9]


def test_a_client_that_leaves_while_its_write_waits_writes_nothing(server, as_owner, films, waiting_writes, soon):
    with waiting_writes(films) as count, client(server, "yes") as process:
        soon(lambda: count() == 1)
        process.kill()
        soon(lambda: count() == 0)
    assert films.count() == 0
    assert put(server.flight_uri, as_owner, PATH)[-1]["written"]["version"] == 1
