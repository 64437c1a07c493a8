"""The start-up self-test of the seam: a scratch table with every type the fast tier serves, read by all tiers and compared.

What `cursor()` does not answer (joins, WITH, windows, decimals, JSON's operators) is compared with plain Python over `collect()`.

It runs when this Pixeltable meets this home for the first time; its result is remembered by versions in our folder.
"""

import datetime as dt
import json
import logging
import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pixeltable as pxt
import pixeltable.functions as pxtf
import pyarrow as pa
from PIL import Image

from pxt_flight import __version__
from pxt_flight.engine.engine import Engine
from pxt_flight.engine.scan import Request
from pxt_flight.trace import describe

log = logging.getLogger(__name__)
_DIRECTORY = "pxt_flight_selftest"
_SCHEMA: dict[str, Any] = {
    "i": pxt.Int,
    "f": pxt.Float | None,
    "s": pxt.String | None,
    "b": pxt.Bool | None,
    "t": pxt.Timestamp | None,
    "d": pxt.Date | None,
    "u": pxt.UUID | None,
    "j": pxt.Json | None,
    "m": pxt.Image | None,
}
_QUERIES = (
    "SELECT * FROM {table} ORDER BY i",
    "SELECT m, i + 1 AS n, s FROM {table} WHERE s = '50%' OR s LIKE '%:%' OR f IS NULL ORDER BY i DESC",
    "SELECT b, count(*) AS n, sum(i) AS total, avg(f) AS mean FROM {table} WHERE i > 0 GROUP BY b ORDER BY 2, 3",
    "SELECT computed FROM {table} WHERE i < 0",
    "SELECT again, s, i FROM {table}_view WHERE computed > 2 ORDER BY 3 DESC",
    'SELECT i, f, m FROM "{table}:2" ORDER BY i',
)
# What Postgres cannot compute; the view has a column of it.
_COMPUTED = "SELECT swapped, i, m FROM {table}_view ORDER BY i"
Rows = list[dict[str, Any]]


def _joined(rows: Rows, view: Rows) -> Iterator[tuple[Any, ...]]:
    again = {row["i"]: row["again"] for row in view}
    return ((row["i"], again.get(row["i"]), row["m"]) for row in rows)


def _windowed(rows: Rows, _: Rows) -> Iterator[tuple[Any, ...]]:
    return ((row["i"], len(rows) - n, rows[n - 1]["m"] if n else None) for n, row in enumerate(rows))


def _aggregated(rows: Rows, _: Rows) -> Iterator[tuple[Any, ...]]:
    for flag in (False, True, None):
        found = [row["i"] for row in rows if row["b"] is flag]
        half = sum((Decimal(number) / 2 for number in found), Decimal())
        yield flag, len(found), sum(found), sum(found) / len(found), half


def _within_json(rows: Rows, _: Rows) -> Iterator[tuple[Any, ...]]:
    for row in rows:
        value = row["j"]
        inner = value["a"] if isinstance(value, dict) else None
        yield (
            row["i"],
            inner[2] if inner else None,
            None if value is None else isinstance(value, dict),
            None if value is None else value == [],
        )


def _united(rows: Rows, _: Rows) -> Iterator[tuple[Any, ...]]:
    return ((row["m"], None if row["m"] is None else False) for row in rows)


# What a statement of Postgres answers, as Python finds it in the rows of the table and of its view, both in the order of i.
_PROOFS: tuple[tuple[str, Callable[[Rows, Rows], Iterator[tuple[Any, ...]]]], ...] = (
    ("SELECT a.i, v.again, a.m FROM {table} AS a LEFT JOIN {table}_view AS v ON v.i = a.i ORDER BY a.i", _joined),
    (
        "WITH w AS (SELECT i, row_number() OVER (ORDER BY i DESC) AS n, lag(m) OVER (ORDER BY i) FROM {table}) SELECT * FROM w ORDER BY i",
        _windowed,
    ),
    ("SELECT b, count(*) AS n, sum(i), avg(i), sum(i * 0.5) AS half FROM {table} GROUP BY b ORDER BY b", _aggregated),
    ("SELECT i, j -> 'a' ->> 2 AS third, j ? 'a' AS has, j = '[]' AS empty FROM {table} ORDER BY i", _within_json),
    (
        "SELECT m, m::text LIKE '%.png%' AS shown FROM (SELECT i, m FROM {table} UNION SELECT i, m FROM {table}_view) AS both ORDER BY i",
        _united,
    ),
)


def verify_copy(engine: Engine, state_dir: Path) -> None:
    """Prove that the tiers `copy` and `exec` equal `cursor()` with this Pixeltable, or switch them off.

    Args:
        engine: the opened store; its fast tier is disabled where the proof fails.
        state_dir: our folder in the home, where the proof is remembered.
    """
    if engine.slow_because:
        log.warning("the fast read is off: %s", engine.slow_because)
        return
    proof = state_dir / "selftest.json"
    versions = {name: version(name) for name in ("pixeltable", "adbc-driver-postgresql", "pyarrow", "sqlglot")} | {
        "pxt-flight": __version__
    }
    if proof.exists() and json.loads(proof.read_text()) == versions:
        return
    try:
        difference = _difference(engine, state_dir)
    except Exception as fault:  # noqa: BLE001  # whatever it is, the slow tier is still right
        log.warning("the self-test could not be run: %s", describe(fault))
        difference = "the self-test could not be run"
    if difference:
        engine.disable_copy(difference)
        return
    proof.write_text(json.dumps(versions))


def _difference(engine: Engine, folder: Path) -> str | None:
    """What the two tiers answer differently, or None."""
    name = f"{_DIRECTORY}.t{uuid.uuid4().hex[:8]}"
    picture = folder / "selftest.png"
    Image.new("RGB", (8, 6), "teal").save(picture)
    pxt.create_dir(_DIRECTORY, if_exists="ignore")
    try:
        table = pxt.create_table(name, _SCHEMA)
        table.add_computed_column(computed=pxtf.string.len(table.s))
        table.insert(_rows(str(picture)))
        # Rows of older versions lie beside the live ones, and only the plan's version predicate tells them apart.
        table.update({"f": 0.2}, where=table.i == 1)
        table.delete(where=table.i == 0)
        view = pxt.create_view(f"{name}_view", table.where(table.i > 0))
        view.add_computed_column(again=view.computed + 1)
        view.add_computed_column(swapped=pxtf.string.swapcase(view.s), stored=False)
        if difference := _between_tiers(engine, name):
            return difference
        # The plans outlive writes of rows: all that these change of a table must be what a plan is told anew.
        table.update({"f": 0.3}, where=table.i == 1)
        table.insert([_rows(str(picture))[1] | {"i": 2}])
        if difference := _between_tiers(engine, name):
            return f"after a write, {difference}"
        request = Request(_COMPUTED.format(table=name), media="bytes")
        if not _read(engine, request, "exec").equals(_read(engine, request, "cursor")):
            return f"the tiers differ on: {_COMPUTED}"
        contents = _contents(table), _contents(view)
        for template, expected in _PROOFS:
            answer = _read(engine, Request(template.format(table=name), media="bytes"), "copy")
            if _as_rows(answer) != list(expected(*contents)):
                return f"not what Pixeltable holds: {template}"
        return None
    finally:
        # With whatever an earlier start left behind when it was killed.
        pxt.drop_dir(_DIRECTORY, force=True, if_not_exists="ignore")
        picture.unlink(missing_ok=True)


def _between_tiers(engine: Engine, name: str) -> str | None:
    for template in _QUERIES:
        request = Request(template.format(table=name), media="bytes")
        fast, computed, slow = (_read(engine, request, tier) for tier in ("copy", "exec", "cursor"))
        if not fast.equals(slow) or not computed.equals(slow):
            return f"the tiers differ on: {template}"
    return None


def _read(engine: Engine, request: Request, tier: Any) -> pa.Table:
    stream = engine.stream(request, tier=tier)
    return pa.Table.from_batches(list(stream.batches), stream.schema)


def _contents(table: pxt.Table) -> Rows:
    """What Pixeltable holds of a table, a picture as its bytes."""
    columns = {name: table.m.localpath if name == "m" else getattr(table, name) for name in table.columns()}
    rows = list(table.order_by(table.i).select(**columns).collect())
    return [row | {"m": row["m"] and Path(row["m"]).read_bytes()} for row in rows]


def _as_rows(answer: pa.Table) -> list[tuple[Any, ...]]:
    return list(zip(*(column.to_pylist() for column in answer.columns), strict=True))


def _rows(picture: str) -> list[dict[str, Any]]:
    moment = dt.datetime(2024, 2, 29, 12, 30, 0, 123456, tzinfo=dt.UTC)
    full = {
        "f": 0.1,
        "s": "50%",
        "b": True,
        "t": moment,
        "d": moment.date(),
        "u": uuid.UUID(int=7),
        "j": {"a": [1, None, "é"]},
        "m": picture,
    }
    return [
        {"i": 2**62, **full},
        {"i": 1, **full, "f": float("inf"), "s": "it's :x \\ $1 %% 🙂\n", "b": False, "j": []},
        {"i": 0, **full},
        {"i": -1, **dict.fromkeys(full, None)},
    ]
