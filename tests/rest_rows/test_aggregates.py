"""Filters and aggregates against DuckDB, which has the same rows and gets the condition by another way."""

import json

import duckdb
import pyarrow as pa
import pytest
from film_rows import film, path_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ROWS = [film(i) for i in range(40)]
_COLUMNS = {
    "id": st.integers(-1, 41),
    "score": st.sampled_from([0, 0.5, 1, 1.5, 2, 9.25]),
    "name": st.sampled_from(["film 01%_", "film 22%", "FILM 05%_", "%", "film", ""]),
    "made": st.sampled_from(["2026-01-01T05:00:00Z", "2026-01-01 12:00:00+00", "2030-01-01T00:00:00Z"]),
}
_SQL = {"eq": "=", "ne": "<>", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}


@pytest.fixture
def local():
    """The same rows in DuckDB."""
    rows = pa.Table.from_pylist([row | {"meta": None if row["meta"] is None else json.dumps(row["meta"])} for row in ROWS])
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.register("arrow_films", rows)
        connection.execute("create table films as select * replace (meta::json as meta) from arrow_films")
        yield connection


@st.composite
def terms(draw):
    """A filter of one column, and the same in DuckDB's SQL."""
    column = draw(st.sampled_from(list(_COLUMNS)))
    values = _COLUMNS[column]
    kind = draw(st.sampled_from([*_SQL, "in", "not_in", "between", "is_null", "null", "plain", *(["text"] * (column == "name"))]))
    if kind in _SQL:
        value = draw(values)
        return {column: {kind: value}}, f"{column} {_SQL[kind]} {literal(value)}"
    if kind in ("in", "not_in"):
        found = draw(st.lists(st.one_of(values, st.none()), max_size=3))
        known = ", ".join(literal(value) for value in found if value is not None)
        inside = " or ".join([*([f"{column} in ({known})"] if known else []), *([f"{column} is null"] * (None in found))]) or "false"
        return {column: {kind: found}}, f"({inside})" if kind == "in" else f"(not ({inside}))"
    if kind == "between":
        low, high = draw(values), draw(values)
        return {column: {"between": [low, high]}}, f"{column} between {literal(low)} and {literal(high)}"
    if kind == "text":
        operator, part = (
            draw(st.sampled_from(["contains", "starts_with", "ends_with"])),
            draw(st.sampled_from(["film", "%", "_", "2", "%_"])),
        )
        return {"name": {operator: part}}, f"{operator}(name, {literal(part)})"
    if kind == "is_null":
        asked = draw(st.booleans())
        return {column: {"is_null": asked}}, f"{column} is {'' if asked else 'not '}null"
    value = None if kind == "null" else draw(values)
    return {column: value}, f"{column} is null" if value is None else f"{column} = {literal(value)}"


def literal(value):
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


def combined(parts):
    lists = st.lists(parts, min_size=1, max_size=3)
    return st.one_of(
        lists.map(lambda found: ({"and": [one for one, _ in found]}, " and ".join(f"({sql})" for _, sql in found))),
        lists.map(lambda found: ({"or": [one for one, _ in found]}, " or ".join(f"({sql})" for _, sql in found))),
        parts.map(lambda found: ({"not": found[0]}, f"not ({found[1]})")),
    )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.recursive(terms(), combined, max_leaves=5))
def test_filters(http, films, local, condition):
    where, sql = condition
    found = http.post(f"/api/v1/tables/{path_of(films)}/query", json={"select": ["id"], "where": where, "order_by": "id"})
    assert found.status_code == 200, found.text
    assert [row["id"] for row in found.json()["rows"]] == [
        i for (i,) in local.sql(f"select id from films where {sql} order by id").fetchall()
    ]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"meta.lab": "l3"}, lambda meta: meta["lab"] == "l3"),
        ({"meta.n": {"gt": 30}}, lambda meta: not isinstance(meta["n"], str) and meta["n"] > 30),
        ({"meta.n": {"between": ["2", "3"]}}, lambda meta: isinstance(meta["n"], str) and "2" <= meta["n"] <= "3"),
        ({"meta.n": {"ne": 7}}, lambda meta: meta["n"] != 7),
        ({"meta.n": 7.0}, lambda meta: meta["n"] == 7),
        ({"meta.n": {"in": [1, "3", None]}}, lambda meta: meta["n"] in (1, "3")),
        ({"meta.tags.0": {"not_in": [1]}}, lambda meta: meta["tags"][0] != 1),
        ({'meta."a.b"': True}, lambda meta: meta["a.b"] is True),
        ({'meta."a.b"': {"ne": False}}, lambda meta: meta["a.b"] is True),
        ({"not": {'meta."a.b"': None}}, lambda meta: meta["a.b"] is not None),
        ({"meta.lab": {"like": "_3"}, "meta.nothing": {"is_null": True}}, lambda meta: meta["lab"] == "l3"),
        ({"meta.nothing.below": {"ne": 1}}, lambda meta: False),
    ],
)
def test_filters_inside_json(http, films, where, expected):
    found = http.get(f"/api/v1/tables/{path_of(films)}/rows", params={"select": "id", "where": json.dumps(where)})
    assert found.status_code == 200, found.text
    missing = "in" in where.get("meta.n", {}) if isinstance(where.get("meta.n"), dict) else False
    assert [row["id"] for row in found.json()["rows"]] == [
        row["id"] for row in ROWS if (missing if row["meta"] is None else expected(row["meta"]))
    ]


@pytest.mark.parametrize(
    ("aggregate", "group_by", "where", "sql"),
    [
        ("count(*)", None, None, "count(*)"),
        ("count(*),count(score),sum(score),avg(score),min(score),max(score)", None, None, "count(*), count(score), sum(score), avg(score), min(score), max(score)"),  # noqa: E501
        ("sum(id),avg(id),min(name),max(made)", None, "id > 100", "sum(id), avg(id), min(name), strftime(max(made), '%x')"),
        ("count(*),avg(id)", "score", None, "score, count(*), avg(id)"),
        ("sum(score)", "name,score", "id < 20", "name, score, sum(score)"),
        ("max(meta.n),sum(meta.n)", "meta.lab", None, "meta->>'lab', max(case when json_type(meta->'n') <> 'VARCHAR' then (meta->>'n')::double end), sum(case when json_type(meta->'n') <> 'VARCHAR' then (meta->>'n')::double end)"),  # noqa: E501
        (None, "score", None, "distinct score"),
    ],
)  # fmt: skip
def test_aggregates(http, films, local, aggregate, group_by, where, sql):
    params = {"aggregate": aggregate, "group_by": group_by, "where": where}
    page = http.get(f"/api/v1/tables/{path_of(films)}/rows", params={name: value for name, value in params.items() if value})
    assert page.status_code == 200, page.text
    found = [tuple(row.values()) for row in page.json()["rows"]]
    assert [column["name"] for column in page.json()["columns"]] == [*(group_by or "").split(","), *(aggregate or "").split(",")][
        not group_by : None if aggregate else -1
    ]
    grouped = f"group by {', '.join(str(i + 1) for i in range(group_by.count(',') + 1))} order by all" if group_by and aggregate else ""
    ordered = grouped or ("order by all" if group_by else "")
    expected = local.sql(f"select {sql} from films {f'where {where}' if where else ''} {ordered}").fetchall()
    assert len(found) == len(expected)
    for row, wanted in zip(found, expected, strict=True):
        assert row == pytest.approx(wanted)
