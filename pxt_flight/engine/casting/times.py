"""Times and dates. A time without a zone is of the time zone in which Pixeltable's process runs, as in Pixeltable."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pxt_flight.engine.casting.cast import Cast, Caster, Fault, faults, true_rows
from pxt_flight.engine.casting.storage import is_text

_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # of each zone
_BEGIN, _END = datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999_999)  # noqa: DTZ001
_FIRST, _LAST = (_BEGIN - _EPOCH) // _MICROSECOND, (_END - _EPOCH) // _MICROSECOND
_FIRST_DAY, _LAST_DAY = (date.min - _EPOCH.date()).days, (date.max - _EPOCH.date()).days
_HOUR = 3_600_000_000
_OF_A_DAY = {unit: 86_400 * per_second for unit, per_second in _PER_SECOND.items()}
_OUT_OF_RANGE = "is not of the years 1 to 9999"
_TOO_FINE = "is finer than a microsecond"


def timestamps(kind: pa.DataType, zone: tzinfo) -> Caster | None:
    """Timestamps of any unit, with a zone or in the given one, and texts in ISO 8601; None for any other type."""
    if is_text(kind):
        return lambda array: _of_texts(array, lambda text: _microseconds(text, zone), pa.timestamp("us", tz="UTC"))
    if pa.types.is_timestamp(kind):
        return lambda array: _timestamps(array, zone)
    return None


def dates(kind: pa.DataType) -> Caster | None:
    """Dates, timestamps without a zone at midnight, and texts in ISO 8601; None for any other type."""
    if is_text(kind):
        return lambda array: _of_texts(array, lambda text: (datetime.fromisoformat(text).date() - _EPOCH.date()).days, pa.date32())
    if pa.types.is_date(kind) or (pa.types.is_timestamp(kind) and kind.tz is None):
        return _dates
    return None


def _timestamps(array: pa.Array, zone: tzinfo) -> Cast:
    missing = ~true_rows(array.is_valid())
    numbers = np.where(missing, 0, _numbers(array))
    unit, fine = array.type.unit, np.zeros(len(array), bool)
    if unit == "ns":
        numbers, rest = np.divmod(numbers, 1000)
        fine = rest != 0
    factor = max(_PER_SECOND["us"] // _PER_SECOND[unit], 1)
    beyond = (numbers < _FIRST // factor) | (numbers > _LAST // factor)
    numbers = np.where(beyond, 0, numbers) * factor
    if array.type.tz is None:
        numbers = numbers - _offsets(numbers, zone)
    first, last = _readable(zone)
    beyond |= (numbers < first) | (numbers > last)
    return Cast(_staged(numbers, missing, pa.timestamp("us", tz="UTC")), faults((beyond, _OUT_OF_RANGE), (fine & ~beyond, _TOO_FINE)))


def _dates(array: pa.Array) -> Cast:
    missing = ~true_rows(array.is_valid())
    numbers = np.where(missing, 0, _numbers(array))
    rest = np.zeros(len(array), np.int64)
    if not pa.types.is_date32(array.type):
        unit = array.type.unit if pa.types.is_timestamp(array.type) else "ms"
        numbers, rest = np.divmod(numbers, _OF_A_DAY[unit])
    beyond = (numbers < _FIRST_DAY) | (numbers > _LAST_DAY)
    days = np.where(beyond, 0, numbers).astype(np.int32)
    return Cast(_staged(days, missing, pa.date32()), faults((beyond, _OUT_OF_RANGE), ((rest != 0) & ~beyond, "has a time of the day")))


def _numbers(array: pa.Array) -> Any:
    """What Arrow stores of times: numbers since 1970; of NULL anything."""
    width = np.int32 if array.type.bit_width == 32 else np.int64
    return np.frombuffer(array.buffers()[1] or b"", width)[array.offset : array.offset + len(array)].astype(np.int64)


def _staged(numbers: Any, missing: Any, kind: pa.DataType) -> pa.Array:
    return pa.array(numbers, mask=missing if missing.any() else None).view(kind)


def _readable(zone: tzinfo) -> tuple[int, int]:
    """The first and last microsecond that is of the years 1 to 9999 in UTC and in a zone: in that one psycopg reads every time."""
    ends = np.array([_FIRST, _LAST])
    ends_there = ends - [_offset(_BEGIN, zone), _offset(_END, zone)]
    return int(max(ends[0], ends_there[0])), int(min(ends[1], ends_there[1]))


def _offsets(numbers: Any, zone: tzinfo) -> Any:
    """How far a zone is before UTC at its own times, in microseconds: asked of Python, for its rules are Pixeltable's, for each hour."""
    fixed = zone.utcoffset(None)
    if fixed is not None:
        return fixed // _MICROSECOND
    hours, places = np.unique(numbers // _HOUR, return_inverse=True)
    starts = [_EPOCH + int(hour) * timedelta(hours=1) for hour in hours]
    offsets = np.array([_offset(start, zone) for start in starts], np.int64)
    ends = np.array([_offset(start + timedelta(hours=1) - _MICROSECOND, zone) for start in starts], np.int64)
    found = offsets[places]
    for row in np.flatnonzero((offsets != ends)[places]).tolist():
        found[row] = _offset(_EPOCH + int(numbers[row]) * _MICROSECOND, zone)
    return found


def _offset(moment: datetime, zone: tzinfo) -> int:
    return (zone.utcoffset(moment.replace(tzinfo=zone)) or timedelta()) // _MICROSECOND


def _microseconds(text: str, zone: tzinfo) -> int:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    found = (moment - _EPOCH.replace(tzinfo=UTC)) // _MICROSECOND
    first, last = _readable(zone)
    if not first <= found <= last:
        raise OverflowError
    return found


def _of_texts(array: pa.Array, read: Callable[[str], int], kind: pa.DataType) -> Cast:
    """Texts, each read as Pixeltable reads it."""
    numbers = np.zeros(len(array), np.int32 if pa.types.is_date32(kind) else np.int64)
    wrong, beyond = [], []
    for row, text in enumerate(array.to_pylist()):
        if text is None:
            continue
        try:
            numbers[row] = read(text)
        except ValueError:
            wrong.append(row)
        except OverflowError:
            beyond.append(row)
    found = [Fault(np.array(rows), reason) for rows, reason in ((wrong, "is no time in ISO 8601"), (beyond, _OUT_OF_RANGE)) if rows]
    return Cast(_staged(numbers, ~true_rows(pc.is_valid(array)), kind), found)
