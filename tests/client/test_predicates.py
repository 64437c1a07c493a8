"""Which polars predicates become SQL, and that the rows are the same as if none did."""

import datetime as dt
import math

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pxt_flight.client.predicate import MAX_LIST, pushable

c = pl.col
DAY = dt.date(2024, 2, 29)
MOMENT = dt.datetime(2024, 2, 29, 12, 0, 0, 123456, tzinfo=dt.UTC)
KINDS = {
    "i": ("Int", pa.int64()),
    "j": ("Int", pa.int64()),
    "f": ("Float", pa.float64()),
    "g": ("Float", pa.float64()),
    "s": ("String", pa.utf8()),
    "t": ("String", pa.utf8()),
    "b": ("Bool", pa.bool_()),
    "d": ("Date", pa.date32()),
    "m": ("Timestamp", pa.timestamp("us", "UTC")),
    "u": ("UUID", pa.uuid()),
    "x": ("Json", pa.utf8()),
    "p": ("Image", pa.binary()),
    'odd" name': ("Int", pa.int64()),
}
SCHEMA = pa.schema([pa.field(name, arrow, metadata={"pxt:type": kind}) for name, (kind, arrow) in KINDS.items()])


def pushed(predicate):
    """What is pushed of a predicate, after polars has made of it what a source is given."""
    given = []
    frame = pl.from_arrow(SCHEMA.empty_table())

    def source(with_columns, found, n_rows, batch_size):
        given.append(found)
        yield frame

    from polars.io.plugins import register_io_source

    register_io_source(source, schema=frame.schema).filter(predicate).collect()
    return pushable(given[0], SCHEMA)


@pytest.mark.parametrize(
    ("predicate", "sql", "parameters"),
    [
        (c.i > 1, '("i" > $1)', (1,)),
        (pl.lit(1) < c.i, '("i" > $1)', (1,)),
        (c.i == c.j, '("i" = "j")', ()),
        (c.f >= 1, '("f" >= $1)', (1.0,)),
        (c.s == "it's", '("s" = $1)', ("it's",)),
        (c.s != c.t, '("s" <> "t")', ()),
        (c.b, '"b"', ()),
        (~c.b, '(NOT "b")', ()),
        (c.b == False, None, None),  # noqa: E712  # polars makes what it likes of it; the rows decide below
        (c.d < DAY, '("d" < $1)', ("2024-02-29",)),
        (c.m <= MOMENT, '("m" <= $1)', ("2024-02-29T12:00:00.123456+00:00",)),
        (c.s.is_null(), '("s" IS NULL)', ()),
        (c.s.is_not_null(), '("s" IS NOT NULL)', ()),
        (c.i.is_in([3, 1]), '("i" IN ($1, $2))', (3, 1)),
        (c.s.is_in(["a", "b"]), '("s" IN ($1, $2))', ("a", "b")),
        (c.f.is_in([1.5]), '("f" IN ($1))', (1.5,)),
        (c.d.is_in([DAY]), '("d" IN ($1))', ("2024-02-29",)),
        (c.i.is_between(1, 3), '(("i" >= $1) AND ("i" <= $2))', (1, 3)),
        (c.i.is_between(1, 3, closed="none"), '(("i" > $1) AND ("i" < $2))', (1, 3)),
        ((c.i > 1) | (c.s == "a"), '(("i" > $1) OR ("s" = $2))', (1, "a")),
        ((c.i > 1) & (c.s == "a"), '("i" > $1) AND ("s" = $2)', (1, "a")),
        (c('odd" name') > 1, '("odd"" name" > $1)', (1,)),
    ],
    ids=str,
)
def test_what_is_pushed(predicate, sql, parameters):
    condition = pushed(predicate)
    if sql is not None:
        assert (condition.sql, condition.parameters) == (sql, parameters)
        assert condition.whole


NOT_PUSHED = [
    c.s > "a",
    c.s.is_between("a", "b"),
    c.s < c.t,
    c.s.str.contains("a"),
    c.s == "a\0",
    c.s + "a" == "b",
    c.i + 1 > 2,
    c.i > 1.5,
    c.i > c.f,
    c.i > 2**63,
    c.i % 2 == 0,
    (c.i & 1) == 1,
    c.f > math.nan,
    c.f < math.inf,
    c.f.is_nan(),
    c.f.cast(pl.Float32) > 1,
    c.f.cast(pl.Int64) > 1,
    c.f > pl.lit(0.1, pl.Float32),
    c.i.is_in([1, None]),
    c.i.is_in([1, 2], nulls_equal=True),
    c.i.is_in(list(range(MAX_LIST + 1))),
    c.f.is_in([math.nan, math.inf]),
    c.i.eq_missing(1),
    c.i.ne_missing(None),
    (c.i > 1) ^ (c.j > 1),
    c.i == c.i.max(),
    c.i > c.i.mean().over("s"),
    c.d > dt.datetime(2024, 1, 1),  # noqa: DTZ001  # a naive one is meant
    c.m > c.d,
    c.x == "a",
    c.x.is_null(),
    c.p.is_null(),
    c.u.is_null(),
    c.b < True,
    c.s.map_batches(lambda column: column == "a", return_dtype=pl.Boolean),
    pl.lit(False),
    (c.i > 1) | (c.s > "a"),
    ~((c.i > 1) & (c.s > "a")),
]


@pytest.mark.parametrize("predicate", NOT_PUSHED, ids=str)
def test_what_stays_with_polars(predicate):
    condition = pushable(predicate, SCHEMA)
    assert (condition.sql, condition.parameters, condition.whole) == ("", (), False)


@pytest.mark.parametrize("side", NOT_PUSHED[:3], ids=str)
def test_either_side_of_an_and_alone(side):
    for predicate in (side & (c.i == 5), (c.i == 5) & side, side & ((c.i == 5) & side)):
        condition = pushable(predicate, SCHEMA)
        assert (condition.sql, condition.parameters, condition.whole) == ('("i" = $1)', (5,), False)


def test_parameters_of_what_is_not_pushed_are_left_out():
    condition = pushable(((c.i == 1) | (c.s > "a")) & (c.j == 2), SCHEMA)
    assert (condition.sql, condition.parameters) == ('("j" = $1)', (2,))


def test_a_deep_predicate():
    predicate = c.i == 0
    for number in range(3000):
        predicate = predicate | (c.i == number)
    condition = pushable(predicate, SCHEMA)
    assert condition.sql == "" or condition.sql.count(" OR ") == 3000


# The rows are the same


SPECIAL_INTS = st.sampled_from([0, 1, -1, 2, 3, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)])
SPECIAL_FLOATS = st.sampled_from([0.0, -0.0, 1.0, 1.5, -1.5, 0.1, 1e308, 5e-324, math.nan, math.inf, -math.inf])
TEXTS = st.sampled_from(["", "a", "b", "A", "B", "ab", "é", "e\u0301", "ß", "_", "%", "'", '"', "\\", "😀", " a", "a "])
DAYS = st.sampled_from([DAY, DAY - dt.timedelta(1), dt.date(1969, 12, 31), dt.date(1, 1, 1), dt.date(9999, 12, 31)])
MOMENTS = st.sampled_from([MOMENT, MOMENT + dt.timedelta(microseconds=1), dt.datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=dt.UTC)])
VALUES = {"i": SPECIAL_INTS, "f": SPECIAL_FLOATS, "s": TEXTS, "b": st.booleans(), "d": DAYS, "m": MOMENTS}
SAME = {"i": "j", "f": "g", "s": "t"}


@st.composite
def leaves(draw):
    name = draw(st.sampled_from(list(VALUES)))
    column, values = c(name), VALUES[name]
    shape = draw(st.sampled_from(["compare", "column", "null", "in", "between", "literal first"]))
    if shape == "null":
        return column.is_null() if draw(st.booleans()) else column.is_not_null()
    if shape == "in":
        return column.is_in(draw(st.lists(st.one_of(values, st.none()) if draw(st.booleans()) else values, min_size=1, max_size=4)))
    if shape == "between":
        return column.is_between(
            pl.lit(draw(values)), pl.lit(draw(values)), closed=draw(st.sampled_from(["both", "left", "right", "none"]))
        )
    other = c(SAME[name]) if shape == "column" and name in SAME else pl.lit(draw(values))
    left, right = (other, column) if shape == "literal first" else (column, other)
    operator = draw(st.sampled_from(["__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"]))
    return getattr(left, operator)(right)


PREDICATES = st.recursive(
    leaves() | st.just(c.b) | st.just(c.s.str.contains("a")),
    lambda inner: st.one_of(
        st.builds(lambda a, b: a & b, inner, inner), st.builds(lambda a, b: a | b, inner, inner), st.builds(lambda a: ~a, inner)
    ),
    max_leaves=5,
)


@pytest.fixture(scope="module")
def oddities(pxt):
    """A table with the values at which polars and Postgres could disagree, NULL and NaN among them."""
    ints, floats, texts = ([*values.elements] for values in (SPECIAL_INTS, SPECIAL_FLOATS, TEXTS))
    days, moments = [*DAYS.elements], [*MOMENTS.elements]

    def pick(values, number):
        return None if number % 7 == 6 else values[number % len(values)]

    rows = [
        {
            "id": n,
            "i": pick(ints, n),
            "j": pick(ints, n // 2),
            "f": pick(floats, n),
            "g": pick(floats, n // 3),
            "s": pick(texts, n),
            "t": pick(texts, n // 2),
            "b": pick([True, False], n),
            "d": pick(days, n),
            "m": pick(moments, n),
        }
        for n in range(120)
    ]
    types = dict(
        zip("ijfgstbdm", (pxt.Int, pxt.Int, pxt.Float, pxt.Float, pxt.String, pxt.String, pxt.Bool, pxt.Date, pxt.Timestamp), strict=True)
    )
    schema = {"id": pxt.Int} | {name: kind | None for name, kind in types.items()}
    pxt.create_table("client_oddities", schema, if_exists="replace").insert(rows)
    return "client_oddities"


@pytest.fixture(scope="module")
def both(server, oddities):
    """The table as a lazy frame that pushes, and as a frame in memory."""
    import pxt_flight as pf

    with pf.connect(server.flight_uri, key=server.key) as db:
        yield db.table(oddities).scan_polars(), db.table(oddities).scan().to_polars()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(predicate=PREDICATES)
def test_pushed_equals_unpushed(both, predicate):
    lazy, frame = both
    assert sorted(lazy.filter(predicate).collect()["id"]) == sorted(frame.filter(predicate)["id"])


@pytest.mark.parametrize("operator", ["__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"])
def test_every_float_against_every_other(both, operator):
    """NaN is the greatest and equals itself, -0.0 equals 0.0; on both sides."""
    lazy, frame = both
    for value in SPECIAL_FLOATS.elements:
        predicate = getattr(c.f, operator)(value)
        assert sorted(lazy.filter(predicate).collect()["id"]) == sorted(frame.filter(predicate)["id"])
    predicate = getattr(c.f, operator)(c.g)
    assert sorted(lazy.filter(predicate).collect()["id"]) == sorted(frame.filter(predicate)["id"])
