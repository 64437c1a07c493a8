"""Tables that are made of record batches, over Flight: nobody sees one without its rows."""

import json

import pyarrow as pa
import pyarrow.flight as fl
import pytest

from pxt_flight.errors import from_json

NAME = "create_films"
ROWS = pa.table({"id": pa.array([1, 2, 3]), "name": ["a", None, "c"]})


@pytest.fixture
def create(server, as_owner, pxt):
    """`create(rows, name, **arguments)` answers what was written."""

    def put(rows=ROWS, name=NAME, **arguments):
        command = json.dumps({"pixeltable.create_table": {"path": name, **arguments}}).encode()
        with fl.connect(server.flight_uri) as client:
            writer, reader = client.do_put(fl.FlightDescriptor.for_command(command), rows.schema, as_owner)
            try:
                with writer:
                    writer.write_table(rows)
                    writer.done_writing()
                    return json.loads(reader.read().to_pybytes())["written"]
            except fl.FlightError as fault:
                raise from_json(fault.extra_info) from None

    yield put
    for name in (NAME, "create_view", "create_dir/films"):
        pxt.drop_table(name, if_not_exists="ignore", force=True)
    if "pxt_flight_staging" in pxt.list_dirs():
        assert pxt.list_tables("pxt_flight_staging") == []


def test_a_table_with_its_rows(create, pxt):
    written = create(primary_key=["id"])
    assert (written["kind"], written["table"], written["inserted"], written["version"]) == ("create", NAME, 3, 1)
    table = pxt.get_table(NAME)
    assert {name: column["type_"] for name, column in table.get_metadata()["columns"].items()} == {"id": "Int", "name": "String | None"}
    assert table.get_metadata()["primary_key"] == ["id"]
    assert list(table.order_by(table.id).collect()["name"]) == ["a", None, "c"]


def test_rows_of_a_declared_schema(create, pxt):
    """The schema says what the columns are, not the rows; one that the rows have not is NULL."""
    written = create(schema={"id": "Float", "name": "String | None", "more": "Json | None"}, primary_key="id", comment="said")
    assert written["inserted"] == 3
    table = pxt.get_table(NAME)
    assert [column["type_"] for column in table.get_metadata()["columns"].values()] == ["Float", "String | None", "Json | None"]
    assert table.get_metadata()["comment"] == "said"
    assert table.order_by(table.id).collect()[0] == {"id": 1.0, "name": "a", "more": None}
    with pytest.raises(Exception, match="PATH_ALREADY_EXISTS"):
        create(schema={"id": "Int"})
    assert create(schema={"id": "Int"}, if_exists="ignore")["inserted"] == 0
    with pytest.raises(Exception, match="COLUMN_NOT_FOUND"):
        create(schema={"id": "Int"}, if_exists="replace")
    assert table.count() == 3


def test_an_empty_table(create, pxt):
    assert create(ROWS.slice(0, 0))["inserted"] == 0
    assert pxt.get_table(NAME).count() == 0


def test_what_is_there_already(create, pxt):
    create()
    with pytest.raises(Exception, match="PATH_ALREADY_EXISTS"):
        create()
    assert create(if_exists="append")["inserted"] == 3
    assert pxt.get_table(NAME).count() == 6
    assert create(ROWS.slice(0, 1), if_exists="replace")["inserted"] == 1
    assert pxt.get_table(NAME).count() == 1


def test_a_replacement_that_fails_leaves_what_is_there(create, pxt):
    create()
    twice = pa.table({"id": [7, 7]})
    with pytest.raises(Exception, match="CONSTRAINT_VIOLATION"):
        create(twice, if_exists="replace", primary_key=["id"])
    assert pxt.get_table(NAME).count() == 3


def test_a_table_with_views_is_not_replaced(create, pxt):
    create()
    pxt.create_view("create_view", pxt.get_table(NAME))
    with pytest.raises(Exception, match=r"UNSUPPORTED_OPERATION: .*views"):
        create(if_exists="replace")
    assert pxt.get_table("create_view").count() == 3


def test_asking_again_under_the_same_key(create, pxt):
    first = create(idempotency_key="create-1")
    again = create(idempotency_key="create-1")
    assert (first["repeated"], again) == (False, first | {"repeated": True})
    assert pxt.get_table(NAME).count() == 3
    with pytest.raises(Exception, match="PATH_ALREADY_EXISTS"):
        create(idempotency_key="create-2")
    appended = create(if_exists="append", idempotency_key="create-3")
    assert create(if_exists="append", idempotency_key="create-3") == appended | {"repeated": True}
    assert pxt.get_table(NAME).count() == 6


def test_append_that_made_the_table_and_is_asked_again(create, pxt):
    first = create(if_exists="append", idempotency_key="create-4")
    assert create(if_exists="append", idempotency_key="create-4") == first | {"repeated": True}
    assert pxt.get_table(NAME).count() == 3


def test_directories(create, pxt):
    with pytest.raises(Exception, match="DIRECTORY_NOT_FOUND: There is no directory create_dir"):
        create(name="create_dir/films")
    pxt.create_dir("create_dir")
    assert create(name="create_dir/films")["table"] == "create_dir/films"
    pxt.drop_dir("create_dir", force=True)


def test_nothing_of_the_staging_is_listed(create, db):
    create()
    assert not [path for path in db.tables() if "staging" in path]


def test_what_a_killed_write_left_goes_at_the_next_start(engine, pxt):
    import uuid

    from pxt_flight.engine import creation
    from pxt_flight.engine.writer import Writer

    writer, other = Writer(engine), Writer(engine)
    left, used = uuid.uuid4(), uuid.uuid4()
    with other._turns.claimed(used):
        for claim in (left, used):
            creation.stage(claim, {"id": pxt.Int}, [])
        writer.sweep()
        assert creation.claims() == {used}
    writer.sweep()
    assert creation.claims() == set()
    writer.close()
    other.close()
