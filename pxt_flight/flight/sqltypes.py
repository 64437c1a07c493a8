"""The SQL types of the columns that are sent, as JDBC and ODBC number them: Flight SQL's XdbcTypeInfo."""

from typing import NamedTuple

import pyarrow as pa

# `FlightSql.proto`: XdbcDataType, XdbcDatetimeSubcode, Nullable, Searchable.
_LONGVARBINARY, _BIT, _BIGINT, _DOUBLE, _DATETIME, _VARCHAR, _DATE, _TIMESTAMP = -4, -7, -5, 8, 9, 12, 91, 93
_SUBCODE_DATE, _SUBCODE_TIMESTAMP_WITH_TIMEZONE = 1, 5
_NULLABLE = 1
_NONE, _BASIC, _FULL = 0, 2, 3


class SqlType(NamedTuple):
    """One type; `size` is of digits, bits or characters, `radix` 10 or 2 for numbers."""

    name: str
    data_type: int
    size: int | None = None
    radix: int | None = None
    subcode: int | None = None
    is_quoted: bool = False
    searchable: int = _BASIC


# Pixeltable's type -> the one of SQL in whose place it stands; names are Postgres', so that they may be written in a CAST.
SQL_TYPES = {
    "Bool": SqlType("BOOLEAN", _BIT, 1),
    "Int": SqlType("BIGINT", _BIGINT, 19, 10),
    "Float": SqlType("DOUBLE PRECISION", _DOUBLE, 53, 2),
    "String": SqlType("TEXT", _VARCHAR, is_quoted=True, searchable=_FULL),
    "Json": SqlType("JSONB", _VARCHAR, is_quoted=True, searchable=_NONE),
    "UUID": SqlType("UUID", _VARCHAR, 36, is_quoted=True),
    "Date": SqlType("DATE", _DATE, 10, subcode=_SUBCODE_DATE, is_quoted=True),
    "Timestamp": SqlType("TIMESTAMP WITH TIME ZONE", _TIMESTAMP, 32, subcode=_SUBCODE_TIMESTAMP_WITH_TIMEZONE, is_quoted=True),
    "Binary": SqlType("BYTEA", _LONGVARBINARY, is_quoted=True, searchable=_NONE),
}
MEDIA = SQL_TYPES["Binary"]

TYPE_INFO_SCHEMA = pa.schema(
    [
        pa.field("type_name", pa.utf8(), nullable=False),
        pa.field("data_type", pa.int32(), nullable=False),
        pa.field("column_size", pa.int32()),
        pa.field("literal_prefix", pa.utf8()),
        pa.field("literal_suffix", pa.utf8()),
        pa.field("create_params", pa.list_(pa.field("item", pa.utf8(), nullable=False))),
        pa.field("nullable", pa.int32(), nullable=False),
        pa.field("case_sensitive", pa.bool_(), nullable=False),
        pa.field("searchable", pa.int32(), nullable=False),
        pa.field("unsigned_attribute", pa.bool_()),
        pa.field("fixed_prec_scale", pa.bool_(), nullable=False),
        pa.field("auto_increment", pa.bool_()),
        pa.field("local_type_name", pa.utf8()),
        pa.field("minimum_scale", pa.int32()),
        pa.field("maximum_scale", pa.int32()),
        pa.field("sql_data_type", pa.int32(), nullable=False),
        pa.field("datetime_subcode", pa.int32()),
        pa.field("num_prec_radix", pa.int32()),
        pa.field("interval_precision", pa.int32()),
    ]
)


def type_info(data_type: int | None) -> pa.RecordBatch:
    """The types, or those of one number, in the order that Flight SQL asks for."""
    found = sorted(SQL_TYPES.values(), key=lambda sql_type: (sql_type.data_type, sql_type.name))
    rows = [_row(sql_type) for sql_type in found if data_type in (None, sql_type.data_type)]
    return pa.RecordBatch.from_pylist(rows, schema=TYPE_INFO_SCHEMA)


def _row(sql_type: SqlType) -> dict[str, object]:
    quote = "'" if sql_type.is_quoted else None
    is_number = sql_type.radix is not None
    scale = {10: 0}.get(sql_type.radix or 0)
    return {
        "type_name": sql_type.name,
        "data_type": sql_type.data_type,
        "column_size": sql_type.size,
        "literal_prefix": quote,
        "literal_suffix": quote,
        "nullable": _NULLABLE,
        "case_sensitive": sql_type.searchable == _FULL,
        "searchable": sql_type.searchable,
        "unsigned_attribute": False if is_number else None,
        "fixed_prec_scale": False,
        "auto_increment": False if is_number else None,
        "local_type_name": sql_type.name,
        "minimum_scale": scale,
        "maximum_scale": scale,
        "sql_data_type": sql_type.data_type if sql_type.subcode is None else _DATETIME,
        "datetime_subcode": sql_type.subcode,
        "num_prec_radix": sql_type.radix,
    }
