"""Whether two contenders read the same rows: every value is compared, once, before anything is timed."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pandas as pd
import polars as pl


class OtherRowsError(Exception):
    """A contender reads other rows than were stored; nothing that was measured counts then."""


def check(name: str, answer: Any, expected: pl.DataFrame) -> None:
    """See that a contender answers the rows that were stored.

    Args:
        name: of the contender.
        answer: a polars or pandas frame, or rows as mappings.
        expected: the rows, as `dataset.expected` has them.

    Raises:
        OtherRowsError: it does not.
    """
    found = _canonical(_frame(answer))
    if found.height != expected.height:
        raise OtherRowsError(f"{name} answers {found.height} rows, not {expected.height}")
    if not found.equals(_canonical(expected)):
        raise OtherRowsError(f"{name} answers other values than were stored")


def _frame(answer: Any) -> pl.DataFrame:
    """As polars has it, `meta` as text."""
    if isinstance(answer, pl.DataFrame):
        return answer
    if isinstance(answer, pd.DataFrame):
        meta = [cell if isinstance(cell, str) else json.dumps(cell) for cell in answer["meta"]]
        return pl.from_pandas(answer.assign(meta=meta))
    return pl.DataFrame([_plain(row) for row in answer], infer_schema_length=None)


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    instant = row["ts"] if isinstance(row["ts"], datetime) else datetime.fromisoformat(row["ts"])
    return {**row, "ts": instant, "meta": json.dumps(row["meta"])}


def _canonical(frame: pl.DataFrame) -> pl.DataFrame:
    """Sorted, in UTC and microseconds, JSON texts spelt alike: what may differ without any value being different."""
    spellings = {text: json.dumps(json.loads(text), sort_keys=True) for text in frame["meta"].unique()}
    instants = pl.col("ts").dt.convert_time_zone("UTC").dt.cast_time_unit("us")
    return frame.select("id", "name", "score", instants, pl.col("meta").replace_strict(spellings)).sort("id")
