"""Each shape of SQL answers what the same query in Pixeltable's own words gives, in both tiers; and what Postgres itself answers."""

import json
from decimal import Decimal

import oddities
import psycopg
import pytest
import shapes
from comparison import rows_of, same

from pxt_flight.errors import PxtFlightError

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


@pytest.mark.parametrize("tier", ["copy", "cursor"])
@pytest.mark.parametrize("shape", [*shapes.ALL, *shapes.placeholders(shapes.ALL)], ids=str)
def test_equals_collect(table, read, functions, shape, tier):
    expected = rows_of(shape.query(table, functions).collect())
    same(expected, read(shape.sql.format(t=NAME), shape.parameters, tier=tier), ordered=shape.ordered)


@pytest.mark.parametrize("shape", shapes.ALL, ids=str)
def test_means_what_postgres_means(table, plain, read, shape):
    statement = shape.sql.format(t=NAME)
    answer = read(statement, shape.parameters, tier="copy")
    cursor = plain.execute(statement, shape.parameters or None)
    kinds = [field.metadata[b"pxt:type"] for field in answer.schema]
    same([[_declared(kind, value) for kind, value in zip(kinds, row, strict=True)] for row in cursor], answer, ordered=shape.ordered)
    assert answer.schema.names == [column.name for column in cursor.description]


def _declared(kind, value):
    """sum(bigint) and avg(bigint) are numeric in Postgres; here they are of the type that Pixeltable declares."""
    return value if not isinstance(value, Decimal) else int(value) if kind == b"Int" else float(value)


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
    kinds = [field.metadata[b"pxt:type"] for field in answer.schema]
    expected = [[_declared(kind, value) for kind, value in zip(kinds, row, strict=True)] for row in plain.execute(statement)]
    same(expected, answer, ordered="order by" in statement)


@pytest.mark.parametrize(("condition", "meaning"), oddities.LENIENT.items(), ids=list(oddities.LENIENT))
def test_what_postgres_refuses_and_we_read(table, plain, db, condition, meaning):
    with pytest.raises(psycopg.Error):
        plain.execute(f"select id from {NAME} where {condition}")
    same(plain.execute(f"select id from {NAME} where {meaning}"), db.sql(f"select id from {NAME} where {condition}").to_arrow())
