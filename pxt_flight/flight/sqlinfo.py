"""What the server says of itself and of its SQL: Flight SQL's SqlInfo.

The result schema is compared field by field, nullability included, by the ADBC driver ("Invalid schema returned"). JDBC asks for all
numbers and fails at one that is missing, so each of `FlightSql.proto` is here, in the member of the union that JDBC reads it from.
"""

from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa

from pxt_flight import __version__
from pxt_flight.access.grants import TICKET_LIFETIME


class Bigint(NamedTuple):
    """A value of `bigint_value`; a plain `int` is one of `int32_bitmask`, where ordinals stand too."""

    value: int


Value = str | bool | Bigint | int | tuple[str, ...] | dict[int, list[int]]

_UNLIMITED = Bigint(0)  # or not known
_NAME_LENGTH = Bigint(63)
_NONE, _LOWER_CASE, _NULLS_HIGH, _FULL_JOINS = 0, 3, 0, 2
_CORE_GRAMMAR, _ENTRY_SQL, _ANY_GROUP_BY, _ANY_UNION, _ANY_SUBQUERY, _FORWARD_ONLY = 0b011, 0b001, 0b11, 0b11, 0b1111, 0b010
_TRANSACTION_NONE = 0b1

# Postgres' reserved words that are none of SQL:2003, as JDBC defines the list.
_KEYWORDS = ("ANALYSE", "ANALYZE", "ASC", "DEFERRABLE", "DESC", "DO", "FREEZE", "ILIKE", "INITIALLY", "ISNULL", "LIMIT", "NOTNULL")
_MORE_KEYWORDS = ("OFFSET", "PLACING", "RETURNING", "VARIADIC", "VERBOSE")
_NUMERIC = ("abs", "ceil", "exp", "floor", "ln", "log", "mod", "power", "round", "sign", "sqrt", "trunc")
_STRING = ("concat", "length", "lower", "ltrim", "position", "replace", "rtrim", "substring", "trim", "upper")
_SYSTEM = ("coalesce", "greatest", "least", "nullif")
_DATETIME = ("date_part", "date_trunc", "extract")

_SERVER: dict[int, Value] = {
    0: "pxt-flight",  # NAME
    1: __version__,  # VERSION
    2: pa.__version__,  # ARROW_VERSION
    3: False,  # READ_ONLY
    4: True,  # SQL
    5: False,  # SUBSTRAIT
    6: "",  # SUBSTRAIT_MIN_VERSION
    7: "",  # SUBSTRAIT_MAX_VERSION
    8: _NONE,  # TRANSACTION
    9: True,  # CANCEL
    10: True,  # BULK_INGESTION
    11: False,  # INGEST_TRANSACTIONS_SUPPORTED
    100: TICKET_LIFETIME * 1000,  # STATEMENT_TIMEOUT, in milliseconds
    101: 0,  # TRANSACTION_TIMEOUT
}
_SYNTAX: dict[int, Value] = {
    500: False,  # DDL_CATALOG
    501: False,  # DDL_SCHEMA
    502: False,  # DDL_TABLE
    503: _LOWER_CASE,  # IDENTIFIER_CASE
    504: '"',  # IDENTIFIER_QUOTE_CHAR
    505: _LOWER_CASE,  # QUOTED_IDENTIFIER_CASE: Pixeltable folds those too
    506: True,  # ALL_TABLES_ARE_SELECTABLE: what a key may not read is not listed
    507: _NULLS_HIGH,  # NULL_ORDERING
    508: _KEYWORDS + _MORE_KEYWORDS,
    509: _NUMERIC,
    510: _STRING,
    511: _SYSTEM,
    512: _DATETIME,
    513: "\\",  # SEARCH_STRING_ESCAPE
    514: "$",  # EXTRA_NAME_CHARACTERS
    515: True,  # SUPPORTS_COLUMN_ALIASING
    516: True,  # NULL_PLUS_NULL_IS_NULL
    517: {},  # SUPPORTS_CONVERT: of JDBC's own CONVERT function, which there is not
    518: True,  # SUPPORTS_TABLE_CORRELATION_NAMES
    519: False,  # SUPPORTS_DIFFERENT_TABLE_CORRELATION_NAMES
    520: True,  # SUPPORTS_EXPRESSIONS_IN_ORDER_BY
    521: True,  # SUPPORTS_ORDER_BY_UNRELATED
    522: _ANY_GROUP_BY,
    523: True,  # SUPPORTS_LIKE_ESCAPE_CLAUSE
    524: True,  # SUPPORTS_NON_NULLABLE_COLUMNS
    525: _CORE_GRAMMAR,
    526: _ENTRY_SQL,
    527: False,  # SUPPORTS_INTEGRITY_ENHANCEMENT_FACILITY
    528: _FULL_JOINS,
    529: "directory",  # SCHEMA_TERM
    530: "",  # PROCEDURE_TERM
    531: "catalog",  # CATALOG_TERM
    532: True,  # CATALOG_AT_START
    533: _NONE,  # SCHEMAS_SUPPORTED_ACTIONS
    534: _NONE,  # CATALOGS_SUPPORTED_ACTIONS
    535: _NONE,  # SUPPORTED_POSITIONED_COMMANDS
    536: False,  # SELECT_FOR_UPDATE_SUPPORTED
    537: False,  # STORED_PROCEDURES_SUPPORTED
    538: _ANY_SUBQUERY,
    539: True,  # CORRELATED_SUBQUERIES_SUPPORTED
    540: _ANY_UNION,
    **dict.fromkeys(range(541, 562), _UNLIMITED),  # the longest and the most of everything, but for the next lines
    543: _NAME_LENGTH,  # MAX_COLUMN_NAME_LENGTH
    556: False,  # MAX_ROW_SIZE_INCLUDES_BLOBS
    562: Bigint(_NONE),  # DEFAULT_TRANSACTION_ISOLATION: an int32 by the specification, a Long in JDBC
    563: False,  # TRANSACTIONS_SUPPORTED
    564: _TRANSACTION_NONE,
    565: False,  # DATA_DEFINITION_CAUSES_TRANSACTION_COMMIT
    566: False,  # DATA_DEFINITIONS_IN_TRANSACTIONS_IGNORED
    567: _FORWARD_ONLY,  # SUPPORTED_RESULT_SET_TYPES
    **dict.fromkeys(range(568, 572), 0b010),  # READ_ONLY results, whatever their kind
    **dict.fromkeys(range(572, 577), False),  # batch updates, savepoints, named parameters, locators, function call syntax
}
_VALUES = _SERVER | _SYNTAX

_CHILDREN = [
    pa.field("string_value", pa.utf8()),
    pa.field("bool_value", pa.bool_()),
    pa.field("bigint_value", pa.int64()),
    pa.field("int32_bitmask", pa.int32()),
    pa.field("string_list", pa.list_(pa.utf8())),
    pa.field("int32_to_int32_list_map", pa.map_(pa.int32(), pa.list_(pa.int32()))),
]
SQL_INFO_SCHEMA = pa.schema(
    [
        pa.field("info_name", pa.uint32(), nullable=False),
        pa.field("value", pa.dense_union(_CHILDREN), nullable=False),
    ]
)


def sql_info(names: Sequence[int]) -> pa.RecordBatch:
    """The SqlInfo of some names, or of all that there are where none is asked for; unknown names are left out."""
    found = [name for name in dict.fromkeys(names or _VALUES) if name in _VALUES]
    children: list[list[object]] = [[] for _ in _CHILDREN]
    codes, offsets = [], []
    for name in found:
        code, value = _member(_VALUES[name])
        codes.append(code)
        offsets.append(len(children[code]))
        children[code].append(value)
    union = pa.UnionArray.from_dense(
        pa.array(codes, pa.int8()),
        pa.array(offsets, pa.int32()),
        [pa.array(child, field.type) for child, field in zip(children, _CHILDREN, strict=True)],
        [field.name for field in _CHILDREN],
    )
    return pa.RecordBatch.from_arrays([pa.array(found, pa.uint32()), union], schema=SQL_INFO_SCHEMA)


def _member(value: Value) -> tuple[int, object]:
    """The number of the union's member that holds a value, and what it holds."""
    match value:
        case str():
            return 0, value
        case bool():
            return 1, value
        case Bigint():
            return 2, value.value
        case int():
            return 3, value
        case tuple():
            return 4, list(value)
        case dict():
            return 5, list(value.items())
