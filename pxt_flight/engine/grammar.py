"""What of PostgreSQL's SELECT is served: an allow-list of nodes, of their parts, of functions and of types.

The first of three walls (the restricted role and the limits of its session are the others): what is not named here is refused with its
place, before anything is planned. A function is here because it computes from its arguments alone: none reads files, settings, other
sessions or the catalog, sleeps, takes locks, or writes.
"""

import re
from typing import Any

from sqlglot import exp

from pxt_flight.engine.dialect import INTERVAL_FIELDS, Plus
from pxt_flight.errors import PxtFlightError, error

# Beside count, sum, avg, min and max, which are nodes.
AGGREGATES = frozenset(
    "stddev stddev_pop stddev_samp variance var_pop var_samp corr covar_pop covar_samp regr_slope regr_intercept regr_r2 regr_count "
    "regr_avgx regr_avgy regr_sxx regr_sxy regr_syy bool_and bool_or every bit_and bit_or bit_xor string_agg array_agg percentile_cont "
    "percentile_disc mode any_value jsonb_agg jsonb_object_agg json_agg json_object_agg".split()
)
_FUNCTIONS = AGGREGATES | frozenset(
    # numbers
    "abs ceil ceiling floor round trunc sign mod div power pow sqrt cbrt exp ln log log10 degrees radians pi gcd lcm width_bucket random "
    "sin cos tan cot asin acos atan atan2 sinh cosh tanh greatest least scale trim_scale "
    # text
    "length char_length character_length octet_length bit_length upper lower initcap left right substr substring btrim ltrim rtrim "
    "lpad rpad replace translate split_part strpos starts_with reverse concat concat_ws md5 ascii chr format to_hex "
    "encode decode sha256 to_number regexp_replace regexp_match regexp_count regexp_like regexp_substr regexp_instr "
    "regexp_split_to_array string_to_array to_char "
    # dates and times
    "now current_timestamp current_time localtimestamp localtime age date_trunc date_part date_bin make_date make_time make_timestamp "
    "make_timestamptz make_interval to_date to_timestamp timezone "
    "justify_days justify_hours justify_interval isfinite "
    # conditions
    "coalesce nullif row grouping "
    # JSON
    "to_json to_jsonb jsonb_typeof jsonb_array_length jsonb_extract_path jsonb_extract_path_text jsonb_build_object jsonb_build_array "
    "jsonb_set jsonb_insert jsonb_strip_nulls jsonb_pretty jsonb_object jsonb_path_exists jsonb_path_match jsonb_path_query "
    "jsonb_path_query_array jsonb_path_query_first jsonb_array_elements jsonb_array_elements_text jsonb_each jsonb_each_text "
    "jsonb_object_keys json_typeof json_array_length json_array_elements "
    "json_array_elements_text json_each json_each_text json_object_keys json_build_object json_build_array row_to_json "
    # arrays
    "array_length array_upper array_lower array_position array_positions array_append array_prepend array_cat array_remove array_replace "
    "array_to_string cardinality unnest "
    # windows
    "row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value nth_value".split()
)
# Those that Pixeltable computes (`functions` builds them), so that a statement that calls one reads one table.
PIXELTABLE_FUNCTIONS = frozenset("similarity embedding resize rotate crop convert width height mode".split())
# Their length comes from a number, and a text may take 1 GB.
_PADDING = frozenset({"lpad", "rpad"})
_MAX_PADDING = 10_000
_WIDTHS = re.compile(r"%(?:\d+\$)?-?(\d+|\*)")  # of format('%9s %2$-9s %*s')

_TYPES = frozenset(
    {
        *(exp.DType.BOOLEAN, exp.DType.SMALLINT, exp.DType.INT, exp.DType.BIGINT, exp.DType.FLOAT, exp.DType.DOUBLE, exp.DType.DECIMAL),
        *(exp.DType.TEXT, exp.DType.VARCHAR, exp.DType.CHAR, exp.DType.BPCHAR, exp.DType.UUID, exp.DType.JSON, exp.DType.JSONB),
        *(exp.DType.DATE, exp.DType.TIME, exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ, exp.DType.INTERVAL, exp.DType.VARBINARY),
        *(exp.DType.ARRAY,),
    }
)
_FIELDS = frozenset(
    "century day decade dow doy epoch hour isodow isoyear julian microseconds "
    "millennium milliseconds minute month quarter second week year timezone timezone_hour timezone_minute".split()
)

_NODES: frozenset[type[Any]] = frozenset(
    {
        # the statement
        *(exp.Select, exp.From, exp.Table, exp.TableAlias, exp.Subquery, exp.Values, exp.Join, exp.Lateral, exp.Unnest, exp.Union),
        *(exp.Except, exp.Intersect, exp.With, exp.CTE, exp.Where, exp.Group, exp.GroupingSets, exp.Cube, exp.Rollup, exp.Having),
        *(exp.Order, exp.Ordered, exp.Limit, exp.Offset, exp.Fetch, exp.LimitOptions, exp.Distinct, exp.Window, exp.WindowSpec, exp.Filter),
        *(exp.WithinGroup, exp.Alias, exp.Star, exp.Tuple, exp.Paren, exp.Identifier, exp.Column),
        # values
        *(
            exp.Literal,
            exp.RawString,
            exp.Boolean,
            exp.Null,
            exp.Parameter,
            exp.Interval,
            exp.IntervalSpan,
            exp.Var,
            exp.Array,
            exp.Bracket,
            exp.Slice,
        ),
        *(
            exp.Cast,
            exp.DataType,
            exp.DataTypeParam,
            exp.CurrentDate,
            exp.CurrentTimestamp,
            exp.CurrentTime,
            exp.Localtime,
            exp.Localtimestamp,
        ),
        # conditions
        *(exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Is, exp.In),
        *(exp.Between, exp.Like, exp.ILike, exp.SimilarTo, exp.Escape, exp.RegexpLike, exp.RegexpILike, exp.Exists, exp.Any, exp.All),
        *(exp.Overlaps, exp.Case, exp.If),
        # operators
        *(exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Pow, exp.Sqrt, exp.Cbrt, exp.Neg, Plus, exp.DPipe, exp.Concat, exp.Collate),
        *(exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseXor, exp.BitwiseNot, exp.BitwiseLeftShift, exp.BitwiseRightShift, exp.AtTimeZone),
        # JSON and arrays
        *(exp.JSONExtract, exp.JSONExtractScalar, exp.JSONBExtract, exp.JSONBExtractScalar, exp.JSONBContainsTopKey),
        *(exp.JSONBContainsAnyTopKeys, exp.JSONBContainsAllTopKeys, exp.JSONBDeleteAtPath, exp.JSONBPathExists, exp.MatchAgainst),
        *(exp.ArrayContainsAll, exp.ArrayContainedBy, exp.ArrayOverlaps),
        # functions with a syntax of their own
        *(
            exp.Anonymous,
            exp.Kwarg,
            exp.Count,
            exp.Sum,
            exp.Avg,
            exp.Min,
            exp.Max,
            exp.Extract,
            exp.Trim,
            exp.Substring,
            exp.StrPosition,
            exp.Overlay,
        ),
    }
)
# For nodes whose further parts are clauses of other dialects, or of statements that are not served.
_PARTS: dict[type[Any], frozenset[str]] = {
    exp.Select: frozenset("with_ expressions from_ joins laterals where group having windows distinct order limit offset".split()),
    exp.Union: frozenset("with_ this expression distinct order limit offset".split()),
    exp.Except: frozenset("with_ this expression distinct order limit offset".split()),
    exp.Intersect: frozenset("with_ this expression distinct order limit offset".split()),
    exp.Subquery: frozenset("this alias with_ order limit offset".split()),
    exp.Table: frozenset("this db catalog alias joins laterals ordinality".split()),
    exp.Join: frozenset("this on using side kind method".split()),
    exp.Lateral: frozenset("this alias ordinality".split()),
    exp.Unnest: frozenset("expressions alias offset".split()),
    exp.Group: frozenset("expressions grouping_sets cube rollup".split()),
    exp.CTE: frozenset("this alias materialized".split()),
    exp.With: frozenset("expressions recursive".split()),
    exp.TableAlias: frozenset("this columns".split()),
    exp.Star: frozenset(),
    exp.Column: frozenset("this table db catalog".split()),
    exp.Anonymous: frozenset("this expressions".split()),
    exp.Cast: frozenset("this to".split()),
    exp.Order: frozenset("this expressions".split()),
    exp.Ordered: frozenset("this desc nulls_first".split()),
    exp.Limit: frozenset("expression".split()),
}


def check(tree: exp.Expr) -> None:
    """Refuse a statement that holds anything but what is served.

    Raises:
        InvalidRequestError: `sql_unsupported` or `sql_not_allowed`, with the position.
    """
    for node in tree.walk():
        kind = type(node)
        if kind not in _NODES:
            raise refuse(node)
        parts = _PARTS.get(kind)
        if parts is not None:
            for part, value in node.args.items():
                if value and part not in parts:
                    raise refuse(node, f"{part.strip('_').upper().replace('_', ' ')} in this place")
        rule = _RULES.get(kind)
        if rule is not None:
            rule(node)


def refuse(node: exp.Expr, what: str | None = None, *, hint: str | None = None) -> PxtFlightError:
    """The error for SQL that is valid but not served."""
    return error("sql_unsupported", f"{what or _named(node)} is not served.", hint=hint or _HINT, where=position(node))


def position(node: exp.Expr) -> dict[str, Any]:
    """Where a node begins in the statement, as `{"offset": characters}`; `sql.positions` makes line and column of it."""
    starts = [found.meta["start"] for found in node.find_all(exp.Identifier, exp.Literal, exp.Parameter) if "start" in found.meta]
    return {"offset": min(starts)} if starts else {}


def pixeltable_function(tree: exp.Expr) -> str | None:
    """The name of a function of Pixeltable that a statement calls; `mode() within group (...)` is Postgres' own."""
    return next(
        (node.name.lower() for node in tree.find_all(exp.Anonymous) if node.name.lower() in PIXELTABLE_FUNCTIONS and node.expressions), None
    )


_HINT = "Served is PostgreSQL's SELECT with its functions of numbers, text, dates, JSON and arrays; the docs list them."


def _named(node: Any) -> str:
    if isinstance(node, exp.Func):
        return f"The function {(node.name if isinstance(node, exp.Anonymous) else node.sql_name()).lower()}"
    return f"The expression {type(node).__name__.upper()}"


def _function(node: exp.Anonymous) -> None:
    is_quoted = isinstance(node.this, exp.Identifier) and node.this.quoted
    name = node.name if is_quoted else node.name.lower()
    if name == "array" and all(isinstance(argument, exp.Query) for argument in node.expressions):
        return  # ARRAY(SELECT ...)
    if name not in _FUNCTIONS | PIXELTABLE_FUNCTIONS or isinstance(node.parent, exp.Dot):
        raise refuse(node)
    if name in _PADDING:
        size = node.expressions[1] if len(node.expressions) > 1 else None
        if not isinstance(size, exp.Literal) or size.is_string or not _is_width(size.this):
            raise refuse(node, f"{name} to anything but a number up to {_MAX_PADDING}")
    if name == "format":
        pattern = node.expressions[0] if node.expressions else None
        if not isinstance(pattern, exp.Literal | exp.RawString) or not all(map(_is_width, _WIDTHS.findall(pattern.name))):
            raise refuse(node, f"format by anything but a text with widths up to {_MAX_PADDING}")


def _is_width(digits: str) -> bool:
    # Python converts no text of thousands of digits.
    return digits.isdecimal() and len(digits.lstrip("0")) <= len(str(_MAX_PADDING)) and int(digits.lstrip("0") or 0) <= _MAX_PADDING


def _data_type(node: exp.DataType) -> None:
    if isinstance(node.this, exp.Interval) and all(field.name in INTERVAL_FIELDS for field in node.this.find_all(exp.Var)):
        return
    if node.this not in _TYPES or not isinstance(node.this, exp.DType):
        raise refuse(node.parent or node, f"A cast to {str(node.this).rsplit('.', maxsplit=1)[-1].lower():.40}")


def _star(node: exp.Star) -> None:
    if not isinstance(node.parent, exp.Select | exp.Count | exp.Column):
        raise error("sql_syntax", "* stands for columns, and only in a select list or in count(*).", where=position(node.parent or node))


def _interval(node: exp.Interval) -> None:
    if not isinstance(node.parent, exp.DataType):
        raise refuse(node, "An interval without quotes", hint="interval '1 day'")


def _keyword_argument(node: exp.Kwarg) -> None:
    if not isinstance(node.parent, exp.Anonymous) or not isinstance(node.this, exp.Identifier | exp.Var | exp.Column):
        raise refuse(node)


def _extract(node: exp.Extract) -> None:
    if node.name.lower() not in _FIELDS:
        raise refuse(node, f"The field {node.name[:40]} of a date")


def _collate(node: exp.Collate) -> None:
    if not isinstance(node.expression, exp.Identifier | exp.Var) or node.expression.name not in ("C", "POSIX", "default"):
        raise refuse(node, "A collation other than C")


_RULES: dict[type[Any], Any] = {
    exp.Anonymous: _function,
    exp.DataType: _data_type,
    exp.Star: _star,
    exp.Extract: _extract,
    exp.Collate: _collate,
    exp.Interval: _interval,
    exp.Kwarg: _keyword_argument,
}
