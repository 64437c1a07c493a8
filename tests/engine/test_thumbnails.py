"""Thumbnails of every kind of media, through the engine and through the server, kept where the home is."""

import contextlib
import functools
import http.server
import io
import threading

import pyarrow as pa
import pytest
from clips import pdf, write_sound, write_video
from PIL import Image

from pxt_flight.errors import PxtFlightError

KINDS = ("img", "clip", "sound", "doc")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("media")
    Image.new("RGB", (400, 200), "navy").save(folder / "a.jpg")
    Image.new("RGBA", (100, 300), "teal").save(folder / "b.png")
    write_video(folder / "a.mp4", codec="libx264", size=(320, 240))
    write_video(folder / "b.webm", codec="libvpx", size=(160, 320))
    write_sound(folder / "a.wav")
    write_sound(folder / "b.mp3", codec="libmp3lame")
    (folder / "a.pdf").write_bytes(pdf(b"1 0 0 rg 0 0 100 50 re f"))
    (folder / "b.md").write_text("# No picture\n")
    return folder


@pytest.fixture(scope="module")
def table(pxt, folder):
    name = "thumbnails_of_all"
    schema = {"id": pxt.Int, "img": pxt.Image | None, "clip": pxt.Video | None, "sound": pxt.Audio | None, "doc": pxt.Document}
    rows = [
        {"id": 0, "img": "a.jpg", "clip": "a.mp4", "sound": "a.wav", "doc": "a.pdf"},
        {"id": 1, "img": "b.png", "clip": "b.webm", "sound": "b.mp3", "doc": "b.md"},
        {"id": 2, "img": None, "clip": None, "sound": None, "doc": "a.pdf"},
    ]
    table = pxt.create_table(name, schema)
    table.insert([{key: str(folder / value) if isinstance(value, str) else value for key, value in row.items()} for row in rows])
    yield name
    pxt.drop_table(name)


@pytest.fixture
def kept(new_engine, tmp_path):
    """An engine that keeps thumbnails, and the folder."""
    from pxt_flight.engine.thumbnails.cache import ThumbnailCache

    return new_engine(thumbnails=ThumbnailCache(tmp_path / "kept", 1 << 30)), tmp_path / "kept"


def read(engine, sql, tier, media="thumbnail:64"):
    from pxt_flight.engine.scan import Request

    with contextlib.closing(engine.stream(Request(sql, (), media), tier=tier)) as stream:
        return pa.Table.from_batches(list(stream.batches), stream.schema)


def sizes(column):
    return [value and Image.open(io.BytesIO(value)).size for value in column.to_pylist()]


def test_a_table_of_every_kind(engine, kept, table):
    statement = f"select img, clip, sound, doc from {table} order by id"
    keeping, folder = kept
    fast = read(engine, statement, "copy")
    assert {name: sizes(fast[name]) for name in KINDS} == {
        "img": [(64, 32), (21, 64), None],
        "clip": [(64, 48), (32, 64), None],
        "sound": [(64, 32), (64, 32), None],
        "doc": [(64, 32), None, (64, 32)],
    }
    assert read(engine, statement, "cursor").equals(fast)
    assert not folder.exists()
    for _ in range(2):
        assert read(keeping, statement, "copy").equals(fast)
        assert len([path for path in folder.rglob("*") if path.is_file()]) == 8
    assert read(keeping, statement, "cursor").equals(fast)


def test_there_may_be_nothing_to_look_at(engine, table):
    """So a document that is never NULL has a thumbnail that may be."""
    statement = f"select doc from {table} order by id"
    assert read(engine, statement, "copy").schema.field("doc").nullable
    assert not read(engine, statement, "copy", media="bytes").schema.field("doc").nullable


def test_kinds_may_be_mixed(engine, table):
    """In the result of a join no column says of which table it is, and in a UNION a column holds several kinds."""
    one = read(engine, f"select img, clip, sound, doc from {table} order by id", "copy")
    joined = read(engine, f"select a.sound, b.img, a.doc, b.clip from {table} a join {table} b using (id) order by a.id", "copy")
    assert joined.to_pydict() == one.select(["sound", "img", "doc", "clip"]).to_pydict()
    parts = " union all ".join(f"select id, {number} as n, {name} as cell from {table}" for number, name in enumerate(KINDS))
    mixed = read(engine, f"select cell from ({parts}) as x order by id, n", "copy")
    assert mixed["cell"].to_pylist() == [row[name] for row in one.to_pylist() for name in KINDS]


def test_the_server_keeps_them_in_the_home(db, server, store, table):
    def files():
        return {path: path.stat().st_mtime_ns for path in (store / "pxt_flight" / "thumbnails").rglob("*") if path.is_file()}

    statement = f"select img, clip, sound, doc from {table} order by id"
    before = files()
    first = db.sql(statement, media="thumbnail:61").to_arrow()
    made = files()
    assert len(made) == len(before) + 8
    assert {path.stat().st_mode & 0o777 for path in made} == {0o600}
    assert db.sql(statement, media="thumbnail:61").to_arrow().equals(first)
    assert files() == made


@pytest.fixture
def web(folder):
    """A web server on the folder, and the paths that it was asked for."""
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            super().do_GET()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


def test_what_is_on_the_web_is_fetched_once(kept, pxt, make_table, web):
    address, asked = web
    table = make_table({"img": pxt.Image | None, "doc": pxt.Document | None})
    table.insert([{"img": f"{address}/a.jpg", "doc": f"{address}/b.md"}, {"img": f"{address}/b.png", "doc": None}])
    statement, (keeping, _) = f"select img, doc from {table.get_metadata()['name']}", kept
    asked.clear()
    first = read(keeping, statement, "copy")
    assert sorted(sizes(first["img"])) == [(21, 64), (64, 32)]
    assert first["doc"].null_count == 2
    assert sorted(asked) == ["/a.jpg", "/b.md", "/b.png"]
    assert read(keeping, statement, "copy").equals(first)
    assert len(asked) == 3
    assert read(keeping, statement, "copy", media="bytes")["doc"].null_count == 1
    assert len(asked) == 6


def test_broken_ones_are_told_by_their_column(kept, pxt, make_table, tmp_path):
    path = write_video(tmp_path / "a.mp4")
    table = make_table({"clip": pxt.Video})
    table.insert([{"clip": str(path)}])
    statement, (keeping, _) = f"select clip from {table.get_metadata()['name']}", kept
    assert sizes(read(keeping, statement, "copy")["clip"]) == [(64, 48)]
    path.write_bytes(b"no film any more")
    for _ in range(2):
        with pytest.raises(PxtFlightError) as caught:
            read(keeping, statement, "copy")
        assert (caught.value.code, caught.value.where) == ("media_unreadable", {"column": "clip"})
        assert str(tmp_path) not in str(caught.value)
