"""A Postgres that others manage: Pixeltable's login is no superuser there and may make no role, so no restricted role reads."""

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import psycopg
import pyarrow as pa
import pytest

import pxt_flight as pf
from pxt_flight.config import Settings
from pxt_flight.errors import PxtFlightError
from pxt_flight.server import running_server

FILL = """
import pixeltable as pxt
from PIL import Image
pxt.init()
Image.new("RGB", (32, 32), "red").save(PICTURE)
films = pxt.create_table("films", {"id": pxt.Int, "tags": pxt.Json, "cover": pxt.Image | None, "score": pxt.Float | None})
films.insert([{"id": i, "tags": {"k": i}, "cover": PICTURE if i % 2 else None, "score": i / 2} for i in range(5000)])
films.update({"score": None}, where=films.id == 7)
"""


@pytest.fixture(scope="module")
def managed(pxt, tmp_path_factory):
    """A server on a database whose owner is a plain login, with a table in it; answers the server and the picture."""
    from pxt_flight.engine.seam.store import libpq_uri

    host = psycopg.conninfo.conninfo_to_dict(libpq_uri())["host"]
    with psycopg.connect(libpq_uri(), autocommit=True) as owner:
        owner.execute("CREATE ROLE managed LOGIN PASSWORD 'x' NOSUPERUSER NOCREATEROLE NOCREATEDB")
        owner.execute("CREATE DATABASE managed OWNER managed")
    with psycopg.connect(libpq_uri(), dbname="managed", autocommit=True) as owner:
        owner.execute("CREATE EXTENSION vector")  # Pixeltable does not make it on a server of others
    home, picture = tmp_path_factory.mktemp("managed"), tmp_path_factory.mktemp("pictures") / "red.png"
    environment = {"PIXELTABLE_DB_CONNECT_STR": f"postgresql+psycopg://managed:x@/managed?host={host}"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        code = FILL.replace("PICTURE", repr(str(picture)))
        subprocess.run([sys.executable, "-c", code], env=os.environ | {"PIXELTABLE_HOME": str(home)}, check=True, capture_output=True)
        with running_server(Settings(home=home, flight_port=0, http_port=0)) as server:
            yield server, picture
    with psycopg.connect(libpq_uri(), autocommit=True) as owner:
        owner.execute("DROP DATABASE managed WITH (FORCE)")
        owner.execute("DROP ROLE managed")


@pytest.fixture
def films(managed):
    with pf.connect(managed[0].flight_uri, key=managed[0].key) as db:
        yield db


def test_readyz_says_so(managed):
    with urllib.request.urlopen(f"{managed[0].http_url}/readyz") as answer:
        body = json.load(answer)
    assert body["status"] == "ready"
    assert body["reads"]["tier"] == "psycopg"
    assert "may not make the restricted role" in body["reads"]["slower_because"]
    assert json.loads((Path(os.environ["PIXELTABLE_HOME"]) / "pxt_flight" / "server.json").read_text())["read_tier"] == "copy"


def test_any_select_is_answered(films, managed):
    sql = """
        select a.id, a.tags->>'k' as k, a.score, sum(b.id) over (order by a.id) as total, a.cover
        from films a left join films b on b.id = a.id + 1 where a.id < $1 order by a.id
    """
    rows = films.sql(sql, [8], media="bytes").to_arrow().to_pylist()
    assert [(row["id"], row["k"], row["score"]) for row in rows] == [(i, str(i), None if i == 7 else i / 2) for i in range(8)]
    assert [row["total"] for row in rows] == [sum(range(1, i + 2)) for i in range(8)]
    assert [row["cover"] for row in rows] == [managed[1].read_bytes() if i % 2 else None for i in range(8)]


def test_types(films):
    sql = "select 1 as i, 1.5::numeric(4, 2) as n, array[1, 2] as a, '1 day'::interval as d, 'x' as t, null::uuid as u, 1.5::float8 as f"
    answer = films.sql(sql).to_arrow()
    assert [str(kind) for kind in answer.schema.types] == [
        *("int64", "decimal128(4, 2)", "list<item: int64>", "duration[us]", "string", "extension<arrow.uuid>", "double")
    ]
    assert answer.num_rows == 1


def test_many_rows_stream(films):
    batches = list(films.sql("select a.id from films a cross join (select 1 from films limit 3) b").to_reader())
    assert sum(batch.num_rows for batch in batches) == 15_000
    assert len(batches) > 3


@pytest.mark.parametrize("sql", ["select 1 / (id - id) from films", "select pg_sleep(1)", "select * from pg_authid", "delete from films"])
def test_refusals_name_nothing_of_the_store(films, sql):
    with pytest.raises(PxtFlightError) as caught:
        films.sql(sql).to_arrow()
    assert caught.value.code in {"INVALID_ARGUMENT", "sql_unsupported", "TABLE_NOT_FOUND", "sql_not_allowed", "predicate_required"}
    assert "tbl_" not in str(caught.value)
    assert films.sql("select count(*) as n from films").to_arrow().to_pylist() == [{"n": 5000}]


def test_it_is_written_the_fast_way(films):
    rows = pa.table({"id": [1, 2], "text": ["a", "b"]})
    notes = films.create_table("notes", rows, primary_key="id")
    assert notes.insert([{"id": 3, "text": "c"}]).tier == "bulk"
    assert notes.upsert([{"id": 3, "text": "d"}, {"id": 4, "text": "e"}]).updated == 1
    assert notes.update({"text": "f"}, where="id = 1").updated == 1
    assert notes.delete("id = 2").deleted == 1
    assert notes.scan(order_by="id").to_arrow().to_pylist() == [
        {"id": 1, "text": "f"},
        {"id": 3, "text": "d"},
        {"id": 4, "text": "e"},
    ]
