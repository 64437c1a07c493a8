"""Updates, deletes and reverts: which rows they mean, what they refuse, and what comes of other writers in between."""

import datetime as dt
import json
import uuid

import pyarrow as pa
import pyarrow.flight as fl
import pytest

from pxt_flight.errors import PxtFlightError, from_json


@pytest.fixture
def films(pxt, make_table):
    schema = {"id": pxt.Int, "name": pxt.String | None, "score": pxt.Float | None, "tags": pxt.Json | None}
    rows = [{"id": i, "name": f"film {i}", "score": i / 2} for i in range(10)]
    return make_table(schema, rows, primary_key="id")


@pytest.fixture
def path(films):
    return films.get_metadata()["path"]


@pytest.fixture
def act(server):
    """Run an operation as the owner: `act("update", table=..., ...)` answers its JSON, or raises its error."""
    options = fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {server.key}".encode())])
    with fl.connect(server.flight_uri) as client:

        def run(name, table, **arguments):
            action = fl.Action(f"table.{name}", json.dumps({"table_path": table, **arguments}).encode())
            try:
                return json.loads(next(iter(client.do_action(action, options))).body.to_pybytes())
            except fl.FlightError as fault:
                raise from_json(fault.extra_info) from None

        yield run


@pytest.fixture
def put(server):
    """Send rows to an operation as the owner: `put("update_rows", rows, table=...)`."""
    options = fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {server.key}".encode())])
    with fl.connect(server.flight_uri) as client:

        def run(name, rows, table, **arguments):
            command = json.dumps({f"table.{name}": {"table_path": table, **arguments}})
            try:
                writer, reader = client.do_put(fl.FlightDescriptor.for_command(command), rows.schema, options)
                with writer:
                    writer.write_table(rows)
                    writer.done_writing()
                    return json.loads(reader.read().to_pybytes())["written"]
            except fl.FlightError as fault:
                raise from_json(fault.extra_info) from None

        yield run


def refused(code):
    return pytest.raises(PxtFlightError, match=f"^{code}: ")


def state(table):
    """Rows and version: what a refused change must leave as it was."""
    return list(table.order_by(table.id).collect()), table.get_metadata()["version"]


def test_update_by_condition(act, films, path):
    done = act(
        "update", table=path, set={"name": "good"}, expressions={"score": "score + $2"}, where="score > $1 -- the rest", parameters=[3, 10]
    )
    assert (done["kind"], done["updated"], done["version"]) == ("update", 3, 2)
    assert [(row["name"], row["score"]) for row in films.where(films.score > 13).order_by(films.id).collect()] == [
        ("good", 13.5),
        ("good", 14.0),
        ("good", 14.5),
    ]


def test_update_and_delete_by_rows(put, films, path):
    assert put("update_rows", pa.table({"ID": [1, 2], "Name": ["one", None]}), table=path)["updated"] == 2
    assert put("update_rows", pa.table({"_rowid": [3], "tags": ['{"a": 1}']}), table=path)["updated"] == 1
    done = put("update_rows", pa.table({"id": [4, 40], "score": [0.5, 0.25]}), table=path, if_missing="insert")
    assert (done["kind"], done["updated"], done["inserted"], done["first_row_id"]) == ("upsert", 1, 1, 10)
    assert put("delete_rows", pa.table({"id": [5, 6]}), table=path)["deleted"] == 2
    rows = {row["id"]: row for row in films.collect()}
    assert sorted(rows) == [0, 1, 2, 3, 4, 7, 8, 9, 40]
    assert (rows[1]["name"], rows[2]["name"], rows[3]["tags"], rows[4]["score"], rows[40]["score"]) == ("one", None, {"a": 1}, 0.5, 0.25)


def test_what_makes_no_version(act, put, films, path):
    before = state(films)
    done = act("update", table=path, set={"score": 1}, where="id < 0")
    assert (done["updated"], done["version"]) == (0, before[1])
    assert act("delete", table=path, where="id < 0")["version"] == before[1]
    assert act("update", table=path, set={"score": 1}, where="id < 5", dry_run=True)["updated"] == 5
    assert act("delete", table=path, all_rows=True, dry_run=True)["deleted"] == 10
    assert put("delete_rows", pa.table({"id": [99]}), table=path, if_missing="ignore")["deleted"] == 0
    assert state(films) == before


REFUSED = {
    "predicate_required": [{}, {"where": " \n"}],
    "too_many_affected": [{"where": "id < 5", "max_affected": 4}],
    "COLUMN_NOT_FOUND": [{"where": "nothing = 1"}, {"where": "id = 1", "set": {"nothing": 1}}],
    "UNSUPPORTED_OPERATION": [{"where": "id = 1", "set": {"id": 2}}, {"where": "id = 1", "set": {}, "expressions": {"ID": "2"}}],
    "INVALID_ARGUMENT": [
        {"where": "id = 1", "all_rows": True},
        {"where": "id = $1", "parameters": []},
        {"where": "id = 1", "parameters": [1]},
        {"where": "id = 1", "set": {}},
        {"where": "id = 1", "expressions": {"SCORE": "1"}},
    ],
    "TYPE_MISMATCH": [
        {"where": "id = 1", "set": {"score": "much"}},
        {"where": "name"},
        {"where": "5"},
        {"where": "id = 1", "set": {}, "expressions": {"score": "name"}},
    ],
    "CONSTRAINT_VIOLATION": [{"where": "id = 1", "set": {}, "expressions": {"name": "unnest(ARRAY['a', 'b'])"}}],
    "sql_syntax": [
        {"where": "1 = 1) OR (id = 1"},
        {"where": "id = 1, 2"},
        {"where": "id = 1 AS x"},
        {"where": "id = 1 x"},
        {"where": "id = 1 FROM films"},
        {"where": "*"},
        {"where": "id = 1 /*"},
        {"where": "id = 1 LIMIT 1"},
        {"where": "id = 1 UNION SELECT true"},
        {"where": "DISTINCT id = 1"},
        {"where": "id = 1", "set": {}, "expressions": {"name": "'x' FROM films --"}},
        {"where": "id = 1", "set": {}, "expressions": {"name": "'x', id"}},
    ],
    "sql_not_allowed": [{"where": "true; DELETE FROM films"}, {"where": "true; SELECT 1"}],
    "sql_unsupported": [{"where": "pg_sleep(1) IS NULL"}, {"where": "id = ?", "parameters": [1]}],
    "INVALID_EXPRESSION": [{"where": "count(*) > 1"}],
    "TABLE_NOT_FOUND": [{"where": "id IN (SELECT id FROM no_such_table)"}],
}


@pytest.mark.parametrize("code", REFUSED)
def test_refused_conditions(act, films, path, code):
    before = state(films)
    for case in REFUSED[code]:
        with refused(code):
            act("update", table=path, **({"set": {"score": 1}} | case))
        if "set" not in case and "expressions" not in case:
            with refused(code):
                act("delete", table=path, **case)
    assert state(films) == before


def test_refused_rows(put, films, path):
    before = state(films)
    for code, name, rows, options in [
        ("ROW_NOT_FOUND", "update_rows", {"id": [1, 99], "name": ["a", "b"]}, {}),
        ("ROW_NOT_FOUND", "delete_rows", {"_rowid": [1, 99]}, {}),
        ("CONSTRAINT_VIOLATION", "update_rows", {"id": [1, 1], "name": ["a", "b"]}, {}),
        ("CONSTRAINT_VIOLATION", "update_rows", {"id": [99, 99], "name": ["a", "b"]}, {"if_missing": "insert"}),
        ("UNSUPPORTED_OPERATION", "update_rows", {"_rowid": [1], "id": [5]}, {}),
        ("COLUMN_NOT_FOUND", "update_rows", {"id": [1], "nothing": [5]}, {}),
        ("INVALID_ARGUMENT", "update_rows", {"name": ["a"]}, {}),
        ("INVALID_ARGUMENT", "update_rows", {"id": [1]}, {}),
        ("INVALID_ARGUMENT", "update_rows", {"_rowid": [1], "name": ["a"]}, {"if_missing": "insert"}),
        ("INVALID_ARGUMENT", "update_rows", {"id": [1], "name": ["a"]}, {"if_missing": "what"}),
        ("INVALID_ARGUMENT", "delete_rows", {"id": [1], "name": ["a"]}, {}),
        ("too_many_affected", "delete_rows", {"id": [1, 2]}, {"max_affected": 1}),
    ]:
        with refused(code):
            put(name, pa.table(rows), table=path, **options)
    assert state(films) == before


def test_new_rows_need_what_the_table_requires(pxt, put, make_table):
    table = make_table({"id": pxt.Int, "must": pxt.Int, "may": pxt.Int | None}, [{"id": 1, "must": 1}], primary_key="id")
    path = table.get_metadata()["path"]
    assert put("update_rows", pa.table({"id": [1], "may": [5]}), table=path, if_missing="insert")["updated"] == 1
    before = state(table)
    with refused("MISSING_REQUIRED"):
        put("update_rows", pa.table({"id": [1, 2], "may": [6, 6]}), table=path, if_missing="insert")
    assert state(table) == before


def test_a_write_done_twice_under_one_key(act, films, path):
    first = act("update", table=path, expressions={"score": "score + 1"}, where="id < 3", max_affected=3, idempotency_key=f"once {path}")
    assert not first["repeated"]
    again = act("update", table=path, expressions={"score": "score + 1"}, where="id < 3", max_affected=3, idempotency_key=f"once {path}")
    assert again == first | {"repeated": True}
    with refused("idempotency_key_reused"):
        act("update", table=path, expressions={"score": "score + 2"}, where="id < 3", idempotency_key=f"once {path}")
    assert list(films.where(films.id < 3).order_by(films.id).collect()["score"]) == [1.0, 1.5, 2.0]


def test_reverts(pxt, act, films, path):
    films.update({"score": 9.0}, where=films.id == 1)
    films.delete(where=films.id == 2)
    assert act("revert", table=path)["version"] == 2
    assert films.count() == 10
    with refused("UNSUPPORTED_OPERATION"):
        act("revert", table=path, version=7)
    with refused("UNSUPPORTED_OPERATION"):
        act("revert", table=path, version=-1)
    pxt.create_snapshot("mutate_kept", films, if_exists="replace")
    try:
        with pytest.raises(PxtFlightError, match="A snapshot needs version 2") as fault:
            act("revert", table=path, version=0)
        assert "mutate_kept" not in str(fault.value)
    finally:
        pxt.drop_table("mutate_kept")
    assert act("revert", table=path, version=0)["version"] == 0
    assert films.count() == 0
    with refused("UNSUPPORTED_OPERATION"):
        act("revert", table=path)


@pytest.fixture
def writer(engine):
    from pxt_flight.engine.writer import Writer

    writer = Writer(engine)
    yield writer
    writer.close()


@pytest.fixture
def change_where(writer, path):
    from pxt_flight.engine import affected
    from pxt_flight.engine.written import Asked

    def run(kind, where, **what):
        target = writer.target(path)
        return writer.change_where(target, affected.affected(target, where, **what), Asked(kind, "test"))

    return run


def between(monkeypatch, intrude):
    """Run something between each reading of rows and the write that is made of it; answers how often that was."""
    from pxt_flight.engine import affected

    read, times = affected.read, []

    def read_and_intrude(*arguments):
        found = read(*arguments)
        times.append(1)
        intrude(len(times))
        return found

    monkeypatch.setattr(affected, "read", read_and_intrude)
    return times


def test_rows_are_read_anew_after_another_write(monkeypatch, films, change_where):
    times = between(monkeypatch, lambda time: time == 1 and films.update({"score": 100.0}, where=films.id == 0))
    assert change_where("update", "score > 4", expressions={"score": "score + 1"}).updated == 2
    assert len(times) == 2
    assert [row["score"] for row in films.where(films.score > 4).order_by(films.id).collect()] == [101.0, 5.5]


def test_a_version_that_came_again_is_another(monkeypatch, films, change_where):
    def intrude(time):
        if time == 1:
            films.revert()
            films.insert([{"id": i, "score": 50.0} for i in range(3)])

    assert change_where("update", "score >= 4", expressions={"score": "score + 1"}).updated == 2
    films.revert()
    times = between(monkeypatch, intrude)
    assert change_where("update", "score >= 4", expressions={"score": "score + 1"}).updated == 3
    assert len(times) == 2
    assert list(films.collect()["score"]) == [51.0] * 3


def test_a_table_that_is_written_all_the_time(monkeypatch, films, change_where):
    times = between(monkeypatch, lambda time: films.update({"score": float(time)}, where=films.id == 0))
    with refused("table_busy"):
        change_where("delete", "score > 0")
    assert films.count() == 10
    assert len(times) == 5


def test_a_table_without_versions(pxt, act, put, make_table):
    schema = {"id": pxt.Int, "u": pxt.UUID | None, "n": pxt.Int | None}
    table = make_table(schema, primary_key="id", _is_data_versioned=False)
    table.insert([{"id": i, "n": i} for i in range(6)])
    path = table.get_metadata()["path"]
    assert put("update_rows", pa.table({"id": [1, 2], "n": [10, None]}), table=path)["updated"] == 2
    assert put("update_rows", pa.table({"id": [3, 30], "n": [7, 8]}), table=path, if_missing="insert")["inserted"] == 1
    named = uuid.uuid4()
    assert act("update", table=path, set={"u": str(named)}, expressions={"n": "n + 1"}, where="n > 5")["updated"] == 3
    assert act("delete", table=path, where="n = 5")["deleted"] == 1
    assert put("delete_rows", pa.table({"id": [0]}), table=path)["deleted"] == 1
    rows = [(row["id"], row["u"], row["n"]) for row in table.order_by(table.id).collect()]
    assert rows == [(1, named, 11), (2, None, None), (3, named, 8), (4, None, 4), (30, named, 9)]
    with refused("row_id_unsupported"):
        put("update_rows", pa.table({"_rowid": [1], "n": [1]}), table=path)
    with refused("UNSUPPORTED_OPERATION"):
        act("revert", table=path)
    unnamed = make_table({"n": pxt.Int}, _is_data_versioned=False)
    with refused("row_id_unsupported"):
        act("delete", table=unnamed.get_metadata()["path"], where="n = 1")


def test_values_that_json_has_as_text(pxt, act, make_table):
    schema = {"id": pxt.Int, "t": pxt.Timestamp | None, "d": pxt.Date | None, "a": pxt.Array[(2,), pxt.Float] | None, "j": pxt.Json | None}
    table = make_table(schema, [{"id": 1}, {"id": 2}])
    path = table.get_metadata()["path"]
    values = {"t": "2024-02-29T12:00:00Z", "d": "2024-02-29", "a": [0.5, 1.5], "j": "text"}
    assert act("update", table=path, set=values, where="id = 1")["updated"] == 1
    row = table.where(table.id == 1).collect()[0]
    assert (row["t"], row["d"], row["j"]) == (dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC), dt.date(2024, 2, 29), "text")
    assert row["a"].tolist() == [0.5, 1.5]


def test_media_take_one_value_for_all_rows(pxt, put, writer, make_table, tmp_path):
    import io

    from PIL import Image

    from pxt_flight.engine import affected
    from pxt_flight.engine.written import Asked

    table = make_table({"id": pxt.Int, "img": pxt.Image | None}, [{"id": 1}, {"id": 2}], primary_key="id")
    path = table.get_metadata()["path"]
    file = io.BytesIO()
    Image.new("RGB", (4, 3), "red").save(file, "PNG")
    target = writer.target(path)
    wanted = affected.affected(target, "id = 1", values={"img": file.getvalue()})
    assert writer.change_where(target, wanted, Asked("update", "test")).updated == 1
    assert [row["img"] and row["img"].size for row in table.order_by(table.id).collect()] == [(4, 3), None]
    with refused("UNSUPPORTED_OPERATION"):
        put("update_rows", pa.table({"id": [1, 2], "img": [file.getvalue()] * 2}), table=path)


def test_the_parts_of_pixeltable_are_in_their_place(pxt):
    from pxt_flight.engine.seam import probe

    assert probe.missing_parts_of_changes() == []
