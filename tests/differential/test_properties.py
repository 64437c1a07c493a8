"""Random conditions and orders over random rows: both tiers answer what Pixeltable does and what Postgres does."""

import datetime as dt
import math
import uuid

import pytest
from comparison import rows_of, same
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from predicates import KINDS, conditions, literal, random_rows

ROWS = random_rows(200, seed=7)
NAME = "diff_random"
SQL_TYPES = {
    "Int": "bigint",
    "Float": "float8",
    "String": "text",
    "Bool": "boolean",
    "Timestamp": "timestamptz",
    "Date": "date",
    "UUID": "uuid",
}
# The fixtures are of the module: no example changes them.
budget = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
SAMPLES = {
    "Int": st.integers(-(2**63), 2**63 - 1),
    "Float": st.floats(allow_nan=False, allow_infinity=False),
    "String": TEXTS,
    "Timestamp": st.datetimes(timezones=st.just(dt.UTC)).filter(lambda moment: 1 < moment.year < 9999),
    "Date": st.dates(),
    "UUID": st.uuids(),
}


@pytest.fixture(scope="module")
def table(pxt):
    table = pxt.create_table(NAME, {"id": pxt.Int} | {name: getattr(pxt, kind) | None for name, kind in KINDS.items()})
    table.insert(ROWS)
    yield table
    pxt.drop_table(NAME)


@pytest.fixture(scope="module")
def plain(postgres):
    """The same rows in a temporary table of the same name, known to Postgres only."""
    columns = ["id bigint", *(f"{name} {SQL_TYPES[kind]}" for name, kind in KINDS.items())]
    postgres.execute(f"CREATE TEMPORARY TABLE {NAME} ({', '.join(columns)})")
    marks = ", ".join(f"${i + 1}" for i in range(len(columns)))
    with postgres.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {NAME} VALUES ({marks})", [list(row.values()) for row in ROWS])
    return postgres


@budget
@given(data=st.data())
@pytest.mark.parametrize("tier", ["copy", "cursor"])
def test_conditions(table, plain, read, tier, data):
    condition = data.draw(conditions(ROWS))
    statement = f"select id, f, s, t from {NAME} where {condition.sql}"
    answer = read(statement, tier=tier)
    same(rows_of(table.where(condition.build(table)).select(table.id, table.f, table.s, table.t).collect()), answer)
    same(plain.execute(statement), answer)


@budget
@given(
    keys=st.lists(st.tuples(st.sampled_from(list(KINDS)), st.booleans()), max_size=3), limit=st.integers(0, 250), offset=st.integers(0, 250)
)
@pytest.mark.parametrize("tier", ["copy", "cursor"])
def test_orders(table, plain, read, tier, keys, limit, offset):
    order = ", ".join([*(f"{name} {'asc' if ascending else 'desc'}" for name, ascending in keys), "id"])
    statement = f"select id, i, f, s from {NAME} order by {order} limit {limit} offset {offset}"
    answer = read(statement, tier=tier)
    same(plain.execute(statement), answer, ordered=True)
    query = table.select(table.id, table.i, table.f, table.s)
    for name, ascending in [*keys, ("id", True)]:
        query = query.order_by(table[name], asc=ascending)
    # The rows are cut here: limit and offset are ours to pass on, and to test.
    same(rows_of(query.collect())[offset : offset + limit], answer, ordered=True)


@budget
@given(data=st.data(), group=st.sampled_from(["b", "d", "u", "k"]), column=st.sampled_from(["i", "f", "s", "t"]))
@pytest.mark.parametrize("tier", ["copy", "cursor"])
def test_groups(plain, read, tier, data, group, column):
    condition = data.draw(conditions(ROWS))
    statement = (
        f"select {group} as g, count(*) as n, count({column}) as m, min({column}) as low, max({column}) as high "
        f"from {NAME} where {condition.sql} group by {group}"
    )
    same(plain.execute(statement), read(statement, tier=tier))


@pytest.fixture(scope="module")
def samples(pxt):
    """A column per type of values that Hypothesis finds interesting, the same in every run."""
    values = {kind: _found(strategy) for kind, strategy in SAMPLES.items()}
    rows = [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
    table = pxt.create_table("diff_samples", {"id": pxt.Int} | {kind: getattr(pxt, kind) for kind in SAMPLES})
    table.insert({"id": i, **row} for i, row in enumerate(rows))
    yield values
    pxt.drop_table("diff_samples")


def _found(strategy, count=80):
    found = []

    @settings(max_examples=count * 2, deadline=None, database=None, derandomize=True)
    @given(strategy)
    def collect(value):
        found.append(value)

    collect()
    assert len(found) >= count
    return found[:count]


@pytest.mark.parametrize("form", ["literal", "parameter"])
@pytest.mark.parametrize("kind", SAMPLES)
def test_equality_finds_what_python_finds(samples, read, kind, form):
    """Each stored value, sent back as a literal or as a parameter, finds exactly its own rows."""
    values = samples[kind]
    for value in values[:20]:
        expected = [(i,) for i, other in enumerate(values) if other == value]
        condition, parameters = (f"{kind} = $1", [value]) if form == "parameter" else (f"{kind} = {literal(value)}", [])
        same(expected, read(f"select id from diff_samples where {condition}", parameters, tier="copy"))


@budget
@given(value=TEXTS | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.dates() | st.uuids())
def test_any_parameter_over_the_wire(samples, db, value):
    """Whatever the value, and whatever JSON and gRPC make of it: the rows that Python finds."""
    kind = {str: "String", int: "Int", float: "Float", dt.date: "Date", uuid.UUID: "UUID"}[type(value)]
    expected = [(i,) for i, other in enumerate(samples[kind]) if other == value]
    same(expected, db.sql(f"select id from diff_samples where {kind} = $1", [value]).to_arrow())
    greater = [(i,) for i, other in enumerate(samples[kind]) if other > value]
    if kind not in ("String", "UUID"):  # whose order is that of a collation, and of bytes
        same(greater, db.sql(f"select id from diff_samples where ? < {kind}", [value]).to_arrow())


def test_the_samples_are_worth_it(samples):
    """Random values would prove little if they were all alike."""
    assert any("%" in text or "'" in text or "\\" in text for text in samples["String"])
    assert any(ord(character) > 0xFFFF for text in samples["String"] for character in text)
    assert any(abs(number) > 2**53 for number in samples["Int"])
    assert any(0 < abs(number) < 1e-300 for number in samples["Float"])
    assert any(math.copysign(1, number) < 0 for number in samples["Float"])
