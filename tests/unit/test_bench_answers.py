"""The benchmarks compare contenders only after each has read every value that was stored, in whatever form it hands them out."""

import json

import pandas as pd
import polars as pl
import pytest

from benchmarks.answers import OtherRowsError, check
from benchmarks.dataset import expected, row

ROWS = 40


def as_rows() -> list[dict]:
    return [row(i) for i in range(ROWS)]


def as_json() -> list[dict]:
    return [{**found, "ts": found["ts"].isoformat().replace("+00:00", "Z")} for found in as_rows()]


def as_pandas() -> pd.DataFrame:
    return pd.DataFrame(as_rows())


def as_text_pandas() -> pd.DataFrame:
    return as_pandas().assign(meta=[json.dumps(found["meta"], indent=1) for found in as_rows()])


def as_shuffled() -> pl.DataFrame:
    elsewhere = pl.col("ts").dt.convert_time_zone("Asia/Tokyo").dt.cast_time_unit("ns")
    return expected(ROWS).with_columns(elsewhere).sample(fraction=1, shuffle=True, seed=1)


@pytest.mark.parametrize("answer", [as_rows, as_json, as_pandas, as_text_pandas, as_shuffled])
def test_the_same_rows_in_any_form_are_the_same(answer):
    check("them", answer(), expected(ROWS))


@pytest.mark.parametrize(
    "change", [{"id": 99}, {"name": "other"}, {"score": 0.1}, {"ts": row(8)["ts"]}, {"meta": {"k": 7, "tags": ["b"], "lab": "l2"}}], ids=str
)
@pytest.mark.parametrize("form", [as_rows, as_pandas], ids=["rows", "pandas"])
def test_one_other_value_is_seen(change, form):
    rows = [found | change if found["id"] == 7 else found for found in as_rows()]
    with pytest.raises(OtherRowsError, match="them answers other values"):
        check("them", rows if form is as_rows else pd.DataFrame(rows), expected(ROWS))


def test_a_missing_row_is_seen():
    with pytest.raises(OtherRowsError, match="39 rows, not 40"):
        check("them", expected(ROWS).head(ROWS - 1), expected(ROWS))
