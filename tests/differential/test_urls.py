"""The URL of a media cell leads to the file of that very cell, and to no other that its table or view does not show."""

import io
from contextlib import closing

import pytest
from PIL import Image

from pxt_flight.errors import PxtFlightError

NAME = "diff_urls"
COUNT = 6


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    paths = [folder / f"{i}.png" for i in range(COUNT)]
    for i, path in enumerate(paths):
        Image.new("RGB", (20 + i, 10), (i * 40, 100, 0)).save(path)
    return paths


@pytest.fixture(scope="module")
def table(pxt, pictures):
    pxt.create_dir(f"{NAME}_dir")
    table = pxt.create_table(f"{NAME}_dir.films", {"id": pxt.Int, "img": pxt.Image | None, "clip": pxt.Image | None})
    table.insert({"id": i, "img": str(pictures[i]) if i != 4 else None, "clip": str(pictures[0])} for i in range(COUNT))
    pxt.create_view(f"{NAME}_dir.view", table.where(table.id > 1))
    pxt.create_snapshot(f"{NAME}_dir.kept", table)
    table.update({"img": str(pictures[3])}, where=table.id == 2)
    yield table
    pxt.drop_dir(f"{NAME}_dir", force=True)


@pytest.fixture
def asked(engine, table):
    """Runs SQL with media=url and answers its rows and the columns that URLs were asked for."""
    from pxt_flight.engine.scan import Request

    def ask(sql, tier=None):
        columns = []

        def url_of(column):
            columns.append(column)
            return f"u{len(columns) - 1}/"

        return pulled(engine.stream(Request(sql, media="url"), tier=tier, url_of=url_of)), columns

    return ask


def pulled(stream):
    with closing(stream):
        return [tuple(row.values()) for batch in stream.batches for row in batch.to_pylist()]


def split(url, columns):
    column, cell = url.split("/")
    *row_id, version = map(int, cell.split("."))
    return columns[int(column[1:])], tuple(row_id), version


def opened(engine, url, columns):
    return engine.cell(*split(url, columns))


def test_a_url_leads_to_the_file_of_its_cell(asked, engine, pictures):
    rows, columns = asked(f"select id, img, clip from {NAME}_dir.films order by id")
    shown = [3 if i == 2 else i for i in range(COUNT)]
    for i, img, clip in rows:
        assert (img is None) is (i == 4)
        if img is not None:
            assert opened(engine, img, columns).reference.endswith(f"/{shown[i]}.png")
        cell = opened(engine, clip, columns)
        assert (cell.kind, cell.table) == ("Image", f"{NAME}_dir/films")
        assert cell.reference.endswith("/0.png")


@pytest.mark.parametrize(
    "sql",
    [
        "select a.id, coalesce(a.img, b.clip) from {t} a join {t} b on a.id = b.id order by 1",
        "select id, img from {t} where id < 3 union all select id, clip from {t} where id >= 3 order by 1",
        "select id, case when id % 2 = 0 then img else clip end from {t} order by 1",
    ],
)
def test_cells_of_several_columns(asked, engine, sql):
    sql = sql.format(t=f"{NAME}_dir.films")
    rows, columns = asked(sql)
    assert len(columns) == 2
    paths = [url and opened(engine, url, columns).reference for _, url in rows]
    from pxt_flight.engine.media import local_path
    from pxt_flight.engine.scan import Request

    stored = pulled(engine.stream(Request(sql, media="bytes")))
    assert [path and local_path(path).read_bytes() for path in paths] == [image for _, image in stored]


def test_a_view_shows_its_rows_only(asked, engine):
    of_table, columns = asked(f"select id, img from {NAME}_dir.films order by id")
    of_view, view_columns = asked(f"select id, img from {NAME}_dir.view order by id")
    assert [i for i, _ in of_view] == [2, 3, 4, 5]
    assert view_columns[0] != columns[0]
    _, row_id, version = split(of_table[1][1], columns)
    with pytest.raises(PxtFlightError) as refused:
        engine.cell(view_columns[0], row_id, version)
    assert refused.value.code == "media_not_found"
    assert opened(engine, of_view[0][1], view_columns).reference.endswith("/3.png")


def test_a_snapshot_shows_what_it_kept(asked, engine):
    rows, columns = asked(f"select id, img from {NAME}_dir.kept where id = 2")
    assert opened(engine, rows[0][1], columns).reference.endswith("/2.png")


def test_a_row_of_another_version_is_not_found(asked, engine, table, pictures):
    rows, columns = asked(f"select img from {NAME}_dir.films where id = 5")
    table.update({"img": str(pictures[1])}, where=table.id == 5)
    later, later_columns = asked(f"select img from {NAME}_dir.films where id = 5")
    # The old URL goes on to show what it showed; under the new grant there is no such row.
    assert opened(engine, rows[0][0], columns).reference.endswith("/5.png")
    assert opened(engine, later[0][0], later_columns).reference.endswith("/1.png")
    _, row_id, version = split(rows[0][0], columns)
    with pytest.raises(PxtFlightError):
        engine.cell(later_columns[0], row_id, version)
    _, row_id, version = split(later[0][0], later_columns)
    with pytest.raises(PxtFlightError):
        engine.cell(columns[0], row_id, version)


@pytest.mark.parametrize("change", [{"table_id": "0" * 32}, {"column_id": 0}, {"column_id": 99}, {"version": 10**9}])
def test_a_column_that_is_none(asked, engine, change):
    rows, columns = asked(f"select img from {NAME}_dir.films where id = 0")
    column, row_id, version = split(rows[0][0], columns)
    with pytest.raises(PxtFlightError) as refused:
        engine.cell(column._replace(**change), row_id, version)
    assert refused.value.code == "media_not_found"


@pytest.mark.parametrize("row_id", [(), (0, 0), (2**63,), (10**9,)])
def test_a_row_that_is_none(asked, engine, row_id):
    rows, columns = asked(f"select img from {NAME}_dir.films where id = 0")
    column, _, version = split(rows[0][0], columns)
    with pytest.raises(PxtFlightError) as refused:
        engine.cell(column, row_id, version)
    assert refused.value.code == "media_not_found"


def test_a_picture_that_is_computed_while_it_is_read(asked, engine, table, pxt):
    import pixeltable.functions as pxtf

    table.add_computed_column(small=pxtf.image.resize(table.clip, (8, 6)), stored=False)
    tiles = pxt.create_view(f"{NAME}_dir.tiles", table.where(table.id == 0), iterator=pxtf.image.tile_iterator(table.clip, (10, 10)))
    rows, columns = asked(f"select id, small from {NAME}_dir.films order by id")
    made = [opened(engine, url, columns) for _, url in rows]
    assert {Image.open(io.BytesIO(cell.content)).size for cell in made} == {(8, 6)}
    assert {(cell.kind, cell.table, cell.reference) for cell in made} == {("Image", f"{NAME}_dir/films", "")}
    rows, columns = asked(f"select tile, clip from {NAME}_dir.tiles")
    assert len(rows) == tiles.count() == 2
    for tile, clip in rows:
        assert Image.open(io.BytesIO(opened(engine, tile, columns).content)).size == (10, 10)
        assert opened(engine, clip, columns).reference.endswith("/0.png")
