"""`db.table(t).versions()`: what the server tells of each version, and that each reads."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta

import polars as pl
import pyarrow.flight as fl
import pytest

import pxt_flight as pf


@pytest.fixture
def table(make_table, pxt):
    table = make_table(
        {"id": pxt.Int, "v": pxt.Int | None}, [{"id": i, "v": i} for i in range(5)], comment="why", custom_metadata={"a": [1]}
    )
    table.update({"v": 9}, where=table.id > 2)
    table.delete(where=table.id == 0)
    table.add_computed_column(w=10 / table.v, on_error="ignore")
    table.update({"v": table.v - 1}, where=table.id == 1)
    table.rename_column("v", "value")
    return table


@pytest.fixture
def name(table):
    return table.get_metadata()["name"]


def test_each_version_is_told_of_and_reads(db, table, name):
    versions = db.table(name).versions()
    assert [version.version for version in versions] == [6, 5, 4, 3, 2, 1, 0]
    told = {version.version: (version.change, version.inserts, version.updates, version.deletes) for version in versions}
    assert [told[number] for number in (1, 2, 3)] == [("data", 5, 0, 0), ("data", 0, 2, 0), ("data", 0, 0, 1)]
    assert {number: version[0] for number, version in told.items() if version[0] == "schema"} == {0: "schema", 4: "schema", 6: "schema"}
    assert versions[0].schema_change == "Altered: v (renamed to value)"
    assert versions[2].schema_change == "Added: w"
    times = [version.created_at for version in versions]
    assert times == sorted(times, reverse=True)
    assert datetime.now(UTC) - times[-1] < timedelta(hours=1)
    assert all(time.tzinfo is UTC or time.utcoffset() == timedelta(0) for time in times)
    assert {version.note for version in versions} == {None}
    counts = {version.version: db.table(name).scan(version=version.version).to_arrow().num_rows for version in versions}
    assert counts == {0: 0, 1: 5, 2: 5, 3: 4, 4: 4, 5: 4, 6: 4}
    assert db.sql(f'select count(*) as n from "{name}:2"').to_arrow()["n"].to_pylist() == [5]


def test_failed_cells_are_counted(db, make_table, pxt, tmp_path):
    table = make_table({"id": pxt.Int, "img": pxt.Image | None})
    (tmp_path / "broken.png").write_bytes(b"no picture")
    table.insert([{"id": 1, "img": str(tmp_path / "broken.png")}, {"id": 2, "img": None}], on_error="ignore")
    newest = db.table(table.get_metadata()["name"]).versions()[0]
    assert (newest.inserts, newest.errors) == (2, 1)


def test_the_newest_only(db, table, name):
    assert [version.version for version in db.table(name).versions(2)] == [6, 5]


def test_a_data_frame_of_them(db, table, name):
    frame = pl.DataFrame(db.table(name).versions())
    assert frame.columns == [field.name for field in dataclasses.fields(db.table(name).versions(1)[0])]
    assert frame["version"].to_list() == [6, 5, 4, 3, 2, 1, 0]


def test_versions_of_views_and_snapshots(db, table, name, pxt):
    view, kept = f"{name}_view", f"{name}_kept"
    pxt.create_view(view, table.where(table.id > 1))
    pxt.create_snapshot(kept, table)
    try:
        table.insert([{"id": 50, "value": 1}])
        for path in (view, kept):
            for version in db.table(path).versions():
                assert version.note is None
                assert db.table(path).scan(version=version.version).to_arrow().num_rows >= 3
    finally:
        pxt.drop_table(kept)
        pxt.drop_table(view)


def test_a_table_without_old_rows_says_so(db, pxt):
    pxt.create_table("client_live_only", {"id": pxt.Int}, if_exists="replace", _is_data_versioned=False)
    try:
        (version,) = db.table("client_live_only").versions()
        assert version.note == "The table keeps its live rows only."
        with pytest.raises(pf.NotFoundError, match="has no version 0"):
            db.table("client_live_only").scan(version=0).to_arrow()
    finally:
        pxt.drop_table("client_live_only")


@pytest.mark.parametrize(
    ("path", "limit", "code"),
    [
        ("nowhere", None, "TABLE_NOT_FOUND"),
        ("{t}:1", None, "INVALID_ARGUMENT"),
        ("{t}", 0, "INVALID_ARGUMENT"),
        ("{t}", -1, "INVALID_ARGUMENT"),
        ("{t}", 10**30, "INVALID_ARGUMENT"),
        ("", None, "INVALID_ARGUMENT"),
        ("a'\"b", None, "TABLE_NOT_FOUND"),
    ],
)
def test_what_is_refused(db, name, path, limit, code):
    with pytest.raises(pf.PxtFlightError) as caught:
        db.table(path.format(t=name)).versions(limit)
    assert caught.value.code == code


def test_the_action_by_its_name(server, name):
    options = fl.FlightCallOptions(headers=[(b"authorization", f"Bearer {server.key}".encode())])
    with fl.connect(server.flight_uri) as client:
        body = json.dumps({"table_path": f"/{name.upper()}", "limit": 1}).encode()
        (result,) = client.do_action(fl.Action("table.versions", body), options)
    (version,) = json.loads(result.body.to_pybytes())
    assert version["version"] == 6
    assert version["created_at"].endswith("Z")
