"""Streams of the executor: their cells by URL, and how they end."""

import io
import threading
import time

import exec_pictures
import pytest
from events import eventually
from PIL import Image

from pxt_flight.errors import PxtFlightError

NAME = "diff_streams"


@pytest.fixture(scope="module")
def tables(pxt, tmp_path_factory, functions):
    """Pictures with a computed column, a view of them with one of its own, and the frames of a video."""
    folder = tmp_path_factory.mktemp("streams")
    pxt.create_dir(NAME, if_exists="ignore")
    films = pxt.create_table(f"{NAME}.films", {"id": pxt.Int, "img": pxt.Image | None, "clip": pxt.Video | None})
    clip = exec_pictures.video(folder)
    films.insert([{"id": i, "img": path, "clip": clip} for i, path in enumerate(exec_pictures.pictures(folder))])
    films.insert([{"id": 9, "img": None, "clip": None}])
    films.add_computed_column(small=films.img.resize((8, 4)), stored=False)
    view = pxt.create_view(f"{NAME}.view", films.where(films.id > 0))
    view.add_computed_column(tiny=view.small.resize((2, 2)), stored=False)
    films.update({"id": 5}, where=films.id == 3)
    frames = pxt.create_view(f"{NAME}.frames", films.where(films.id == 0), iterator=functions.video.frame_iterator(films.clip, fps=1))
    yield {"films": films, "view": view, "frames": frames}
    pxt.drop_dir(NAME, force=True)


@pytest.fixture(scope="module")
def many(pxt):
    """A column that takes a millisecond per row, of 20,000 rows."""
    from row_functions import slowly

    pxt.create_dir(NAME, if_exists="ignore")
    table = pxt.create_table(f"{NAME}.many", {"id": pxt.Int}, if_exists="replace")
    table.insert({"id": i} for i in range(20_000))
    table.add_computed_column(x=slowly(table.id), stored=False)
    return f"{NAME}.many"


def urls(engine, sql):
    """The rows of a statement, and the columns that URLs were made for."""
    from pxt_flight.engine.scan import Request

    columns = []

    def url_of(column):
        columns.append(column)
        return f"u{len(columns) - 1}/"

    stream = engine.stream(Request(sql, media="url"), tier="exec", url_of=url_of)
    return [row for batch in stream.batches for row in batch.to_pylist()], columns


def cell(url):
    """The row id and the version that a URL names."""
    *row_id, version = map(int, url.split("/")[1].split("."))
    return tuple(row_id), version


@pytest.mark.parametrize(
    ("name", "column", "order"), [("films", "small", "id"), ("view", "small", "id"), ("view", "tiny", "id"), ("frames", "frame", "pos")]
)
def test_a_url_leads_to_the_computed_picture(tables, engine, name, column, order):
    from pxt_flight.engine.seam import batches

    table = tables[name]
    rows, columns = urls(engine, f"select {column} from {NAME}.{name} order by {order}")
    assert [found.table_id for found in columns] == [table.get_metadata()["id"].hex]
    assert columns[0].version == table.get_metadata()["version"]
    expected = [row["c"] for row in table.order_by(table[order]).select(c=table[column]).collect()]
    assert len(rows) == len(expected) > 0
    for row, image in zip(rows, expected, strict=True):
        assert (row[column] is None) is (image is None)
        if image is not None:
            found = engine.run(lambda: batches.cell_value(table, column, *cell(row[column])))  # noqa: B023
            assert (found.mode, found.size, found.tobytes()) == (image.mode, image.size, image.tobytes())


def test_stored_cells_are_named_where_they_are_stored(tables, engine):
    """As a statement in Postgres names them: by the row of the table below, also in a view with other versions and row ids."""
    of_films, _ = urls(engine, f"select id, img, clip from {NAME}.films order by id")
    of_view, _ = urls(engine, f"select id, img, clip, tiny from {NAME}.view order by id")
    by_id = {row["id"]: row for row in of_films}
    assert len(of_view) == 4
    for row in of_view:
        assert [row["img"], row["clip"]] == [by_id[row["id"]]["img"], by_id[row["id"]]["clip"]]
    of_frames, _ = urls(engine, f"select clip, frame from {NAME}.frames")
    assert {cell(row["clip"]) for row in of_frames} == {cell(by_id[0]["clip"])}


@pytest.mark.parametrize(("row_id", "version"), [((0, 0), 99), ((77, 0), 0), ((0,), 0)])
def test_a_cell_that_is_none(tables, engine, row_id, version):
    from pxt_flight.engine.seam import batches

    assert engine.run(lambda: batches.cell_value(tables["frames"], "frame", row_id, version)) is None


def test_a_cell_that_is_stored(tables, engine):
    from pxt_flight.engine.seam import batches

    row_id, version = cell(urls(engine, f"select img from {NAME}.films where id = 0")[0][0]["img"])
    assert engine.run(lambda: batches.cell_value(tables["films"], "img", row_id, version)).endswith("/0.png")


# How streams end


@pytest.fixture
def open_transactions(postgres):
    """How many transactions hold a table of the tests open."""

    def ask():
        query = (
            "select count(distinct l.pid) from pg_locks l join pg_stat_activity a using (pid) where l.pid <> pg_backend_pid() "
            "and l.relation::regclass::text like 'tbl_%%' and a.xact_start is not null"
        )
        ((count,),) = postgres.execute(query).fetchall()
        return count

    return ask


def test_the_first_rows_come_soon(many, engine):
    from pxt_flight.engine.scan import Request

    list(engine.stream(Request(f"select x from {many} limit 1")).batches)  # the plan's own parts are loaded
    began = time.monotonic()
    stream = engine.stream(Request(f"select id, x from {many}"), tier="exec")
    first = next(stream.batches)
    took = time.monotonic() - began
    stream.close()
    assert first.num_rows < 2048
    assert took < 5  # all of it takes 20


def test_closing_in_the_middle_ends_the_transaction(many, engine, open_transactions):
    from pxt_flight.engine.scan import Request

    stream = engine.stream(Request(f"select id, x from {many}"), tier="exec")
    next(stream.batches)
    assert open_transactions()
    stream.close()
    eventually(lambda: not open_transactions())
    assert sum(batch.num_rows for batch in engine.stream(Request(f"select x from {many} limit 5")).batches) == 5


def test_a_value_at_fault_ends_the_transaction(pxt, engine, make_table, open_transactions):
    """Also while its error is still held by someone."""
    from row_functions import slowly

    from pxt_flight.engine.scan import Request

    table = make_table({"id": pxt.Int}, [{"id": 2**62}, {"id": 2**62}])
    table.add_computed_column(x=slowly(table.id) * 4, stored=False)
    with pytest.raises(PxtFlightError) as caught:
        list(engine.stream(Request(f"select x from {table.get_metadata()['name']}"), tier="exec").batches)
    assert caught.value.code == "INVALID_ARGUMENT"
    eventually(lambda: not open_transactions())


def test_cancelling_stops_a_statement_before_its_first_row(pxt, engine, make_table, postgres):
    from row_functions import length

    from pxt_flight.engine.scan import Request

    table = make_table({"id": pxt.Int, "s": pxt.String}, [{"id": i, "s": "x" * 4000} for i in range(4000)])
    table.add_computed_column(chars=length(table.s), stored=False)
    name = table.get_metadata()["name"]
    conditions = " or ".join(f"s like '%q{i}z%'" for i in range(50))
    stream = engine.stream(Request(f"select chars from {name} where {conditions}"), tier="exec")
    failed = []

    def read():
        try:
            list(stream.batches)
        except PxtFlightError as fault:
            failed.append(fault)

    reading = threading.Thread(target=read)
    reading.start()
    active = "select count(*) from pg_stat_activity where state = 'active' and query like 'FETCH%'"
    eventually(lambda: postgres.execute(active).fetchone()[0])
    stream.cancel()
    reading.join(20)
    assert failed
    eventually(lambda: not postgres.execute(active).fetchone()[0], 5)
    assert sum(batch.num_rows for batch in engine.stream(Request(f"select chars from {name} limit 5")).batches) == 5


def test_pictures_come_a_few_at_a_time(tables, engine):
    """Decoded pictures are large: few of them may be in memory, however many rows there are."""
    from pxt_flight.engine.scan import Request

    films = tables["films"]
    (path,) = (row["p"] for row in films.where(films.id == 0).select(p=films.img.localpath).collect())
    films.insert([{"id": 100 + i, "img": path, "clip": None} for i in range(60)])
    batches = list(engine.stream(Request(f"select small from {NAME}.films where id >= 100", media="bytes"), tier="exec").batches)
    assert sum(batch.num_rows for batch in batches) == 60
    assert max(batch.num_rows for batch in batches) <= 8
    assert Image.open(io.BytesIO(batches[0]["small"][0].as_py())).size == (8, 4)
