"""Each shape of SQL answers what the same query in Pixeltable's own words gives, in both tiers; and what Postgres itself answers."""

import json
from decimal import Decimal

import oddities
import psycopg
import pytest
import shapes
from comparison import kind_of, rows_of, same

from pxt_flight.errors import InvalidRequestError, PxtFlightError

NAME = "diff_shapes"


@pytest.fixture(scope="module")
def table(pxt):
    schema = {name: getattr(pxt, kind) | None if name != "id" else pxt.Int for name, (kind, _) in shapes.COLUMNS.items()}
    table = pxt.create_table(NAME, schema)
    table.insert(shapes.sample_rows())
    yield table
    pxt.drop_table(NAME)


@pytest.fixture(scope="module")
def plain(postgres):
    """The same rows in a temporary table of the same name, known to Postgres only."""
    postgres.execute(f"CREATE TEMPORARY TABLE {NAME} ({', '.join(f'{name} {kind}' for name, (_, kind) in shapes.COLUMNS.items())})")
    marks = ", ".join(f"${i + 1}" for i in range(len(shapes.COLUMNS)))
    for row in shapes.sample_rows():
        values = [json.dumps(row[name]) if name == "j" and row[name] is not None else row[name] for name in shapes.COLUMNS]
        postgres.execute(f"INSERT INTO {NAME} VALUES ({marks})", values)
    return postgres


@pytest.mark.parametrize("tier", ["copy", "exec", "cursor"])
@pytest.mark.parametrize("shape", [*shapes.ALL, *shapes.placeholders(shapes.ALL)], ids=str)
def test_equals_collect(table, read, functions, shape, tier):
    expected = rows_of(shape.query(table, functions).collect())
    same(expected, read(shape.sql.format(t=NAME), shape.parameters, tier=tier), ordered=shape.ordered)


@pytest.mark.parametrize("shape", shapes.ALL, ids=str)
def test_means_what_postgres_means(table, plain, read, shape):
    statement = shape.sql.format(t=NAME)
    answer = read(statement, shape.parameters, tier="copy")
    cursor = plain.execute(statement, shape.parameters or None)
    same(declared(cursor, answer), answer, ordered=shape.ordered)
    assert answer.schema.names == [column.name for column in cursor.description]


@pytest.mark.parametrize("sql", shapes.POSTGRES_ONLY)
def test_what_only_postgres_answers(table, plain, read, engine, sql):
    """Answered as Postgres itself does; the tier that asks Pixeltable refuses it, where it would answer otherwise or not at all."""
    from pxt_flight.engine.scan import Request

    statement = sql.format(t=NAME)
    answer = read(statement, tier="copy")
    cursor = plain.execute(statement)
    same(declared(cursor, answer), answer, ordered="order by" in statement.rpartition(")")[2])
    assert answer.schema.names == [column.name for column in cursor.description]
    with pytest.raises(InvalidRequestError) as caught:
        engine.stream(Request(statement), tier="cursor")
    assert caught.value.code in ("sql_unsupported", "TYPE_MISMATCH")


def declared(rows, answer):
    """The rows of Postgres as the types of an answer hold them.

    sum(bigint) and avg(bigint) are numeric in Postgres; here they are whole numbers and floats. JSON travels as text.
    """
    kinds = [kind_of(field) for field in answer.schema]
    return [[_declared(kind, value) for kind, value in zip(kinds, row, strict=True)] for row in rows]


def _declared(kind, value):
    if isinstance(value, Decimal) and kind != "Decimal":
        return int(value) if kind == "Int" else float(value)
    return value


REFUSALS = {
    "sql_unsupported",
    "sql_not_allowed",
    "sql_syntax",
    "TYPE_MISMATCH",
    "INVALID_ARGUMENT",
    "INVALID_EXPRESSION",
    "COLUMN_NOT_FOUND",
}


@pytest.mark.parametrize("sql", oddities.SERVED_OR_REFUSED)
def test_an_oddity_is_refused_or_means_what_postgres_means(table, plain, db, sql):
    statement = sql.format(t=NAME)
    try:
        answer = db.sql(statement, media="bytes").to_arrow()
    except PxtFlightError as refusal:
        assert refusal.code in REFUSALS  # noqa: PT017  # both ways are right
        return
    same(declared(plain.execute(statement), answer), answer, ordered="order by" in statement)


@pytest.mark.parametrize(("condition", "code"), oddities.REFUSED.items(), ids=list(oddities.REFUSED))
def test_what_postgres_refuses_and_so_do_we(table, plain, db, condition, code):
    with pytest.raises(psycopg.Error):
        plain.execute(f"select id from {NAME} where {condition}")
    with pytest.raises(InvalidRequestError) as caught:
        db.sql(f"select id from {NAME} where {condition}").to_arrow()
    assert caught.value.code == code
