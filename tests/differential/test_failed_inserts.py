"""Inserts that fail leave nothing: no row, no version, no number of a row, no file; and the next one is as if they had not been."""

import io
import itertools
import time
from uuid import UUID

import numpy as np
import pyarrow as pa
import pytest
from insert_twins import collected, staged, state, uploaded, write, write_upload
from PIL import Image

from pxt_flight.errors import PxtFlightError

TIERS = ("bulk", "stream", "plain stream", "rows")


def png(number):
    out = io.BytesIO()
    Image.new("RGB", (8, 6), (number % 256, 90, 200)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def files(pxt):
    """All files of some tables, the temporary ones too: `files(table, ...)`."""
    from pixeltable.env import Env

    def find(*tables):
        ids = [table.get_metadata()["id"].hex for table in tables]
        folders = [Env.get().media_dir, Env.get().tmp_dir]
        return {path for folder in folders for path in folder.rglob("*") if path.is_file() and path.name.startswith(tuple(ids))}

    return find


@pytest.mark.parametrize("tier", TIERS)
def test_a_key_that_is_there_already(pxt, postgres, make_table, tier):
    table = make_table({"k": pxt.Int, "s": pxt.String, "f": pxt.Float | None}, [{"k": 5, "s": "/secret/path"}], primary_key=["k", "s"])
    view = pxt.create_view(f"{table._name()}_view", table.where(table.k > 2))
    try:
        before = state(postgres, table), state(postgres, view)
        rows = [{"k": key, "s": "/secret/path", "f": 0.5} for key in range(20)]
        with pytest.raises(PxtFlightError) as found:
            write(table._name(), rows, tier=tier, size=3)
        assert (found.value.code, found.value.http_status) == ("CONSTRAINT_VIOLATION", 409)
        assert found.value.where == {"table": table._name(), "columns": ["k", "s"]}
        assert "k, s" in found.value.message
        assert not any(word in str(found.value) for word in ("col_", "tbl_", "pk_idx", "secret", "COPY"))
        assert (state(postgres, table), state(postgres, view)) == before
        written = write(table._name(), rows[:5], tier=tier)
        assert (written.version, written.first_row_id) == (2, 1)
        assert view.count() == 3
    finally:
        pxt.drop_table(f"{table._name()}_view")


@pytest.mark.parametrize("tier", TIERS)
def test_a_key_that_comes_twice(pxt, postgres, make_table, tier):
    table = make_table({"k": pxt.Int}, primary_key=["k"])
    before = state(postgres, table)
    with pytest.raises(PxtFlightError, match="CONSTRAINT_VIOLATION"):
        write(table._name(), [{"k": 1}, {"k": 2}, {"k": 1}], tier=tier)
    assert state(postgres, table) == before


@pytest.mark.parametrize("tier", TIERS)
def test_a_value_too_long_for_an_index(pxt, postgres, make_table, tier):
    names = [f"s{i}" for i in range(12)]
    table = make_table(dict.fromkeys(names, pxt.String), primary_key=names)
    before = state(postgres, table)
    rng = np.random.default_rng(0)
    row = {name: "".join(map(chr, rng.integers(0x4E00, 0x9FFF, 256))) for name in names}
    with pytest.raises(PxtFlightError, match="too long for an index") as found:
        write(table._name(), [row], tier=tier)
    assert found.value.code == "CONSTRAINT_VIOLATION"
    assert state(postgres, table) == before


class LostError(Exception):
    """The batches end in the middle."""


class Breaking:
    """An upload whose batches break off behind some of them."""

    def __init__(self, upload, batches):
        self._upload = upload
        self._batches = batches

    def __getattr__(self, name):
        return getattr(self._upload, name)

    def batches(self):
        yield from itertools.islice(self._upload.batches(), self._batches)
        raise LostError


@pytest.mark.parametrize("tier", TIERS)
def test_batches_that_break_off(pxt, postgres, make_table, tier):
    from pxt_flight.engine import target

    table = make_table({"k": pxt.Int, "s": pxt.String | None}, [{"k": -1}], primary_key=["k"])
    before = state(postgres, table)
    batch = staged(target.describe(table._name()), [{"k": key, "s": "x" * key} for key in range(50)])
    with uploaded((batch.slice(i, 7) for i in range(0, 50, 7)), batch.schema) as upload:
        with pytest.raises(LostError):
            write_upload(table._name(), Breaking(upload, 4), tier=tier)
        assert state(postgres, table) == before
        written = write_upload(table._name(), upload, tier=tier)
    assert (written.version, written.first_row_id, table.count()) == (2, 1, 51)


@pytest.mark.parametrize("tier", ["stream", "rows"])
def test_no_file_is_left_behind(pxt, make_table, files, tier):
    import insert_functions as functions

    table = make_table(
        {"k": pxt.Int, "m": pxt.Image, "x": pxt.Document, "w": pxt.Binary, "g": pxt.Array[(600,), np.int64]}, primary_key=["k"]
    )
    table.add_computed_column(shade=functions.shade(table.k))
    view = pxt.create_view(f"{table._name()}_view", table, additional_columns={"dark": functions.shade(table.k)})
    try:
        common = {"x": b"text", "w": bytes(2000), "g": np.arange(600)}
        write(table._name(), [{"k": key, "m": png(key), **common} for key in range(3)], tier=tier)
        kept = files(table, view)
        assert len(kept) >= 3 * 4
        with pytest.raises(PxtFlightError, match="CONSTRAINT_VIOLATION"):
            write(table._name(), [{"k": key, "m": png(key), **common} for key in range(12, 1, -1)], tier=tier)
        assert files(table, view) == kept
        assert all(path.is_file() for path in kept)
        written = write(table._name(), [{"k": 20, "m": png(1), **common}], tier=tier)
        assert (written.version, len(files(table, view)) > len(kept)) == (table.get_metadata()["version"], True)
    finally:
        pxt.drop_table(f"{table._name()}_view")


@pytest.mark.parametrize("tier", ["stream", "plain stream", "rows"])
def test_a_column_that_cannot_be_computed(pxt, postgres, make_table, tier):
    import insert_functions as functions

    table = make_table({"k": pxt.Int})
    table.add_computed_column(c=functions.strict(table.k))
    before = state(postgres, table)
    with pytest.raises(PxtFlightError, match="ValueError: thirteen") as found:
        write(table._name(), [{"k": key} for key in range(20)], tier=tier)
    assert (found.value.code, found.value.where) == ("INVALID_ARGUMENT", {"table": table._name()})
    assert "/" not in str(found.value)
    assert state(postgres, table) == before
    written = write(table._name(), [{"k": key} for key in range(20)], tier=tier, ignore_cell_errors=True)
    assert (written.inserted, written.errors) == (20, 1)
    assert [row["e"] for row in table.where(table.k == 13).select(e=table.c.errormsg).collect()] == ["thirteen"]
    twin = make_table({"k": pxt.Int})
    twin.add_computed_column(c=functions.strict(twin.k))
    assert twin.insert([{"k": key} for key in range(20)], on_error="ignore").num_excs == written.errors
    assert collected(twin) == collected(table)


@pytest.mark.parametrize("tier", ["stream", "rows"])
def test_media_that_cannot_be_read(pxt, postgres, make_table, files, tier):
    table = make_table({"k": pxt.Int, "m": pxt.Image | None, "v": pxt.Video | None})
    before = state(postgres, table)
    for bad in ({"m": b"no picture"}, {"v": b"no video"}):
        with pytest.raises(PxtFlightError) as found:
            write(table._name(), [{"k": 1, "m": png(1)}, {"k": 2} | bad], tier=tier)
        assert found.value.code == "media_unreadable"
        assert not any(word in str(found.value) for word in ("/", "tmp", "file:"))
        assert (state(postgres, table), files(table)) == (before, set())
    written = write(table._name(), [{"k": 1, "m": png(1)}, {"k": 2, "m": b"no picture"}], tier=tier, ignore_cell_errors=True)
    assert (written.inserted, written.errors) == (2, 1)
    assert len(files(table)) == 1
    assert [row["m"] is None for row in table.order_by(table.k).select(m=table.m.localpath).collect()] == [False, True]


def test_what_is_left_of_a_killed_write_is_swept(pxt, make_table, files):
    """A kill leaves files of a version that was never made."""
    from pxt_flight.engine.seam import files as seam_files
    from pxt_flight.engine.seam import writes

    table = make_table({"k": pxt.Int, "m": pxt.Image})
    view = pxt.create_view(f"{table._name()}_view", table, additional_columns={"again": table.m.rotate(90)})
    try:
        write(table._name(), [{"k": key, "m": png(key)} for key in range(3)], tier="stream")
        kept = files(table, view)
        versions = {side.get_metadata()["id"].hex: side.get_metadata()["version"] for side in (table, view)}
        for path in kept:
            key, column, version, _ = path.name.split("_", 3)
            assert int(version) <= versions[key]
            path.with_name(f"{key}_{column}_{versions[key] + 1}_{UUID(int=1).hex}.png").write_bytes(b"left")
        assert {side.get_metadata()["id"].hex for side in seam_files.unswept()} >= versions.keys()
        left = files(table, view) - kept
        assert len(left) >= 2
        assert writes.in_write(table, lambda: seam_files.sweep(table), deadline=time.monotonic() + 30) == len(left)
        assert files(table, view) == kept
        assert not versions.keys() & {side.get_metadata()["id"].hex for side in seam_files.unswept()}
        assert len(table.select(table.m).collect()) == 3
    finally:
        pxt.drop_table(f"{table._name()}_view")


def test_a_start_sweeps(pxt, make_table, files):
    """What a server does as it starts; of a view alone, too."""
    from pxt_flight.engine.writer import _sweep_files

    table = make_table({"k": pxt.Int, "m": pxt.Image})
    view = pxt.create_view(f"{table._name()}_view", table, additional_columns={"again": table.m.rotate(90)})
    try:
        write(table._name(), [{"k": 1, "m": png(1)}], tier="stream")
        kept = files(table, view)
        assert len(kept) == 2
        for left in (view, table):
            version = left.get_metadata()["version"]
            (of_it,) = files(left)
            key, column, _ = of_it.name.split("_", 2)
            of_it.with_name(f"{key}_{column}_{version + 1}_{UUID(int=1).hex}").write_bytes(b"left")
            assert len(files(table, view)) == 3
            _sweep_files()
            assert files(table, view) == kept
    finally:
        pxt.drop_table(f"{table._name()}_view")


def test_no_rows_are_no_version(pxt, postgres, make_table):
    table = make_table({"k": pxt.Int}, [{"k": 1}])
    before = state(postgres, table)
    with uploaded([], pa.schema([("k", pa.int64())])) as upload:
        written = write_upload(table._name(), upload, tier="bulk")
    assert (written.inserted, written.version, written.first_row_id, written.tier) == (0, 1, None, None)
    assert state(postgres, table) == before
