"""After a write of rows a plan is brought up to date without Pixeltable: it answers what Pixeltable answers, as of the new versions."""

import io
from contextlib import closing

import httpx
import pyarrow as pa
import pytest
import table_changes
from comparison import rows_of, same
from PIL import Image

from pxt_flight.errors import PxtFlightError

WRITES = ("insert", "update", "delete", "revert")
TEXTS = {
    "the table": 'select id, v, s from "{t}"',
    "a view": 'select id, v, s, twice from "{t}_view"',
    "a view of a view": 'select id, v, s, twice from "{t}_upper"',
}


@pytest.fixture
def path(pxt, make_table):
    """A table of two versions of rows, with views on each other."""
    rows = [{"id": i, "v": i % 3, "s": f"{i}%"} for i in range(8)]
    table = make_table({"id": pxt.Int, "v": pxt.Int | None, "s": pxt.String | None}, rows)
    path = table.get_metadata()["path"]
    view = pxt.create_view(f"{path}_view", table.where(table.id > 1), additional_columns={"twice": table.v * 2})
    pxt.create_view(f"{path}_upper", view.where(view.twice >= 0))
    table.update({"v": 5}, where=table.id == 1)
    yield path
    pxt.drop_table(path, force=True)


@pytest.fixture
def alone(path, pxt):
    """The table without the views: what `revert()` of Pixeltable's does to views is their fault, not a plan's (0.7.21)."""
    for name in ("_upper", "_view"):
        pxt.drop_table(path + name)
    return path


@pytest.fixture
def ask(engine):
    """The rows of a statement, in one step or by a plan that a ticket would name."""
    from pxt_flight.engine.scan import Request

    def ask(sql, how="in one step"):
        request = Request(sql, (), "bytes")
        with closing(engine.stream(request, None if how == "in one step" else engine.plan(request).pins)) as stream:
            assert stream.tier == "copy"
            return pa.Table.from_batches(list(stream.batches), stream.schema)

    return ask


@pytest.fixture
def transactions(monkeypatch, pxt):
    """Each of Pixeltable's transactions that planning takes."""
    from pxt_flight.engine.seam import plan

    begun, begin = [], plan.in_transaction
    monkeypatch.setattr(plan, "in_transaction", lambda work: (begun.append(work), begin(work))[1])
    return begun


def collected(pxt, sql):
    names, path = sql.removeprefix("select ").split(" from ")
    table = pxt.get_table(path.strip('"'))
    return rows_of(table.select(*(getattr(table, name) for name in names.split(", "))).collect())


@pytest.mark.parametrize("how", ["in one step", "by a plan", "by another text"])
@pytest.mark.parametrize("text", TEXTS)
def test_writes_of_rows_take_no_transaction(path, pxt, ask, transactions, text, how):
    sql = TEXTS[text].format(t=path)
    same(collected(pxt, sql), ask(sql, how))
    assert transactions
    transactions.clear()
    for number, write in enumerate((*WRITES, *WRITES)):
        table_changes.CHANGES[write](pxt, path)
        asked = f"{sql} where {number} = {number}" if how == "by another text" else sql
        same(collected(pxt, sql), ask(asked, how))
    assert transactions == []


def test_a_number_that_comes_again_is_another_version(path, pxt, engine, ask):
    """The stamps of pins differ, by which a ticket tells the rows that were taken back from those that came after them."""
    from pxt_flight.engine.scan import Request

    sql, pins = f'select id, v, s from "{path}"', []
    for write in ("insert", "revert", "delete", "revert", "insert"):
        table_changes.CHANGES[write](pxt, path)
        pins.append(engine.plan(Request(sql, (), "bytes")).pins)
        same(collected(pxt, sql), ask(sql))
    assert [pin.version for (pin,) in pins] == [3, 2, 3, 2, 3]
    assert len({pin.stamp for (pin,) in pins}) == 4  # both times 2 is the same version


def test_the_pins_are_those_of_a_plan_made_anew(path, pxt, engine, new_engine):
    from pxt_flight.engine.scan import Request

    other = new_engine()
    for sql in TEXTS.values():
        request = Request(sql.format(t=path), (), "bytes")
        engine.plan(request)
        for write in WRITES:
            table_changes.CHANGES[write](pxt, path)
            renewed, anew = engine.plan(request), other.plan(request)
            other._plans.clear()
            assert (renewed.pins, renewed.held, renewed.schema) == (anew.pins, anew.held, anew.schema)


def test_a_table_beside_an_older_version_of_it(path, pxt, ask):
    sql = f'select a.id, a.v, b.v as before from "{path}" as a join "{path}:1" as b on a.id = b.id'
    for write in ("update", "update", "delete"):
        table_changes.CHANGES[write](pxt, path)
        before = dict(collected(pxt, f'select id, v from "{path}:1"'))
        now = collected(pxt, f'select id, v from "{path}"')
        same([(key, value, before[key]) for key, value in now if key in before], ask(sql))


def test_a_column_that_is_taken_back_and_made_again(alone, pxt, ask):
    """All numbers are as they were; the column is another, which the restricted role may not read yet."""
    sql = f'select * from "{alone}"'
    for value in (10, 20):
        pxt.get_table(alone).add_computed_column(more=pxt.get_table(alone).v * value)
        same(collected(pxt, f'select id, v, s, more from "{alone}"'), ask(sql))
        pxt.get_table(alone).revert()
        same(collected(pxt, f'select id, v, s from "{alone}"'), ask(sql))


def test_rows_that_are_deleted_softly_meanwhile_are_left_out(alone, db):
    def ids():
        return db.sql(f'select id from "{alone}" order by id').to_pandas()["id"].tolist()

    assert ids() == list(range(8))
    db.table(alone).enable_soft_delete()
    assert ids() == list(range(8))
    db.table(alone).delete("id = 3", soft=True)
    assert ids() == [0, 1, 2, 4, 5, 6, 7]
    db.table(alone).restore("id = 3")
    assert ids() == list(range(8))


def test_urls_after_a_write_lead_to_their_cells(pxt, make_table, db, tmp_path):
    for number in range(3):
        Image.new("RGB", (20 + number, 10)).save(tmp_path / f"{number}.png")
    table = make_table({"id": pxt.Int, "img": pxt.Image | None}, [{"id": 0, "img": str(tmp_path / "0.png")}])
    path = table.get_metadata()["path"]
    for number in (1, 2):
        db.sql(f'select * from "{path}"').to_pandas()
        table.insert([{"id": number, "img": str(tmp_path / f"{number}.png")}])
        shown = db.sql(f'select id, img from "{path}"', media="url").to_pandas()
        assert sorted(shown["id"]) == list(range(number + 1))
        for key, url in zip(shown["id"], shown["img"], strict=True):
            assert Image.open(io.BytesIO(httpx.get(url, timeout=60).raise_for_status().content)).width == 20 + key


def test_a_table_that_goes_is_missed(path, pxt, ask):
    sql = f'select id from "{path}_upper"'
    ask(sql)
    table_changes.insert(pxt, path)
    pxt.drop_table(f"{path}_upper")
    with pytest.raises(PxtFlightError, match=r"^TABLE_NOT_FOUND: "):
        ask(sql)
    pxt.create_view(f"{path}_upper", pxt.get_table(f"{path}_view"))
