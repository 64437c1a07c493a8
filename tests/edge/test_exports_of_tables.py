"""Exports: the whole table as Parquet, where the server's settings allow it, or nothing."""

import http.client
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from edge_wires import registered
from events import eventually

from benchmarks.memory import watch
from pxt_flight.public_api import RateLimit, find_operation

PARQUET, S3 = "/api/pixeltable/export_to_parquet", "/api/pixeltable/export_to_s3"


@pytest.fixture(scope="module")
def served(new_wires, tmp_path_factory):
    """Both wires, with a folder for exports."""
    from pxt_flight.engine.destinations import Destinations

    return new_wires(destinations=Destinations(tmp_path_factory.mktemp("edge") / "exports"))


@pytest.fixture
def folder(served):
    return served.store.destinations.folder


@pytest.fixture
def exporting(served, folder):
    """The same, with nothing in the folder."""
    yield served
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def films(make_table, pxt):
    schema = {"id": pxt.Int, "name": pxt.String | None, "score": pxt.Float | None, "tags": pxt.Json | None, "at": pxt.Timestamp | None}
    return make_table(schema, [{"id": i, "name": f"film {i}", "score": i / 2, "tags": {"n": i}} for i in range(10)], primary_key="id")


def name_of(table):
    return table.get_metadata()["name"]


def left_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) if folder.exists() else []


def refused(answer, status, code):
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert "/tmp" not in answer.text
    return answer.json()


# A folder


def test_a_table_is_exported(exporting, folder, films):
    answer = exporting.http.post(PARQUET, json={"table": name_of(films), "path": "daily/films.parquet"})
    assert answer.status_code == 201, answer.text
    file = folder / "daily" / "films.parquet"
    assert answer.json() == {"path": "daily/films.parquet", "rows": 10, "bytes": file.stat().st_size, "version": 1}
    assert answer.headers["ratelimit-policy"] == '"default";q=100;w=3600'
    assert left_in(folder) == ["daily/films.parquet"]
    with exporting.connect() as db:
        assert pq.read_table(file).equals(db.table(name_of(films)).scan().to_arrow())


def test_a_part_of_it_at_an_earlier_version(exporting, folder, films):
    films.insert([{"id": 10}])
    body = {"table": f"{name_of(films)}:1", "path": "part.parquet", "select": ["name", "id"], "where": {"id": {"ge": 8}}}
    assert exporting.http.post(PARQUET, json=body).json()["version"] == 1
    assert pq.read_table(folder / "part.parquet").to_pylist() == [{"name": "film 8", "id": 8}, {"name": "film 9", "id": 9}]
    asked = {"table": name_of(films), "path": "asked.parquet", "where": "id > $1 -- only", "parameters": [8]}
    done = exporting.http.post(PARQUET, json=asked).json()
    assert (done["rows"], done["version"]) == (2, 2)


def test_no_rows_are_a_file_too(exporting, folder, films):
    done = exporting.http.post(PARQUET, json={"table": name_of(films), "path": "none.parquet", "where": "id < 0"})
    assert done.json()["rows"] == 0
    found = pq.read_table(folder / "none.parquet")
    assert (found.num_rows, found.column_names) == (0, ["id", "name", "score", "tags", "at"])


def test_over_flight(exporting, folder, films):
    with exporting.connect() as db:
        done = db._transport.call("pixeltable.export_to_parquet", table=name_of(films), path="flight.parquet")
    assert (done["rows"], left_in(folder)) == (10, ["flight.parquet"])


def test_a_file_that_is_there_stays_unless_it_may_go(exporting, folder, films):
    body = {"table": name_of(films), "path": "films.parquet"}
    assert exporting.http.post(PARQUET, json=body).status_code == 201
    refused(exporting.http.post(PARQUET, json=body | {"where": "id < 3"}), 409, "PATH_ALREADY_EXISTS")
    assert pq.read_metadata(folder / "films.parquet").num_rows == 10
    assert exporting.http.post(PARQUET, json=body | {"where": "id < 3", "overwrite": True}).status_code == 201
    assert pq.read_metadata(folder / "films.parquet").num_rows == 3
    assert left_in(folder) == ["films.parquet"]


@pytest.mark.parametrize(
    "path",
    ["../out.parquet", "a/../../out.parquet", "/tmp/out.parquet", "..", ".", "", "a//b", ".hidden", "a/", "a\\b", "~/x", "a\0b", "x" * 201],
)
def test_no_name_leads_out_of_the_folder(exporting, folder, films, path):
    refused(exporting.http.post(PARQUET, json={"table": name_of(films), "path": path}), 422, "INVALID_ARGUMENT")
    assert left_in(folder.parent) == []


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"table": "nothing_there"}, 404, "TABLE_NOT_FOUND"),
        ({"select": ["nope"]}, 404, "COLUMN_NOT_FOUND"),
        ({"where": "id >"}, 422, "sql_syntax"),
        ({"where": "true) UNION (SELECT 1 WHERE true"}, 422, "sql_syntax"),
        ({"media": "video"}, 422, "INVALID_ARGUMENT"),
        ({"where": "1 / (id - 5) > 0"}, 422, None),
    ],
)
def test_what_fails_leaves_nothing(exporting, folder, films, change, status, code):
    answer = exporting.http.post(PARQUET, json={"table": name_of(films), "path": "x.parquet"} | change)
    assert answer.status_code == status, answer.text
    assert code is None or answer.json()["code"] == code
    assert left_in(folder) == []


def test_who_may_not(exporting, folder, films):
    body = {"table": name_of(films), "path": "x.parquet"}
    for permissions, tables, status in [(("read",), ("*",), 403), (("write",), ("other*",), 404), (("write",), ("t*",), 201)]:
        key = exporting.make_key(*permissions, tables=tables)
        assert exporting.http.post(PARQUET, json=body, headers={"authorization": f"Bearer {key}"}).status_code == status


def test_a_condition_asks_no_table_that_the_key_may_not_read(exporting, films, pxt):
    other = pxt.create_table("edge_secret", {"id": pxt.Int}, if_exists="replace")
    try:
        key = exporting.make_key("write", tables=(name_of(films),))
        body = {"table": name_of(films), "path": "x.parquet", "where": "id IN (SELECT id FROM edge_secret)"}
        refused(exporting.http.post(PARQUET, json=body, headers={"authorization": f"Bearer {key}"}), 404, "TABLE_NOT_FOUND")
    finally:
        pxt.drop_table(other)


def test_a_server_without_a_folder(wires, films):
    told = refused(wires().http.post(PARQUET, json={"table": name_of(films), "path": "x.parquet"}), 422, "INVALID_CONFIGURATION")
    assert "PXT_FLIGHT_EXPORT_DIR" in told["hint"]


def test_a_folder_that_cannot_be_made(wires, films, tmp_path):
    from pxt_flight.engine.destinations import Destinations

    (tmp_path / "file").write_text("in the way")
    served = wires(destinations=Destinations(tmp_path / "file"))
    refused(served.http.post(PARQUET, json={"table": name_of(films), "path": "x.parquet"}), 422, "INVALID_CONFIGURATION")


def test_too_many_at_once(exporting, films):
    slots = exporting.store.destinations
    with slots.slot(), slots.slot():
        answer = exporting.http.post(PARQUET, json={"table": name_of(films), "path": "x.parquet"})
        refused(answer, 503, "unavailable")
        assert answer.headers["retry-after"] == "1"
    assert exporting.http.post(PARQUET, json={"table": name_of(films), "path": "x.parquet"}).status_code == 201


def test_the_limit_of_exports():
    for name in ("export_to_parquet", "export_to_s3"):
        assert find_operation(name).rate_limit == RateLimit(100, 3600)
    with registered():
        assert find_operation("export_to_s3").permission == "write"


def test_a_million_rows_take_little_memory(exporting, folder, make_table, pxt, postgres):
    table = make_table({"id": pxt.Int, "score": pxt.Float, "name": pxt.String}, [{"id": 0, "score": 0.0, "name": "row 0"}])
    stored = f"tbl_{table.get_metadata()['id'].hex}"
    query = "select column_name from information_schema.columns where table_name = %s order by ordinal_position"
    columns = [name for (name,) in postgres.execute(query, [stored])]
    values = {"rowid": "n", columns[-3]: "n", columns[-2]: "n / 2.0", columns[-1]: "'row ' || n || repeat('.', 60) || md5(n::text)"}
    chosen = ", ".join(values.get(column, column) for column in columns)
    postgres.execute(f"insert into {stored} select {chosen} from {stored}, generate_series(1, 999999) n where rowid = 0")
    body = {"table": name_of(table), "path": "million.parquet"}
    assert exporting.http.post(PARQUET, json=body | {"where": "id < 300000", "path": "warm.parquet"}).status_code == 201
    with watch(os.getpid()) as peak:
        done = exporting.http.post(PARQUET, json=body)
    assert done.json()["rows"] == 1_000_000, done.text
    written = pq.ParquetFile(folder / "million.parquet")
    assert (written.metadata.num_rows, written.metadata.num_row_groups > 3) == (1_000_000, True)
    sys.__stdout__.write(f"\n1,000,000 rows, {done.json()['bytes'] >> 20} MiB of Parquet: {peak.growth / 2**20:.0f} MiB above idle\n")
    assert peak.growth < 64 << 20  # 120 MiB of values go through; the first 300,000 rows took what stays


# S3


@pytest.fixture(scope="module")
def s3():
    """A stand-in for S3 on loopback, in a process of its own; answers its URL."""
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            address = next(line for line in process.stderr if "Running on http" in line).rpartition("http://")[2].strip()

            def answers():
                connection = http.client.HTTPConnection(address, timeout=5)
                try:
                    connection.request("GET", "/moto-api/")
                    return connection.getresponse().status == 200
                except OSError:
                    return False
                finally:
                    connection.close()

            eventually(answers)
            yield f"http://{address}"
        finally:
            process.terminate()
            process.wait(20)


@pytest.fixture
def bucket(s3, monkeypatch):
    """A bucket, and the account in the environment of the server."""
    for name, value in {"AWS_ACCESS_KEY_ID": "server", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", endpoint_url=s3)
    client.create_bucket(Bucket="edge-exports")
    yield client
    for one in client.list_objects_v2(Bucket="edge-exports").get("Contents", ()):
        client.delete_object(Bucket="edge-exports", Key=one["Key"])
    client.delete_bucket(Bucket="edge-exports")
    client.close()


@pytest.fixture
def to_s3(wires, s3, bucket):
    from pxt_flight.engine.destinations import Destinations

    return wires(destinations=Destinations(buckets=frozenset({"edge-exports", "not-made"}), endpoint=s3))


def in_bucket(client):
    return [one["Key"] for one in client.list_objects_v2(Bucket="edge-exports").get("Contents", ())]


def test_an_object_in_s3(to_s3, bucket, films):
    body = {"table": name_of(films), "bucket": "edge-exports", "key": "daily/films.parquet"}
    answer = to_s3.http.post(S3, json=body)
    assert answer.status_code == 201, answer.text
    content = bucket.get_object(Bucket="edge-exports", Key="daily/films.parquet")["Body"].read()
    assert answer.json() == {"path": "s3://edge-exports/daily/films.parquet", "rows": 10, "bytes": len(content), "version": 1}
    assert pq.read_table(pa.BufferReader(content)).num_rows == 10
    refused(to_s3.http.post(S3, json=body), 409, "PATH_ALREADY_EXISTS")
    assert to_s3.http.post(S3, json=body | {"overwrite": True, "where": "id < 2"}).json()["rows"] == 2
    assert to_s3.http.post(S3, json=body | {"key": "daily/films"}).status_code == 201
    assert in_bucket(bucket) == ["daily/films", "daily/films.parquet"]


def test_many_parts(bucket, s3):
    from pxt_flight.engine import sinks

    client = sinks.open_s3(s3)
    data = os.urandom(1 << 20)
    with sinks.filled(lambda: sinks.ObjectSink(client, "edge-exports", "large", is_replacing=False)) as sink:
        for _ in range(40):
            sink.write(data)
        assert in_bucket(bucket) == []
    assert sink.size == 40 << 20
    assert bucket.get_object(Bucket="edge-exports", Key="large")["Body"].read() == data * 40


def test_an_upload_that_fails_leaves_no_parts(bucket, s3):
    from pxt_flight.engine import sinks

    client = sinks.open_s3(s3)

    def fail():
        with sinks.filled(lambda: sinks.ObjectSink(client, "edge-exports", "large", is_replacing=False)) as sink:
            sink.write(os.urandom(17 << 20))
            assert len(bucket.list_multipart_uploads(Bucket="edge-exports")["Uploads"]) == 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert in_bucket(bucket) == []
    assert "Uploads" not in bucket.list_multipart_uploads(Bucket="edge-exports")


def test_an_object_that_came_meanwhile_stays(bucket, s3):
    from pxt_flight.engine import sinks
    from pxt_flight.errors import ConflictError

    client = sinks.open_s3(s3)

    def race():
        with sinks.filled(lambda: sinks.ObjectSink(client, "edge-exports", "raced", is_replacing=False)) as sink:
            sink.write(b"ours")
            bucket.put_object(Bucket="edge-exports", Key="raced", Body=b"theirs")

    with pytest.raises(ConflictError):
        race()
    assert bucket.get_object(Bucket="edge-exports", Key="raced")["Body"].read() == b"theirs"


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"bucket": "another"}, 422, "INVALID_CONFIGURATION"),
        ({"bucket": "not-made"}, 404, "STORAGE_NOT_FOUND"),
        ({"key": "../films"}, 422, "INVALID_ARGUMENT"),
        ({"table": "nothing_there"}, 404, "TABLE_NOT_FOUND"),
    ],
)
def test_refusals_of_s3(to_s3, bucket, films, change, status, code):
    body = {"table": name_of(films), "bucket": "edge-exports", "key": "x.parquet"}
    told = refused(to_s3.http.post(S3, json=body | change), status, code)
    assert "127.0.0.1" not in str(told)
    assert in_bucket(bucket) == []


def test_a_server_without_an_account(to_s3, bucket, films, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    body = {"table": name_of(films), "bucket": "edge-exports", "key": "x.parquet"}
    refused(to_s3.http.post(S3, json=body), 403, "MISSING_CREDENTIALS")


def test_s3_that_does_not_answer(wires, bucket, films, unused_port):
    from pxt_flight.engine.destinations import Destinations

    served = wires(destinations=Destinations(buckets=frozenset({"edge-exports"}), endpoint=f"http://127.0.0.1:{unused_port}"))
    body = {"table": name_of(films), "bucket": "edge-exports", "key": "x.parquet"}
    refused(served.http.post(S3, json=body), 503, "STORE_UNAVAILABLE")


@pytest.fixture
def unused_port():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


# The guide


def examples():
    """The calls of the guide: path, body and answer."""
    text = (Path(__file__).parents[2] / "docs" / "exports.md").read_text()
    return re.findall(r"\$URL(\S+) \\\n  -d '(.+)'\n# (.+)\n", text)


def test_the_examples_of_the_guide(wires, s3, bucket, pxt, tmp_path):
    from pxt_flight.engine.destinations import Destinations

    served = wires(destinations=Destinations(tmp_path, frozenset({"edge-exports"}), s3))
    assert len(examples()) == 2
    films = pxt.create_table("films", {"id": pxt.Int, "name": pxt.String, "score": pxt.Float}, if_exists="replace")
    try:
        films.insert([{"id": number, "name": f"film {number}", "score": number / 2} for number in range(10)])
        for path, body, told in examples():
            answer = served.http.post(path, content=body, headers={"content-type": "application/json"})
            assert answer.status_code == 201, answer.text
            assert {**answer.json(), "bytes": 0} == {**json.loads(told), "bytes": 0}
            assert answer.json()["bytes"] == pytest.approx(json.loads(told)["bytes"], rel=0.2)
    finally:
        pxt.drop_table(films)
