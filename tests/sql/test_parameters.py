"""A value goes in as a parameter and comes back the same, whatever it is, and changes nothing else of its statement."""

import datetime as dt
import json
import struct
import uuid
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pxt_flight.errors import PxtFlightError

# What Postgres can hold, at UTC: a day from the ends of Python's years.
_MOMENTS = st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30))  # noqa: DTZ001
_ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: dt.timezone(dt.timedelta(minutes=minutes)))
VALUES = {
    "text": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "float8": st.floats() | st.sampled_from([-0.0, 5e-324, -5e-324, 2.2250738585072014e-308, 1.7976931348623157e308]),
    "boolean": st.booleans(),
    "bytea": st.binary(),
    "date": st.dates(),
    "timestamptz": _MOMENTS | st.builds(lambda moment, zone: moment.replace(tzinfo=zone), _MOMENTS, _ZONES),
    "time": st.times(),
    "uuid": st.uuids(),
    "numeric": st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**18), max_value=10**18),
}
# They look like parameters, and are none.
AROUND = "select 'a ''$1'' ?' as a, {0} as b, $q$ $1 ? ' $q$ as c, \"$1 ?\".x as d /* $1 ? */ from (values (7)) as \"$1 ?\" (x) -- $1 ?"
budget = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def exactly(value):
    """A value in a form in which equal means the same: bits of a float, an instant of a time, a number of a decimal."""
    if isinstance(value, float):
        return struct.pack(">d", float("nan") if value != value else value)
    if isinstance(value, dt.datetime):
        return (value if value.tzinfo else value.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
    return Decimal(value).normalize() if isinstance(value, Decimal) else (type(value), value)


def one(table):
    assert table.num_rows == 1
    return table.to_pylist()[0]


@budget
@given(data=st.data())
@pytest.mark.parametrize("kind", VALUES)
def test_a_value_comes_back_from_the_engine(ask, kind, data):
    value = data.draw(VALUES[kind] | st.none())
    row = one(ask(AROUND.format(f"$1::{kind}"), (value,)))
    assert exactly(row.pop("b")) == exactly(value)
    assert row == {"a": "a '$1' ?", "c": " $1 ? ' ", "d": 7}


@budget
@given(data=st.data())
@pytest.mark.parametrize("kind", VALUES)
def test_a_value_comes_back_over_the_wire(wire, kind, data):
    value = data.draw(VALUES[kind])
    with wire.cursor() as cursor:
        cursor.execute(AROUND.format(f"?::{kind}"), (value,))
        row = one(cursor.fetch_arrow_table())
    assert exactly(row.pop("b")) == exactly(value)
    assert row == {"a": "a '$1' ?", "c": " $1 ? ' ", "d": 7}


@budget
@given(values=st.lists(VALUES["text"], min_size=1, max_size=4))
def test_texts_stay_apart(ask, values):
    columns = ", ".join(f"${i + 1}::text || ':' as c{i}" for i in reversed(range(len(values))))
    row = one(ask(f"select {columns}", tuple(values)))
    assert row == {f"c{i}": f"{value}:" for i, value in enumerate(values)}


@budget
@given(value=VALUES["text"])
def test_a_text_finds_itself(ask, value):
    pattern = "replace(replace(replace($1, '\\', '\\\\'), '%', '\\%'), '_', '\\_')"
    sql = f"select x = $1 and $1 in (x, 'other') and strpos(x, $1) = 1 and x like {pattern} as found"
    assert one(ask(f"{sql} from (values ($1::text)) as v (x)", (value,))) == {"found": True}
    assert json.loads(one(ask("select jsonb_build_array($1::text) as j", (value,)))["j"]) == [value]


@pytest.mark.parametrize("value", ["a\0b", "\ud800", dt.datetime(1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=14))), [1], object()])
def test_a_value_that_no_text_of_sql_holds_is_refused(ask, value):
    with pytest.raises(PxtFlightError) as caught:
        ask("select $1::text as v", (value,))
    assert caught.value.code == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    ("sql", "values"),
    [("select $1::int", ()), ("select $1::int", (1, 2)), ("select $2::int", (1,)), ("select $0::int", (1,)), ("select 1", (1,))],
)
def test_too_few_or_too_many_values(ask, sql, values):
    with pytest.raises(PxtFlightError, match="INVALID_ARGUMENT"):
        ask(sql, values)


def test_parameters_beside_the_operators_that_look_like_them(ask, raw):
    conditions = "tags ? ? and tags -> 'list' @> ?::jsonb and tags ?| array[?, 'x'] and tags['deep'] ? 'k.e''y'"
    sql = f"select id from movie where {conditions} order by id limit ?"
    numbered = sql.replace("? ?", "? $1").replace("@> ?", "@> $2").replace("[?,", "[$3,").replace("limit ?", "limit $4")
    expected = [row[0] for row in raw.execute(numbered, ["n", "[1]", "kind", 5])]
    assert ask(sql, ("n", "[1]", "kind", 5))["id"].to_pylist() == expected
    assert len(expected) == 5


def test_a_uuid_and_a_decimal_are_typed(ask):
    value = uuid.UUID(int=7)
    assert one(ask("select $1 as u, $2 as d, $3 as f", (value, Decimal("1.50"), 1.5))) == {"u": value, "d": Decimal("1.5"), "f": 1.5}
