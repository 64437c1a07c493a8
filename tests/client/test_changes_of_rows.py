"""Rows that a client changes, takes away and takes back, on a real table."""

import polars as pl
import pyarrow as pa
import pytest

import pxt_flight as pf


@pytest.fixture
def films(db, pxt, make_table):
    made = make_table({"id": pxt.Int, "name": pxt.String | None, "score": pxt.Float | None}, primary_key="id")
    table = db.table(made.get_metadata()["path"])
    table.insert({"id": i, "name": f"film {i}", "score": i / 2} for i in range(10))
    return table


def scores(films):
    return dict(films.scan(["id", "score"], order_by="id").to_polars().iter_rows())


def test_update_by_a_condition(films):
    assert films.update({"score": 9}, where="id = $1", parameters=[3]).updated == 1
    assert films.update(where="id < 2", expressions={"score": "score + 1"}).updated == 2
    assert [scores(films)[i] for i in range(4)] == [1.0, 1.5, 1.0, 9.0]
    assert films.update({"score": 0}, all_rows=True, dry_run=True).updated == 10
    assert scores(films)[3] == 9.0


def test_what_bounds_a_change(films):
    with pytest.raises(pf.InvalidRequestError, match="predicate_required"):
        films.update({"score": 0})
    with pytest.raises(pf.InvalidRequestError, match="predicate_required"):
        films.delete()
    with pytest.raises(pf.ConflictError, match="too_many_affected"):
        films.delete("id > 2", max_affected=3)
    assert len(scores(films)) == 10
    assert films.delete(all_rows=True).deleted == 10


@pytest.mark.parametrize("as_frame", [list, pl.DataFrame, pa.Table.from_pylist, iter])
def test_rows_of_values(films, as_frame):
    assert films.update_rows(as_frame([{"id": 1, "score": 7.5}, {"id": 2, "score": None}])).updated == 2
    assert (scores(films)[1], scores(films)[2]) == (7.5, None)
    with pytest.raises(pf.NotFoundError, match="ROW_NOT_FOUND"):
        films.update_rows(as_frame([{"id": 1, "score": 0.0}, {"id": 99, "score": 0.0}]))
    assert scores(films)[1] == 7.5
    written = films.upsert(as_frame([{"id": 1, "score": 1.0}, {"id": 99, "score": 9.0}]))
    assert (written.updated, written.inserted) == (1, 1)
    assert (scores(films)[1], scores(films)[99]) == (1.0, 9.0)
    assert films.delete_rows(as_frame([{"id": 1}, {"id": 99}])).deleted == 2
    assert set(scores(films)) == {0, *range(2, 10)}


def test_rows_by_their_row_ids(films, db):
    assert films.update_rows(db.sql(f'select _rowid, upper(name) as name from "{films.name}" where id < 3')).updated == 3
    assert films.scan(["name"], where="id = 2").to_arrow()["name"].to_pylist() == ["FILM 2"]


def test_statements(films, db):
    assert db.sql(f'update "{films.name}" set score = $1 where id = 4', [0]).updated == 1
    assert db.execute(f'insert into "{films.name}" (id) values (50), (51)').inserted == 2
    assert db.execute(f'delete from "{films.name}" where id >= 50').deleted == 2
    assert scores(films)[4] == 0.0


def test_back_to_an_older_version(films):
    version = films.versions()[0].version
    films.delete(all_rows=True)
    films.insert(id=1)
    films.revert(version)
    assert len(scores(films)) == 10


def test_what_was_written(films):
    films.delete("id = 1")
    newest, first = films.writes()
    assert (newest["kind"], newest["deleted"], first["kind"], first["inserted"]) == ("delete", 1, "insert", 10)
    assert len(films.writes(limit=1)) == 1


def test_the_same_key_writes_once(films):
    rows = [{"id": 20}]
    first = films.insert(rows, idempotency_key=f"once {films.name}")
    again = films.insert(rows, idempotency_key=f"once {films.name}")
    assert (again.repeated, again.version, first.repeated) == (True, first.version, False)


def test_rows_that_were_left_out(films):
    rows = pa.table({"id": [30, None, 31], "score": [1.0, 2.0, 3.0]})
    written = films.insert(rows, on_error="ignore")
    assert (written.inserted, written.rejected_rows, written.rejected.num_rows) == (2, 1, 1)
    assert written.rejected["score"].to_pylist() == [2.0]
    assert "id" in written.rejected["pxt_error"][0].as_py()
