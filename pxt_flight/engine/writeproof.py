"""The start-up self-test of writing: the same few rows by each tier into a scratch table of its own, and all that the store has of them.

It runs when this Pixeltable meets this home for the first time; its result is remembered by versions in our folder.
"""

import datetime as dt
import json
import logging
import re
import time
import uuid
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pixeltable as pxt
import pixeltable.functions as pxtf
import pyarrow as pa

from pxt_flight import __version__
from pxt_flight.engine import ingest, target
from pxt_flight.engine.ingest import WriteTiers
from pxt_flight.engine.seam import probe
from pxt_flight.engine.upload import Checked, Reception, Upload
from pxt_flight.trace import describe

log = logging.getLogger(__name__)
_DIRECTORY = "pxt_flight_writeproof"
_SLOW = "not to be taken here"
# How each tier is taken: by switching off those before it.
_TIERS = {
    "bulk": WriteTiers(),
    "copy": WriteTiers(bulk_off=_SLOW),
    "plain": WriteTiers(bulk_off=_SLOW, copy_off=_SLOW),
    "rows": WriteTiers(bulk_off=_SLOW, stream_off=_SLOW),
}
_FILE = re.compile(r'file://[^\s",()]+')


def verify_writes(state_dir: Path) -> WriteTiers:
    """Prove that the tiers `bulk` and `stream` write what `Table.insert` writes with this Pixeltable; what they do not is switched off.

    Args:
        state_dir: our folder in the home, where the proof is remembered.
    """
    if missing := probe.missing_parts_of_writes():
        return _off(f"this Pixeltable lacks {', '.join(missing)}")
    proof = state_dir / "writeproof.json"
    versions = {name: version(name) for name in ("pixeltable", "psycopg", "pyarrow", "sqlalchemy")} | {"pxt-flight": __version__}
    if proof.exists() and json.loads(proof.read_text()) == versions:
        return WriteTiers()
    try:
        tiers = _compared()
    except Exception as fault:  # noqa: BLE001  # whatever it is, the slow tier is still right
        log.warning("the self-test of writing could not be run: %s", describe(fault))
        return _off("the self-test could not be run")
    for name, reason in tiers.off.items():
        log.warning("the tier %s is off: %s", name, reason)
    if not tiers.off:
        proof.write_text(json.dumps(versions))
    return tiers


def _off(reason: str) -> WriteTiers:
    log.warning("the fast writes are off: %s", reason)
    return WriteTiers(bulk_off=reason, stream_off=reason, copy_off=reason)


def _compared() -> WriteTiers:
    """What differs from `Table.insert`."""
    pxt.create_dir(_DIRECTORY, if_exists="ignore")
    try:
        plain = _difference("bulk", is_computed=False)
        by_copy = _difference("copy", is_computed=True)
        # Whether it is the plan or the COPY below it that differs.
        streamed = None if by_copy is None else _difference("plain", is_computed=True)
        return WriteTiers(bulk_off=plain, stream_off=streamed, copy_off=by_copy)
    finally:
        # With whatever an earlier start left behind when it was killed.
        pxt.drop_dir(_DIRECTORY, force=True, if_not_exists="ignore")


def _difference(tier: str, *, is_computed: bool) -> str | None:
    """What a tier leaves in the store that `Table.insert` does not, or None."""
    right, found = _filled("rows", is_computed=is_computed), _filled(tier, is_computed=is_computed)
    return next((f"{name} differ from those of Table.insert" for name, value in right.items() if found[name] != value), None)


def _filled(tier: str, *, is_computed: bool) -> dict[str, Any]:
    """Everything that the store has of a scratch table, and of a view of it, after two writes by a tier."""
    name = f"{_DIRECTORY}.t{uuid.uuid4().hex[:8]}"
    table = pxt.create_table(name, _schema(), primary_key="i", has_default_idxs=True)
    if is_computed:
        table.add_computed_column(turned=pxtf.string.swapcase(table.s))
        table.add_computed_column(less=table.i % 7)
    view = pxt.create_view(f"{name}_view", table.where(table.i > 0), additional_columns={"again": pxtf.string.len(table.s)})
    for rows in (_rows()[:3], _rows()[3:]):
        _write(name, rows, _TIERS[tier])
    return {
        "the rows of a table": _stored(table, "tbl"),
        "the rows of a view": _stored(view, "view"),
        "what Pixeltable reads": [repr(list(each.collect())) for each in (table.order_by(table.i), view.order_by(view.i))],
        "the versions": [{key: value for key, value in made.items() if key != "created_at"} for made in table.get_versions()],
    }


def _write(path: str, rows: list[dict[str, Any]], tiers: WriteTiers) -> None:
    from pxt_flight.engine.seam import writes

    table = target.describe(path)
    fields = [(column.name, column.staged) for column in table.columns if not column.is_computed]
    with _upload(pa.RecordBatch.from_pylist(rows, schema=pa.schema(fields))) as upload:
        opened = pxt.get_table(path)
        writes.in_write(opened, lambda: ingest.insert(table, opened, upload, tiers=tiers), deadline=time.monotonic() + 60)


def _upload(batch: pa.RecordBatch) -> Upload:
    reception = Reception(Checked(batch.schema), None, 1 << 30)
    for i in range(batch.num_rows):
        reception.add(batch.slice(i, 1))
    return reception.finish()


def _stored(table: pxt.Table, kind: str) -> list[str]:
    """The rows as Postgres has them, the contents of files in the place of their names."""
    from pxt_flight.engine.seam import writes

    stored = f"{kind}_{table.get_metadata()['id'].hex}"
    rows = writes.in_write(table, lambda: writes.execute(f"SELECT t::text FROM {stored} t"), deadline=time.monotonic() + 60)  # noqa: S608
    return sorted(_FILE.sub("file", row) for (row,) in rows)


def _schema() -> dict[str, Any]:
    kinds = {"f": pxt.Float, "s": pxt.String, "b": pxt.Bool, "t": pxt.Timestamp, "d": pxt.Date, "u": pxt.UUID, "j": pxt.Json}
    kinds |= {"a": pxt.Array[(2, 2), np.float32], "h": pxt.Array[(3,), np.bool_], "y": pxt.Binary}
    return {"i": pxt.Int} | {name: kind | None for name, kind in kinds.items()}


def _rows() -> list[dict[str, Any]]:
    """Values as they are staged."""
    moment = dt.datetime(2024, 2, 29, 12, 30, 0, 123456, tzinfo=dt.UTC)
    full = {
        "f": 0.1,
        "s": "é🙂" * 200,
        "b": True,
        "t": moment,
        "d": moment.date(),
        "u": uuid.UUID(int=7).bytes,
        "j": '{"a": [1, null, "é"]}',
    }
    full |= {"a": [0.5, -1.0, 2.0, 3.0], "h": [True, False, True], "y": b"\0\xff"}
    return [
        {"i": 2**63 - 1, **full},
        {"i": 1, **full, "f": float("inf"), "s": "it's :x \\ $1 %% \n", "b": False, "j": "[]", "y": b""},
        {"i": 2, **dict.fromkeys(full, None)},
        {"i": -(2**63), **full, "f": float("nan"), "s": "50%", "d": dt.date(1, 1, 1), "j": '"50%"'},
        {"i": 3, **full, "f": -0.0, "s": "", "t": dt.datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=dt.UTC), "j": "null"},
    ]
