"""What a statement answers in Postgres itself, run as it is written, against the engine's answer: values, names, classes of types."""

import struct
import uuid
from collections import Counter
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

import psycopg
import pyarrow as pa

# Postgres' type -> the Arrow types that stand for it (engine/outputs.py); written down once more on purpose.
_DECIMAL = "decimal"
_DIGITS = Context(prec=200, rounding=ROUND_HALF_UP)  # Postgres rounds numeric away from zero
ARROW_TYPES: dict[str, set[Any]] = {
    **{name: {pa.int64()} for name in ("int2", "int4", "int8")},
    **{name: {pa.float64()} for name in ("float4", "float8")},
    "numeric": {pa.int64(), pa.float64(), _DECIMAL},
    **{name: {pa.utf8()} for name in ("text", "varchar", "bpchar", "unknown", "name")},
    "bool": {pa.bool_()},
    "date": {pa.date32()},
    "timestamp": {pa.timestamp("us")},
    "timestamptz": {pa.timestamp("us", "UTC")},
    "time": {pa.time64("us")},
    "interval": {pa.duration("us")},
    "uuid": {pa.uuid()},
    **{name: {pa.utf8()} for name in ("json", "jsonb")},
    "bytea": {pa.binary()},
    **{name: {pa.list_(pa.int64())} for name in ("_int2", "_int4", "_int8")},
    **{name: {pa.list_(pa.float64())} for name in ("_float4", "_float8", "_numeric")},
    **{name: {pa.list_(pa.utf8())} for name in ("_text", "_varchar", "_bpchar", "_json", "_jsonb")},
    "_bool": {pa.list_(pa.bool_())},
    "_date": {pa.list_(pa.date32())},
    "_timestamptz": {pa.list_(pa.timestamp("us", "UTC"))},
}


def same_answer(raw: psycopg.Connection[Any], sql: str, answer: pa.Table, *, parameters: Sequence[Any] = (), ordered: bool = True) -> None:
    """Assert that `answer` is what Postgres says of `sql`.

    Args:
        raw: a session of Postgres.
        sql: the statement as it was given to the engine.
        answer: the engine's.
        parameters: the values of its placeholders.
        ordered: whether the order of the rows counts.
    """
    cursor = raw.execute(sql, parameters or None)
    rows = cursor.fetchall()
    names = [column.name for column in cursor.description or ()]
    assert len(answer.schema.names) == len(names)
    assert [given for given, name in zip(answer.schema.names, names, strict=True) if names.count(name) == 1] == [
        name for name in names if names.count(name) == 1
    ]
    kinds = [_type_name(raw, column.type_code) for column in cursor.description or ()]
    for kind, field in zip(kinds, answer.schema, strict=True):
        found = _DECIMAL if pa.types.is_decimal(field.type) else field.type
        assert found in ARROW_TYPES[kind], f"{field.name}: {kind} became {field.type}"
    if "interval" in kinds:
        rows = _with_microseconds(raw, sql, parameters, kinds)
    expected = [_plain(row, kinds, answer.schema) for row in rows]
    found = [_plain(row, kinds, answer.schema) for row in zip(*(_values(column) for column in answer.columns), strict=True)]
    if ordered:
        different = [(ours, theirs) for ours, theirs in zip(found, expected, strict=False) if ours != theirs]
        assert found == expected, f"{len(found)} and {len(expected)} rows, of which different (ours, Postgres'): {different[:3]}"
    else:
        assert Counter(map(repr, found)) == Counter(map(repr, expected))


def _values(column: pa.ChunkedArray) -> list[Any]:
    return (column.cast(pa.int64()) if pa.types.is_duration(column.type) else column).to_pylist()


_names: dict[int, str] = {}


def _type_name(raw: psycopg.Connection[Any], oid: int) -> str:
    if oid not in _names:
        _names[oid] = raw.execute("SELECT typname FROM pg_catalog.pg_type WHERE oid = $1", [oid]).fetchone()[0]  # type: ignore[index]
    return _names[oid]


def _with_microseconds(raw: psycopg.Connection[Any], sql: str, parameters: Sequence[Any], kinds: Sequence[str]) -> list[Any]:
    """The rows again, with intervals as Postgres itself counts them: psycopg's year has 365 days, Postgres' 365.25."""
    columns = [f"c{i}" for i in range(len(kinds))]
    epoch = "(extract(epoch FROM {}) * 1000000)::bigint"
    selected = ", ".join(epoch.format(name) if kind == "interval" else name for name, kind in zip(columns, kinds, strict=True))
    return raw.execute(f"SELECT {selected} FROM ({sql}\n) AS r({', '.join(columns)})", parameters or None).fetchall()


def _plain(row: Sequence[Any], kinds: Sequence[str], schema: pa.Schema) -> tuple[Any, ...]:
    return tuple(
        None if value is None else _comparable(value, kind, field.type) for value, kind, field in zip(row, kinds, schema, strict=True)
    )


def _comparable(value: Any, kind: str, arrow: pa.DataType) -> Any:
    if pa.types.is_list(arrow):
        return [None if item is None else _comparable(item, kind[1:], arrow.value_type) for item in value]
    if kind == "float4" and isinstance(value, float):
        (value,) = struct.unpack("f", struct.pack("f", value))  # psycopg reads its shortest text
    if isinstance(value, float | Decimal) and pa.types.is_float64(arrow):
        return struct.pack(">d", float("nan") if value != value else float(value))
    if pa.types.is_decimal(arrow):
        return _DIGITS.quantize(Decimal(value), Decimal(1).scaleb(-arrow.scale))
    return uuid.UUID(str(value)) if kind == "uuid" else value
