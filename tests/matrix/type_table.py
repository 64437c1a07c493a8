"""What of which type is served where, and as what: the one table that the tests prove and that `docs/types.md` shows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

TIERS = ("copy", "psycopg", "exec", "cursor")
CLIENTS = ("to_arrow", "pyarrow.flight", "ADBC", "fetchall", "to_polars", "read_database", "pxt://", "to_pandas", "DuckDB")
ARROW_CLIENTS = CLIENTS[:3]
"""Those that hand out Arrow as it came."""


@dataclass(frozen=True)
class Reason:
    """Why something is not served, or not as it is.

    Attributes:
        text: for a footnote.
        code: of a tier: the error where one insists on it; None where the query takes another by itself.
    """

    text: str
    code: str | None = None


@dataclass(frozen=True)
class Kind:
    """How values arrive.

    Attributes:
        arrow: the Arrow type, as pyarrow prints it.
        rows: the Python type in `fetchall()`.
        polars, pandas, duckdb: the types there, as each prints them.
        lossy_in_pandas: why pandas changes values, where it does.
        note: what else there is to know.
    """

    arrow: str
    rows: str
    polars: str
    pandas: str
    duckdb: str
    lossy_in_pandas: Reason | None = None
    note: Reason | None = None


@dataclass(frozen=True, eq=False)
class Row:
    """A type in a column.

    Attributes:
        name: how people call it.
        table: of `sample_store`.
        column: its name in SQL.
        form: how its values are compared: `value`, `json`, `array`, `npy`, `file`, `picture`, `thumbnail`, `url`.
        kind: how they arrive.
        reasons: tiers and clients that do not serve it; all others do.
    """

    name: str
    table: str
    column: str
    form: str
    kind: Kind
    reasons: Mapping[str, Reason] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def media(self) -> str:
        """The media mode in which it is read."""
        return {"url": "url", "thumbnail": "thumbnail:16"}.get(self.form, "bytes")

    @property
    def sql(self) -> str:
        """The statement that reads it."""
        return f'select id, {self.column} from "{self.table}" order by id'


# Why not.
COMPUTED = Reason("Pixeltable computes it while it reads: the query goes to `exec` by itself.")
CHECKED = Reason("With `media_validation='on_read'` Pixeltable checks the file while it reads: the query goes to `exec` by itself.")
OF_POSTGRES = Reason("Not beside a column that only `exec` or `cursor` serves; `copy` and `psycopg` have it.", "sql_unsupported")
NO_URL = Reason("Rows of `cursor` have no row ids that a URL could name.", "type_unsupported")
NO_FILE = Reason("A picture that is computed while it is read has no file; only `exec` makes one.", "type_unsupported")
WITHOUT_MODE = Reason("The address has no place for the media mode: links, as in the row above for URLs.")
# How else.
INTEGERS = Reason("With NULLs pandas makes them floats, exact up to 2^53; `to_pandas(types_mapper=pandas.ArrowDtype)` keeps all.")
PYTZ = Reason("`fetchall()` of DuckDB needs the package pytz; its Arrow and data frames do not.")
SIXTEEN = Reason("polars has no UUIDs: 16 bytes.")
FLAT = Reason("pandas and rows hold the elements flat, polars and DuckDB know one length: `shape` is in the Arrow type.")
NPY = Reason("A `.npy` file each (`pxt:encoding` says so): `numpy.load(io.BytesIO(cell))`.")
OBJECTS = Reason("Images are data URLs, arrays are lists, bytes are base64.")
TEXT_OF_JSON = Reason("`pxt:type` says Json; `arrow.json` where a client asks for it.")
NO_PICTURE = Reason("JPEG; NULL where there is nothing to look at.")


def _tensor(size: str, shape: str, flat: int) -> Kind:
    polars = f"Extension('arrow.fixed_shape_tensor', Array(Float32, shape=({flat},)), '{{\"shape\":[{shape}]}}')"
    arrow = f"extension<arrow.fixed_shape_tensor[value_type=float, shape=[{shape}]]>"
    return Kind(arrow, "list", polars, "object", f"FLOAT[{size}]", note=FLAT)


INT = Kind("int64", "int", "Int64", "float64", "BIGINT", lossy_in_pandas=INTEGERS)
INT_ALWAYS = Kind("int64", "int", "Int64", "int64", "BIGINT")
FLOAT = Kind("double", "float", "Float64", "float64", "DOUBLE")
STRING = Kind("string", "str", "String", "str", "VARCHAR")
BOOL = Kind("bool", "bool", "Boolean", "object", "BOOLEAN")
TIMESTAMP = Kind(
    "timestamp[us, tz=UTC]",
    "datetime",
    "Datetime(time_unit='us', time_zone='UTC')",
    "datetime64[us, UTC]",
    "TIMESTAMP WITH TIME ZONE",
    note=PYTZ,
)
DATE = Kind("date32[day]", "date", "Date", "object", "DATE")
UUID = Kind("extension<arrow.uuid>", "UUID", "Binary", "object", "UUID", note=SIXTEEN)
JSON = Kind("string", "str", "String", "str", "VARCHAR", note=TEXT_OF_JSON)
JSON_OBJECTS = Kind("string", "str", "String", "str", "VARCHAR", note=OBJECTS)
BINARY = Kind("binary", "bytes", "Binary", "object", "BLOB")
NPY_FILES = Kind("binary", "bytes", "Binary", "object", "BLOB", note=NPY)
THUMBNAIL = Kind("binary", "bytes", "Binary", "object", "BLOB", note=NO_PICTURE)
SMALL_ARRAY = _tensor("3", "3", 3)
LARGE_ARRAY = _tensor("600", "20,30", 600)
EMBEDDING = _tensor("8", "8", 8)
BITS = Kind("fixed_size_list<item: bool>[5]", "list", "Array(Boolean, shape=(5,))", "object", "BOOLEAN[5]")
TEXTS = Kind("fixed_size_list<item: string>[2]", "list", "Array(String, shape=(2,))", "object", "VARCHAR[2]")
RAGGED = Kind("list<item: float>", "list", "List(Float32)", "object", "FLOAT[]")
RAGGED_ROWS = Kind("list<item: list<item: int64>>", "list", "List(List(Int64))", "object", "BIGINT[][]")

_UNSTORED = {"copy": COMPUTED, "psycopg": COMPUTED}
_UNCHECKED = {"copy": CHECKED, "psycopg": CHECKED}
_ONLY_EXEC = _UNSTORED | {"cursor": NO_FILE}
_ONLY_POSTGRES = {"exec": OF_POSTGRES, "cursor": OF_POSTGRES}
_MODES = {"url": STRING, "file": BINARY, "thumbnail": THUMBNAIL}
_LABELS = {"url": "as URL", "file": "as bytes", "thumbnail": "as thumbnail", "picture": "as bytes"}


def _media(name: str, table: str, column: str, reasons: Mapping[str, Reason]) -> list[Row]:
    """A media column in each mode."""
    rows = []
    for form, kind in _MODES.items():
        more = {"cursor": NO_URL} if form == "url" else {"pxt://": WITHOUT_MODE}
        rows.append(Row(f"{name}, {_LABELS[form]}", table, column, form, kind, {**more, **reasons}))
    return rows


ROWS = (
    Row("Int", "matrix_values", "whole", "value", INT),
    Row("Float", "matrix_values", "real", "value", FLOAT),
    Row("String", "matrix_values", "words", "value", STRING),
    Row("Bool", "matrix_values", "flag", "value", BOOL),
    Row("Timestamp", "matrix_values", "moment", "value", TIMESTAMP),
    Row("Date", "matrix_values", "day", "value", DATE),
    Row("UUID", "matrix_values", "uid", "value", UUID),
    Row("Json", "matrix_values", "document_of_json", "json", JSON),
    Row("Json with images, arrays, bytes inside", "matrix_values", "json_with_objects", "json", JSON_OBJECTS),
    Row("Array[(3,), float32], in the row", "matrix_values", "small_array", "array", SMALL_ARRAY),
    Row("Array[(20, 30), float32], in a file", "matrix_values", "large_array", "array", LARGE_ARRAY),
    Row("Array[(5,), bool]", "matrix_values", "bits", "array", BITS),
    Row("Array[(2,), str]", "matrix_values", "texts", "array", TEXTS),
    Row("Array[(None,), float32]", "matrix_values", "ragged", "array", RAGGED),
    Row("Array[(None, 3), int64]", "matrix_values", "ragged_rows", "array", RAGGED_ROWS),
    Row("Array[float32], of any shape", "matrix_values", "any_shape", "npy", NPY_FILES),
    Row("Array, of any shape and elements", "matrix_values", "any_array", "npy", NPY_FILES),
    Row("Binary, in the row", "matrix_values", "small_bytes", "value", BINARY),
    Row("Binary, in a file", "matrix_values", "large_bytes", "value", BINARY),
    Row("an embedding: `col__embedding`", "matrix_values", "words__embedding", "array", EMBEDDING, _ONLY_POSTGRES),
    *_media("Image", "matrix_values", "image", {}),
    *_media("Video", "matrix_values", "video", {}),
    *_media("Audio", "matrix_values", "audio", {}),
    *_media("Document", "matrix_values", "document", {}),
    *_media("Image, checked on read", "matrix_on_read", "image", _UNCHECKED),
    *_media("Video, checked on read", "matrix_on_read", "clip", _UNCHECKED),
    Row("stored computed column", "matrix_values", "doubled", "value", INT_ALWAYS),
    Row("unstored computed column", "matrix_values", "length", "value", INT, _UNSTORED),
    Row("unstored computed Image, as bytes", "matrix_values", "small", "picture", BINARY, _ONLY_EXEC | {"pxt://": WITHOUT_MODE}),
    Row("unstored computed Image, as URL", "matrix_values", "small", "url", STRING, _ONLY_EXEC),
    Row("unstored computed Image, as thumbnail", "matrix_values", "small", "thumbnail", THUMBNAIL, _ONLY_EXEC | {"pxt://": WITHOUT_MODE}),
    Row("a column of which some cells failed", "matrix_values", "failing", "value", FLOAT),
    Row("the error's type: `col__errortype`", "matrix_values", "failing__errortype", "value", STRING, _ONLY_POSTGRES),
    Row("the error's text: `col__errormsg`", "matrix_values", "failing__errormsg", "value", STRING, _ONLY_POSTGRES),
    Row("a view: its own column", "matrix_view", "note", "value", STRING),
    Row("a view: a column of its base", "matrix_view", "moment", "value", TIMESTAMP),
    Row("tiles (a component view): `pos`", "matrix_tiles", "pos", "value", INT_ALWAYS, _UNSTORED),
    Row("tiles: `tile_coord`", "matrix_tiles", "tile_coord", "json", JSON),
    Row("tiles: a column of the base", "matrix_tiles", "words", "value", STRING),
    Row("tiles: the picture, as URL", "matrix_tiles", "tile", "url", STRING, _ONLY_EXEC),
    Row("tiles: the picture, as bytes", "matrix_tiles", "tile", "picture", BINARY, _ONLY_EXEC | {"pxt://": WITHOUT_MODE}),
    Row("a snapshot", "matrix_kept", "changed", "value", STRING),
    Row('an old version: `"films:3"`', "matrix_values:7", "changed", "value", STRING),
    Row("an operational table", "matrix_operational", "words", "value", STRING),
)
