"""What the server says of itself: Flight SQL's SqlInfo.

The result schema is compared field by field, nullability included, by the ADBC driver ("Invalid schema returned").
"""

from collections.abc import Sequence

import pyarrow as pa

from pxt_flight import __version__

# Flight SQL, enum SqlInfo.
SERVER_NAME, SERVER_VERSION, ARROW_VERSION, READ_ONLY, SQL, SUBSTRAIT = 0, 1, 2, 3, 4, 5
TRANSACTION, CANCEL = 8, 9
_NO_TRANSACTIONS = 0

_VALUES: dict[int, str | bool | int] = {
    SERVER_NAME: "pxt-flight",
    SERVER_VERSION: __version__,
    ARROW_VERSION: pa.__version__,
    READ_ONLY: True,
    SQL: True,
    SUBSTRAIT: False,
    TRANSACTION: _NO_TRANSACTIONS,
    CANCEL: True,
}

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
    """The SqlInfo of some names, or of all that we have where none is asked for; unknown names are left out."""
    found = [name for name in (names or _VALUES) if name in _VALUES]
    children: list[list[object]] = [[] for _ in _CHILDREN]
    codes, offsets = [], []
    for name in found:
        value = _VALUES[name]
        code = 0 if isinstance(value, str) else 1 if isinstance(value, bool) else 3
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
