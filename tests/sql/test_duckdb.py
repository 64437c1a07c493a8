"""Any SELECT answers what DuckDB answers on the same Arrow data: through the server with ADBC, types included.

The types need not be the same, but equivalent:

| ours | DuckDB | why |
|---|---|---|
| int64 | any integer, HUGEINT as decimal(38, 0) | whole numbers are int64 here; DuckDB's sums are HUGEINT |
| float64 | DOUBLE, FLOAT | |
| decimal | DECIMAL | compared by value |
| float64 | decimal or integer | an average or extract(second) is numeric in Postgres, and float64 here |
| timestamp[us, UTC], timestamp[us] | the same | instants |
| uuid | UUID, in Arrow as text | |
| utf8 with `pxt:type` Json | JSON | compared parsed |
| duration[us] | INTERVAL | a month is 30 days |
"""

import datetime as dt
import json
import math
import uuid
from collections import Counter
from decimal import Decimal

import duckdb_queries
import pyarrow as pa
import pytest


def test_the_corpus_is_large():
    assert len(duckdb_queries.ALL) >= 70


@pytest.mark.parametrize("query", duckdb_queries.ALL, ids=lambda query: query.sql)
def test_equals_duckdb(wire, duck, corpus, query):
    with wire.cursor() as cursor:
        cursor.execute(query.sql, query.parameters or None)
        ours = cursor.fetch_arrow_table()
    theirs = duck.sql(query.duck or query.sql, params=list(query.parameters) or None).to_arrow_table()
    assert ours.num_columns == theirs.num_columns
    for left, right in zip(ours.schema, theirs.schema, strict=True):
        assert _class(left) == _class(right) or {_class(left), _class(right)} in EQUIVALENT, f"{left} is not {right}"
    found, expected = _rows(ours), _rows(theirs)
    assert found == expected if query.ordered else Counter(found) == Counter(expected)


EQUIVALENT = [{"uuid", "text"}, {"whole", "decimal"}, {"float", "whole"}, {"float", "decimal"}]


def _class(field):
    kind = field.type
    if pa.types.is_list(kind):
        return f"list of {_class(kind.value_field)}"
    for name, holds in _CLASSES.items():
        if any(test(kind) for test in holds):
            return name
    raise AssertionError(f"no class for {field}")


_CLASSES = {
    "whole": [pa.types.is_integer, lambda kind: pa.types.is_decimal(kind) and kind.scale == 0],
    "float": [pa.types.is_floating],
    "decimal": [pa.types.is_decimal],
    "text": [pa.types.is_string, pa.types.is_large_string, lambda kind: str(kind) == "extension<arrow.json>"],
    "bool": [pa.types.is_boolean],
    "date": [pa.types.is_date],
    "instant": [lambda kind: pa.types.is_timestamp(kind) and kind.tz == "UTC"],
    "moment": [pa.types.is_timestamp],
    "time": [pa.types.is_time],
    "span": [pa.types.is_duration, pa.types.is_interval],
    "uuid": [lambda kind: kind == pa.uuid()],
    "binary": [pa.types.is_binary],
    "nothing": [pa.types.is_null],
}


def _rows(table):
    return [tuple(map(_plain, row)) for row in zip(*(column.to_pylist() for column in table.columns), strict=True)]


def _plain(value):
    if isinstance(value, list):
        return tuple(map(_plain, value))
    if isinstance(value, str) and value[:1] in "{[" and value:
        return json.dumps(json.loads(value), sort_keys=True)
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, pa.MonthDayNano):
        return (value.months * 30 + value.days) * 86_400_000_000 + value.nanoseconds // 1000
    if isinstance(value, dt.timedelta):
        return value // dt.timedelta(microseconds=1)
    if isinstance(value, bool | int | Decimal | float):
        # Sums of the same numbers in another order differ in the last digits.
        return float(f"{value:.11g}") if not isinstance(value, bool) and math.isfinite(value) else str(value)
    return value
