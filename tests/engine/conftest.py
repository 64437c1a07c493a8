"""Checkers of rows, for hand-made tables."""

import datetime as dt
import uuid

import pyarrow as pa
import pytest


@pytest.fixture
def checker(pxt):
    """Make a checker of a table of declared columns: `checker({"id": "Int"}, schema, computed=("twice",), **options)`."""
    from pxt_flight.engine.target import Target, TargetColumn
    from pxt_flight.engine.types import parse_type
    from pxt_flight.engine.validation import InsertChecker

    def make(declared, schema, *, computed=(), **options):
        columns = tuple(TargetColumn(name, parse_type(kind), kind, name in computed) for name, kind in declared.items())
        table = Target("t", uuid.uuid4(), 1, columns, (), is_versioned=True)
        return InsertChecker(table, schema, **{"zone": dt.UTC} | options)

    return make


@pytest.fixture
def stage(checker):
    """The staged values of one column, as Python's, and what was said of it: the rows at fault and why."""

    def run(declaration, values, kind=None, **options):
        array = values if isinstance(values, pa.Array) else pa.array(values, kind)
        batch = pa.RecordBatch.from_arrays([array], ["c"])
        checks = checker({"c": declaration}, batch.schema, on_error="ignore", **options)
        staged = pa.Table.from_batches(checks.check(batch), checks.schema)
        staged.validate(full=True)
        rejected = checks.rejected
        return staged["c"].to_pylist(), [] if rejected is None else rejected["pxt_error"].to_pylist()

    return run
