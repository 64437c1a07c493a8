"""`explain` through a running server: needs the operation `explain` there."""

import pytest

import pxt_flight as pf


def test_explain(db, long_lines):
    result = db.sql("select id from client_lines where id < $1 order by id", [3])
    explanation = result.explain()
    assert explanation == db.explain("select id from client_lines where id < $1 order by id", [3])
    assert explanation.tier in ("copy", "psycopg", "cursor")
    assert explanation.why
    assert [path for path, _ in explanation.tables] == ["client_lines"]
    assert all(isinstance(version, int) for _, version in explanation.tables)
    assert all(isinstance(step, str) for step in explanation.pixeltable_plan)
    assert explanation.tier in str(explanation)
    assert result.to_arrow()["id"].to_pylist() == [0, 1, 2]


def test_a_wrong_query_is_not_explained(db):
    with pytest.raises(pf.NotFoundError):
        db.explain("select 1 from client_nowhere")
