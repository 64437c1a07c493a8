"""Definitions wait for their turn among the writes of a table, and many at once leave one of each."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from pxt_flight.errors import PxtFlightError


def outcomes(calls):
    """The code of each call that failed, None of those that did not; all begin together."""
    barrier = threading.Barrier(len(calls))

    def run(call):
        barrier.wait(30)
        try:
            call()
        except PxtFlightError as fault:
            return fault.code
        return None

    with ThreadPoolExecutor(len(calls)) as threads:
        return sorted(threads.map(run, calls), key=str)


def test_one_of_many_makes_the_table(over_http, over_flight, pxt, place):
    asked = {"path": f"{place}/t", "schema": {"a": "Int"}}
    calls = [lambda wire=wire: wire("create_table", **asked) for wire in (over_http, over_flight)] * 2
    assert outcomes(calls) == [None, *["PATH_ALREADY_EXISTS"] * 3]
    calls = [
        lambda wire=wire: wire("create_table", **asked | {"path": f"{place}/u"}, if_exists="ignore") for wire in (over_http, over_flight)
    ]
    assert outcomes(calls * 2) == [None] * 4
    assert sorted(pxt.list_tables(place)) == [f"{place}/t", f"{place}/u"]


def test_columns_come_one_after_the_other(over_http, over_flight, pxt, place):
    pxt.create_table(f"{place}/t", {"a": pxt.Int}).insert([{"a": 1}])
    names = [f"b{number}" for number in range(6)]
    wires = [over_http, over_flight] * 3
    calls = [
        lambda wire=wire, name=name: wire("Table.add_column", table_path=f"{place}/t", schema={name: "Int | None"})
        for wire, name in zip(wires, names, strict=True)
    ]
    assert outcomes(calls) == [None] * 6
    table = pxt.get_table(f"{place}/t")
    assert (set(table.columns()), table.get_metadata()["version"]) == ({"a", *names}, 7)


def test_a_table_that_is_held_is_waited_for(engine, pxt, place, waiting_writes):
    from pxt_flight.engine import columns, schemas
    from pxt_flight.engine.writer import WriteLimits, Writer

    table = pxt.create_table(f"{place}/t", {"a": pxt.Int})
    writer = Writer(engine, limits=WriteLimits(patience=0.5))
    added = schemas.read_columns({"b": "Int | None"})
    try:
        with waiting_writes(table), pytest.raises(PxtFlightError, match="table_busy"):
            writer.define(lambda: columns.add(f"{place}/t", added, if_exists="error"), f"{place}/t")
        assert pxt.get_table(f"{place}/t").columns() == ["a"]
        assert writer.define(lambda: columns.add(f"{place}/t", added, if_exists="error"), f"{place}/t") is True
    finally:
        writer.close()
    assert pxt.get_table(f"{place}/t").columns() == ["a", "b"]


def test_no_thread_that_knew_a_table_before_takes_its_move_back(over_http, over_flight, pxt, place):
    """Pixeltable writes with each version the name that the thread knows, and a move makes no version."""
    table = pxt.create_table(f"{place}/t0", {"a": pxt.Int})
    pxt.create_view(f"{place}/v0", table)
    for number, wire in enumerate([over_http, over_flight] * 3):
        # Two threads of each server write; each comes to know both, by their names of now.
        for name in (f"b{number}", f"c{number}", f"d{number}"):
            wire("Table.add_column", table_path=f"{place}/t{number}", schema={name: "Int | None"})
        for name in ("t", "v"):
            wire("move_table", path=f"{place}/{name}{number}", new_path=f"{place}/{name}{number + 1}")
        (over_flight if wire is over_http else over_http)("execute", sql=f'INSERT INTO "{place}/t{number + 1}" (a) VALUES (1)')
        assert sorted(over_http("list_tables", dir_path=place)) == [f"{place}/t{number + 1}", f"{place}/v{number + 1}"]
