"""`adbc_ingest`, and what polars, pandas and DuckDB make of it: every mode, and round trips."""

import datetime as dt
import decimal
import json

import adbc_driver_manager
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.flight as fl
import pytest
from polars.testing import assert_frame_equal

from pxt_flight.flight import messages
from pxt_flight.flight.messages import TableDefinitionOptions, TableExistsOption, TableNotExistOption

ROWS = pa.table({"id": [1, 2], "name": ["a", None]})


@pytest.fixture
def name(pxt):
    """A name that no table has."""
    pxt.drop_table("ingested", force=True, if_not_exists="ignore")
    yield "ingested"
    pxt.drop_table("ingested", force=True, if_not_exists="ignore")


@pytest.fixture
def cursor(adbc):
    with adbc.cursor() as cursor:
        yield cursor


def read(cursor, table, order="id"):
    return cursor.execute(f"select * from {table} order by {order}").fetch_arrow_table()


def plain(table):
    """Without the metadata of the schema."""
    return table.replace_schema_metadata(None).cast(pa.schema([field.remove_metadata() for field in table.schema]))


# Modes


def test_create_append_replace(cursor, name):
    assert cursor.adbc_ingest(name, ROWS, mode="create") == 2
    assert plain(read(cursor, name)) == ROWS
    assert cursor.adbc_ingest(name, ROWS.slice(0, 1), mode="append") == 1
    assert read(cursor, name)["id"].to_pylist() == [1, 1, 2]
    assert cursor.adbc_ingest(name, pa.table({"id": [7], "other": [1.5]}), mode="replace") == 1
    assert read(cursor, name).to_pylist() == [{"id": 7, "other": 1.5}]


def test_create_append(cursor, name):
    for expected in ([1, 2], [1, 1, 2, 2]):
        cursor.adbc_ingest(name, ROWS, mode="create_append")
        assert read(cursor, name)["id"].to_pylist() == expected


def test_replace_makes_what_is_not_there(cursor, name):
    cursor.adbc_ingest(name, ROWS, mode="replace")
    assert read(cursor, name).num_rows == 2


def test_create_where_there_is_one(cursor, name):
    cursor.adbc_ingest(name, ROWS, mode="create")
    with pytest.raises(adbc_driver_manager.Error, match="PATH_ALREADY_EXISTS"):
        cursor.adbc_ingest(name, ROWS, mode="create")
    assert read(cursor, name).num_rows == 2


def test_append_where_there_is_none(cursor, name):
    with pytest.raises(adbc_driver_manager.Error, match="TABLE_NOT_FOUND"):
        cursor.adbc_ingest(name, ROWS, mode="append")


def test_a_reader_and_a_dictionary(cursor, name):
    rows = pa.table({"id": range(10_000), "kind": pa.array(["a", "b"] * 5000).dictionary_encode()})
    cursor.adbc_ingest(name, rows.to_reader(100), mode="create")
    assert read(cursor, name).to_pydict() == rows.to_pydict()


def test_into_a_directory(cursor, pxt):
    pxt.create_dir("ingest_dir", if_exists="ignore")
    cursor.adbc_ingest("films", ROWS, mode="create", db_schema_name="ingest_dir", catalog_name="pixeltable")
    assert read(cursor, "ingest_dir.films").num_rows == 2
    pxt.drop_dir("ingest_dir", force=True)


def test_no_rows(cursor, name):
    batch = ROWS.slice(0, 0).combine_chunks().to_batches() or [pa.RecordBatch.from_pylist([], schema=ROWS.schema)]
    assert cursor.adbc_ingest(name, batch[0], mode="create") == 0
    assert plain(read(cursor, name)) == ROWS.slice(0, 0)
    before = len(pxt_versions(name))
    cursor.adbc_ingest(name, batch[0], mode="append")
    assert len(pxt_versions(name)) == before


def pxt_versions(name):
    import pixeltable

    return pixeltable.get_table(name).get_versions()


# Commands that are refused


def ingest(client, caller, rows=ROWS, **fields):
    options_of_table = fields.pop("modes", (TableNotExistOption.CREATE, TableExistsOption.FAIL))
    definition = TableDefinitionOptions(if_not_exist=options_of_table[0], if_exists=options_of_table[1])
    message = messages.CommandStatementIngest(table_definition_options=definition, **({"table": "ingested"} | fields))
    writer, reader = client.do_put(fl.FlightDescriptor.for_command(messages.pack_any(message)), rows.schema, caller)
    with writer:
        writer.write_table(rows)
        writer.done_writing()
        return messages.decode(messages.DoPutUpdateResult, reader.read().to_pybytes()).record_count


REFUSED = {
    "temporary": {"temporary": True},
    "transaction": {"transaction_id": b"1"},
    "catalog": {"catalog": "another"},
    "option": {"options": {"fast": "yes"}},
    "modes": {"modes": (TableNotExistOption.UNSPECIFIED, TableExistsOption.UNSPECIFIED)},
    "only failing": {"modes": (TableNotExistOption.FAIL, TableExistsOption.FAIL)},
    "unknown modes": {"modes": (7, 9)},
    "replacing what is not there": {"modes": (TableNotExistOption.FAIL, TableExistsOption.REPLACE)},
    "a directory that is not there": {"schema": "no_such_dir"},
    "a name that no table has": {"table": "a b"},
    "no name": {"table": ""},
    "a path": {"table": "../x"},
}


@pytest.mark.parametrize("fields", REFUSED.values(), ids=REFUSED)
def test_commands_that_are_refused(stranger, as_owner, cursor, name, fields):
    expected = "UNSUPPORTED_OPERATION|INVALID_ARGUMENT|TABLE_NOT_FOUND|DIRECTORY_NOT_FOUND|INVALID_PATH"
    with pytest.raises(fl.FlightError, match=expected) as caught:
        ingest(stranger, as_owner, **fields)
    assert "INTERNAL" not in str(caught.value)
    with pytest.raises(adbc_driver_manager.Error, match="TABLE_NOT_FOUND"):
        read(cursor, name)


def test_the_empty_catalog_is_ours(stranger, as_owner, name):
    assert ingest(stranger, as_owner, catalog="") == 2


# Round trips

AT = dt.datetime(2024, 2, 29, 12, 30, 15, 250_000, dt.UTC)
FRAME = {
    "id": [1, 2, 3],
    "whole": pl.Series([1, None, -5], dtype=pl.Int16),
    "number": [1.5, None, -0.0],
    "text": ["a", None, "\u00e9\U0001f3ac"],
    "flag": [True, None, False],
    "day": [dt.date(2024, 2, 29), None, dt.date(1, 1, 1)],
    "bytes": [b"\x00\xff", None, b""],
}


def test_polars_round_trip(adbc, cursor, name):
    frame = pl.DataFrame(
        FRAME
        | {
            "utc": pl.Series([AT, None, AT], dtype=pl.Datetime("us", "UTC")),
            "zoned": pl.Series([AT, None, AT], dtype=pl.Datetime("ms", "UTC")).dt.convert_time_zone("Europe/Berlin"),
            "kind": pl.Series(["x", None, "y"], dtype=pl.Categorical),
            "price": pl.Series([decimal.Decimal("1.25"), None, decimal.Decimal("-3.5")], dtype=pl.Decimal(10, 2)),
            "tags": [["a", "b"], None, []],
            "meta": [{"n": 1, "s": "x"}, {"n": None, "s": None}, {"n": 2, "s": "y"}],
        }
    )
    assert frame.write_database(name, adbc, engine="adbc", if_table_exists="fail") == 3
    found = pl.read_database(f"select * from {name} order by id", adbc)
    same = ["id", "number", "text", "flag", "day", "bytes", "utc"]
    assert_frame_equal(found.select(same), frame.select(same))
    assert found["whole"].to_list() == frame["whole"].to_list()
    assert found["zoned"].to_list() == frame["zoned"].dt.convert_time_zone("UTC").to_list()
    assert found["kind"].to_list() == ["x", None, "y"]
    assert found["price"].to_list() == [1.25, None, -3.5]
    assert [value and json.loads(value) for value in found["tags"]] == [["a", "b"], None, []]
    assert [json.loads(value) for value in found["meta"]] == frame["meta"].to_list()
    # Into the table that there is now, and once more in its place.
    frame.write_database(name, adbc, engine="adbc", if_table_exists="append")
    assert pl.read_database(f"select count(*) from {name}", adbc).item() == 6
    frame.write_database(name, adbc, engine="adbc", if_table_exists="replace")
    assert_frame_equal(pl.read_database(f"select * from {name} order by id", adbc), found)
    with pytest.raises(adbc_driver_manager.Error, match="PATH_ALREADY_EXISTS"):
        frame.write_database(name, adbc, engine="adbc", if_table_exists="fail")


def test_polars_empty_frame(adbc, cursor, name):
    frame = pl.DataFrame({"id": [], "text": []}, schema={"id": pl.Int64, "text": pl.String})
    frame.write_database(name, adbc, engine="adbc")
    assert_frame_equal(pl.read_database(f"select * from {name}", adbc), frame)


def test_what_was_read_can_be_written(adbc, cursor, films, name):
    """All of a table's types as we send them, into a table of the same columns."""
    found = read(cursor, films)
    cursor.adbc_ingest(name, found, mode="create")
    assert plain(read(cursor, name)) == plain(found)


def test_pandas_round_trip(adbc, name):
    frame = pd.DataFrame(
        {
            "id": [1, 2, 3],
            "text": ["a", None, "c"],
            "number": [1.5, float("nan"), 2.5],
            "at": pd.to_datetime(["2024-02-29T12:00:00Z", None, "2024-03-01T00:00:00Z"]),
            "kind": pd.Categorical(["x", "y", "x"]),
        }
    )
    frame.to_sql(name, adbc, index=False)
    found = pd.read_sql(f"select * from {name} order by id", adbc)
    assert found["text"].isna().tolist() == [False, True, False]
    assert found["number"].isna().tolist() == [False, True, False]
    assert found["at"].tolist()[0] == pd.Timestamp("2024-02-29T12:00:00Z")
    assert found["kind"].tolist() == ["x", "y", "x"]
    frame.to_sql(name, adbc, index=False, if_exists="append")
    assert len(pd.read_sql(f"select id from {name}", adbc)) == 6
    with pytest.raises(ValueError, match="already exists"):
        frame.to_sql(name, adbc, index=False, if_exists="fail")


def test_pandas_replaces_a_table(adbc, name, pxt):
    pd.DataFrame({"id": [1, 2]}).to_sql(name, adbc, index=False)
    pd.DataFrame({"other": ["a", "b", "c"]}).to_sql(name, adbc, index=False, if_exists="replace")  # sends DROP TABLE first
    assert pd.read_sql(f"select * from {name} order by other", adbc)["other"].tolist() == ["a", "b", "c"]
    assert pxt.get_table(name).columns() == ["other"]


def test_a_table_is_dropped_by_sql(cursor, name, pxt):
    cursor.adbc_ingest(name, ROWS, mode="create")
    pxt.create_view(f"{name}_view", pxt.get_table(name))
    with pytest.raises(adbc_driver_manager.Error, match="CONSTRAINT_VIOLATION"):
        cursor.execute(f"DROP TABLE {name}")
    assert read(cursor, name).num_rows == 2
    cursor.execute(f'DROP TABLE "{name}" CASCADE')
    assert {name, f"{name}_view"} & set(pxt.list_tables()) == set()
    with pytest.raises(adbc_driver_manager.Error, match="TABLE_NOT_FOUND"):
        cursor.execute(f"DROP TABLE {name}")
    cursor.execute(f"DROP TABLE IF EXISTS {name}")
    for text in (f"DROP TABLE {name}, other", f"DROP VIEW {name}", f"DROP SCHEMA {name}"):
        with pytest.raises(adbc_driver_manager.Error, match="sql_not_allowed"):
            cursor.execute(text)
    with pytest.raises(adbc_driver_manager.Error, match="sql_unsupported"):
        cursor.execute(f"DROP TEMPORARY TABLE {name}")


def test_duckdb_round_trip(cursor, name):
    sql = "select i as id, 'n' || i as name, i / 4.0 as share, [i, i + 1] as pair, {'k': i} as meta from range(5) as r(i)"
    with duckdb.connect() as local:
        cursor.adbc_ingest(name, local.sql(sql).to_arrow_reader(), mode="create")
        reader = cursor.execute(f"select * from {name} order by id").fetch_record_batch()
        local.register("found", reader)
        found = local.sql("select id, name, share, pair::json::bigint[] as pair, meta from found").fetchall()
    assert [row[:4] for row in found] == [(i, f"n{i}", i / 4, [i, i + 1]) for i in range(5)]
    assert [json.loads(row[4]) for row in found] == [{"k": i} for i in range(5)]
