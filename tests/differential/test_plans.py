"""Remembered plans: a warm one asks Pixeltable nothing, and no change of a table, from whichever process, is answered by an old one."""

import itertools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
import table_changes
from comparison import rows_of, same

from pxt_flight.errors import PxtFlightError

ROWS = [{"id": i, "v": i % 3, "s": None if i == 4 else f"{i}%"} for i in range(8)]
DIRECTORY = "diff_plans"


@pytest.fixture(scope="module")
def directory(pxt):
    pxt.create_dir(DIRECTORY)
    yield DIRECTORY
    pxt.drop_dir(DIRECTORY, force=True)


@pytest.fixture
def path(pxt, directory, request):
    """A table of two versions of rows."""
    path = f"{directory}/t{abs(hash(request.node.nodeid)) % 10**9}"
    table = pxt.create_table(path, {"id": pxt.Int, "v": pxt.Int | None, "s": pxt.String | None})
    table.insert(ROWS)
    table.update({"v": 5}, where=table.id == 1)
    return path


@pytest.fixture
def transactions(monkeypatch, pxt):
    """Each of Pixeltable's transactions that planning takes."""
    from pxt_flight.engine.seam import plan

    begun, begin = [], plan.in_transaction

    def counted(work):
        begun.append(work)
        return begin(work)

    monkeypatch.setattr(plan, "in_transaction", counted)
    return begun


@pytest.fixture(scope="module")
def elsewhere(pxt):
    """Make a change from a process of its own."""
    program = [sys.executable, str(Path(table_changes.__file__))]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def wait_for(word):
            assert any(line.strip() == word for line in iter(process.stdout.readline, ""))

        def make(change, path):
            process.stdin.write(f"{change} {path}\n")
            process.stdin.flush()
            wait_for("done")

        wait_for("ready")
        yield make
        process.stdin.close()
        process.wait(60)


@pytest.fixture(params=["this process", "another process"])
def change(request, pxt) -> Callable[[str, str], None]:
    """Make a change of `table_changes`."""
    if request.param == "another process":
        return request.getfixturevalue("elsewhere")
    return lambda name, path: table_changes.CHANGES[name](pxt, path)


def collected(pxt, path):
    return rows_of(pxt.get_table(path).select().collect())


def answered(engine, sql, parameters=()):
    """In one step, as DoGet of a command does: the plan is looked up where it is used."""
    from pxt_flight.engine.scan import Request

    stream = engine.stream(Request(sql, tuple(parameters), "bytes"))
    assert stream.tier == "copy"
    return pa.Table.from_batches(list(stream.batches), stream.schema)


@pytest.mark.parametrize(
    "sql", ['select * from "{t}"', 'select a.v, count(*) as n from "{t}" as a join "{t}" as b using (id) group by a.v']
)
def test_a_warm_plan_takes_no_transaction(path, read, engine, transactions, sql):
    first = read(sql.format(t=path), tier="copy")
    assert transactions
    transactions.clear()
    for _ in range(3):
        assert read(sql.format(t=path), tier="copy").sort_by("v").equals(first.sort_by("v"))
        assert answered(engine, sql.format(t=path)).sort_by("v").equals(first.sort_by("v"))
    assert transactions == []


def test_parameters_of_another_type_are_planned_anew(path, read):
    """Values of one type share a plan: that of the first, with the values of each."""
    sql = f'select id + $1 as n, $2 as s from "{path}" where id = $1'
    types = {}
    for values in ([1, "a"], [2, "it's"], [3.0, "a"], [2**40, "a"], [4.0, "b"], [1, None], [True, "a"]):
        try:
            answer = read(sql, values, tier="copy")
        except PxtFlightError as fault:
            assert (type(values[0]), fault.code) == (bool, "TYPE_MISMATCH")  # noqa: PT017  # Postgres adds no boolean
            continue
        number = values[0]
        expected = [(number + number, values[1])] if number < 10 else []
        assert [tuple(row.values()) for row in answer.to_pylist()] == expected
        types.setdefault(type(number), set()).add(str(answer.schema.field("n").type))
    assert types == {int: {"int64"}, float: {"double"}}


def test_a_new_text_over_known_tables_takes_no_transaction(path, read, transactions):
    """Dashboards write values into their texts; the tables are the same."""
    read(f'select id, v from "{path}" where id = 0', tier="copy")
    assert transactions
    transactions.clear()
    for number in range(1, 4):
        assert read(f'select id, v from "{path}" where id = {number}', tier="copy")["id"].to_pylist() == [number]
        assert read(f'select v + {number} as n from "{path}" where id > {number} order by id', tier="copy").num_rows >= 0
    assert len(transactions) <= 1  # that of the other set of columns


@pytest.mark.parametrize("how", ["in one step", "by a plan", "by another text"])
@pytest.mark.parametrize("name", table_changes.CHANGES)
def test_a_change_is_seen(path, pxt, engine, read, change, name, how):
    texts = (f'select * from "{path}"' + (f" where {n} = {n}" if how == "by another text" else "") for n in itertools.count())

    def ask():
        return answered(engine, next(texts)) if how == "in one step" else read(next(texts), tier="copy")

    before = ask()
    same(collected(pxt, path), before)
    change(name, path)
    after = ask()
    same(collected(pxt, path), after)
    assert after.schema.names == pxt.get_table(path).columns()
    assert after.schema != before.schema or not after.sort_by("id").equals(before.sort_by("id"))
    assert ask().equals(after)


@pytest.mark.parametrize("name", ["insert", "update", "delete"])
def test_a_write_to_the_base_is_seen_through_a_view(path, pxt, engine, change, name):
    base = pxt.get_table(path)
    view = pxt.create_view(f"{path}_view", base.where(base.id > 1))
    view.add_computed_column(twice=view.v * 2)
    pxt.create_view(f"{path}_upper", view.where(view.twice > 0))
    queries = [f'select * from "{path}_view"', f'select * from "{path}_upper"']
    before = [answered(engine, sql) for sql in queries]
    change(name, path)
    after = [answered(engine, sql) for sql in queries]
    for which, answer in zip(("view", "upper"), after, strict=True):
        same(collected(pxt, f"{path}_{which}"), answer)
    assert before != after


def test_either_table_of_a_join_may_change(path, pxt, engine, directory):
    other = pxt.create_table(f"{path}_other", {"id": pxt.Int, "w": pxt.Int})
    other.insert([{"id": i, "w": i * 10} for i in range(4)])
    sql = f'select id, v, w from "{path}" join "{path}_other" using (id)'

    def expected():
        values = {row["id"]: row["w"] for row in other.select(other.id, other.w).collect()}
        table = pxt.get_table(path)
        return [(row["id"], row["v"], values[row["id"]]) for row in table.select(table.id, table.v).collect() if row["id"] in values]

    same(expected(), answered(engine, sql))
    other.update({"w": other.w + 1})
    same(expected(), answered(engine, sql))
    table_changes.update(pxt, path)
    same(expected(), answered(engine, sql))


def refused(engine, path):
    with pytest.raises(PxtFlightError) as caught:
        answered(engine, f'select * from "{path}"')
    return caught.value.code


def test_a_table_that_moves(path, pxt, engine):
    """Its old name is free, its new one is known, and another table may take the old."""
    expected = collected(pxt, path)
    same(expected, answered(engine, f'select * from "{path}"'))
    pxt.move(path, f"{path}_moved")
    assert refused(engine, path) == "TABLE_NOT_FOUND"
    same(expected, answered(engine, f'select * from "{path}_moved"'))
    pxt.create_table(path, {"id": pxt.Int}).insert([{"id": 77}])
    same([(77,)], answered(engine, f'select * from "{path}"'))
    same(expected, answered(engine, f'select * from "{path}_moved"'))


@pytest.mark.parametrize("inner", ["", "/deep"])
def test_a_directory_that_moves(pxt, engine, directory, inner):
    """Nothing of the table's own changes then, only a directory above it."""
    old, new = (f"{directory}/{name}{len(inner)}" for name in ("old", "new"))
    for folder in (old, old + inner) if inner else (old,):
        pxt.create_dir(folder)
    pxt.create_table(f"{old}{inner}/t", {"id": pxt.Int}).insert([{"id": 1}])
    same([(1,)], answered(engine, f'select * from "{old}{inner}/t"'))
    pxt.move(old, new)
    assert refused(engine, f"{old}{inner}/t") == "TABLE_NOT_FOUND"
    same([(1,)], answered(engine, f'select * from "{new}{inner}/t"'))
    for folder in (old, old + inner) if inner else (old,):
        pxt.create_dir(folder)
    pxt.create_table(f"{old}{inner}/t", {"id": pxt.Int}).insert([{"id": 2}])
    same([(2,)], answered(engine, f'select * from "{old}{inner}/t"'))


def test_a_table_that_is_dropped(path, pxt, engine):
    answered(engine, f'select * from "{path}"')
    pxt.drop_table(path)
    assert refused(engine, path) == "TABLE_NOT_FOUND"


def test_a_name_that_another_directory_takes(pxt, engine, directory):
    """A name of one part means the table of the session's directory, once there is one."""
    from pxt_flight.engine.scan import Request

    request = Request("select id from diff_plans_both", (), "bytes", directory)
    table = pxt.create_table("diff_plans_both", {"id": pxt.Int})
    table.insert([{"id": 1}])

    def ids():
        return pa.Table.from_batches(list(engine.stream(request).batches))["id"].to_pylist()

    assert ids() == [1]
    pxt.create_table(f"{directory}/diff_plans_both", {"id": pxt.Int}).insert([{"id": 2}])
    assert ids() == [2]
    pxt.drop_table("diff_plans_both")
