"""Shapes of SQL over one table, each beside the same query in Pixeltable's own words."""

import datetime as dt
import itertools
import math
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

UTC = dt.UTC
NOON = dt.datetime(2024, 2, 29, 12, tzinfo=UTC)
ID = uuid.UUID("12345678-9abc-4def-8123-456789abcdef")


@dataclass(frozen=True)
class Shape:
    """One case.

    `query` makes Pixeltable's query of (table, pixeltable.functions); `ordered` where the order of the rows counts.
    """

    sql: str
    query: Callable[[Any, Any], Any]
    parameters: tuple[Any, ...] = ()
    ordered: bool = False

    def __str__(self) -> str:
        return f"{self.sql} {list(self.parameters)}" if self.parameters else self.sql


COLUMNS = {
    "id": ("Int", "bigint"),
    "n": ("Int", "bigint"),
    "big": ("Int", "bigint"),
    "f": ("Float", "float8"),
    "x": ("Float", "float8"),
    "s": ("String", "text"),
    "b": ("Bool", "boolean"),
    "t": ("Timestamp", "timestamptz"),
    "d": ("Date", "date"),
    "u": ("UUID", "uuid"),
    "j": ("Json", "jsonb"),
}
"""Column -> (Pixeltable's type, Postgres' type); all but `id` may be NULL."""


def sample_rows() -> list[dict[str, Any]]:
    """Rows in which values and NULLs meet in many combinations: the cycles have different lengths."""
    cycles: dict[str, list[Any]] = {
        "n": [1, 2, None, -3, 0, 2, 5],
        "big": [2**62, None, -(2**63), 2**63 - 1, 0],
        # Multiples of a half: sums are exact in any order.
        "f": [0.5, None, -2.0, 100.0, 2.5, 0.5],
        "x": [math.nan, 0.1, math.inf, -0.0, None, -math.inf, 1e-308, 0.0, 1e308],
        "s": [
            "",
            "%",
            "50%",
            None,
            "100",
            "it's",
            'a"b',
            "back\\slash",
            "new\nline",
            "$1",
            ":x",
            "?",
            "🙂",
            "a_b",
            "aXb",
            "Zebra",
            "zebra",
        ],
        "b": [True, False, None],
        "t": [NOON, None, NOON.replace(hour=0), NOON + dt.timedelta(microseconds=1), dt.datetime(1, 1, 2, tzinfo=UTC)],
        "d": [NOON.date(), dt.date(1, 1, 1), None, dt.date(9999, 12, 31)],
        "u": [ID, None, uuid.UUID(int=0)],
        "j": [{"a": [1, None]}, [], None, "50%", 10**30],
    }
    columns = [itertools.cycle(values) for values in cycles.values()]
    return [{"id": i, **dict(zip(cycles, values, strict=True))} for i, values in zip(range(40), zip(*columns, strict=True), strict=False)]


def _where(condition: str, predicate: Callable[[Any], Any], *parameters: Any) -> Shape:
    return Shape(f"select id from {{t}} where {condition}", lambda t, _: t.where(predicate(t)).select(t.id), parameters)


def _ordered(clauses: str, query: Callable[[Any], Any], *parameters: Any) -> Shape:
    return Shape(f"select id from {{t}} {clauses}", lambda t, _: query(t).select(t.id), parameters, ordered=True)


SELECTED = [
    Shape("select * from {t}", lambda t, _: t.select()),
    Shape("select s from {t}", lambda t, _: t.select(t.s)),
    Shape("select j, id, b from {t}", lambda t, _: t.select(t.j, t.id, t.b)),
    Shape('select ID, N as "N of it; --", s as "it\'s %" from {t}', lambda t, _: t.select(t.id, a=t.n, b=t.s)),
    Shape("select *, n + 1 as more from {t}", lambda t, _: t.select(*(t[name] for name in COLUMNS), more=t.n + 1)),
    Shape("select films.n, films.id from {t} as films", lambda t, _: t.select(t.n, t.id)),
    Shape("select n, f, n + 1, n as n2 from {t}", lambda t, _: t.select(t.n, t.f, a=t.n + 1, b=t.n)),
    Shape("select n as a, n as b, n as c from {t}", lambda t, _: t.select(a=t.n, b=t.n, c=t.n)),
    Shape("select n + id as a, n - id as b, n * id as c from {t}", lambda t, _: t.select(a=t.n + t.id, b=t.n - t.id, c=t.n * t.id)),
    Shape("select n + f as a, f * 2 as b, 1 - n as c from {t}", lambda t, _: t.select(a=t.n + t.f, b=t.f * 2, c=1 - t.n)),
    Shape("select n - (id - 3) * 2 as a, (n - id) - 3 as b from {t}", lambda t, _: t.select(a=t.n - (t.id - 3) * 2, b=(t.n - t.id) - 3)),
    Shape("select -n as a, -f as b, - (n + 1) as c, +n as d from {t}", lambda t, _: t.select(a=-t.n, b=-t.f, c=-(t.n + 1), d=t.n)),
    Shape("select f + 0.1 as a, f * 1e-3 as b from {t}", lambda t, _: t.select(a=t.f + 0.1, b=t.f * 1e-3)),
    Shape("select n > 1 as a, s is null as b, not b as c from {t}", lambda t, _: t.select(a=t.n > 1, b=t.s == None, c=~t.b)),
]

COMPARED = [
    *(
        _where(f"n {sign} 1", predicate)
        for sign, predicate in {
            "=": lambda t: t.n == 1,
            "<>": lambda t: t.n != 1,
            "!=": lambda t: t.n != 1,
            "<": lambda t: t.n < 1,
            "<=": lambda t: t.n <= 1,
            ">": lambda t: t.n > 1,
            ">=": lambda t: t.n >= 1,
        }.items()
    ),
    _where("1 < n", lambda t: t.n > 1),
    _where("n > 1.5", lambda t: t.n > 1.5),
    _where("f >= n", lambda t: t.f >= t.n),
    _where("n + id < 2 * f", lambda t: t.n + t.id < 2 * t.f),
    _where("b", lambda t: t.b),
    _where("not b", lambda t: ~t.b),
    _where("b = true", lambda t: t.b == True),
    _where("b <> 'f'", lambda t: t.b != False),
    _where("big = 4611686018427387904", lambda t: t.big == 2**62),
    _where("big = -9223372036854775808", lambda t: t.big == -(2**63)),
    _where("big < 4611686018427387905", lambda t: t.big < 2**62 + 1),
    _where("x > 0", lambda t: t.x > 0),
    _where("x = x", lambda t: t.x == t.x),
    _where("x = 0", lambda t: t.x == 0),
    _where("x <= 1e-308", lambda t: t.x <= 1e-308),
    _where("x = 0.1", lambda t: t.x == 0.1),
    _where("s > 'a'", lambda t: t.s > "a"),
    _where("s = ''", lambda t: t.s == ""),
    _where("s = '50%'", lambda t: t.s == "50%"),
    _where("s <> '50%'", lambda t: t.s != "50%"),
    _where("s = 'it''s'", lambda t: t.s == "it's"),
    _where("s = 'back\\slash'", lambda t: t.s == "back\\slash"),
    _where("s = 'new\nline'", lambda t: t.s == "new\nline"),
    _where("s in (':x', '$1', '?', '🙂')", lambda t: t.s.isin([":x", "$1", "?", "🙂"])),
]

TYPED = [
    _where("t = '2024-02-29 12:00:00+00'", lambda t: t.t == NOON),
    _where("t > '2024-02-29T17:30:00+05:30'", lambda t: t.t > NOON),
    _where("t >= timestamptz '2024-02-29 00:00:00Z'", lambda t: t.t >= NOON.replace(hour=0)),
    _where("t < '2024-02-29'", lambda t: t.t < NOON.replace(hour=0)),
    _where("d = '2024-02-29'", lambda t: t.d == NOON.date()),
    _where("d <> date '0001-01-01'", lambda t: t.d != dt.date(1, 1, 1)),
    _where("'9999-12-31'::date > d", lambda t: t.d < dt.date(9999, 12, 31)),
    _where(f"u = '{ID}'", lambda t: t.u == ID),
    _where(f"u <> '{str(ID).upper()}'", lambda t: t.u != ID),
    _where(f"u in ('{ID}', '{ID.hex}')", lambda t: t.u.isin([ID])),
    _where("n = '2'", lambda t: t.n == 2),
    _where("f < '2.5'", lambda t: t.f < 2.5),
]

LOGIC = [
    _where("n > 1 and f > 0", lambda t: (t.n > 1) & (t.f > 0)),
    _where("n > 1 or f > 0", lambda t: (t.n > 1) | (t.f > 0)),
    _where("not (n > 1 and f > 0)", lambda t: ~((t.n > 1) & (t.f > 0))),
    _where("not (n > 1 or f > 0)", lambda t: ~((t.n > 1) | (t.f > 0))),
    _where("not not n > 1", lambda t: t.n > 1),
    _where("n > 1 and (f > 0 or b) or s is null", lambda t: ((t.n > 1) & ((t.f > 0) | t.b)) | (t.s == None)),
    _where("n = 1 or n = 2 or f < 0 and b and d is not null", lambda t: (t.n == 1) | (t.n == 2) | ((t.f < 0) & t.b & (t.d != None))),
    _where("n is null", lambda t: t.n == None),
    _where("n is not null", lambda t: t.n != None),
    _where("j is null", lambda t: t.j == None),
    _where("not (j is null)", lambda t: t.j != None),
    _where("n in (1, 2, 3)", lambda t: t.n.isin([1, 2, 3])),
    _where("n not in (1, 2)", lambda t: ~t.n.isin([1, 2])),
    _where("not n in (1, 2) or b", lambda t: ~t.n.isin([1, 2]) | t.b),
    _where("f in (1, 0.5)", lambda t: t.f.isin([1.0, 0.5])),
    _where("s not in ('50%', '')", lambda t: ~t.s.isin(["50%", ""])),
    _where("n between 0 and 2", lambda t: (t.n >= 0) & (t.n <= 2)),
    _where("n not between 0 and 2", lambda t: ~((t.n >= 0) & (t.n <= 2))),
    _where("n between f and 2", lambda t: (t.n >= t.f) & (t.n <= 2)),
    _where("3 between n and f", lambda t: (t.n <= 3) & (t.f >= 3)),
    _where("d between '2024-01-01' and '2024-12-31'", lambda t: (t.d >= dt.date(2024, 1, 1)) & (t.d <= dt.date(2024, 12, 31))),
    _where("1 = 0", lambda t: t.n != t.n),
    _where("1 = 1", lambda t: t.id == t.id),
    _where("n > 1 and 1 = 0", lambda t: t.n != t.n),
    _where("n > 1 or 1 = 0", lambda t: t.n > 1),
    _where("true and not false", lambda t: t.id == t.id),
]

LIKE = [
    _where("s like '50%'", lambda t: t.s.startswith("50")),
    _where("s like '%b'", lambda t: t.s.endswith("b")),
    _where("s like '%lash%'", lambda t: t.s.contains("lash")),
    _where("s like 'zebra'", lambda t: t.s == "zebra"),
    _where("s like ''", lambda t: t.s == ""),
    _where("s like '%'", lambda t: t.s != None),
    _where("s like '%%'", lambda t: t.s != None),
    _where("s not like '%a%'", lambda t: ~t.s.contains("a")),
    _where("not s like 'a%' and n > 0", lambda t: ~t.s.startswith("a") & (t.n > 0)),
    _where("s like '%''s'", lambda t: t.s.endswith("'s")),
    _where("s like '%:%'", lambda t: t.s.contains(":")),
    _where("s like '$%'", lambda t: t.s.startswith("$")),
    _where("s like $1", lambda t: t.s.startswith("🙂"), "🙂%"),
]

PARAMETERS = [
    _where("n > $1 and s <> $2", lambda t: (t.n > 0) & (t.s != "50%"), 0, "50%"),
    _where("n = $2 or n = $1 or f = $2", lambda t: (t.n == 2) | (t.n == 1) | (t.f == 2), 1, 2),
    _where("x = $1", lambda t: t.x == 0.1, 0.1),
    _where("x = $1", lambda t: t.x == 1e-308, 1e-308),
    _where("big = $1", lambda t: t.big == 2**63 - 1, 2**63 - 1),
    _where("big = $1", lambda t: t.big == -(2**63), -(2**63)),
    _where("b = $1", lambda t: t.b == False, False),
    _where("t = $1", lambda t: t.t == NOON, NOON),
    _where("t > $1", lambda t: t.t > NOON, "2024-02-29 13:00+01"),
    _where("d >= $1", lambda t: t.d >= dt.date(2024, 2, 29), dt.date(2024, 2, 29)),
    _where("u = $1", lambda t: t.u == ID, ID),
    _where("s in ($1, $2, $3)", lambda t: t.s.isin(["%", "it's", "new\nline"]), "%", "it's", "new\nline"),
    _where("s = $1", lambda t: t.s == "back\\slash", "back\\slash"),
    _where("n between $1 and $2", lambda t: (t.n >= 0) & (t.n <= 2), 0, 2),
    Shape(
        "select n + $1 as m, id from {t} order by id limit $2 offset $3",
        lambda t, _: t.order_by(t.id).limit(5, offset=2).select(m=t.n + 7, id=t.id),
        (7, 5, 2),
        True,
    ),
]

ORDERED = [
    _ordered("order by n, id", lambda t: t.order_by(t.n).order_by(t.id)),
    _ordered("order by n desc, id asc", lambda t: t.order_by(t.n, asc=False).order_by(t.id)),
    _ordered("order by b desc, f, id desc", lambda t: t.order_by(t.b, asc=False).order_by(t.f).order_by(t.id, asc=False)),
    _ordered("order by x, id", lambda t: t.order_by(t.x).order_by(t.id)),
    _ordered("order by x desc nulls first, id", lambda t: t.order_by(t.x, asc=False).order_by(t.id)),
    _ordered("order by s nulls last, id", lambda t: t.order_by(t.s).order_by(t.id)),
    _ordered("order by t, d desc, u, 1", lambda t: t.order_by(t.t).order_by(t.d, asc=False).order_by(t.u).order_by(t.id)),
    _ordered("order by n + id desc, id", lambda t: t.order_by(t.n + t.id, asc=False).order_by(t.id)),
    _ordered("where n > 0 order by id limit 3", lambda t: t.where(t.n > 0).order_by(t.id).limit(3)),
    _ordered("order by id limit 0", lambda t: t.where(t.id < 0)),
    _ordered("order by id limit 5 offset 38", lambda t: t.order_by(t.id).limit(5, offset=38)),
    _ordered("order by id limit 5 offset 100", lambda t: t.where(t.id < 0)),
    _ordered("order by id offset 37", lambda t: t.where(t.id >= 37).order_by(t.id)),
    _ordered("order by id limit 1000000000000", lambda t: t.order_by(t.id)),
    Shape(
        "select n + id as m, s from {t} order by m, s, id",
        lambda t, _: t.order_by(t.n + t.id).order_by(t.s).order_by(t.id).select(m=t.n + t.id, s=t.s),
        (),
        True,
    ),
    Shape("select distinct n from {t}", lambda t, _: t.select(t.n).distinct()),
    Shape(
        "select distinct b, n > 0 as p from {t} where s is not null", lambda t, _: t.where(t.s != None).select(t.b, p=t.n > 0).distinct()
    ),
    Shape("select distinct x from {t}", lambda t, _: t.select(t.x).distinct()),
]

AGGREGATED = [
    Shape("select count(*) from {t}", lambda t, f: t.select(f.count(1))),
    Shape("select count(n) as a, count(1) as b, count(*) as c from {t}", lambda t, f: t.select(a=f.count(t.n), b=f.count(1), c=f.count(1))),
    Shape(
        "select count(u) as a, count(b) as b, count(d) as d from {t}", lambda t, f: t.select(a=f.count(t.u), b=f.count(t.b), d=f.count(t.d))
    ),
    Shape(
        "select sum(n) as a, sum(f) as b, avg(n) as c, avg(f) as d from {t}",
        lambda t, f: t.select(a=f.sum(t.n), b=f.sum(t.f), c=f.mean(t.n), d=f.mean(t.f)),
    ),
    Shape(
        "select min(n) as a, max(n) as b, min(f) as c, max(x) as d from {t}",
        lambda t, f: t.select(a=f.min(t.n), b=f.max(t.n), c=f.min(t.f), d=f.max(t.x)),
    ),
    Shape(
        "select min(s) as a, max(s) as b, min(t) as c, max(t) as d from {t}",
        lambda t, f: t.select(a=f.min(t.s), b=f.max(t.s), c=f.min(t.t), d=f.max(t.t)),
    ),
    Shape(
        "select sum(n + 1) as a, sum(n) + 1 as b, max(n) - min(n) as c from {t}",
        lambda t, f: t.select(a=f.sum(t.n + 1), b=f.sum(t.n) + 1, c=f.max(t.n) - f.min(t.n)),
    ),
    Shape(
        "select count(*) as a, sum(n) as b, avg(f) as c, min(s) as d, max(t) as e from {t} where id < 0",
        lambda t, f: t.where(t.id < 0).select(a=f.count(1), b=f.sum(t.n), c=f.mean(t.f), d=f.min(t.s), e=f.max(t.t)),
    ),
    Shape("select b, count(*) as rows from {t} group by b", lambda t, f: t.group_by(t.b).select(t.b, rows=f.count(1))),
    Shape(
        "select b, d, sum(n) as total from {t} where n > 0 group by 1, 2",
        lambda t, f: t.where(t.n > 0).group_by(t.b, t.d).select(t.b, t.d, total=f.sum(t.n)),
    ),
    Shape("select n + 1 as m, avg(f) from {t} group by m", lambda t, f: t.group_by(t.n + 1).select(m=t.n + 1, a=f.mean(t.f))),
    Shape("select count(*) as rows from {t} group by u", lambda t, f: t.group_by(t.u).select(rows=f.count(1))),
    Shape("select x, count(*) as rows from {t} group by x", lambda t, f: t.group_by(t.x).select(t.x, rows=f.count(1))),
    Shape("select b, sum(n) as a from {t} where id < 0 group by b", lambda t, f: t.where(t.id < 0).group_by(t.b).select(t.b, a=f.sum(t.n))),
    Shape(
        "select d, count(*) as c from {t} group by d order by count(*) desc, d",
        lambda t, f: t.group_by(t.d).order_by(f.count(1), asc=False).order_by(t.d).select(t.d, c=f.count(1)),
        (),
        True,
    ),
    Shape(
        "select b, sum(n) as a from {t} group by b order by a desc, b limit 2",
        lambda t, f: t.group_by(t.b).order_by(f.sum(t.n), asc=False).order_by(t.b).limit(2).select(t.b, a=f.sum(t.n)),
        (),
        True,
    ),
    Shape(
        "select s, count(*) from {t} group by s order by 2 desc, 1 limit 4 offset 1",
        lambda t, f: t.group_by(t.s).order_by(f.count(1), asc=False).order_by(t.s).limit(4, offset=1).select(t.s, c=f.count(1)),
        (),
        True,
    ),
]

ALL = [*SELECTED, *COMPARED, *TYPED, *LOGIC, *LIKE, *PARAMETERS, *ORDERED, *AGGREGATED]


POSTGRES_ONLY = [
    "select n + 0.5 as a, n * 2.0 as b from {t}",
    "select id from {t} where t > d",
    "select id from {t} where t = d",
    "select id, n / 2 as a, -n / 2 as b, n % 3 as c, f / 2 as d, abs(n) as e from {t}",
    "select id, n / 2.0 as a, round(n / 7.0, 3) as b, round(f) as c, n::numeric(12, 3) as d from {t}",
    "select sum(n) as a, sum(n * 0.5) as b, avg(n) as c, sum(f) as d, count(distinct n) as e, sum(n) filter (where b) as g from {t}",
    "select sum(n) / 2 as a, sum(n) + count(*) as b, avg(n) * 2 as c, stddev(n) as d, bool_or(b) as e from {t}",
    "select b, sum(big % 1000) as a, min(d) as c, max(t) as e from {t} group by b order by b",
    "select d, b, count(*) as c, grouping(d) as g from {t} group by cube (d, b) order by d, b, g, c",
    "select extract(year from t) as a, extract(second from t) as b, date_trunc('day', t) as c from {t}",
    "select t - timestamptz '2024-01-01' as a, t at time zone 'Asia/Tokyo' as b, d - 0 as c, d - date '2024-01-01' from {t}",
    "select length(s) as a, upper(s) as b, s || '!' as c, substring(s from 1 for 2) as d, left(s, 1) as e, position('a' in s) from {t}",
    "select id from {t} where s ~ '^[a-z]' or s ilike 'ZEB%' or s similar to '(50|1)%'",
    "select n::text as a, f::text as b, t::text as c, b::text as d, '7'::bigint + n as e from {t}",
    "select coalesce(s, 'none') as a, nullif(n, 2) as b, greatest(n, id) as c, case when n > 1 then s when b then 'b' end as d from {t}",
    "select j -> 'a' as a, j ->> 'a' as b, j #>> '{{a,0}}' as c, j ? 'a' as d, j @> '[]' as e, jsonb_typeof(j) as g from {t}",
    "select id, e.value::text as v from {t}, jsonb_array_elements(j -> 'a') as e(value)",
    "select array[n, id] as a, array_agg(id) over (partition by b order by id) as c from {t}",
    "select id, row_number() over (order by n, id) as a, rank() over (order by n) as b, lag(s) over (order by id) as c from {t}",
    "select sum(n) over (order by id rows between 2 preceding and current row) as d, ntile(3) over (order by id) as e from {t}",
    "select id from {t} window w as (partition by b) order by first_value(id) over w, id",
    "select a.id, b.id as other from {t} as a join {t} as b on a.n = b.id and b.b",
    "select a.id, b.s from {t} as a left join {t} as b on b.id = a.n - 1 order by a.id, b.id",
    "select count(*) as c from {t} as a full join {t} as b using (n)",
    "select a.id, z.m from {t} as a cross join lateral (select max(b.id) as m from {t} as b where b.n = a.n) as z",
    "with a as (select n, count(*) as c from {t} group by n), b as (select max(c) as top from a) select a.* from a, b where c = top",
    "with recursive r(i) as (select 1 union all select i + 1 from r where i < 5) select r.i, s from r join {t} on id = i",
    "select n from {t} union select id from {t}",
    "select n from {t} except all select 2",
    "(select n, s from {t} where n > 1) intersect (select n, s from {t} where b) order by n, s",
    "select id from {t} where n in (select id from {t} where b) and exists (select 1 from {t} as o where o.id = {t}.n)",
    "select id, (select count(*) from {t} as o where o.n = {t}.n) as same from {t}",
    "select distinct on (n) n, id from {t} order by n, id desc",
    "select n, id from {t} order by n desc nulls last, id fetch first 5 rows only",
    "select x.a, v.b from (select id as a from {t}) as x join (values (1, 'one'), (2, 'two')) as v(k, b) on v.k = x.a",
    "select string_agg(s, ',' order by id) as a, array_agg(n order by id) as b, percentile_cont(0.5) within group (order by n) from {t}",
    "select jsonb_agg(j order by id) as a, jsonb_object_agg(id, n) as b from {t} where id < 5",
    "select 1 as one, 'x' as x, null as z, true as y, 1.50 as d, 2::numeric as e from {t} limit 1",
]
"""What only Postgres answers."""


def placeholders(shapes: list[Shape]) -> Iterator[Shape]:
    """The shapes whose `$1`, `$2`, ... come in order and once, written with `?`."""
    for shape in shapes:
        marks = [f"${i + 1}" for i in range(len(shape.parameters))]
        found = [mark for mark in shape.sql.replace(",", " ").replace(")", " ").replace("(", " ").split() if mark in marks]
        if marks and found == marks:
            text = shape.sql
            for mark in marks:
                text = text.replace(mark, "?")
            yield Shape(text, shape.query, shape.parameters, shape.ordered)
