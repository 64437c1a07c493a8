"""When Pixeltable is not the one we know: the probe and the self-test switch the fast read off, and every answer stays right."""

import dataclasses
import json
import re

import pyarrow as pa
import pytest
from sqlalchemy.dialects import postgresql

QUERIES = (
    "select * from {t} order by id",
    "select s, id, f * 2 as g from {t} where s = '50%' or f is null order by id desc",
    "select b, count(*) as n, sum(id) as total, avg(f) as mean from {t} where id <> 3 group by b order by b",
    "select id from {t} where not (b or f > 1) order by id limit 3 offset 1",
)
ROWS = [
    {"id": i, "f": None if i % 4 == 1 else i / 2, "s": None if i % 5 == 2 else f"{i * 10}%", "b": [True, False, None][i % 3]}
    for i in range(30)
]


@pytest.fixture(scope="module")
def name(pxt):
    schema = {"id": pxt.Int, "f": pxt.Float | None, "s": pxt.String | None, "b": pxt.Bool | None}
    pxt.create_table("diff_seam", schema).insert(ROWS)
    yield "diff_seam"
    pxt.drop_table("diff_seam")


def answers(engine, name):
    """The tier and the rows of each query."""
    from pxt_flight.engine.scan import Request

    found = []
    for query in QUERIES:
        request = Request(query.format(t=name))
        stream = engine.stream(request, engine.plan(request).pins)
        found.append((stream.tier, pa.Table.from_batches(list(stream.batches), stream.schema)))
    return found


@pytest.mark.parametrize(
    ("module", "part"),
    [
        ("pixeltable", "Query._no_longer_there"),
        ("pixeltable.exec", "SqlScanNode._no_longer_there"),
        ("pixeltable.no_longer_there", "get_runtime"),
    ],
)
def test_a_missing_part_means_cursor(engine, new_engine, name, monkeypatch, module, part):
    from pxt_flight.engine.seam import probe

    right = answers(engine, name)
    assert {tier for tier, _ in right} == {"copy"}
    monkeypatch.setitem(probe._PARTS, module, (*probe._PARTS.get(module, ()), part))
    drifted = new_engine()
    assert f"{module}.{part}" in drifted.slow_because
    slow = answers(drifted, name)
    assert {tier for tier, _ in slow} == {"cursor"}
    assert [table for _, table in slow] == [table for _, table in right]


def test_nothing_is_missing_here():
    from pxt_flight.engine.seam import probe

    assert probe.missing_parts() == []


def changed(plan, pattern, replacement):
    """The plan with its text changed; a sabotage that changes nothing would prove nothing, so it is counted."""
    return dataclasses.replace(plan, statement=re.sub(pattern, replacement, plan.statement, flags=re.DOTALL))


def swapped(statement):
    """The first two whole numbers of the select list in each other's place: of the same type, so that no schema can tell."""
    numbers = re.findall(r"CAST\((\S+) AS BIGINT\)", statement)
    if len(numbers) < 2:
        return statement
    first, second = numbers[:2]
    other = {first: second, second: first}
    return re.sub(r"CAST\((\S+) AS BIGINT\)", lambda match: f"CAST({other.get(match[1], match[1])} AS BIGINT)", statement)


SABOTAGES = {
    "a predicate is lost": lambda plan: changed(plan, r"WHERE (?!\S+v_min)(?:(?!FROM).)*? AND (?=\S+v_min)", "WHERE "),
    "dead rows are read": lambda plan: changed(plan, r" AND \S+\.v_max = \d+", ""),
    "columns are swapped": lambda plan: dataclasses.replace(plan, statement=swapped(plan.statement)),
    "the order is lost": lambda plan: changed(plan, " DESC", ""),
    "floats are narrowed": lambda plan: changed(plan, r"CAST\((\S+) AS DOUBLE PRECISION\)", r"CAST(CAST(\1 AS REAL) AS DOUBLE PRECISION)"),
    "rows are lost": lambda plan: changed(plan, r"$", " LIMIT 1"),
    "types are lost": lambda plan: changed(plan, r"CAST\((\S+) AS BIGINT\)", r"CAST(\1 AS NUMERIC)"),
}


@pytest.mark.parametrize("sabotage", SABOTAGES)
def test_the_self_test_finds(sabotage, engine, new_engine, name, tmp_path, monkeypatch):
    from pxt_flight.engine.seam import plan
    from pxt_flight.engine.selftest import verify_copy

    right = answers(engine, name)
    compile_query, struck = plan.compile_query, []

    def sabotaged(query):
        compiled = compile_query(query)
        wrong = SABOTAGES[sabotage](compiled)
        struck.append(wrong != compiled)
        return wrong

    monkeypatch.setattr(plan, "compile_query", sabotaged)
    drifted = new_engine()
    verify_copy(drifted, tmp_path)
    assert any(struck)
    assert drifted.slow_because
    assert list(tmp_path.iterdir()) == []
    slow = answers(drifted, name)
    assert {tier for tier, _ in slow} == {"cursor"}
    assert [table for _, table in slow] == [table for _, table in right]


def test_the_self_test_finds_doubled_percent_signs(new_engine, tmp_path, monkeypatch):
    """The dialect that `postgresql.dialect()` gives: psycopg2's."""
    from pxt_flight.engine.seam import plan
    from pxt_flight.engine.selftest import verify_copy

    monkeypatch.setattr(plan, "_DIALECT", postgresql.dialect())
    drifted = new_engine()
    verify_copy(drifted, tmp_path)
    assert "50%" in drifted.slow_because


def test_the_self_test_survives_a_seam_that_fails(new_engine, name, tmp_path, monkeypatch):
    from pxt_flight.engine.seam import plan
    from pxt_flight.engine.selftest import verify_copy

    def failing(query):
        raise AttributeError("SqlScanNode has no attribute select_list")

    monkeypatch.setattr(plan, "compile_query", failing)
    drifted = new_engine()
    verify_copy(drifted, tmp_path)
    assert drifted.slow_because == "the self-test could not be run"
    assert {tier for tier, _ in answers(drifted, name)} == {"cursor"}


def test_a_seam_that_answers_right_passes(new_engine, pxt, tmp_path):
    """And leaves nothing but its proof, which is believed the next time."""
    from pxt_flight.engine.selftest import verify_copy

    engine, tables = new_engine(), pxt.list_tables()
    verify_copy(engine, tmp_path)
    assert engine.slow_because is None
    assert [path.name for path in tmp_path.iterdir()] == ["selftest.json"]
    assert "pixeltable" in json.loads((tmp_path / "selftest.json").read_text())
    assert pxt.list_tables() == tables

    def not_again(request):
        raise AssertionError

    engine.plan = not_again
    verify_copy(engine, tmp_path)
    assert engine.slow_because is None
