"""Which tier takes which table, and what becomes of a tier that this Pixeltable does not bear out."""

import json
from importlib.metadata import version

import numpy as np
import pytest
from insert_twins import state, write

from pxt_flight.errors import PxtFlightError


def test_every_table_has_its_tier(pxt, make_table):
    import insert_functions as functions

    plain = make_table({"k": pxt.Int, "y": pxt.Binary | None, "j": pxt.Json | None}, primary_key=["k"], has_default_idxs=True)
    assert write(plain._name(), [{"k": 1, "y": bytes(512)}], tier="bulk").tier == "bulk"
    assert write(plain._name(), [{"k": 2, "y": bytes(513)}], tier="bulk").tier == "stream"
    plain.add_computed_column(c=functions.strict(plain.k))
    assert write(plain._name(), [{"k": 3, "y": b""}], tier="bulk").tier == "stream"
    kinds = {"typed": pxt.Json[{"a": pxt.Int}] | None, "long": pxt.Array[(65,), np.int64] | None, "free": pxt.Array | None}
    kinds |= {"words": pxt.Array[(2,), pxt.String] | None, "picture": pxt.Image | None}
    tiers = {name: write(make_table({"k": pxt.Int, name: kind})._name(), [{"k": 1}], tier="bulk").tier for name, kind in kinds.items()}
    assert tiers == {"typed": "rows", "long": "stream", "free": "stream", "words": "stream", "picture": "stream"}


def test_an_embedding_index_is_filled_row_by_row(pxt, make_table):
    import insert_functions as functions

    table = make_table({"k": pxt.Int, "s": pxt.String | None})
    table.add_embedding_index("s", embedding=functions.direction)
    written = write(table._name(), [{"k": key, "s": None if key % 2 else "ab"[: key % 3] + "x"} for key in range(8)], tier="bulk")
    assert (written.tier, written.inserted, written.first_row_id) == ("rows", 8, 0)


def test_a_table_without_versions_has_no_row_ids(pxt, make_table):
    table = make_table({"k": pxt.Int, "s": pxt.String | None}, primary_key=["k"], _is_data_versioned=False)
    written = write(table._name(), [{"k": key} for key in range(3)], tier="bulk")
    assert (written.tier, written.version, written.first_row_id, table.count()) == ("rows", 0, None, 3)
    with pytest.raises(PxtFlightError, match="CONSTRAINT_VIOLATION"):
        write(table._name(), [{"k": 2}], tier="bulk")


def test_the_tier_of_last_resort_takes_so_many_rows(pxt, postgres, make_table):
    from pxt_flight.engine.ingest import MOST_ROWS

    table = make_table({"k": pxt.Int})
    before = state(postgres, table)
    with pytest.raises(PxtFlightError) as found:
        write(table._name(), [{"k": key} for key in range(MOST_ROWS + 1)], tier="rows")
    assert (found.value.code, "in parts" in found.value.hint) == ("upload_too_large", True)
    assert state(postgres, table) == before


def test_writing_is_proven_once(pxt, tmp_path, monkeypatch):
    from pxt_flight.engine import writeproof

    assert writeproof.verify_writes(tmp_path).off == {}
    proof = tmp_path / "writeproof.json"
    assert json.loads(proof.read_text())["pixeltable"] == version("pixeltable")
    monkeypatch.setattr(writeproof, "_compared", lambda: pytest.fail("proven again"))
    assert writeproof.verify_writes(tmp_path).off == {}
    assert not any(path.startswith("pxt_flight_writeproof") for path in pxt.list_tables("", recursive=True))


def test_what_writes_otherwise_is_switched_off(pxt, tmp_path, monkeypatch):
    from pxt_flight.engine import copybinary, writeproof
    from pxt_flight.engine.seam import copyrows

    encode, value = copybinary.Encoder.encode, copyrows._value
    monkeypatch.setattr(
        copybinary.Encoder, "encode", lambda self, batch, *, row_id, version: encode(self, batch, row_id=row_id + 1, version=version)
    )
    monkeypatch.setattr(copyrows, "_value", lambda found, is_json: "" if found == "50%" else value(found, is_json))
    tiers = writeproof.verify_writes(tmp_path)
    # The plan itself is right, whatever writes below it.
    assert tiers.off == dict.fromkeys(("bulk", "copy"), "the rows of a table differ from those of Table.insert")
    assert list(tmp_path.iterdir()) == []


def test_where_parts_are_missing_rows_are_written_all_the_same(pxt, make_table, tmp_path, monkeypatch):
    from pxt_flight.engine import writeproof
    from pxt_flight.engine.seam import probe

    monkeypatch.setitem(probe._PARTS_OF_WRITES, "pixeltable.plan", ("Planner.create_insert_plan", "Planner.gone"))
    tiers = writeproof.verify_writes(tmp_path)
    assert tiers.off == dict.fromkeys(("bulk", "stream", "copy"), "this Pixeltable lacks pixeltable.plan.Planner.gone")
    table = make_table({"k": pxt.Int})
    assert write(table._name(), [{"k": 1}], tier="bulk", chosen=tiers).tier == "rows"
