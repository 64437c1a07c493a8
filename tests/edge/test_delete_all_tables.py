"""All tables go at once, for who confirms it, and only those that were confirmed."""

import pyarrow as pa
import pytest

import pxt_flight as pf

PATHS = ["above", "base", "edge_dir/alone", "edge_dir/odd", "edge_films", "kept"]
ROUTE = "/api/pixeltable/delete_all_tables"


@pytest.fixture(scope="module")
def filled(own_server):
    """Tables, a view, a view on that, and a snapshot."""
    own_server.make_tables()
    return own_server


def unconfirmed(answer):
    assert (answer.status_code, answer.json()["code"]) == (409, "confirmation_required")
    return answer.json()


def tables(own):
    return own.http.get("/api/v1/tables").json()


def test_it_takes_a_second_call_and_the_very_tables(filled):
    own = filled
    assert tables(own) == PATHS
    first = unconfirmed(own.http.post(ROUTE, json={}))
    assert first["where"]["tables"] == len(PATHS)
    assert "drops 6 tables" in first["detail"]
    assert tables(own) == PATHS
    with own.connect() as db:
        db.table("base").insert(pa.table({"id": [3], "name": ["late"]}))
    second = unconfirmed(own.http.post(ROUTE, json={"confirm": first["where"]["confirm"]}))
    assert "not those that were confirmed" in second["detail"]
    for forged in ("", "drop.x.y", second["where"]["confirm"][:-1] + "A"):
        assert "not one" in unconfirmed(own.http.post(ROUTE, json={"confirm": forged}))["detail"]
    assert tables(own) == PATHS
    done = own.http.post(ROUTE, json={"confirm": second["where"]["confirm"]})
    assert (done.status_code, done.json()) == (200, {"tables": PATHS})
    assert done.headers["ratelimit-policy"] == '"default";q=100;w=3600'
    assert tables(own) == []
    # What was dropped makes room for its name, directories are where they were, and there is nothing left to confirm.
    assert own.http.post(ROUTE, json={}).json() == {"tables": []}
    with own.connect() as db:
        db.create_table("edge_dir.alone", pa.table({"id": [1]}))
        assert db.sql('select id from "edge_dir/alone"').to_arrow().num_rows == 1
        with pytest.raises(pf.ConflictError) as told:
            db._transport.call("pixeltable.delete_all_tables")
        confirm = told.value.where["confirm"]
        assert db._transport.call("pixeltable.delete_all_tables", confirm=confirm) == {"tables": ["edge_dir/alone"]}


# Of the session's store nothing is dropped: only refusals.


@pytest.fixture
def one_table(make_table, pxt):
    return make_table({"id": pxt.Int}, [{"id": 1}])


def test_a_confirmation_is_of_one_key(wires, one_table):
    served = wires()
    confirm = unconfirmed(served.http.post(ROUTE, json={}))["where"]["confirm"]
    other = {"authorization": f"Bearer {served.make_key('admin')}"}
    assert "not those" in unconfirmed(served.http.post(ROUTE, json={"confirm": confirm}, headers=other))["detail"]
    assert one_table.count() == 1


def test_a_confirmation_grows_old(wires, one_table, monkeypatch):
    from pxt_flight.operations import deletion

    monkeypatch.setattr(deletion, "CONFIRM_LIFETIME", -1)
    served = wires()
    confirm = unconfirmed(served.http.post(ROUTE, json={}))["where"]["confirm"]
    assert "too old" in unconfirmed(served.http.post(ROUTE, json={"confirm": confirm}))["detail"]
    assert one_table.count() == 1


@pytest.mark.parametrize(("permissions", "patterns"), [(("read", "write", "delete", "schema"), ("*",)), (("admin",), ("t*",))])
def test_a_key_that_may_not(wires, one_table, permissions, patterns):
    served = wires()
    key = served.make_key(*permissions, tables=patterns)
    answer = served.http.post(ROUTE, json={}, headers={"authorization": f"Bearer {key}"})
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")


def test_a_change_in_the_last_moment_drops_nothing(engine, one_table, pxt):
    from pxt_flight.engine import inventory
    from pxt_flight.engine.writer import Writer

    writer = Writer(engine)
    try:
        found = writer.inventory()
        assert one_table.get_metadata()["name"] in found.paths
        one_table.insert([{"id": 2}])
        assert writer.drop_all(found) is False
        assert inventory.take().digest != found.digest
    finally:
        writer.close()
    assert one_table.count() == 2


def test_tables_that_are_being_filled_are_not_among_them(engine, pxt):
    from uuid import uuid4

    from pxt_flight.engine import creation, inventory

    claim = uuid4()
    creation.stage(claim, {"id": pxt.Int}, [])
    try:
        assert not any("staging" in path for path in inventory.take().paths)
    finally:
        creation.discard(claim)


def test_the_parts_of_pixeltable_are_in_their_place():
    from pxt_flight.engine.seam import probe

    assert probe.missing_parts_of_drops() == []


def test_a_table_that_is_held_by_another(engine, one_table, waiting_writes):
    """Nothing is dropped where one of them stays locked: the transaction is one for all."""
    from pxt_flight.engine.seam import drops

    with waiting_writes(one_table), pytest.raises(pf.UnavailableError) as busy:
        drops.drop_all(lambda: [one_table], patience=0.3)
    assert busy.value.code == "table_busy"
    assert one_table.count() == 1
