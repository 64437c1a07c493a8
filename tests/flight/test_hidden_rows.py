"""Soft delete on every wire: how rows go, stay hidden, and come back; who may, and what else a hidden row refuses."""

import doctest
import json
import threading
from contextlib import suppress
from pathlib import Path

import httpx
import polars as pl
import pyarrow as pa
import pyarrow.flight as fl
import pytest

import pxt_flight as pf
from pxt_flight.errors import ConflictError, InvalidRequestError, NotFoundError, PxtFlightError, UnavailableError, from_json

HEADER = (b"x-pxt-include-deleted", b"true")


@pytest.fixture
def films(db, pxt, make_table):
    """Five films with a key, of which 1 and 3 are deleted softly; the client's table."""
    rows = [{"id": i, "name": f"film {i}", "score": i / 2} for i in range(5)]
    made = make_table({"id": pxt.Int, "name": pxt.String | None, "score": pxt.Float | None}, rows, primary_key="id")
    table = db.table(made.get_metadata()["path"])
    table.enable_soft_delete()
    written = table.delete("id in (1, $1)", [3], soft=True)
    assert (written.kind, written.deleted, written.updated) == ("soft_delete", 2, 0)
    return table


@pytest.fixture
def web(server):
    with httpx.Client(base_url=server.http_url, headers={"authorization": f"Bearer {server.key}"}, timeout=60) as client:
        yield client


def ids(table, **options):
    return sorted(table.scan(["id"], **options).to_arrow()["id"].to_pylist())


def refused(code, kind, work, *arguments, **options):
    with pytest.raises(kind) as found:
        work(*arguments, **options)
    assert found.value.code == code
    return found.value


# Reading


def test_our_client(db, films):
    assert ids(films) == [0, 2, 4]
    assert ids(films, include_deleted=True) == [0, 1, 2, 3, 4]
    assert films.schema.names == ["id", "name", "score"]
    sql = f"select id, deleted_at from {films.source()} where deleted_at is not null order by id"
    found = db.sql(sql, include_deleted=True)
    assert found.schema.field("deleted_at").type == pa.timestamp("us", "UTC")
    assert found.to_arrow()["id"].to_pylist() == [1, 3]
    assert "film 3" in db.sql(f"select * from {films.source()}", include_deleted=True)._repr_html_()
    assert "film 3" not in db.sql(f"select * from {films.source()}")._repr_html_()
    assert db.explain(sql, include_deleted=True).tier == "copy"
    refused("COLUMN_NOT_FOUND", NotFoundError, db.explain, sql)


def test_polars(films):
    def found(**options):
        return films.scan_polars(**options).filter(pl.col("score") >= 0.5).collect()["id"].sort().to_list()

    assert found() == [2, 4]
    assert found(include_deleted=True) == [1, 2, 3, 4]
    assert found(version=2) == [1, 2, 3, 4]  # that of the new column
    assert films.scan_polars().select(pl.len()).collect().item() == 3


def test_plain_flight(server, stranger, as_owner, films):
    """By path, by SQL, by JSON and by FlightInfo, with and without the header."""
    including = fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {server.key}".encode()), HEADER])
    sql = f"select id from {films.source()}"
    commands = [
        fl.FlightDescriptor.for_path(films.name),
        fl.FlightDescriptor.for_command(sql),
        fl.FlightDescriptor.for_command(json.dumps({"sql": sql})),
    ]
    for options, rows in ((as_owner, 3), (including, 5)):
        for descriptor in commands:
            info = stranger.get_flight_info(descriptor, options)
            assert stranger.get_schema(descriptor, options).schema == info.schema
            # What a ticket reads is said by the ticket, whatever the headers are then.
            for then in (as_owner, including):
                assert stranger.do_get(info.endpoints[0].ticket, then).read_all().num_rows == rows
        for body in (sql, json.dumps({"sql": sql})):
            assert stranger.do_get(fl.Ticket(body), options).read_all().num_rows == rows
    assert stranger.do_get(fl.Ticket(json.dumps({"sql": sql, "include_deleted": True})), as_owner).read_all().num_rows == 5
    listed = next(info for info in stranger.list_flights(films.name.encode(), as_owner))
    assert listed.schema.names == ["id", "name", "score"]
    assert stranger.do_get(listed.endpoints[0].ticket, as_owner).read_all().num_rows == 3
    wrong = fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {server.key}".encode()), (HEADER[0], b"yes")])
    with pytest.raises(fl.FlightError) as fault:
        stranger.get_flight_info(commands[0], wrong)
    assert from_json(fault.value.extra_info).code == "INVALID_ARGUMENT"


def test_parts_and_renewed_tickets(stranger, as_owner, films):
    command = json.dumps({"sql": f"select id from {films.source()}", "partitions": 3, "include_deleted": True})
    info = stranger.get_flight_info(fl.FlightDescriptor.for_command(command), as_owner)
    assert len(info.endpoints) == 3
    assert sum(stranger.do_get(endpoint.ticket, as_owner).read_all().num_rows for endpoint in info.endpoints) == 5


def test_flight_sql(server, adbc, films):
    """Statements, prepared statements with rows of parameters, and metadata, by ADBC."""
    sql = f"select id from {films.source()} where score >= ?"
    with adbc.cursor() as cursor:
        assert cursor.execute(sql, [0.5]).fetchall() == [(2,), (4,)]
        assert [row["column_name"] for row in _columns(adbc, films.name)] == ["id", "name", "score"]
        assert adbc.adbc_get_table_schema(films.name).names == ["id", "name", "score"]
    with adbc.cursor(adbc_stmt_kwargs={"adbc.flight.sql.rpc.call_header.x-pxt-include-deleted": "true"}) as cursor:
        assert sorted(cursor.execute(sql, [0.5]).fetchall()) == [(1,), (2,), (3,), (4,)]
        assert len(cursor.execute(f"select * from {films.source()}").fetch_arrow_table()) == 5


def _columns(adbc, name):
    tables = adbc.adbc_get_objects(depth="columns", table_name_filter=name).read_all().to_pylist()
    return [column for c in tables for s in c["catalog_db_schemas"] for t in s["db_schema_tables"] for column in t["table_columns"]]


def test_rest(web, films):
    def rows(**body):
        answer = web.post("/api/v1/query", json=body, headers={"accept": "application/vnd.apache.arrow.stream"})
        assert answer.status_code == 200, answer.text
        return pa.ipc.open_stream(answer.content).read_all().num_rows

    sql = f"select id from {films.source()}"
    assert (rows(sql=sql), rows(sql=sql, include_deleted=True)) == (3, 5)
    path = f"/api/v1/tables/{films.name}"
    pages = [web.get(f"{path}/rows", params={"order_by": "id", "limit": 9, "include_deleted": flag}).json() for flag in (False, True)]
    assert [[row["id"] for row in page["rows"]] for page in pages] == [[0, 2, 4], [0, 1, 2, 3, 4]]
    for method in ("GET", "DELETE"):  # row ids count from 0, as the films do
        answer = web.request(method, f"{path}/rows/1")
        assert (answer.status_code, answer.json()["code"]) == (404, "ROW_NOT_FOUND")
    info = web.get(path).json()
    assert ([column["name"] for column in info["columns"]], info["soft_delete"]) == (["id", "name", "score"], True)
    explained = web.post("/api/v1/explain", json={"sql": f"select deleted_at from {films.source()}"})
    assert (explained.status_code, explained.json()["code"]) == (404, "COLUMN_NOT_FOUND")
    again = web.post("/api/v1/explain", json={"sql": f"select deleted_at from {films.source()}", "include_deleted": True})
    assert again.status_code == 200
    assert web.delete(f"{path}/rows", params={"where": "id = 0", "soft": True}).json()["deleted"] == 1
    assert ids(films) == [2, 4]
    assert web.post(f"{path}/restore", json={"where": "id < 2"}).json()["updated"] == 2
    assert ids(films) == [0, 1, 2, 4]
    answer = web.delete(f"{path}/soft-delete")
    assert (answer.status_code, answer.json()["code"]) == (409, "INVALID_STATE")
    assert web.delete(f"{path}/soft-delete", params={"purge": True}).json()["purged"] == 1
    assert web.post(f"{path}/soft-delete").json() == {"table": films.name, "enabled": True, "column": "deleted_at", "purged": 0}


# Writing


def test_restore(films):
    assert films.restore("id = 1").updated == 1
    assert ids(films) == [0, 1, 2, 4]
    assert films.restore("id = 1").updated == films.restore("id = 0").updated == 0
    assert films.restore(all_rows=True, dry_run=True).updated == 1
    assert refused("too_many_affected", ConflictError, films.restore, all_rows=True, max_affected=0)
    refused("predicate_required", InvalidRequestError, films.restore)
    found = films.scan(["_rowid"], where="deleted_at is not null", include_deleted=True).to_arrow()["_rowid"].to_pylist()
    assert films.restore(row_ids=[*found, 2, 999]).updated == 1
    assert ids(films, include_deleted=True) == ids(films) == [0, 1, 2, 3, 4]
    for wrong in ({"row_ids": []}, {"row_ids": [-1]}, {"row_ids": [1], "all_rows": True}, {"row_ids": [1], "where": "id = 1"}):
        refused("INVALID_ARGUMENT", InvalidRequestError, films.restore, **wrong)
    kinds = [write["kind"] for write in films.writes()]
    assert kinds[:2] == ["restore", "restore"]
    assert kinds[-1] == "soft_delete"


def test_a_condition_means_living_rows(films):
    assert films.update({"score": 9.0}, "score < 2").updated == 2
    assert films.update({"name": "x"}, "deleted_at is not null", include_deleted=True).updated == 2
    assert ids(films) == [0, 2, 4]
    assert films.delete("true", soft=True, dry_run=True).deleted == 3
    assert films.delete("id in (1, 2)").deleted == 1
    assert ids(films, include_deleted=True) == [0, 1, 3, 4]
    assert films.delete("deleted_at < now()", include_deleted=True).deleted == 2
    assert ids(films, include_deleted=True) == [0, 4]
    refused("INVALID_ARGUMENT", InvalidRequestError, films.delete, "id = 0", soft=True, include_deleted=True)


def test_sql_that_writes(db, films):
    name = films.source()
    assert db.execute(f"update {name} set name = 'y' where id in (1, 2)").updated == 1
    assert db.execute(f"delete from {name} where id in (3, 4)").deleted == 1
    assert db.execute(f"insert into {name} values (7, 'seven', 1.5)").inserted == 1
    assert db.execute(f"insert into {name} select id + 10, name, score from {name}").inserted == 3
    refused("UNSUPPORTED_OPERATION", InvalidRequestError, db.execute, f"update {name} set deleted_at = null where true")
    refused("UNSUPPORTED_OPERATION", InvalidRequestError, db.execute, f"insert into {name} (id, deleted_at) values (8, now())")


def test_rows_by_key(films):
    """A hidden row is not there, and its key is taken all the same."""
    for write in (films.update_rows, films.delete_rows):
        rows = [{"id": 1}] if write == films.delete_rows else [{"id": 1, "score": 1.0}]
        refused("ROW_NOT_FOUND", NotFoundError, write, rows)
        assert write(rows, if_missing="ignore").updated == 0
    row_id = films.scan(["_rowid"], where="id = 3", include_deleted=True).to_arrow()["_rowid"][0].as_py()
    refused("ROW_NOT_FOUND", NotFoundError, films.update_rows, [{"_rowid": row_id, "score": 1.0}])
    for write in (films.insert, films.upsert):
        fault = refused("CONSTRAINT_VIOLATION", ConflictError, write, [{"id": 1, "name": "again"}])
        assert "restore" in fault.hint
        assert "include_deleted" in fault.hint
    assert films.upsert([{"id": 2, "name": "two"}, {"id": 9, "name": "nine"}]).updated == 1
    films.delete("id = 1", include_deleted=True)
    assert films.insert(id=1, name="again").inserted == 1
    assert ids(films) == [0, 1, 2, 4, 9]


def test_nobody_writes_the_column(films, stranger, as_owner):
    rows = pa.table({"id": [8], "deleted_at": ["2024-01-01T00:00:00Z"]})

    def put(writer):
        writer.write_table(rows)
        writer.close()

    for command in ({"table.insert": {"table_path": films.name}}, {"table.update_rows": {"table_path": films.name}}):
        writer, _ = stranger.do_put(fl.FlightDescriptor.for_command(json.dumps(command)), rows.schema, as_owner)
        with pytest.raises(fl.FlightError) as fault:
            put(writer)
        found = from_json(fault.value.extra_info)
        assert found.code == "UNSUPPORTED_OPERATION"
        assert "soft=true" in found.hint
    for write in (films.insert, films.upsert):  # our client sends no column that the table does not show
        refused("COLUMN_NOT_FOUND", NotFoundError, write, rows)
    refused("UNSUPPORTED_OPERATION", InvalidRequestError, films.update, {"deleted_at": None}, "id = 1")
    refused("UNSUPPORTED_OPERATION", InvalidRequestError, films.update, where="id = 1", expressions={"deleted_at": "now()"})
    assert films.insert(films.scan(where="id = 0").to_arrow().set_column(0, "id", pa.array([20]))).inserted == 1


def test_an_idempotency_key(films):
    first = films.delete("id = 0", soft=True, idempotency_key=f"soft-{films.name}")
    again = films.delete("id = 0", soft=True, idempotency_key=f"soft-{films.name}")
    assert (again.repeated, again.version) == (True, first.version)
    refused("idempotency_key_reused", ConflictError, films.delete, "id = 0", idempotency_key=f"soft-{films.name}")


def test_a_revert_takes_it_back(films):
    films.delete("id = 0", soft=True)
    films.revert()
    assert ids(films) == [0, 2, 4]
    before = films.versions()[0].version
    films.delete("id = 0")
    assert 0 in ids(films, version=before)  # a row that was deleted for good is part of older versions


def test_computed_columns_and_operational_tables(db, pxt, make_table):
    made = make_table(
        {"id": pxt.Int, "n": pxt.Int | None}, [{"id": i, "n": i} for i in range(4)], primary_key="id", _is_data_versioned=False
    )
    table = db.table(made.get_metadata()["path"])
    table.enable_soft_delete()
    assert table.delete("n > 1", soft=True).deleted == 2
    assert ids(table) == [0, 1]
    assert table.restore("n = 3").updated == 1
    assert ids(table) == [0, 1, 3]
    refused("ROW_NOT_FOUND", NotFoundError, table.update_rows, [{"id": 2, "n": 0}])
    made = make_table({"id": pxt.Int, "n": pxt.Int | None}, [{"id": i, "n": i} for i in range(4)])
    made.add_columns({"deleted_at": {"type": pxt.Timestamp | None, "custom_metadata": {"pxt_flight": "soft_delete"}}})
    made.add_computed_column(is_gone=made.deleted_at != None)  # noqa: E711  # computed from the column: rows are made anew
    table = db.table(made.get_metadata()["path"])
    assert table.delete("n > 1", soft=True).deleted == 2
    assert table.scan(where="is_gone", include_deleted=True).to_arrow().num_rows == 2
    refused("UNSUPPORTED_OPERATION", InvalidRequestError, table.disable_soft_delete, purge=True)


# Opting in and out


def test_opting_in_and_out(db, pxt, make_table):
    made = make_table({"id": pxt.Int}, [{"id": i} for i in range(4)])
    path = made.get_metadata()["path"]
    table = db.table(path)
    fault = refused("INVALID_STATE", ConflictError, table.delete, "id = 1", soft=True)
    assert "enable_soft_delete" in fault.hint
    refused("INVALID_STATE", ConflictError, table.restore, "id = 1")
    assert table.disable_soft_delete() == 0
    table.enable_soft_delete()
    version = table.versions()[0].version
    table.enable_soft_delete()
    assert table.versions()[0].version == version
    assert table.delete("id > 1", soft=True).deleted == 2
    refused("INVALID_STATE", ConflictError, table.disable_soft_delete)
    assert ids(table) == [0, 1]
    assert table.disable_soft_delete(purge=True) == 2
    assert made.columns() == ["id"] or pxt.get_table(path).columns() == ["id"]
    assert ids(table, include_deleted=True) == [0, 1]
    pxt.get_table(path).add_column(deleted_at=pxt.String | None)
    refused("INVALID_STATE", ConflictError, table.enable_soft_delete)
    assert table.scan().schema.names == ["id", "deleted_at"]
    view = pxt.create_view(f"{path}_view", pxt.get_table(path))
    refused("UNSUPPORTED_OPERATION", InvalidRequestError, db.table(f"{path}_view").enable_soft_delete)
    pxt.drop_table(view)
    refused("TABLE_NOT_FOUND", NotFoundError, db.table("no_such_table").enable_soft_delete)


def test_who_may(limited, films, pxt):
    """Reading hidden rows takes the permission to read; the rest says what it takes, on tables that the key may see."""

    def call(options, action, **body):
        with fl.connect(limited.uri) as client:
            try:
                (result,) = client.do_action(fl.Action(action, json.dumps({"table_path": films.name, **body}).encode()), options)
            except fl.FlightError as fault:
                return from_json(fault.extra_info).code
            return json.loads(result.body.to_pybytes())

    reader, writer, remover = limited("read"), limited("read", "write", "schema"), limited("read", "delete")
    with fl.connect(limited.uri) as client:
        body = json.dumps({"sql": f"select id from {films.source()}", "include_deleted": True})
        assert client.do_get(fl.Ticket(body), reader).read_all().num_rows == 5
    for action in ("table.enable_soft_delete", "table.disable_soft_delete"):
        assert call(reader, action) == call(remover, action) == "permission_denied"
    assert call(writer, "table.delete", where="id = 0", soft=True) == call(writer, "table.restore", where="id = 1") == "permission_denied"
    assert call(writer, "table.disable_soft_delete", purge=True) == "permission_denied"
    assert call(remover, "table.delete", where="id = 0", soft=True)["deleted"] == 1
    assert call(remover, "table.restore", where="id in (0, 1)")["updated"] == 2
    blind = limited("read", "delete", "schema", tables=("nothing*",))
    assert call(blind, "table.restore", where="id = 1") == call(blind, "table.enable_soft_delete") == "TABLE_NOT_FOUND"


# What happens meanwhile


def persistently(write, *arguments, **options):
    """A write that is asked for again where others write faster than the table can be read."""
    for _ in range(50):
        with suppress(UnavailableError):
            return write(*arguments, **options)
    raise AssertionError("no turn")


def test_deletes_and_restores_at_once(server, films):
    """Each of several writers takes a row away and brings it back: none is lost, none is seen half."""
    faults: list[PxtFlightError] = []

    def toggle(number):
        try:
            with pf.connect(server.flight_uri, key=server.key) as own:
                table = own.table(films.name)
                for _ in range(2):
                    assert persistently(table.delete, f"id = {number}", soft=True).deleted == 1
                    assert number not in ids(table)
                    assert persistently(table.restore, f"id = {number}").updated == 1
                    assert number in ids(table)
        except PxtFlightError as fault:
            faults.append(fault)

    threads = [threading.Thread(target=toggle, args=[number]) for number in (0, 2, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert ids(films) == [0, 2, 4]
    assert ids(films, include_deleted=True) == [0, 1, 2, 3, 4]


def test_the_guide(db, pxt):
    """The examples of docs/soft-delete.md, as they stand there."""
    rows = [{"name": name, "score": score} for name, score in [("Alien", 8.5), ("Brazil", 8.1), ("Cats", 2.0), ("Plan 9", 3.9)]]
    pxt.create_table("films", {"name": pxt.String, "score": pxt.Float}).insert(rows)
    guide = Path(__file__).parents[2] / "docs" / "soft-delete.md"
    examples = guide.read_text().split("```python")[1].split("```")[0]  # a table of Markdown is none of them
    test = doctest.DocTestParser().get_doctest(examples, {"db": db}, "soft-delete", None, None)
    said: list[str] = []
    assert len(test.examples) == 7
    assert doctest.DocTestRunner().run(test, out=said.append).failed == 0, "".join(said)
    pxt.drop_table("films")
