"""A ticket reads the rows that it was made for, or says ticket_stale: whatever happens to the table between, and in whichever order."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from pxt_flight.access.grants import Signer
from pxt_flight.access.principals import Principal
from pxt_flight.errors import StaleTicketError

OWNER = Principal("0", "owner", frozenset({"read"}))


@pytest.fixture
def table(make_table, pxt):
    """Version 2 has six rows of v = id * 10."""
    table = make_table({"id": pxt.Int, "v": pxt.Int | None, "s": pxt.String | None}, [{"id": i, "v": i, "s": f"s{i}"} for i in range(6)])
    table.update({"v": table.v * 10})
    return table


@pytest.fixture
def name(table):
    return table.get_metadata()["name"]


@pytest.fixture(scope="module")
def tickets(engine):
    """Tickets as the wire has them: `tickets.of(sql)` and `tickets.read(ticket)`, which goes through signing and a renewal."""
    from pxt_flight.engine.scan import Request
    from pxt_flight.flight.tickets import TicketOffice

    class Tickets:
        office = TicketOffice(Signer(b"s" * 32))

        def of(self, sql):
            request = Request(sql, (), "bytes")
            return self.office.ticket(OWNER, request, engine.plan(request).pins)

        def read(self, ticket, *, tier=None):
            statement, pins = self.office.read_ticket(OWNER, self.office.renewed(OWNER, ticket))
            stream = engine.stream(statement.request, pins, tier=tier)
            try:
                return pa.Table.from_batches(list(stream.batches), stream.schema)
            finally:
                stream.close()

        def live(self, sql):
            stream = engine.stream(Request(sql, (), "bytes"))
            try:
                return pa.Table.from_batches(list(stream.batches), stream.schema)
            finally:
                stream.close()

    return Tickets()


def rows(answer):
    return Counter(tuple(row.items()) for row in answer.to_pylist())


def assert_stale(read, *arguments, **options):
    with pytest.raises(StaleTicketError) as caught:
        read(*arguments, **options)
    assert caught.value.code == "ticket_stale"
    assert caught.value.hint == "Run the query again."


TIERS = pytest.mark.parametrize("tier", [None, "cursor"])
REWRITTEN = {
    "live": "select id, v from {t} order by id",
    "by its version": 'select id, v from "{t}:2" order by id',
    "joined": 'select a.id, b.v from "{t}:1" as a join {t} as b using (id) order by id',
}


@pytest.mark.parametrize("kind", REWRITTEN)
def test_a_version_whose_number_was_given_anew(table, name, tickets, kind):
    """revert() frees the number 2, and the next write takes it."""
    sql = REWRITTEN[kind].format(t=name)
    ticket = tickets.of(sql)
    before = tickets.read(ticket)
    assert before["v"].to_pylist() == [i * 10 for i in range(6)]
    table.revert()
    assert_stale(tickets.read, ticket)
    table.update({"v": table.v + 1})
    assert table.get_metadata()["version"] == 2
    assert_stale(tickets.read, ticket)
    assert tickets.live(sql)["v"].to_pylist() == [i + 1 for i in range(6)]
    table.insert([{"id": 6, "v": 6, "s": None}])
    assert_stale(tickets.read, ticket)


@TIERS
def test_a_version_that_comes_again_with_other_columns(table, name, tickets, tier):
    """Pixeltable 0.7.21 keeps tables by the number of their version: it would show the new column under the name of the old."""
    table.add_column(old=table.v.col_type)
    sql = f'select * from "{name}:3" order by id'
    ticket, live = tickets.of(sql), tickets.of(f"select id, old from {name}")
    assert tickets.read(ticket, tier=tier).schema.names == ["id", "v", "s", "old"]
    table.revert()
    table.add_computed_column(new=table.v + 7)
    assert table.get_metadata()["version"] == 3
    assert_stale(tickets.read, ticket, tier=tier)
    assert_stale(tickets.read, live, tier=tier)
    for again in (sql, f"select * from {name} order by id"):
        answer = tickets.live(again)
        assert answer.schema.names == ["id", "v", "s", "new"]
        assert answer["new"].to_pylist() == [i * 10 + 7 for i in range(6)]


def test_the_catalog_after_a_version_came_again(table, name, pxt):
    from pxt_flight.engine.catalog import Catalog
    from pxt_flight.engine.seam.store import libpq_uri

    catalog = Catalog(libpq_uri())
    try:
        columns = lambda: next(dict(found.columns) for found in catalog.listing().tables if found.path == name)  # noqa: E731
        table.add_column(old=pxt.Int | None)
        assert columns()["old"] == "Int | None"
        table.revert()
        table.add_column(new=pxt.String | None)
        assert "old" not in columns()
        assert columns()["new"] == "String | None"
    finally:
        catalog.close()


@TIERS
def test_a_pinned_read_of_a_column_that_is_gone_since(table, name, tickets, tier):
    ticket = tickets.of(f"select id, s from {name} where s <> 's3' order by id")
    before = tickets.read(ticket)
    table.drop_column("s")
    assert tickets.read(ticket, tier=tier).equals(before)
    table.insert([{"id": 9, "v": 1}])
    assert tickets.read(ticket, tier=tier).equals(before)


def test_a_renamed_and_a_dropped_table(table, name, tickets, pxt):
    ticket = tickets.of(f"select id from {name}")
    pxt.move(name, f"{name}_moved")
    assert_stale(tickets.read, ticket)
    pxt.move(f"{name}_moved", name)
    assert tickets.read(ticket).num_rows == 6
    pxt.drop_table(name)
    assert_stale(tickets.read, ticket)
    again = pxt.create_table(name, {"id": pxt.Int, "v": pxt.Int | None, "s": pxt.String | None})
    again.insert([{"id": i} for i in range(2)])
    again.insert([{"id": 2}])
    assert_stale(tickets.read, ticket)


def test_a_snapshot_that_was_made_anew(table, name, tickets, pxt):
    """It has no version of its own that would tell: a snapshot of a whole table is only a name for one of its versions."""
    kept = f"{name}_kept"
    pxt.create_snapshot(kept, table)
    try:
        sql = f"select id, v from {kept} order by id"
        ticket = tickets.of(sql)
        before = tickets.read(ticket)
        table.delete(where=table.id > 2)
        assert tickets.read(ticket).equals(before)
        pxt.drop_table(kept)
        pxt.create_snapshot(kept, table)
        assert_stale(tickets.read, ticket)
        assert tickets.live(sql).num_rows == 3
    finally:
        pxt.drop_table(kept)


@TIERS
def test_a_view_after_writes_to_its_base(table, name, tickets, pxt, tier):
    view = f"{name}_view"
    pxt.create_view(view, table.where(table.v >= 20), additional_columns={"w": table.v + 1})
    try:
        sql = f"select id, v, w from {view} order by id"
        ticket = tickets.of(sql)
        before = tickets.read(ticket)
        assert before["w"].to_pylist() == [21, 31, 41, 51]
        table.insert([{"id": 7, "v": 70, "s": None}])
        table.update({"v": 25}, where=table.id == 2)
        assert tickets.read(ticket, tier=tier).equals(before)
        assert tickets.live(sql)["v"].to_pylist() == [25, 30, 40, 50, 70]
        # A change of the base alone makes no version of the view: as of its number, the view would not have it.
        table.delete(where=table.id == 0)
        table.add_column(late=pxt.Int | None)
        ticket = tickets.of(f"select id, late from {view} order by id")
        fresh = tickets.read(ticket)
        assert fresh["late"].to_pylist() == [None] * 5
        assert tickets.read(ticket, tier=tier).equals(fresh)
        table.insert([{"id": 8, "v": 80, "s": None}])
        assert_stale(tickets.read, ticket, tier=tier)
    finally:
        pxt.drop_table(view)


def test_a_view_whose_base_alone_has_changed_is_read_by_the_cursor(table, name, engine, pxt):
    """Without a ticket: it cannot be read as of its version, and need not be."""
    from pxt_flight.engine.scan import Request

    view = f"{name}_view"
    pxt.create_view(view, table.where(table.v >= 20))
    try:
        table.add_column(late=pxt.Int | None)
        stream = engine.stream(Request(f"select id, late from {view}", (), "bytes"), tier="cursor")
        assert sum(batch.num_rows for batch in stream.batches) == 4
    finally:
        pxt.drop_table(view)


def test_an_index_on_a_pinned_column(make_table, pxt, tickets):
    """Deleted rows keep their index value in another column; as of a version, no index may answer."""
    table = make_table(
        {"id": pxt.Int, "s": pxt.String}, [{"id": i, "s": f"s{i % 5}"} for i in range(50)], comment="c", custom_metadata={"a": 1}
    )
    name = table.get_metadata()["name"]
    statements = {
        f"select id from {name} where s = 's3' order by id": None,
        f"select id, s from {name} where s like 's4%' order by id": None,
    }
    made = {sql: tickets.of(sql) for sql in statements}
    before = {sql: tickets.read(ticket) for sql, ticket in made.items()}
    assert [answer.num_rows for answer in before.values()] == [10, 10]
    table.update({"s": "s3"}, where=table.id < 20)
    table.delete(where=table.id > 30)
    for sql, ticket in made.items():
        assert tickets.read(ticket).equals(before[sql])
        assert tickets.live(f"{sql.replace(name, chr(34) + name + ':1' + chr(34), 1)}").equals(before[sql])


@TIERS
def test_one_ticket_in_four_threads(table, name, tickets, tier):
    ticket = tickets.of(f"select id, v, s from {name} order by id")
    before = tickets.read(ticket)
    with ThreadPoolExecutor(4) as threads:
        reads = [threads.submit(tickets.read, ticket, tier=tier) for _ in range(12)]
        table.update({"v": -1})
        table.delete(where=table.id < 3)
        assert all(read.result().equals(before) for read in reads)


class Table(RuleBasedStateMachine):
    """A table that changes, and tickets of it. `pxt`, `tickets` and `name` are set by the test."""

    def __init__(self):
        super().__init__()
        self.next_id, self.columns, self.made = 0, 0, []
        self.create()

    def create(self):
        self.pxt.drop_table(self.name, if_not_exists="ignore")
        self.table = self.pxt.create_table(self.name, {"id": self.pxt.Int, "v": self.pxt.Int | None})
        self.insert()

    @rule()
    def insert(self):
        self.table.insert([{"id": self.next_id + i, "v": i} for i in range(3)])
        self.next_id += 3

    @rule(value=st.integers(0, 99))
    def update(self, value):
        self.table.update({"v": value}, where=self.table.id % 2 == value % 2)

    @rule(rest=st.integers(0, 4))
    def delete(self, rest):
        self.table.delete(where=self.table.id % 5 == rest)

    @precondition(lambda self: self.table.get_metadata()["version"] > 1)
    @rule()
    def revert(self):
        self.table.revert()

    @rule()
    def add_column(self):
        self.columns += 1
        self.table.add_computed_column(**{f"c{self.columns}": self.table.v + self.columns})

    @precondition(lambda self: self.dropped_next())
    @rule()
    def drop_column(self):
        self.table.drop_column(self.dropped_next())

    @rule()
    def move(self):
        self.pxt.move(self.name, f"{self.name}_moved")
        self.read_all()
        self.pxt.move(f"{self.name}_moved", self.name)

    @rule()
    def recreate(self):
        self.create()

    @rule(which=st.sampled_from(["select * from {t}", "select v, id from {t} where id >= 0", 'select * from "{t}:{n}"']))
    def plan(self, which):
        sql = which.format(t=self.name, n=self.table.get_metadata()["version"])
        ticket = self.tickets.of(sql)
        answer = self.tickets.read(ticket)
        expected = self.table.select().collect().to_pandas().to_dict("records") if "*" in which else None
        assert expected is None or Counter(tuple((k, row[k]) for k in answer.schema.names) for row in expected) == rows(answer)
        self.made = [*self.made[-3:], (ticket, answer)]

    @rule()
    def read_all(self):
        for ticket, before in self.made:
            try:
                answer = self.tickets.read(ticket)
            except StaleTicketError as fault:
                assert fault.code == "ticket_stale"  # noqa: PT017
            else:
                assert answer.schema == before.schema
                assert rows(answer) == rows(before)

    def dropped_next(self):
        return next((name for name in self.table.get_metadata()["columns"] if name.startswith("c")), None)

    def teardown(self):
        self.read_all()


def test_any_order_of_changes_and_reads(pxt, tickets):
    machine = type("Machine", (Table,), {"pxt": pxt, "tickets": tickets, "name": "diff_stale"})
    machine.TestCase.settings = settings(max_examples=8, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck))
    try:
        run_state_machine_as_test(machine, settings=machine.TestCase.settings)
    finally:
        pxt.drop_table("diff_stale", if_not_exists="ignore")
