"""When Pixeltable is not the one we know: the probe and the self-test switch the fast read off, and every answer stays right."""

import dataclasses
import importlib
import json
import operator
import re

import pyarrow as pa
import pytest

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


def changed(relation, pattern, replacement):
    """The relation with its text changed; a sabotage that changes nothing would prove nothing, so it is counted."""
    return dataclasses.replace(relation, statement=re.sub(pattern, replacement, relation.statement, flags=re.DOTALL))


def swapped(relation):
    """The first two whole numbers of the select list in each other's place: of the same type, so that no schema can tell."""
    numbers = re.findall(r"CAST\((\S+) AS BIGINT\)", relation.statement)
    if len(numbers) < 2:
        return relation
    first, second = numbers[:2]
    other = {first: second, second: first}
    return changed(relation, r"CAST\((\S+) AS BIGINT\)", lambda match: f"CAST({other.get(match[1], match[1])} AS BIGINT)")


def replaced(held, **others):
    return held and dataclasses.replace(held, **others)


SABOTAGES = {
    "dead rows are read": lambda relation: changed(relation, r" AND \S+\.v_max = \d+", ""),
    "all versions are the first": lambda relation: changed(relation, r'v_min <= (\d+|"pxt\$version_\w+")', "v_min <= 2"),
    "columns are swapped": swapped,
    "floats are narrowed": lambda relation: changed(
        relation, r"CAST\((\S+) AS DOUBLE PRECISION\)", r"CAST(CAST(\1 AS REAL) AS DOUBLE PRECISION)"
    ),
    "rows are lost": lambda relation: changed(relation, r"$", " LIMIT 1"),
    "rows come twice": lambda relation: changed(relation, r"^(.*)$", r"\1 UNION ALL \1"),
    "types are lost": lambda relation: changed(relation, r"CAST\((\S+) AS DOUBLE PRECISION\)", r"CAST(\1 AS TEXT)"),
    "whole numbers become decimals": lambda relation: changed(relation, r"CAST\((\S+) AS BIGINT\)", r"CAST(\1 AS NUMERIC)"),
    "texts are cut": lambda relation: changed(relation, r"CAST\((\S+) AS TEXT\) AS s\b", r"CAST(CAST(\1 AS VARCHAR(3)) AS TEXT) AS s"),
    "JSON is text": lambda relation: changed(relation, r"ELSE (\S+) END AS j\b", r"ELSE to_jsonb(\1::text) END AS j"),
    "a picture is another row's": lambda relation: changed(relation, r'("pxt\$run"), (\S+\.rowid)\]', r"\1, (\2 + 1) % 4]"),
    "a stored path is shown": lambda relation: changed(
        relation, r"CASE WHEN \((\S+) IS NOT NULL\) THEN row\(.*?\) :: pxt_flight\.cell END AS m\b", r"\1 AS m"
    ),
}


@pytest.mark.parametrize("sabotage", SABOTAGES)
def test_the_self_test_finds(sabotage, engine, new_engine, name, tmp_path, monkeypatch):
    from pxt_flight.engine.seam import plan
    from pxt_flight.engine.selftest import verify_copy

    right = answers(engine, name)
    compile_relation, struck = plan.compile_relation, []

    def sabotaged(*arguments, **options):
        compiled = compile_relation(*arguments, **options)
        wrong = SABOTAGES[sabotage](compiled)
        struck.append(wrong != compiled)
        return wrong

    monkeypatch.setattr(plan, "compile_relation", sabotaged)
    drifted = new_engine()
    verify_copy(drifted, tmp_path)
    assert any(struck)
    assert drifted.slow_because
    assert drifted.tier == "cursor"
    assert list(tmp_path.iterdir()) == []
    slow = answers(drifted, name)
    assert {tier for tier, _ in slow} == {"cursor"}
    assert [table for _, table in slow] == [table for _, table in right]


# What a release of Pixeltable, of ADBC or of sqlglot may change elsewhere.
@pytest.mark.parametrize(
    ("module", "part", "wrong"),
    [
        ("pxt_flight.engine.dialect", "generate", lambda right, tree: right(tree).replace(" DESC", "")),
        ("pxt_flight.engine.dialect", "generate", lambda right, tree: right(tree).replace("LEFT JOIN", "JOIN")),
        ("pxt_flight.engine.dialect", "generate", lambda right, tree: re.sub(r" WHERE \S+ > 0", "", right(tree))),
        ("pxt_flight.engine.dialect", "generate", lambda right, tree: right(tree).replace("->>", "->")),
        ("pxt_flight.engine.planner", "numeric_types", lambda right, *arguments: {}),
        ("pxt_flight.engine.cells", "MediaCells.paths", lambda right, self, cells: [None] * len(cells)),
        ("pxt_flight.engine.cells", "MediaCells.paths", lambda right, self, cells: right(self, cells)[::-1]),
        ("pxt_flight.engine.bindings", "Held.renewed", lambda right, self, states: replaced(right(self, states), reads=self.reads)),
        ("pxt_flight.engine.seam.batches", "_columns", lambda right, *arguments: [column[::-1] for column in right(*arguments)]),
    ],
    ids=[
        "order",
        "join",
        "predicate",
        "operator",
        "numbers",
        "no cells",
        "cells of other rows",
        "earlier versions",
        "values of other rows",
    ],
)
def test_the_self_test_finds_what_drifts_elsewhere(new_engine, tmp_path, monkeypatch, module, part, wrong):
    from pxt_flight.engine.selftest import verify_copy

    right = operator.attrgetter(part)(importlib.import_module(module))
    monkeypatch.setattr(f"{module}.{part}", lambda *arguments: wrong(right, *arguments))
    drifted = new_engine()
    verify_copy(drifted, tmp_path)
    assert drifted.slow_because
    assert drifted.tier == "cursor"


def test_the_self_test_finds_doubled_percent_signs(new_engine, tmp_path, monkeypatch):
    """What psycopg2's dialect, sqlglot's or SQLAlchemy's, would make of every text."""
    from pxt_flight.engine import dialect
    from pxt_flight.engine.selftest import verify_copy

    generate = dialect.generate
    monkeypatch.setattr(dialect, "generate", lambda tree: generate(tree).replace("%", "%%"))
    drifted = new_engine()
    verify_copy(drifted, tmp_path)
    assert "50%" in drifted.slow_because


def test_the_self_test_survives_a_seam_that_fails(new_engine, name, tmp_path, monkeypatch):
    from pxt_flight.engine.seam import plan
    from pxt_flight.engine.selftest import verify_copy

    def failing(*arguments, **options):
        raise AttributeError("SqlScanNode has no attribute select_list")

    monkeypatch.setattr(plan, "compile_relation", failing)
    drifted = new_engine()
    verify_copy(drifted, tmp_path)
    assert drifted.slow_because == "the self-test could not be run"
    assert {tier for tier, _ in answers(drifted, name)} == {"cursor"}


def test_a_seam_that_answers_right_passes(new_engine, pxt, tmp_path):
    """Soon, and leaves nothing but its proof, which is believed the next time with the same versions."""
    from pxt_flight.engine.selftest import verify_copy

    engine, tables = new_engine(), pxt.list_tables()
    verify_copy(engine, tmp_path)
    assert engine.slow_because is None
    assert [path.name for path in tmp_path.iterdir()] == ["selftest.json"]
    assert json.loads((tmp_path / "selftest.json").read_text()).keys() >= {"pixeltable", "adbc-driver-postgresql", "pyarrow", "sqlglot"}
    assert pxt.list_tables() == tables

    asked = []
    engine.stream = asked.append
    verify_copy(engine, tmp_path)
    assert engine.slow_because is None
    assert not asked


@pytest.mark.parametrize("changed", ["pixeltable", "sqlglot"])
def test_a_proof_of_other_versions_is_made_anew(new_engine, tmp_path, changed):
    from pxt_flight.engine.selftest import verify_copy

    verify_copy(new_engine(), tmp_path)
    proof = tmp_path / "selftest.json"
    versions = json.loads(proof.read_text())
    proof.write_text(json.dumps(versions | {changed: "0.0.1"}))
    engine = new_engine()
    stream, asked = engine.stream, []

    def counted(*arguments, **options):
        asked.append(arguments)
        return stream(*arguments, **options)

    engine.stream = counted
    verify_copy(engine, tmp_path)
    assert asked
    assert json.loads(proof.read_text()) == versions
