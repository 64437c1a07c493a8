"""Random expressions as text, with as few parentheses as a careless person writes: which operator binds first is for Postgres to say.

What does not fit together by type is as good: then Postgres and the engine refuse it alike.
"""

import re

from hypothesis import strategies as st

_NUMBERS = ["m.id", "m.votes", "m.score", "m.place_id", "0", "1", "2", "7", "-1", "- 3", "1.5", ".5", "2e0", "'3'", "null", "1.50", "$$4$$"]
_TEXTS = ["m.name", "'A%'", "'it''s'", "'a\\b'", "$q$x'y$q$", "''", "null", "'%e%'", "'-- x'", "'?'", "m.tags ->> 'kind'", "m.id::text"]
_TRUTHS = ["m.seen", "true", "false", "null", "m.votes > 2", "m.name is null", "m.seen is not true", "not m.seen", "m.tags ? 'n'"]
_MOMENTS = ["m.at", "m.day", "date '2024-02-29'", "timestamptz '2024-01-01 12:00+02'", "m.at at time zone 'UTC'", "'2024-01-01'", "null"]
_SPANS = ["interval '1 day'", "interval '1 day 02:03'", "interval '1.5' hour", "- interval '1 month'", "'2 hours'::interval"]
_DOCUMENTS = ["m.tags", "m.tags -> 'list'", "m.tags #> '{deep}'", "'{\"a\": 1}'::jsonb", "m.tags - 'n'", "jsonb_build_array(1, m.id)"]
_ARITHMETIC = ["+", "-", "*", "/", "%", "^", "<<", ">>", "&", "|", "#"]
_COMPARISONS = ["=", "<>", "!=", "<", "<=", ">", ">=", "is distinct from", "is not distinct from"]
_MATCHES = ["like", "not like", "ilike", "not ilike", "~", "!~", "~*", "!~*", "similar to", "not similar to"]
_PREFIXES = ["-", "+", "~", "not", "|/", "- -", "not not"]
_POSTFIXES = [
    "is null",
    "is not null",
    "isnull",
    "notnull",
    "is true",
    "is not false",
    "::text",
    "::int",
    "::float8",
    "::numeric",
    "::numeric(9, 2)",
    "::bool",
    "::date",
    "::text::int",
    'collate "C"',
    "at time zone 'UTC'",
    "in (1, 2, null)",
    "not in (1, 2)",
    "in ('Heat', 'Ran')",
    "between 0 and 5",
    "not between 1 + 1 and 9",
    "between symmetric 5 and 1",
    "between 'A' and 'M'",
    "= any (array[1, 2])",
    "<> all (array[1, 2])",
    "-> 'n'",
    "->> 'kind'",
    "#>> '{deep}'",
    "? 'n'",
    "/* c */",
    "-- c\n",
]
_TEST = re.compile(r"(null|true|false|unknown)(\s|/\* . \*/|-- c\n)*$")
_CALLS = ["coalesce({}, {})", "nullif({}, {})", "greatest({}, {})", "case when {} then {} end", "case {} when {} then 1 else 0 end"]
_CALLS += [
    "abs({})",
    "upper({})",
    "length({})",
    "concat({}, {})",
    "cast({} as text)",
    "({})",
    "(({}))",
    "date_trunc('day', {})",
    "row({}, {}) = row(1, 2)",
]
_CALLS += [
    "extract(year from {})",
    "substring({} from 2)",
    "position({} in {})",
    "array[{}, {}]",
    "jsonb_build_array({}, {})",
    "(select {})",
]


def _followed(inner: str, postfix: str) -> str:
    # `x is true::text` is `(x is true)::text` in Postgres, and refused by the engine.
    return f"({inner}) {postfix}" if postfix.startswith("::") and _TEST.search(inner) else f"{inner} {postfix}"


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operator = st.sampled_from([*_ARITHMETIC, *_COMPARISONS, *_MATCHES, "||", "and", "or", "@>", "<@", "->", "->>"])
    blank = st.sampled_from([" ", " ", "  ", "\n", " /* x */ "])
    infix = st.builds(lambda a, before, o, after, b: f"{a}{before}{o}{after}{b}", inner, blank, operator, blank, inner)
    prefix = st.builds("{} {}".format, st.sampled_from(_PREFIXES), inner)
    postfix = st.builds(_followed, inner, st.sampled_from(_POSTFIXES))
    call = st.builds(lambda form, a, b: form.format(a, b), st.sampled_from(_CALLS), inner, inner)
    return infix | infix | prefix | postfix | call


def _chains(operands: list[str], operators: list[str]) -> st.SearchStrategy[str]:
    """Expressions of one type, most of which Postgres runs."""
    chain = st.lists(st.tuples(st.sampled_from(operators), st.sampled_from(operands)), min_size=1, max_size=4)
    return st.builds(lambda first, rest: first + "".join(f" {o} {b}" for o, b in rest), st.sampled_from(operands), chain)


_numbers = _chains(_NUMBERS, [*_ARITHMETIC[:6], "+", "*", "-"])
_texts = _chains(_TEXTS, ["||"])
_typed = st.one_of(
    _numbers,
    _texts,
    st.builds("{} {} {}".format, _numbers, st.sampled_from(_COMPARISONS), _numbers),
    st.builds("{} {} {}".format, _texts, st.sampled_from(_MATCHES), _texts),
    _chains(
        [*_TRUTHS, "m.votes in (1, 2)", "m.votes not in (1, 2)", "m.name not like 'A%'", "m.id not between 3 and 9"],
        ["and", "or", "=", "<>", "and not"],
    ),
    st.builds("{} + {}".format, st.sampled_from(_MOMENTS), st.sampled_from(_SPANS)),
    st.builds("{} {} {}".format, st.sampled_from(_MOMENTS), st.sampled_from(["-", "<", ">=", "="]), st.sampled_from(_MOMENTS)),
    _chains(_DOCUMENTS, ["||", "@>", "=", "->", "->>"]),
)
_leaves = st.sampled_from([*_NUMBERS, *_TEXTS, *_TRUTHS, *_MOMENTS, *_SPANS, *_DOCUMENTS])
expressions = _typed | st.recursive(_typed | _leaves, _grown, max_leaves=5)
"""Expressions over a row of `movie AS m`."""
