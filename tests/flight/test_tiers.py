"""The server that all suites speak to reads fast: were it to fall back as a whole, every answer would be right and this would fail."""

import json

import pyarrow.flight as fl
import pytest

QUERIES = [
    "select * from wire_films",
    "select count(*) from wire_films where score > 8",
    "with f as (select id, lag(name) over (order by id) as before from wire_films) select * from f join wire_films using (id)",
    "select 1",
]


@pytest.fixture
def explain(stranger, as_owner, films):
    def ask(sql, parameters=()):
        body = json.dumps({"sql": sql, "parameters": list(parameters)}).encode()
        (result,) = stranger.do_action(fl.Action("pixeltable.explain", body), as_owner)
        return json.loads(result.body.to_pybytes())

    return ask


@pytest.mark.parametrize("sql", QUERIES)
def test_the_server_reads_by_copy(explain, sql):
    found = explain(sql)
    assert found["tier"] == "copy", found["why"]
    assert found["postgres_plan"]
    assert [table["path"] for table in found["tables"]] == (["wire_films"] if "films" in sql else [])


def test_the_log_of_the_server_warns_of_no_slow_read(server, store, films):
    logs = [path.read_text(errors="replace") for path in (store / "pxt_flight").rglob("*.log")]
    assert logs
    for log in logs:
        assert "the fast read is off" not in log
        assert "slower" not in log


def test_the_proof_is_there(server, store):
    """The self-test of the seam ran when this home was new, and found nothing."""
    proof = json.loads((store / "pxt_flight" / "selftest.json").read_text())
    assert proof.keys() >= {"pixeltable", "adbc-driver-postgresql", "pyarrow", "sqlglot", "pxt-flight"}


def test_what_only_pixeltable_computes_says_so(explain, make_table, pxt):
    table = make_table({"id": pxt.Int, "s": pxt.String})
    table.add_computed_column(size=pxt.functions.string.len(table.s), stored=False)
    name = table.get_metadata()["name"]
    assert explain(f"select id from {name}")["tier"] == "copy"
    for sql in (f"select size from {name}", f"select * from {name}"):
        found = explain(sql)
        assert (found["tier"], found["postgres_plan"]) == ("exec", None)
        assert "size" in found["why"]
