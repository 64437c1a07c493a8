"""What a statement yields in Postgres -> what goes over the wire: one table of types, and the rule for numbers.

| Postgres | Arrow | |
|---|---|---|
| smallint, integer, bigint | int64 | |
| real, double precision | float64 | |
| numeric(p, s), numeric | decimal128(p, s), decimal128(38, 18) | but a sum of whole numbers is int64, an average float64 |
| text and its kin | utf8 | |
| json, jsonb | utf8 | `pxt:type` Json |
| interval | duration[us] | a month is 30 days, as in Postgres' own EXTRACT(EPOCH) |
| arrays of these | list | |
"""

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from pxt_flight.engine.types import ARROW_TYPES, ColumnType, arrow_field, blob_of
from pxt_flight.errors import PxtFlightError, error

CELL = "cell"  # pxt_flight.cell, the type of cell references
DECIMAL = pa.decimal128(38, 18)
_WHOLE = ("int2", "int4", "int8")
_TEXTS = ("text", "varchar", "name", "char", "unknown")


@dataclass(frozen=True)
class OutputType:
    """How one column of a statement is sent.

    Attributes:
        arrow: its type on the wire.
        pixeltable: the Pixeltable type that it corresponds to, for the metadata `pxt:type`; None where there is none.
        cast: what SQL makes of the column first, with `{0}` for it; None where it is right as it is.
        blob: the Pixeltable type of arrays and bytes.
    """

    arrow: pa.DataType
    pixeltable: str | None
    cast: str | None = None
    blob: ColumnType | None = None

    @property
    def is_cell(self) -> bool:
        """Whether the column holds references to media cells."""
        return self is _CELL


# In Postgres' own binary form: ADBC 1.13 builds a damaged struct where a composite is NULL, and each field that SQL takes out of a cell
# makes the cell once more.
_CELL = OutputType(pa.binary(), None, "record_send({0})")
# A blob in the row after a 1, else after a 0 where it is: `blobs` reads both.
_BLOB = (
    "CASE WHEN ({0}).data IS NOT NULL THEN '\\x01'::bytea || ({0}).data WHEN ({0}).source IS NOT NULL"
    " THEN '\\x00'::bytea || int4send(({0}).source) || int8send(({0}).v_min) || array_send(({0}).row_id) END"
)
_DURATION = "CAST(EXTRACT(EPOCH FROM {0}) * 1000000 AS BIGINT)"
_BY_NAME: dict[str, OutputType] = {
    "int8": OutputType(pa.int64(), "Int"),
    **dict.fromkeys(("int2", "int4"), OutputType(pa.int64(), "Int", "CAST({0} AS BIGINT)")),
    "float8": OutputType(pa.float64(), "Float"),
    "float4": OutputType(pa.float64(), "Float", "CAST({0} AS DOUBLE PRECISION)"),
    "bool": OutputType(pa.bool_(), "Bool"),
    "text": OutputType(pa.utf8(), "String"),
    # As it is: a cast to text takes the blanks off its end.
    "bpchar": OutputType(pa.utf8(), "String"),
    **dict.fromkeys(_TEXTS[1:], OutputType(pa.utf8(), "String", "CAST({0} AS TEXT)")),
    "date": OutputType(pa.date32(), "Date"),
    "timestamptz": OutputType(ARROW_TYPES["Timestamp"], "Timestamp"),
    "timestamp": OutputType(pa.timestamp("us"), None),
    "time": OutputType(pa.time64("us"), None),
    "interval": OutputType(pa.duration("us"), None, _DURATION),
    "uuid": OutputType(ARROW_TYPES["UUID"], "UUID"),
    **dict.fromkeys(("json", "jsonb"), OutputType(pa.utf8(), "Json", "CAST({0} AS TEXT)")),
    "bytea": OutputType(pa.binary(), None),
    CELL: _CELL,
    **dict.fromkeys(("_int2", "_int4", "_int8"), OutputType(pa.list_(pa.int64()), None, "CAST({0} AS BIGINT[])")),
    **dict.fromkeys(("_float4", "_float8", "_numeric"), OutputType(pa.list_(pa.float64()), None, "CAST({0} AS DOUBLE PRECISION[])")),
    "_bool": OutputType(pa.list_(pa.bool_()), None),
    **dict.fromkeys(("_text", "_varchar", "_bpchar", "_json", "_jsonb"), OutputType(pa.list_(pa.utf8()), None, "CAST({0} AS TEXT[])")),
    "_date": OutputType(pa.list_(pa.date32()), None),
    "_timestamptz": OutputType(pa.list_(ARROW_TYPES["Timestamp"]), None),
}
WHOLE = OutputType(pa.int64(), "Int", "CAST({0} AS BIGINT)")
FLOAT = OutputType(pa.float64(), "Float", "CAST({0} AS DOUBLE PRECISION)")


def output_type(described: pa.Field) -> OutputType | None:
    """The type of a column as Postgres describes it; None for a numeric without a scale, which a rule of the statement decides.

    Raises:
        InvalidRequestError: `type_unsupported`.
    """
    name = postgres_type(described)
    if name == "numeric":
        return _decimal(described)
    if name in _BY_NAME:
        return _BY_NAME[name]
    if blob := blob_of(name):
        return OutputType(arrow_field("", blob, media="", nullable=True).type, blob.name, _BLOB, blob)
    is_row = name == "record" or pa.types.is_struct(described.type)
    raise error(
        "type_unsupported",
        f"Column {described.name} is {'a whole row' if is_row else f'of the SQL type {name}'}, which is not served.",
        hint="Name the columns that you need." if is_row else "Cast it to a type that is, for example text.",
        where={"column": described.name},
    )


def postgres_type(described: pa.Field) -> str:
    """Postgres' own name of a described column's type."""
    return str((described.metadata or {}).get(b"POSTGRESQL:type", b"?").decode())


def is_whole(described: pa.Field) -> bool:
    """Whether a described column is of an integer type."""
    return postgres_type(described) in _WHOLE


def decimal_type(precision: int, scale: int) -> OutputType:
    """The type of a numeric of that size."""
    return OutputType(pa.decimal128(precision, scale), None, f"CAST({{0}} AS NUMERIC({precision}, {scale}))")


# Before anything that Postgres holds (4713 BC): infinity and the last years, to which the driver adds an epoch until they wrap around.
_EARLIEST = {pa.date32(): -2_440_588, pa.timestamp("us"): -210_866_803_200_000_000}


def converter(field: pa.Field) -> Callable[[pa.Array], pa.Array]:
    """From a column as ADBC reads it to the promised type."""

    def convert(column: pa.Array) -> pa.Array:
        if isinstance(column, pa.ExtensionArray) and column.type != field.type:
            column = column.storage
        if pa.types.is_decimal(field.type):
            return _to_decimal(column, field)
        _check_finite(column.flatten() if pa.types.is_list(column.type) else column, field)
        return column if column.type == field.type else column.cast(field.type)

    return convert


def _decimal(described: pa.Field) -> OutputType | None:
    typmod = int((described.metadata or {}).get(b"POSTGRESQL:typmod", b"-1"))
    if typmod < 4:
        return None
    # numeric's typmod: precision in the upper 16 bits, an 11-bit signed scale in the lower, after an offset of 4.
    precision, scale = (typmod - 4) >> 16 & 0xFFFF, ((typmod - 4 & 0x7FF) ^ 1024) - 1024
    if precision > 38 or not 0 <= scale <= precision:
        raise error("type_unsupported", f"Column {described.name} is a numeric of more than 38 digits.", hint="Cast it to numeric(38, s).")
    return decimal_type(precision, scale)


def _to_decimal(column: pa.Array, field: pa.Field) -> pa.Array:
    try:
        return pc.cast(column, field.type)
    except pa.ArrowInvalid:
        raise _no_decimal(field) from None


def _check_finite(column: pa.Array, field: pa.Field) -> None:
    kind = pa.timestamp("us") if pa.types.is_timestamp(column.type) else column.type
    if kind in _EARLIEST and len(column) > column.null_count:
        numbers = column.view(pa.int32() if kind == pa.date32() else pa.int64())
        if pc.min(numbers).as_py() < _EARLIEST[kind]:
            raise error(
                "INVALID_ARGUMENT",
                f"Column {field.name} holds a moment that Arrow has no number for: infinity, or one after the year 294246.",
                hint="Leave it out with isfinite(...), or cast it to text.",
                where={"column": field.name},
            )


def _no_decimal(field: pa.Field) -> PxtFlightError:
    return error(
        "INVALID_ARGUMENT",
        f"Column {field.name} holds a number that no decimal can (NaN or infinity).",
        hint="Cast it to double precision.",
        where={"column": field.name},
    )
